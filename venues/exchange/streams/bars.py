"""Closed bars as a stream tells them, each joined to the one before; what it missed is read by REST.

Bars of a stream are not numbered: a final one that didn't come is seen when the next bar begins without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from domain.candle import Candle, Timeframe, last_close
from domain.errors import VenueUnavailable
from venues.exchange.bars import Bars, BarWindow, read_rows
from venues.exchange.feed import KEPT_BARS, ExchangeFeed
from venues.exchange.streams.client import BarsTold


class StreamedBars:
    """The windows of some symbols in one timeframe. All of them are unread at first."""

    def __init__(self, symbols: Sequence[str], timeframe: Timeframe) -> None:
        self._timeframe = timeframe
        self._windows = {symbol: BarWindow(timeframe, most=KEPT_BARS) for symbol in symbols}
        self._begun: dict[str, datetime] = {}
        """When the newest bar that a stream told of opened."""
        self._joined: set[str] = set()

    def until(self, symbol: str, close: datetime) -> Bars | None:
        """The bars that closed by `close`, by when they opened; `None` where they are not all known."""
        window = self._windows[symbol]
        if window.known_until is None or window.known_until < close:
            return None
        return {bar.opened_at: bar for bar in window.window(limit=KEPT_BARS, until=close)}

    def take(self, symbol: str, update: BarsTold) -> Sequence[Candle]:
        """Take what a stream told; returns the bars that closed. Raises `VenueUnavailable` for bars that can't be."""
        window = self._windows[symbol]
        try:
            final = read_rows(update.final, timeframe=self._timeframe)
        except ValueError as error:
            raise VenueUnavailable(f"a stream told a candle of {symbol} that can't be: {error}") from error
        closed: list[Candle] = []
        for opened_at in sorted(final):
            if opened_at == window.known_until:
                window.merge({opened_at: final[opened_at]})
                window.known_until = final[opened_at].closed_at
                closed.append(final[opened_at])
        self._begun[symbol] = update.newest
        if window.known_until is not None and update.newest <= window.known_until:
            self._joined.add(symbol)
        return closed

    def lose(self, symbol: str) -> None:
        """Its stream is gone."""
        self._joined.discard(symbol)
        self._begun.pop(symbol, None)

    def unread(self, *, at: datetime) -> tuple[str, ...]:
        """The symbols that lack a bar which no stream will tell any more."""
        return tuple(symbol for symbol in self._windows if self._lacks(symbol) < self._close(symbol, at=at))

    async def read(self, symbol: str, feed: ExchangeFeed, *, at: datetime) -> Candle | None:
        """Read what is lacking; returns the newest bar. Raises `VenueUnavailable` when it isn't to be had yet."""
        window, close = self._windows[symbol], self._close(symbol, at=at)
        await feed.bring_up(window, symbol, close=close)
        begun = self._begun.get(symbol)
        if begun is not None and window.known_until is not None and begun <= window.known_until:
            self._joined.add(symbol)
        return next(iter(window.window(limit=1, until=close)), None)

    def _lacks(self, symbol: str) -> datetime:
        """The opening of the first bar that is not known."""
        return self._windows[symbol].known_until or datetime.min.replace(tzinfo=UTC)

    def _close(self, symbol: str, *, at: datetime) -> datetime:
        """By when bars should be known: a stream that is joined will tell those that close from here on."""
        begun = self._begun.get(symbol)
        if symbol in self._joined and begun is not None:
            return begun
        by_the_clock = last_close(at, self._timeframe)
        return by_the_clock if begun is None else max(begun, by_the_clock)
