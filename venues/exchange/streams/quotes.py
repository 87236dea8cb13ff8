"""The newest quote of each symbol, and whether it can be relied on now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.candle import Quote
from domain.clock import Clock


class Quotes:
    """A quote of a stream holds until the stream is lost; one that was asked for, for a while only."""

    def __init__(self, symbols: Sequence[str], *, wall: Clock, stale_after: timedelta) -> None:
        self._wall = wall
        self._stale_after = stale_after
        self._streamed: dict[str, Quote | None] = dict.fromkeys(symbols)
        self._polled: dict[str, tuple[Quote, datetime]] = {}
        self._untimed: set[str] = set()
        """Those whose newest quote of a stream has its time by our clock."""

    @property
    def lost(self) -> tuple[str, ...]:
        """The symbols that no stream tells at the moment."""
        return tuple(symbol for symbol, quote in self._streamed.items() if quote is None)

    def get(self, symbol: str) -> Quote | None:
        """Raises `KeyError` for another symbol."""
        if (streamed := self._streamed[symbol]) is not None:
            return streamed
        polled = self._polled.get(symbol)
        return polled[0] if polled and self._wall.now() - polled[1] <= self._stale_after else None

    def streamed(self, quote: Quote, *, timed: bool = True) -> bool:
        """Take what a stream told, unless it is older than what it told before; says whether it was taken.

        One that is not `timed` has the time by our clock, to which the exchange's own can't be compared.
        """
        before = self._streamed[quote.symbol]
        if before is not None and timed and quote.symbol not in self._untimed and quote.at < before.at:
            return False
        self._streamed[quote.symbol] = quote
        (self._untimed.discard if timed else self._untimed.add)(quote.symbol)
        return True

    def polled(self, quote: Quote) -> bool:
        """Take what REST gave, unless the stream is back meanwhile; says whether it was taken."""
        if self._streamed[quote.symbol] is not None:
            return False
        self._polled[quote.symbol] = (quote, self._wall.now())
        return True

    def lose(self, symbol: str) -> None:
        """From now on what the stream told is worth nothing. Nor is an answer that is older than the loss."""
        self._streamed[symbol] = None
        self._polled.pop(symbol, None)
