"""The bars and headlines of one simulated symbol, told as far as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from domain.candle import Candle, Headline, Timeframe
from venues.candle_series import CandleSeries
from venues.sim.news import LATEST, Newsroom
from venues.sim.path import START, Character, path

_MOST_BARS = 8_192
_KEPT_BARS = 4_096


class SimStory:
    """Keeps the newest few thousand bars. Who asks for older ones has the story told again from its start."""

    def __init__(self, character: Character, *, seed: int, timeframe: Timeframe) -> None:
        self._character = character
        self._seed = seed
        self._timeframe = timeframe
        self._begin()

    def _begin(self) -> None:
        self._path: Iterator[Candle] = path(self._character, seed=self._seed, timeframe=self._timeframe)
        self._newsroom = Newsroom(self._character.symbol, seed=self._seed)
        self._bars = CandleSeries()
        self._headlines: list[Headline] = []
        self._forgotten = 0

    def window(self, *, limit: int, until: datetime) -> Sequence[Candle]:
        """As `Market.candles` says."""
        end = self._closed_by(until)
        self._tell(start=max(0, end - limit), end=end)
        return self._bars.window(limit=limit, until=until)

    def headlines(self, *, since: datetime, until: datetime) -> Sequence[Headline]:
        """As `Market.headlines` says, in the order in which they were written."""
        self._tell(start=self._closed_by(since - LATEST), end=self._closed_by(until))
        return [headline for headline in self._headlines if since < headline.available_at <= until]

    def _closed_by(self, at: datetime) -> int:
        """How many bars have closed by then."""
        return max(0, (at - START) // self._timeframe.length)

    def _tell(self, *, start: int, end: int) -> None:
        """Have the bars from number `start` to `end`, the latter not included."""
        if start < self._forgotten:
            self._begin()
        while self._forgotten + len(self._bars) < end:
            bar = next(self._path)
            self._bars.append(bar)
            headline = self._newsroom.hear(bar)
            if headline is not None:
                self._headlines.append(headline)
            if len(self._bars) >= _MOST_BARS and start > self._forgotten:
                self._forget(min(len(self._bars) - _KEPT_BARS, start - self._forgotten))

    def _forget(self, count: int) -> None:
        self._bars.forget(count)
        self._forgotten += count
        cutoff = START + self._forgotten * self._timeframe.length
        self._headlines = [headline for headline in self._headlines if headline.available_at > cutoff]
