"""One look at an exchange: what all symbols show at a moment, and how far its clock is ahead of ours then.

Where streams tell, a look takes what they know and asks for the rest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from domain.candle import Candle, Quote, Timeframe
from domain.clock import Clock, Sleep
from domain.errors import VenueUnavailable, worth_asking_again
from domain.instrument import Instrument
from venues.exchange.bars import Bars, BarWindow, Gap
from venues.exchange.client import ExchangeClient, Row
from venues.exchange.feed import KEPT_BARS, ExchangeFeed, quote_of
from venues.exchange.instruments import carried, contract_size, instrument_of

T = TypeVar("T")

_RETRY_AFTER_S = (1.0, 2.0)
_AHEAD = timedelta(seconds=1)
"""How far a quote may be ahead of our clock and still set the moment; further, the clocks disagree."""
_SLOW = timedelta(seconds=2)
"""A clock read over a longer way tells nothing of a second."""
PATIENCE_S: Final = 1.5
"""For the next answer, once a symbol has been read: one that hangs must not hold up exits in the others. It counts
from the last answer of all, for an exchange is asked no faster than it allows, and a long list takes its time."""
_FRESH = timedelta(seconds=2)
"""How old a stream's quote may be: an order book that is asked for is as new as the answer."""
_MOST_NOTES = 20
_LISTED_AGAIN = timedelta(hours=1)
"""How often it is read again what is listed: what is suspended meanwhile shows there, and often nowhere else."""
_LISTED_SOON = timedelta(minutes=10)
"""The same while a symbol is suspended."""
_LISTED_NOW = timedelta(minutes=1)
"""The same when a symbol did not answer, while others did."""


QuoteOrFailure: TypeAlias = tuple[Quote | None, VenueUnavailable | None]
"""A symbol's quote, or why there is none."""


class StreamView(Protocol):
    """What streams tell of every symbol that is looked at."""

    def quote(self, symbol: str) -> Quote | None:
        """Bid and ask as they are now; `None` while that isn't known."""
        ...

    def bars(self, symbol: str, *, close: datetime) -> Bars | None:
        """The newest bars that closed by `close`, by when they opened; `None` where they are not all known yet."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen, at the moment from which on all of it is known."""

    moment: datetime
    quotes: Mapping[str, Quote]
    """Of the symbols that answered."""
    ahead: timedelta | None
    """The exchange's clock less ours; `None` when it was not measured."""


class Observer:
    """Reads an exchange and keeps what it has read: its markets, the windows of bars, how the clocks stand.

    To be used while its client is entered, by one task at a time.
    """

    def __init__(
        self,
        client: ExchangeClient,
        *,
        symbols: Sequence[str],
        timeframe: Timeframe,
        wall: Clock,
        sleep: Sleep,
        stream: StreamView | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._client = client
        self._patience_s = patience_s
        self._stream = stream
        self._symbols = symbols
        self._timeframe = timeframe
        self._wall = wall
        self._sleep = sleep
        self._feed = ExchangeFeed(client, timeframe)
        self._listed: Mapping[str, Row] = {}
        self._recorded: Mapping[str, Instrument] = {}
        self._listed_at: datetime | None = None
        self.suspended: Mapping[str, str] = {}
        """By symbol, why it is not traded now. Only of those that were traded once."""
        self.instruments: Mapping[str, Instrument] = {}
        self.windows = {symbol: BarWindow(timeframe, most=KEPT_BARS) for symbol in symbols}
        self.notes: deque[str] = deque(maxlen=_MOST_NOTES)
        self.ahead = timedelta(0)
        """The exchange's clock less ours, as last measured."""
        self._measured = False

    async def load(self) -> None:
        """Read the markets, once. Raises `VenueUnavailable`, `SymbolUnknown` and `UsageError`."""
        if self.instruments:
            return
        self._take(await self._client.markets())
        instruments: dict[str, Instrument] = {symbol: self._recorded[symbol] for symbol in self.suspended}
        for symbol in self._listed.keys() - instruments.keys():
            price = (await self._quote(symbol)).bid if self._client.precision == "digits" else None
            instruments[symbol] = instrument_of(
                self._listed[symbol],
                symbol,
                exchange=self._client.exchange,
                precision=self._client.precision,
                price=price,
            )
        self.instruments = MappingProxyType({symbol: instruments[symbol] for symbol in self._symbols})

    def expect(self, instruments: Mapping[str, Instrument]) -> None:
        """See `Suspends.expect`."""
        self._recorded = {**instruments}

    def _take(self, markets: Mapping[str, Row]) -> Sequence[str]:
        """Keep what is listed; returns what has changed since it was read before, in words."""
        before = self.suspended
        self._listed, self.suspended = carried(
            markets,
            self._symbols,
            exchange=self._client.exchange,
            recorded={**self._recorded, **self.instruments},
        )
        self._listed_at = self._wall.now()
        gone = [
            f"{why}: it is neither entered nor exited" for symbol, why in self.suspended.items() if symbol not in before
        ]
        back = [
            f"{symbol} is trading on {self._client.exchange} again" for symbol in before if symbol not in self.suspended
        ]
        self.notes.extend((*gone, *back))
        return (*gone, *back)

    async def _take_again(self, *, failed: bool, tell: Callable[[str], None]) -> None:
        """Read what is listed again, when it is time to."""
        every = _LISTED_SOON if self.suspended else _LISTED_NOW if failed else _LISTED_AGAIN
        if self._listed_at is None or self._wall.now() - self._listed_at < every:
            return
        self._listed_at = self._wall.now()
        try:
            for note in self._take(await self._client.markets(again=True)):
                tell(note)
        except VenueUnavailable as error:
            tell(error.message)

    async def bring_up(self, symbol: str, *, close: datetime) -> None:
        """See `ExchangeFeed.bring_up`; gaps that stay are noted. What is there already is not asked for again."""
        window = self.windows[symbol]
        if window.known_until == close:
            return
        gaps = self._joined(window, symbol, close=close)
        for gap in await self._feed.bring_up(window, symbol, close=close) if gaps is None else gaps:
            missing = (gap.end - gap.start) // self._timeframe.length
            self.notes.append(f"{symbol}: {missing} bars missing before {gap.end:%Y-%m-%d %H:%M}")

    def _joined(self, window: BarWindow, symbol: str, *, close: datetime) -> Sequence[Gap] | None:
        """Bring `window` up with what a stream told, if that begins where it ends; returns the gaps that stay."""
        known = window.known_until
        bars = self._stream.bars(symbol, close=close) if self._stream else None
        if not bars or known is None or known < min(bars):
            return None
        window.merge({opened_at: bar for opened_at, bar in bars.items() if opened_at >= known})
        window.known_until = close
        return window.gaps(since=known - self._timeframe.length)

    async def before(self, symbol: str, *, since: datetime, end: datetime) -> Sequence[Candle]:
        """See `ExchangeFeed.before`."""
        return await self._feed.before(symbol, since=since, end=end)

    async def compare_clocks(self) -> None:
        """How far the exchange's clock is ahead of ours, taken in the middle of the way there and back."""
        self._measured = False
        if not self._client.tells_time:
            return
        asked_at = self._wall.now()
        try:
            async with asyncio.timeout(_SLOW.total_seconds()):
                theirs = await self._client.time()
        except (TimeoutError, VenueUnavailable):
            return
        way = self._wall.now() - asked_at
        if way <= _SLOW:
            self.ahead, self._measured = theirs - (asked_at + way / 2), True

    async def look(self, close: datetime, *, after: datetime | None, tell: Callable[[str], None]) -> Look | None:
        """What all symbols show once the bar that closes at `close` is there; `None` when not one answered.

        A bar that was there before is no answer: then it takes a quote.
        """
        try:
            await self.load()
        except VenueUnavailable as error:
            tell(error.message)
            return None
        there = {symbol for symbol, window in self.windows.items() if window.known_until == close}
        symbols = [symbol for symbol in self._symbols if symbol in self._listed]
        readings = await self._together({symbol: self._see(symbol, close=close) for symbol in symbols})
        failures = [failure for _, failure in readings if failure is not None]
        await self._take_again(failed=0 < len(failures) < len(readings), tell=tell)
        for failure in failures[:1] if len(failures) == len(readings) else failures:
            tell(failure.message)
        quotes = {quote.symbol: quote for quote, _ in readings if quote is not None}
        read = {symbol for symbol, window in self.windows.items() if window.known_until == close} - there
        if not quotes and not read:
            return None
        now = self._wall.now()
        moment = max(now, close, *(quote.at for quote in quotes.values() if quote.at <= now + _AHEAD))
        if after is not None and moment <= after:  # our clock was put back
            moment = after + timedelta(milliseconds=1)
        return Look(moment=moment, quotes=quotes, ahead=self.ahead if self._measured else None)

    async def glance(self) -> Mapping[str, Quote]:
        """The quotes of those symbols that answer, each asked once. Raises what `load` does."""
        await self.load()
        looks = {symbol: self._glance(symbol) for symbol in self._symbols if symbol in self._listed}
        return {quote.symbol: quote for quote, _ in await self._together(looks) if quote is not None}

    async def _glance(self, symbol: str) -> QuoteOrFailure:
        try:
            return await self._quote(symbol), None
        except VenueUnavailable as error:
            return None, error

    async def _together(self, looks: Mapping[str, Coroutine[Any, Any, QuoteOrFailure]]) -> Sequence[QuoteOrFailure]:
        """What each symbol shows, in their order. Those that keep the others waiting are given up."""
        tasks = {symbol: asyncio.ensure_future(look) for symbol, look in looks.items()}
        pending, answers = {*tasks.values()}, -1
        try:
            while pending:
                done, pending = await asyncio.wait(
                    pending, timeout=self._patience_s, return_when=asyncio.FIRST_COMPLETED
                )
                any_quote = any(task.done() and task.result()[0] is not None for task in tasks.values())
                if any_quote and not done and answers == self._client.answers:
                    break
                answers = self._client.answers
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        return [self._given_up(symbol) if task in pending else task.result() for symbol, task in tasks.items()]

    def _given_up(self, symbol: str) -> QuoteOrFailure:
        exchange = self._client.exchange
        return None, VenueUnavailable(
            f"{exchange} did not answer about {symbol} within {self._patience_s:g} s of the other symbols"
        )

    async def _see(self, symbol: str, *, close: datetime) -> QuoteOrFailure:
        """A symbol's quote when its candles could be read too, else why not."""
        bars, quote = await asyncio.gather(
            self._tried(lambda: self.bring_up(symbol, close=close), again=symbol not in self.suspended),
            self._tried(lambda: self._quote(symbol), again=symbol not in self.suspended),
        )
        if isinstance(bars, VenueUnavailable):
            return None, bars
        return (None, quote) if isinstance(quote, VenueUnavailable) else (quote, None)

    async def _tried(self, ask: Callable[[], Awaitable[T]], *, again: bool) -> T | VenueUnavailable:
        """The answer, that of a second or third attempt where it is asked `again`, or why there was none."""
        for wait_s in _RETRY_AFTER_S if again else ():
            try:
                return await ask()
            except VenueUnavailable as error:
                if not worth_asking_again(error):
                    return error
                await self._sleep(wait_s)
        try:
            return await ask()
        except VenueUnavailable as error:
            return error

    async def _quote(self, symbol: str) -> Quote:
        asked_at = self._wall.now()
        streamed = self._stream.quote(symbol) if self._stream else None
        if streamed is not None and asked_at + self.ahead - streamed.at <= _FRESH:
            return streamed
        unit = contract_size(self._listed[symbol])
        return quote_of(await self._client.book(symbol), symbol, unit=unit, asked_at=asked_at)
