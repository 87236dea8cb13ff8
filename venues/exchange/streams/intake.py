"""What streams and REST tell about some symbols, put together: the newest quotes and bars, and what changed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from domain.candle import Candle, Timeframe
from domain.clock import Clock
from venues.exchange.client import Row
from venues.exchange.feed import quote_of
from venues.exchange.instruments import contract_size
from venues.exchange.streams.bars import StreamedBars
from venues.exchange.streams.changes import Change, ChangeKind, Changes
from venues.exchange.streams.client import BarsTold
from venues.exchange.streams.price_watch import PriceWatch
from venues.exchange.streams.quotes import Quotes


class Intake:
    """Takes in what comes, and says what changed by it. Raises `VenueUnavailable` for what can't be."""

    def __init__(self, symbols: Sequence[str], timeframe: Timeframe, *, wall: Clock, stale_after: timedelta) -> None:
        self.quotes = Quotes(symbols, wall=wall, stale_after=stale_after)
        self.bars = StreamedBars(symbols, timeframe)
        self.prices = PriceWatch()
        self.changes = Changes()
        self.markets: Mapping[str, Row] = {}
        self.idle: frozenset[str] = frozenset()
        """Symbols that do not trade: nobody tells anything of them."""
        self.lacking = asyncio.Event()
        """Set when something was lost that REST should fill in."""
        self._wall = wall

    @property
    def lost(self) -> tuple[str, ...]:
        """The symbols that trade, and whose quotes no stream tells at the moment."""
        return tuple(symbol for symbol in self.quotes.lost if symbol not in self.idle)

    def unread(self, *, at: datetime) -> tuple[str, ...]:
        """The symbols that trade, and lack a bar which no stream will tell any more."""
        return tuple(symbol for symbol in self.bars.unread(at=at) if symbol not in self.idle)

    def take_book(self, symbol: str, book: Row) -> None:
        """By a stream."""
        quote = quote_of(book, symbol, unit=contract_size(self.markets[symbol]), asked_at=self._wall.now())
        if self.quotes.streamed(quote, timed=book.get("timestamp") is not None):
            self._crossed(symbol, self.prices.crossed_by(quote))

    def book_read(self, symbol: str, book: Row) -> None:
        """By REST."""
        quote = quote_of(book, symbol, unit=contract_size(self.markets[symbol]), asked_at=self._wall.now())
        if self.quotes.polled(quote):
            self._crossed(symbol, self.prices.crossed_by(quote))

    def take_bars(self, symbol: str, update: BarsTold) -> None:
        for bar in self.bars.take(symbol, update):
            self.bar_closed(symbol, bar)
        if symbol in self.bars.unread(at=update.newest):
            self.lacking.set()

    def bar_closed(self, symbol: str, bar: Candle) -> None:
        self._put("bar", symbol, f"the bar that closed at {bar.closed_at:%H:%M}")

    def take_orders(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._put("order", str(row.get("symbol") or ""), str(row.get("clientOrderId") or row.get("id") or ""))

    def doubt(self, why: str) -> None:
        """Own orders may have changed, and nobody would have told."""
        self._put("doubt", "", why)

    def lose_book(self, symbol: str) -> None:
        self.quotes.lose(symbol)
        self.lacking.set()

    def lose(self, symbols: Sequence[str]) -> None:
        """Their stream is down."""
        for symbol in symbols:
            self.bars.lose(symbol)
            self.lose_book(symbol)

    def _crossed(self, symbol: str, words: Sequence[str]) -> None:
        if words:
            self._put("price", symbol, ", ".join(words))

    def _put(self, kind: ChangeKind, symbol: str, detail: str) -> None:
        self.changes.put(Change(kind=kind, symbol=symbol, at=self._wall.now(), detail=detail))
