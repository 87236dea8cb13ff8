"""Closed trades out of fills: from flat to flat, the fees of both sides counted. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from domain.decision import Episode
from domain.money import ZERO
from domain.order import Fill
from domain.portfolio import Position

_GRAIN = Decimal("1e-12")


def closed_trades(before: Sequence[Fill], recorded: Sequence[Fill]) -> tuple[Episode, ...]:
    """The trades in one symbol that `recorded` closed, in order.

    `before` are the fills since the position was last flat; both in the order in which they were
    booked. A fill that flips closes one trade and opens the next, and its fee is shared by quantity.
    """
    closed: list[Episode] = []
    trade: Position | None = None
    notional = ZERO
    for number, fill in enumerate((*before, *recorded)):
        for part in _parts(trade.quantity if trade else ZERO, fill):
            if trade is None:
                trade, notional = Position(symbol=part.symbol), ZERO
            if trade.quantity * part.signed_quantity >= 0:
                notional += part.notional
            after = trade.after(part)
            if after.quantity:
                trade = after
                continue
            if number >= len(before):
                closed.append(_episode(trade, after, closing=part, notional=notional))
            trade = None
    return tuple(closed)


def _parts(held: Decimal, fill: Fill) -> Iterator[Fill]:
    """`fill` as it is, or cut in two where it goes through zero."""
    if held * fill.signed_quantity >= 0 or fill.quantity <= abs(held):
        yield fill
        return
    closing = abs(held)
    fee = (fill.fee * closing / fill.quantity).quantize(_GRAIN)
    yield fill.model_copy(update={"quantity": closing, "fee": fee})
    yield fill.model_copy(update={"quantity": fill.quantity - closing, "fee": fill.fee - fee})


def _episode(trade: Position, after: Position, *, closing: Fill, notional: Decimal) -> Episode:
    return Episode(
        symbol=trade.symbol,
        direction="long" if trade.quantity > 0 else "short",
        opened_at=trade.opened_at or closing.at,
        closed_at=closing.at,
        notional=notional,
        profit=after.realized - after.fees,
        fees=after.fees,
    )
