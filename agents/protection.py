"""Protection: where a position's stop stands now, and the order that the venue holds for it, where it can."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from agents.desk import Desk
from domain.decision import Proposal
from domain.money import against, floor_to
from domain.order import Side
from domain.portfolio import Portfolio, Position
from memory.orders import OrderRecord
from tools.bars import MOST_BARS, CandlesParams, candles
from tools.quotes import QuoteReading

_WORTH_MOVING: Final = Decimal("0.1")
"""Of the distance between entry and stop: a held stop that trails by less stays where it is."""


def exit_side(position: Position) -> Side:
    return "sell" if position.quantity > 0 else "buy"


async def stop_of(position: Position, desk: Desk) -> Decimal | None:
    """Where the stop stands: as it was set, or, when it trails, as far from the best close since as it was from entry.

    It moves in the position's favour only. Closes since the position was opened are looked at, 500 at most.
    """
    stop, average = position.stop_price, position.average_price
    if stop is None or average is None or position.opened_at is None or not desk.settings.risk.trailing:
        return stop
    bars = min(MOST_BARS, (desk.as_of - position.opened_at) // desk.timeframe.length)
    if bars < 1:
        return stop
    seen = (await desk.tools.call(candles, CandlesParams(symbol=position.symbol, limit=bars))).value
    if seen is None or not seen.rows:
        return stop
    closes = [row.close for row in seen.rows if row.closed_at > position.opened_at]
    tick = desk.instruments[position.symbol].tick_size
    if position.quantity > 0:
        return max(stop, floor_to(max(closes, default=average) - (average - stop), tick))
    return min(stop, against(min(closes, default=average) + (stop - average), step=tick, side="buy"))


def held_stops(position: Position, desk: Desk) -> Sequence[OrderRecord]:
    """The stops that the venue holds for a position."""
    side = exit_side(position)
    return [
        order
        for order in desk.working
        if order.request.type == "stop" and (order.request.symbol, order.request.side) == (position.symbol, side)
    ]


def astray(working: Sequence[OrderRecord], portfolio: Portfolio) -> Sequence[OrderRecord]:
    """Held stops whose position is gone or has turned, as by a trade by hand: it is not theirs to sell."""
    sides = {symbol: exit_side(position) for symbol, position in portfolio.positions.items()}
    return [o for o in working if o.request.type == "stop" and sides.get(o.request.symbol) != o.request.side]


def guard(
    position: Position, stop: Decimal | None, seen: QuoteReading, desk: Desk
) -> tuple[Proposal | str, tuple[str, ...]]:
    """The stop order that a kept position lacks at the venue, or why it lacks none; and the held stops to take back.

    A held stop that fits stays. One of another size, or far enough from where the stop stands now, is replaced.
    """
    if position.symbol not in desk.venue_stops or stop is None:
        return "position kept", ()
    instrument, average = desk.instruments[position.symbol], position.average_price
    side = exit_side(position)
    held = held_stops(position, desk)
    others = sum(
        (o.remaining for o in desk.working if (o.request.symbol, o.request.side) == (position.symbol, side)), Decimal(0)
    ) - sum((o.remaining for o in held), Decimal(0))
    quantity = floor_to(abs(position.quantity) - others, instrument.lot_size)
    near = abs(average - stop) * _WORTH_MOVING if average is not None else Decimal(0)
    if len(held) == 1 and held[0].remaining == quantity and _near(held[0].request.trigger_price, stop, near):
        return "position kept, its stop held at the venue", ()
    taken_back = tuple(order.client_order_id for order in held)
    if quantity <= 0 or quantity * stop < instrument.min_notional:
        return "position kept, too small for a stop at the venue", taken_back
    proposal = Proposal(
        cycle=desk.cycle,
        as_of=desk.as_of,
        agent="risk",
        symbol=position.symbol,
        side=side,
        type="stop",
        quantity=quantity,
        trigger_price=stop,
        reduce_only=True,
        reference_price=seen.mid,
        rationale="stop held at the venue",
    )
    return proposal, taken_back


def _near(trigger: Decimal | None, stop: Decimal, near: Decimal) -> bool:
    return trigger is not None and abs(trigger - stop) <= near
