"""The parts of the facts that tell of the market and of what a decision rests on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from domain.value import NonNegative, Positive, Value


class Bars(Value):
    """The last closed bars of one symbol, summarised.

    `returns_ppm` are close-to-close changes in millionths, whole numbers so that sums are exact and
    small in an archive; the newest last, and aligned at the end between symbols of one timeframe.
    """

    last_close: Positive
    average_volume: NonNegative
    """Of a bar, in base currency."""
    returns_ppm: tuple[Annotated[int, Field(ge=-1_000_000, le=1_000_000_000)], ...]


class Support(Value):
    """One piece of evidence that a proposal cites: where it is from, and whether it is more than a text."""

    source: str
    trusted: bool
