"""Duties: what the trading state, and losses that come near their limits, ask of a cycle."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Final, get_args

from agents.duty import Duty
from domain.digest import plain
from domain.effects import Effects
from domain.errors import Refused
from domain.instrument import Instrument
from domain.money import floor_to
from domain.order import OrderState
from domain.portfolio import Portfolio
from domain.sizing import too_small
from graphs.session.ending import CLOSING
from graphs.session.trading_day import day_start, week_start
from graphs.trading.cycle import CONTROL, Cycle
from memory.operators.audit_log import HOUSE
from memory.operators.controls import Control
from policy.escalation import Escalation, Step, escalation, size_factor

_STEPS: Final[tuple[Step, ...]] = get_args(Step)
"""From the mildest to the strictest."""
_BARS_OF_DOUBT: Final = 3
"""So long an order that is flattened may be in doubt before nobody waits for it: most answers come by the next bar."""


async def take_on(cycle: Cycle, control: Control, effects: Effects) -> None:
    """Set the cycle's duty, and halt the account where its losses have reached what the policy allows.

    A step is taken when it is first reached, and not again in every cycle that the account stays there. What
    is done to the account is an effect: played back, it is not done again, and people may have undone it.
    """
    session = cycle.session
    portfolio = cycle.portfolio
    near, factor = Escalation(), Decimal(1)
    if portfolio is not None and portfolio.priced:
        policy = session.settings.policy
        marks = await session.ledger.equity_marks(
            cycle.as_of,
            day_start=day_start(cycle.as_of, policy.day),
            week_start=week_start(cycle.as_of, policy.day),
        )
        near = escalation(policy, marks, portfolio.equity)
        factor = size_factor(policy, marks, portfolio.equity)
    reached = _STEPS.index(near.step) > _STEPS.index(session.step)
    cycle.step = near.step
    stands = control.state == "halted" or (control.flatten and control != CLOSING)
    if reached and near.step == "flatten" and not stands:
        control = await effects.once(
            "control:flatten", None, returns=CONTROL, perform=lambda: _flatten(cycle, _used(near))
        )
    if control.flatten and portfolio is not None and (stuck := _stuck(cycle, portfolio)) is not None:
        control = await effects.once(
            "control:flattened", None, returns=CONTROL, perform=lambda: _flattened(cycle, ", ".join(stuck))
        )
        cycle.flat = True
    cycle.control = control
    cycle.duty = Duty(
        entries=control.state == "active",
        sends=control.state != "halted",
        flatten=control.flatten,
        halve=reached and near.step == "halve",
        size_factor=factor,
        reason=_reason(control, near, factor),
    )


def _reason(control: Control, near: Escalation, factor: Decimal) -> str:
    """Why it is not an ordinary cycle; empty where it is one."""
    if control.state != "active":
        return control.reason
    return _used(near) if near.step != "none" or factor < 1 else ""


def _used(near: Escalation) -> str:
    return f"{plain(near.used * 100)} % of the limit of {near.code} is used up" if near.code else ""


async def _flatten(cycle: Cycle, reason: str) -> Control:
    """What is then in force: with a brake or another's halt, that may be stricter."""
    session = cycle.session
    account = session.header.run_id
    with suppress(Refused):  # a person was quicker, and stricter
        await session.controls.halt(scope=account, level="flatten", by=HOUSE, reason=reason, at=session.wall.now())
    return session.in_force(await session.controls.state(account))


def _stuck(cycle: Cycle, portfolio: Portfolio) -> list[str] | None:
    """What can't be left however often it is tried, in words; `None` while there is something to try or to await."""
    patience = cycle.session.timeframe.length * _BARS_OF_DOUBT
    for order in cycle.working:
        if order.request.symbol in cycle.suspended:  # nobody tells what became of it
            continue
        if order.state is not OrderState.UNKNOWN or cycle.as_of - order.updated_at < patience:
            return None
    for symbol, position in portfolio.positions.items():
        side = "sell" if position.quantity > 0 else "buy"
        leaving = (o.remaining for o in cycle.working if (o.request.symbol, o.request.side) == (symbol, side))
        remaining = abs(position.quantity) - sum(leaving, Decimal(0))
        if symbol not in cycle.suspended and _tradable(
            remaining, portfolio.marks.get(symbol), cycle.session.settings.instruments.get(symbol)
        ):
            return None
    positions = [f"{plain(p.quantity)} of {symbol}" for symbol, p in sorted(portfolio.positions.items())]
    return positions + [f"{order.client_order_id} in doubt" for order in cycle.working]


def _tradable(remaining: Decimal, mark: Decimal | None, instrument: Instrument | None) -> bool:
    """Whether an exit of so much can be sent, now or once there is a price to judge it by."""
    if instrument is None:
        return remaining > 0
    return not too_small(floor_to(remaining, instrument.lot_size), instrument, type="market", price=mark, reduces=True)


async def _flattened(cycle: Cycle, but: str) -> Control:
    session = cycle.session
    await session.controls.flattened(scope=session.header.run_id, at=session.wall.now(), but=but)
    return session.in_force(await session.controls.state(session.header.run_id))
