"""Exits and stops by what one order may be for: in which quantities they go out, and why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from agents.desk import Desk
from domain.decision import Proposal
from domain.money import ZERO, floor_to
from domain.portfolio import Position
from domain.sizing import NO_CAPS, divided, too_small
from tools.quotes import QuoteReading


def in_parts(proposals: Sequence[Proposal], desk: Desk) -> list[Proposal]:
    """`proposals`, with each exit and each stop that is larger than one order may be in several orders.

    What is too large for as many orders as go out in one cycle goes on in the next. Each part replaces the held stops
    that the whole replaces: what one of them sold meanwhile is not sold again by any part.
    """
    result: list[Proposal] = []
    for whole in proposals:
        price = max(whole.reference_price or ZERO, whole.trigger_price or ZERO)
        instrument, caps = desk.instruments[whole.symbol], desk.caps.get(whole.symbol, NO_CAPS)
        parts: tuple[Decimal, ...] = ()
        if whole.reduce_only and price:
            parts = divided(whole.quantity, instrument, type=whole.type, price=price, caps=caps)
        result += [whole.model_copy(update={"quantity": part}) for part in parts or [whole.quantity]]
    return result


def stop_parts(quantity: Decimal, stop: Decimal, symbol: str, desk: Desk, *, mid: Decimal) -> Sequence[Decimal] | str:
    """In which quantities the venue holds a stop for `quantity`, mostly one; or why it holds none."""
    instrument, caps = desk.instruments[symbol], desk.caps.get(symbol, NO_CAPS)
    if why := too_small(quantity, instrument, type="stop", price=stop, reduces=True):
        return why
    parts = divided(quantity, instrument, type="stop", price=max(stop, mid), caps=caps)
    return parts or (quantity,)


def stuck(position: Position, reading: QuoteReading, desk: Desk) -> str:
    """The end of a sentence about a position that could not be exited now; empty for all others."""
    instrument = desk.instruments[position.symbol]
    quantity = floor_to(abs(position.quantity), instrument.lot_size)
    why = too_small(quantity, instrument, type="market", price=reading.mid, reduces=True)
    return f"; it is too small to exit: {why}" if why else ""
