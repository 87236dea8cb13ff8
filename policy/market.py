"""The parts of the facts that tell of the market and of what a decision rests on."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from domain.money import ZERO
from domain.order import Side
from domain.value import NonNegative, Positive, Share, Value, unset


class Bars(Value):
    """The last closed bars of one symbol, summarised.

    `returns_ppm` are close-to-close changes in millionths, whole numbers so that sums are exact and
    small in an archive; the newest last, and aligned at the end between symbols of one timeframe.
    """

    last_close: Positive
    average_volume: NonNegative
    """Of a bar, in base currency."""
    previous_close: Positive | None = Field(default=None, exclude_if=unset)
    """Of the bar before the last: where the quote is made of the last close, only this tells of a jump."""
    returns_ppm: tuple[Annotated[int, Field(ge=-1_000_000, le=1_000_000_000)], ...]


class Support(Value):
    """One piece of evidence that a proposal cites: its origin, and whether it is more than a text."""

    source: str
    trusted: bool


class VenueSignal(Value):
    """What a detector says of one symbol by venue data alone: no text had any part in it."""

    detector: str
    side: Side
    strength: Share


def strength_for(side: Side, signals: Sequence[VenueSignal]) -> Decimal:
    """What venue data says for trading on `side`: the strengths of that side, and below zero where the other's weigh
    more."""
    return sum((each.strength if each.side == side else -each.strength for each in signals), ZERO)
