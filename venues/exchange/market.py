"""A real exchange's public market: looked at once after each bar has closed, and shown as it was found then."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from domain.candle import Candle, FundingRate, Headline, Quote, Timeframe, last_close
from domain.clock import Clock, Sleep
from domain.errors import SymbolUnknown, UsageError, VenueUnavailable
from domain.instrument import Instrument, MarginTier
from domain.statement import is_swap
from domain.venue import Levels
from venues.exchange.bars import BarWindow
from venues.exchange.client import ExchangeClient
from venues.exchange.early_tick import Urgency
from venues.exchange.instruments import chosen, contract_size
from venues.exchange.perpetuals import MOST_RATES, funding_rates, tells_tiers, tiers_of
from venues.exchange.snapshot import PATIENCE_S, Look, Observer, StreamView
from venues.exchange.stream_health import StreamHealth
from venues.exchange.ticks import Ticks
from venues.quote_from_bar import quote_from

DEFAULT_TIMEFRAME = Timeframe("5m")
_MOST_LOOKS = 8
_MOST_UNSHOWN = 20


class Stream(StreamView, Protocol):
    """What is heard of a market between looks while it is entered: an `ExchangeStream`, for one."""

    @property
    def urgent(self) -> asyncio.Event:
        """Set by what should not wait for the next bar; cleared by who acts on it."""
        ...

    @property
    def health(self) -> StreamHealth: ...

    def watch_prices(self, levels: Mapping[str, Levels]) -> None: ...

    async def __aenter__(self) -> object: ...

    async def __aexit__(self, *error: object) -> None: ...


class ExchangeMarket:
    """Some symbols of one exchange, in one timeframe, without a key.

    One look is one consistent picture: candles and quotes are answered from what was read by the moment asked
    about. A symbol that did not answer has no quote in that look. For moments at which nobody looked (those
    that a run slept through) bid and ask are those that the bar closed by then stands for, as in a recording.

    With a stream there are looks between bars when it calls for them: new quotes, and the bars that had closed before.
    """

    def __init__(
        self,
        client: ExchangeClient,
        *,
        symbols: Sequence[str] | None,
        timeframe: Timeframe | None,
        wall: Clock,
        sleep: Sleep = asyncio.sleep,
        stream: Stream | None = None,
        urgent_every_s: float = 5,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`stream` tells of the same symbols and bars. Looks that it calls for come `urgent_every_s` after the one
        before, or later. `patience_s` is for a symbol that hangs while the others answer.

        Raises `UsageError` for no symbols, a timeframe that the exchange has not, and one without public data.
        """
        self._client = client
        self._timeframe = timeframe or DEFAULT_TIMEFRAME
        names = chosen(symbols, exchange=client.exchange)
        if not client.shows:
            raise UsageError(f"{client.exchange} shows no candles or no order book", remedy="Choose another --market")
        if client.timeframes and str(self._timeframe) not in client.timeframes:
            raise UsageError(
                f"{client.exchange} has no bars of {self._timeframe}",
                remedy=f"It has {', '.join(client.timeframes)}",
            )
        self._observer = Observer(
            client,
            symbols=names,
            timeframe=self._timeframe,
            wall=wall,
            sleep=sleep,
            stream=stream,
            patience_s=patience_s,
        )
        self._stream = stream
        self._urgency = Urgency(self.urgent, wall=wall, every_s=urgent_every_s)
        self._wall = wall
        self._sleep = sleep
        self._tell: Callable[[str], None] = _nobody
        self._looks: deque[Look] = deque(maxlen=_MOST_LOOKS)
        self._spread_bps: Decimal | None = None
        self._unshown: deque[str] = deque(maxlen=_MOST_UNSHOWN)
        # One reader at a time: agents ask at once, and a window is brought up by one of them.
        self._turn = asyncio.Lock()

    @property
    def name(self) -> str:
        return self._client.exchange

    @property
    def timeframe(self) -> Timeframe:
        return self._timeframe

    @property
    def notes(self) -> tuple[str, ...]:
        untimed = f"{self.name} does not tell its time, so that no clock skew is known"
        failed = self._stream.health.failed if self._stream else ""
        unheard = f"the streams of {self.name} ended, and it was asked instead: {failed}"
        return (
            *self._observer.notes,
            *self._unshown,
            *(() if self._client.tells_time else (untimed,)),
            *((unheard,) if failed else ()),
        )

    def watch(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def set_spread(self, spread_bps: Decimal) -> None:
        """See `MakesQuotes.set_spread`: of moments at which nobody looked."""
        self._spread_bps = spread_bps

    async def instruments(self) -> Mapping[str, Instrument]:
        """Asked once. Raises `VenueUnavailable`, `SymbolUnknown` and `UsageError`."""
        async with self._turn:
            if not self._observer.instruments:
                async with self._client:
                    await self._observer.load()
        return self._observer.instruments

    def expect(self, instruments: Mapping[str, Instrument]) -> None:
        """See `Suspends.expect`."""
        self._observer.expect(instruments)

    @property
    def suspended(self) -> Mapping[str, str]:
        """See `Suspends.suspended`."""
        return self._observer.suspended

    async def candles(self, symbol: str, *, limit: int, until: datetime) -> Sequence[Candle]:
        """See `Market.candles`. Raises `VenueUnavailable` when the exchange did not show all bars closed by then.

        Of a symbol that is suspended they are those that were read before.
        """
        window = self._window(symbol)
        if symbol in self.suspended:
            return window.window(limit=limit, until=until)
        close = last_close(until, self._timeframe)
        async with self._turn:
            if window.known_until is None or window.known_until < close:
                if self._looks:
                    raise VenueUnavailable(f"{self.name} did not show the candles of {symbol} up to {close:%H:%M}")
                # Before the first look a run may finish the cycle that it was left in.
                async with self._client:
                    await self._observer.load()
                    await self._observer.bring_up(symbol, close=close)
            bars = window.window(limit=limit, until=until)
            since = close - limit * self._timeframe.length
            end = min(window.asked_from or close, close)
            if len(bars) < limit and since < end:
                async with self._client:
                    older = await self._observer.before(symbol, since=since, end=end)
                if not older and end == window.asked_from:
                    window.asked_from = since
                bars = [*older, *bars][-limit:]
        return bars

    async def quote(self, symbol: str, *, as_of: datetime) -> Quote:
        self._window(symbol)
        look = next((look for look in reversed(self._looks) if look.moment <= as_of), None)
        if look is not None and (look is self._looks[-1] or self._was_latest(look, symbol, as_of=as_of)):
            quote = look.quotes.get(symbol)
            if quote is not None and quote.at <= as_of:
                return quote
            raise VenueUnavailable(
                self.suspended.get(symbol) or f"{self.name} showed no bid and ask of {symbol} at {look.moment:%H:%M:%S}"
            )
        if symbol in self.suspended:
            raise VenueUnavailable(self.suspended[symbol])
        bars = await self.candles(symbol, limit=1, until=as_of)
        if not bars:
            raise VenueUnavailable(f"{self.name} showed no bar of {symbol} closed by {as_of:%Y-%m-%d %H:%M}")
        return quote_from(bars[-1], (await self.instruments())[symbol], width_bps=self._spread_bps)

    def funding_from(self, symbol: str) -> str:
        """See `FundingSource.funding_from`: the exchange."""
        return self.name if self._client.tells_funding and is_swap(symbol) else ""

    def funding_span(self, symbol: str) -> None:
        return None

    async def funding(self, symbol: str, *, since: datetime, until: datetime) -> Sequence[FundingRate]:
        """Asked for where a whole hour has passed since: all fundings are at one."""
        self._window(symbol)
        hour = until.replace(minute=0, second=0, microsecond=0)
        if hour <= since or symbol in self.suspended:
            return ()
        async with self._turn, self._client:
            rates = await funding_rates(self._client, symbol, since=since, until=until)
        if len(rates) >= MOST_RATES and rates[0].at - since > timedelta(days=1):
            text = (
                f"{self.name} showed the last {len(rates)} fundings of {symbol}, and those before them are not charged"
            )
            self._unshown.append(text)
            self._tell(text)
        return rates

    async def margin_tiers(self, symbol: str) -> tuple[MarginTier, ...]:
        """See `MarginSource.margin_tiers`. Raises `VenueUnavailable`, also for tiers that can't be true."""
        if not (self._client.tells_margin_tiers and tells_tiers(self.name) and is_swap(symbol)):
            return ()
        async with self._turn, self._client:
            rows = await self._client.margin_tiers(symbol)
            market = (await self._client.markets())[symbol]
        try:
            return tiers_of(rows, exchange=self.name, unit=contract_size(market))
        except (KeyError, ValueError) as error:
            raise VenueUnavailable(f"{self.name} gave margin tiers of {symbol} that can't be true: {error}") from error

    async def headlines(self, *, since: datetime, until: datetime) -> Sequence[Headline]:
        """None: exchanges have no news."""
        return ()

    async def time(self, *, as_of: datetime) -> datetime | None:
        look = self._looks[-1] if self._looks else None
        return None if look is None or look.moment != as_of or look.ahead is None else as_of + look.ahead

    async def ticks(self, *, after: datetime | None = None) -> AsyncIterator[datetime]:
        """One tick a bar, without end: at once when a bar has closed since `after`, else when the next one has.

        Bars missed meanwhile are read with it, and get no tick of their own: nobody decides on old prices.
        While the exchange answers nothing at all there is no tick. What is urgent has a tick between two bars.
        """
        ticks = Ticks(
            self,
            self._timeframe,
            wall=self._wall,
            sleep=self._sleep,
            urgency=self._urgency,
            tell=lambda text: self._tell(text),
        )
        async for moment in ticks.run(after=after):
            yield moment

    # Between ticks.

    @asynccontextmanager
    async def streaming(self) -> AsyncIterator[None]:
        if self._stream is None:
            yield
            return
        async with self._stream:
            yield

    def look_now(self) -> None:
        self._urgency.call()

    def watch_prices(self, levels: Mapping[str, Levels]) -> None:
        if self._stream is not None:
            self._stream.watch_prices(levels)

    @property
    def urgent(self) -> Sequence[asyncio.Event]:
        """What calls for a look."""
        return () if self._stream is None else (self._stream.urgent,)

    @property
    def heard(self) -> Sequence[StreamHealth]:
        """How its stream is, where it has one."""
        return () if self._stream is None else (self._stream.health,)

    # One look, for `Ticks` and for who looks at several exchanges.

    @property
    def ahead(self) -> timedelta:
        """The exchange's clock less ours, as last measured."""
        return self._observer.ahead

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """One reader at a time, with a connection."""
        async with self._turn, self._client:
            yield

    async def compare_clocks(self) -> None:
        await self._observer.compare_clocks()

    async def look(self, close: datetime, *, after: datetime | None) -> Look | None:
        """To be called while connected: see `Observer.look`."""
        return await self._observer.look(close, after=after, tell=self._tell)

    async def glance(self) -> Mapping[str, Quote]:
        """To be called while connected: see `Observer.glance`."""
        return await self._observer.glance()

    def keep(self, look: Look) -> None:
        """The look is the newest one from now on."""
        self._looks.append(look)

    def _was_latest(self, look: Look, symbol: str, *, as_of: datetime) -> bool:
        """Whether an earlier look's quote was the last one known: a bar later there would have been another look."""
        return symbol in look.quotes and as_of < look.moment + self._timeframe.length

    def _window(self, symbol: str) -> BarWindow:
        windows = self._observer.windows
        if symbol not in windows:
            raise SymbolUnknown(f"{symbol} is not in this market", remedy=f"There are {', '.join(windows)}")
        return windows[symbol]


def _nobody(text: str) -> None:
    """Where nobody watches."""
