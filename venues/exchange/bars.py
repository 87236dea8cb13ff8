"""Closed bars out of an exchange's rows, and the newest ones of a symbol within bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from domain.candle import Candle, Timeframe
from venues.candle_series import CandleSeries
from venues.exchange.numbers import exact
from venues.files.checks import wrong_prices, wrong_text, wrong_time

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CELLS = 6

Bars = Mapping[datetime, Candle]
"""By when they opened."""


def read_rows(rows: Iterable[Sequence[object]], *, timeframe: Timeframe) -> Bars:
    """The bars in `rows`, in whatever order they are, closed or not.

    Raises `ValueError` naming what is wrong with a row: with one of them wrong, none can be trusted.
    """
    return merged({}, (_bar(row, timeframe=timeframe) for row in rows))


def merged(known: Bars, more: Iterable[Candle]) -> Bars:
    """Both together. Of two tellings of one bar the one of more volume is kept: it holds more trades."""
    together = dict(known)
    for bar in more:
        other = together.get(bar.opened_at)
        together[bar.opened_at] = bar if other is None else max(bar, other, key=_fullness)
    return together


def _fullness(bar: Candle) -> tuple[Decimal, ...]:
    """Volume, and prices after it: so that which of two is kept does not depend on which came first."""
    return (bar.volume, bar.high - bar.low, bar.high, bar.close, bar.open)


def _bar(row: Sequence[object], *, timeframe: Timeframe) -> Candle:
    cells = [str(cell) for cell in row[:_CELLS]]
    if wrong := wrong_text(cells):
        raise ValueError(wrong)
    opened, high, low, close, volume = (exact(cell) for cell in cells[1:])
    opened_ms = int(cells[0])
    if wrong := wrong_time(opened_ms, previous_ms=None, timeframe=timeframe) or wrong_prices(
        opened, high=high, low=low, close=close
    ):
        raise ValueError(wrong)
    opened_at = _EPOCH + timedelta(milliseconds=opened_ms)
    return Candle(opened_at, opened_at + timeframe.length, opened, high, low, close, volume)


@dataclass(frozen=True, slots=True)
class Gap:
    """Bars missing: the first opened at `start`, and the one at `end` is there again."""

    start: datetime
    end: datetime


class BarWindow:
    """The newest closed bars of one symbol, at most `most`.

    `asked_from` is when the earliest bar opened that was ever asked for and is not forgotten: between it and
    `known_until` what is not here does not exist.
    """

    def __init__(self, timeframe: Timeframe, *, most: int) -> None:
        self._length = timeframe.length
        self._most = most
        self._bars: dict[datetime, Candle] = {}
        self._series = CandleSeries()
        self.asked_from: datetime | None = None
        self.known_until: datetime | None = None

    def __len__(self) -> int:
        return len(self._bars)

    @property
    def newest(self) -> datetime | None:
        """When the newest bar opened."""
        return next(reversed(self._bars), None)

    def merge(self, bars: Bars) -> None:
        """Take in more bars, and forget the oldest when they become too many."""
        together = merged(self._bars, bars.values())
        retained = sorted(together)[-self._most :]
        if len(retained) < len(together) and (self.asked_from is None or self.asked_from < retained[0]):
            self.asked_from = retained[0]
        self._bars = {opened_at: together[opened_at] for opened_at in retained}
        self._series = CandleSeries(tuple(self._bars.values()))

    def forget(self) -> None:
        """Begin anew, with nothing."""
        self._bars, self._series, self.asked_from = {}, CandleSeries(), None

    def window(self, *, limit: int, until: datetime) -> Sequence[Candle]:
        return self._series.window(limit=limit, until=until)

    def gaps(self, *, since: datetime) -> Sequence[Gap]:
        """Where bars are missing between two that are here, from the one opened at `since` on."""
        opened = [at for at in self._bars if at >= since]
        return [
            Gap(before + self._length, after) for before, after in pairwise(opened) if after - before > self._length
        ]
