"""Closed candles, quotes, funding rates and headlines: what a market shows, each with the time it could be known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

from domain.errors import UsageError
from domain.text import visible
from domain.value import Instant, NonNegative, Positive, Symbol, Value

_TIMEFRAME = re.compile("[1-9][0-9]{0,3}[mhdw]")
_LONGEST = timedelta(weeks=4)
_UNITS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


Session = Literal["open", "extended", "closed", "maintenance"]
"""Of a market: its regular hours, those before and after them, neither, or not now."""


@dataclass(frozen=True, slots=True)
class Timeframe:
    """The length of a bar: `1m`, `5m`, `1h`, `1d`."""

    text: str

    def __post_init__(self) -> None:
        if not _TIMEFRAME.fullmatch(self.text):
            raise UsageError(
                f"timeframe {visible(self.text, limit=20)!r} is not a number with m, h, d or w", remedy="Write 5m or 1h"
            )
        if self.length > _LONGEST:
            raise UsageError(f"timeframe {self.text!r} is longer than 4w", remedy="Write 5m, 1h, 1d or 1w")

    @property
    def length(self) -> timedelta:
        return timedelta(seconds=int(self.text[:-1]) * _UNITS[self.text[-1]])

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar. `opened_at` is its first moment; it is known from `closed_at` on, never before.

    Prices in quote currency, volume in base currency.
    """

    opened_at: datetime
    closed_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True)
class FundingRate:
    """What a perpetual pays at one moment: a long this part of its notional to a short; negative, the other way."""

    at: datetime
    rate: Decimal


class Quote(Value):
    """Best bid and ask with the venue's own time. Sizes in base currency, where the market shows them."""

    symbol: Symbol
    bid: Positive
    ask: Positive
    bid_size: NonNegative | None = None
    ask_size: NonNegative | None = None
    at: Instant

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2


class Headline(Value):
    """A line of news. Untrusted text: it may move a stance and nothing else."""

    id: str
    title: str
    source: str
    symbols: tuple[Symbol, ...] = ()
    available_at: Instant
    trust: Literal["untrusted"] = "untrusted"


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_WEEK = timedelta(weeks=1)


def last_close(at: datetime, timeframe: Timeframe) -> datetime:
    """The newest moment, `at` included, at which a bar of this timeframe closes and the next one opens."""
    length = timeframe.length
    origin = EPOCH if length % _WEEK else _MONDAY
    return origin + (at - origin) // length * length
