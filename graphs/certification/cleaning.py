"""What a certification leaves: cancelled and sold, also that of one which was killed; and where that fails, named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from domain.digest import plain
from domain.errors import AgentctlError, LeaseLost
from domain.money import ZERO
from domain.order import OrderState
from graphs.certification.holding import held_before
from graphs.certification.steps import Steps, in_words, report_line
from graphs.certification.table import Row, Table
from graphs.certification.trial import StepFailed, Trial
from graphs.session.session import Session
from memory.ledger.orders import OrderRecord

_PAUSES_S: Final = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Before each look: longer than an exchange is left alone for after failures, and than an order may be in doubt."""


class Cleaning:
    """Cancels every order of the certification that may trade, and sells what it bought."""

    def __init__(self, trial: Trial, table: Table, *, steps: Steps) -> None:
        self._trial = trial
        self._table = table
        self._steps = steps

    async def run(self) -> bool:
        """Whether nothing is left. Without anything to clean up there is no row of it."""
        if not await self._dirty():
            return True
        return await self._table.run("clean up", self._clean)

    async def _clean(self, row: Row) -> None:
        why = ""
        for n, pause_s in enumerate(_PAUSES_S):
            await self._trial.session.plumbing.sleep(pause_s)
            try:
                why = await self._once(row, n)
            except LeaseLost:
                await self._regain()
            except AgentctlError as error:
                why = error.message
            if not await self._dirty():
                row.answered += "nothing is left" if not row.answered else "; nothing is left"
                return
        raise StepFailed(why or "it is not known what is left")

    async def _once(self, row: Row, n: int) -> str:
        """One look, in which everything is tried that can be; why something is left after it."""
        why = ""
        async with self._trial.cycle() as cycle:
            for order in await out(self._trial.session):
                _add(row, f"cancel {order.client_order_id}")
                report = await self._trial.cancel(cycle, order, node=f"clean:{order.client_order_id}")
                if not report.state.terminal:
                    why = f"{order.client_order_id} is {report_line(report)}"
            proposal = self._steps.exit_of(cycle)
            if proposal is not None:
                _add(row, in_words(proposal.order()))
                report = await self._trial.send(cycle, proposal, node=f"clean:{n}")
                if report.state is not OrderState.FILLED:
                    why = f"the sale is {report_line(report)}"
        return why

    async def _regain(self) -> None:
        """Raises `LeaseLost` where somebody else has the account since: then it is theirs to look after."""
        lease = self._trial.session.database.lease
        if lease is not None:
            await lease.regain()

    async def _dirty(self) -> bool:
        """Whether something may trade, or something is held that can be sold."""
        session = self._trial.session
        portfolio = await session.ledger.portfolio(marks={}, as_of=session.clock.now())
        return bool(await out(session)) or any(
            position.quantity >= session.settings.instruments[symbol].lot_size
            for symbol, position in portfolio.positions.items()
        )


def _add(row: Row, text: str) -> None:
    row.sent = f"{row.sent}; {text}" if row.sent else text


async def out(session: Session) -> Sequence[OrderRecord]:
    """Orders that were sent and may still trade."""
    return [order for order in await session.ledger.orders(working_only=True) if order.submitted_at is not None]


async def left_by(session: Session) -> tuple[str, ...]:
    """What the ledger says is left at the exchange, one line each; empty where nothing is."""
    exchange = session.header.exchange
    portfolio = await session.ledger.portfolio(marks={}, as_of=session.clock.now())
    lines = [
        f"order {order.client_order_id} ({order.venue_order_id or 'not confirmed'}) may be open at {exchange}: "
        f"{in_words(order.request)}, {order.state.value}"
        for order in await out(session)
    ]
    for symbol, position in sorted(portfolio.positions.items()):
        if position.quantity >= session.settings.instruments[symbol].lot_size:
            lines.append(f"{plain(position.quantity)} {symbol} was bought at {exchange} and is not sold")
    if lines:
        lines.append(
            f"agentctl doctor --exchange {exchange} --certify cleans up before it begins; or cancel and sell by hand "
            f"at {exchange}"
        )
    return tuple(lines)


async def stays_of(session: Session) -> str:
    """What was bought on spot and is too little to be sold, in words; empty where nothing is."""
    (symbol,) = session.header.symbols
    instrument = session.settings.instruments[symbol]
    if instrument.kind != "spot":
        return ""
    beside = (await session.ledger.holdings()).get(instrument.base, ZERO) - held_before(session.header, instrument)
    quantity = (await session.ledger.portfolio(marks={}, as_of=session.clock.now())).quantity(symbol)
    rest = beside + (quantity if quantity < instrument.lot_size else ZERO)
    return f"{plain(rest)} {instrument.base}" if rest > ZERO else ""
