"""Two exchanges for one market's data: the second one shows it while the first one can't, and checks it while it can.

A moment is shown by one of them, never by both: its bars and its quotes are from one look. Instruments are always
those of the first, which is where orders would go.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from domain.breaker import Breaker
from domain.candle import Candle, FundingRate, Headline, Quote, Timeframe
from domain.clock import Clock, Sleep
from domain.errors import SymbolUnknown, UsageError, VenueUnavailable
from domain.instrument import Instrument, MarginTier
from domain.money import BPS
from domain.venue import Levels
from venues.exchange.early_tick import Urgency
from venues.exchange.market import ExchangeMarket
from venues.exchange.snapshot import Look
from venues.exchange.stream_health import StreamHealth
from venues.exchange.ticks import Ticks

_GLANCE_S = 5.0
"""For the second exchange to answer, when its quotes are only to be compared."""
_UNFIT = (SymbolUnknown, UsageError)
"""What is wrong with an exchange that lacks a symbol, or does not say how it trades."""
_MOST_SOURCES = 32
_MOST_NOTES = 20


class FailoverMarket:
    """A `LiveMarket` of two exchanges with the same symbols and timeframe.

    After `fail_after` looks in a row that nothing answered the second one is looked at, and the first is tried again
    every `probe_after_s`. While both answer, a symbol whose mid prices differ by more than `band_bps` of the lower
    has no quote in that look: one of the two is wrong, and it isn't known which.
    """

    def __init__(
        self,
        primary: ExchangeMarket,
        secondary: ExchangeMarket,
        *,
        wall: Clock,
        sleep: Sleep = asyncio.sleep,
        fail_after: int = 2,
        probe_after_s: float = 60,
        band_bps: Decimal = Decimal(100),
        urgent_every_s: float = 5,
    ) -> None:
        """Raises `UsageError` for one exchange named twice."""
        if primary.name == secondary.name:
            raise UsageError(f"{primary.name} can't stand in for itself", remedy="Name another exchange as the second")
        self._primary = primary
        self._secondary = secondary
        self._active = primary
        self._wall = wall
        self._sleep = sleep
        self._band_bps = band_bps
        self._breaker = Breaker(after=fail_after, probe_after_s=probe_after_s)
        self._urgency = Urgency((*primary.urgent, *secondary.urgent), wall=wall, every_s=urgent_every_s)
        self._tell: Callable[[str], None] = _nobody
        self._notes: deque[str] = deque(maxlen=_MOST_NOTES)
        self._looked: ExchangeMarket = primary
        self._measured: ExchangeMarket | None = None
        self._compared = True
        self._sources: deque[tuple[datetime, ExchangeMarket]] = deque(maxlen=_MOST_SOURCES)
        self.failures = 0
        """Looks at the first exchange that nothing answered."""
        self.switches = 0

    @property
    def name(self) -> str:
        return f"{self._primary.name},{self._secondary.name}"

    @property
    def timeframe(self) -> Timeframe:
        return self._primary.timeframe

    @property
    def active(self) -> str:
        """The exchange that shows the market at the moment."""
        return self._active.name

    @property
    def notes(self) -> tuple[str, ...]:
        each = (f"{market.name}: {note}" for market in (self._primary, self._secondary) for note in market.notes)
        return (*self._notes, *each)

    def set_spread(self, spread_bps: Decimal) -> None:
        """See `MakesQuotes.set_spread`."""
        self._primary.set_spread(spread_bps)
        self._secondary.set_spread(spread_bps)

    def watch(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._primary.watch(tell)
        self._secondary.watch(tell)

    async def instruments(self) -> Mapping[str, Instrument]:
        """Those of the first exchange. Raises what `ExchangeMarket.instruments` does.

        A second exchange that lacks a symbol is refused too; one that does not answer yet isn't needed yet.
        """
        with suppress(VenueUnavailable):
            await self._secondary.instruments()
        return await self._primary.instruments()

    def expect(self, instruments: Mapping[str, Instrument]) -> None:
        """See `Suspends.expect`: of both."""
        self._primary.expect(instruments)
        self._secondary.expect(instruments)

    @property
    def suspended(self) -> Mapping[str, str]:
        """See `Suspends.suspended`: on the first exchange, where it is traded."""
        return self._primary.suspended

    async def candles(self, symbol: str, *, limit: int, until: datetime) -> Sequence[Candle]:
        return await self._source(until).candles(symbol, limit=limit, until=until)

    async def quote(self, symbol: str, *, as_of: datetime) -> Quote:
        return await self._source(as_of).quote(symbol, as_of=as_of)

    def funding_from(self, symbol: str) -> str:
        """See `FundingSource`: as with instruments, those of the first exchange."""
        return self._primary.funding_from(symbol)

    def funding_span(self, symbol: str) -> None:
        return None

    async def funding(self, symbol: str, *, since: datetime, until: datetime) -> Sequence[FundingRate]:
        return await self._primary.funding(symbol, since=since, until=until)

    async def margin_tiers(self, symbol: str) -> tuple[MarginTier, ...]:
        return await self._primary.margin_tiers(symbol)

    async def headlines(self, *, since: datetime, until: datetime) -> Sequence[Headline]:
        """None: exchanges have no news."""
        return ()

    async def time(self, *, as_of: datetime) -> datetime | None:
        return await self._source(as_of).time(as_of=as_of)

    async def ticks(self, *, after: datetime | None = None) -> AsyncIterator[datetime]:
        """See `ExchangeMarket.ticks`. While neither answers there is no tick."""
        ticks = Ticks(
            self,
            self.timeframe,
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
        async with self._primary.streaming(), self._secondary.streaming():
            yield

    def look_now(self) -> None:
        self._urgency.call()

    def watch_prices(self, levels: Mapping[str, Levels]) -> None:
        self._primary.watch_prices(levels)
        self._secondary.watch_prices(levels)

    @property
    def heard(self) -> Sequence[StreamHealth]:
        """How the streams of both are, where they have some."""
        return (*self._primary.heard, *self._secondary.heard)

    # One look, for `Ticks`.

    @property
    def ahead(self) -> timedelta:
        return self._active.ahead

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        async with self._primary.connected(), self._secondary.connected():
            yield

    async def compare_clocks(self) -> None:
        await self._active.compare_clocks()
        self._measured = self._active

    async def look(self, close: datetime, *, after: datetime | None) -> Look | None:
        """By the first exchange where it answers, or else by the second once the first has failed often enough."""
        if self._breaker.admits(self._wall.now()):
            look = await self._look_at_primary(close, after=after)
            if look is not None or self._breaker.admits(self._wall.now()):
                return look
        return await self._look_at(self._secondary, close, after=after)

    def keep(self, look: Look) -> None:
        self._looked.keep(look)
        self._sources.append((look.moment, self._looked))

    async def _look_at_primary(self, close: datetime, *, after: datetime | None) -> Look | None:
        """With its quotes compared. An answer of any kind is one; a failure is counted."""
        try:
            look, others = await asyncio.gather(
                self._look_at(self._primary, close, after=after), self._glance_at_secondary()
            )
        except BaseException:
            self._breaker.release()
            raise
        self._breaker.settle(self._wall.now(), answered=look is not None)
        if look is None:
            self.failures += 1
            return None
        return replace(look, quotes=self._agreed(look.quotes, others))

    async def _look_at(self, market: ExchangeMarket, close: datetime, *, after: datetime | None) -> Look | None:
        if self._measured is not market:
            await market.compare_clocks()
        self._measured = None
        try:
            look = await market.look(close, after=after)
        except _UNFIT as error:  # found out only now, since it did not answer when it was asked first
            if market is self._primary:
                raise
            self._tell(error.message)
            return None
        if look is None:
            return None
        self._looked = market
        if market is not self._active:
            self._switch(market)
        return look

    def _switch(self, market: ExchangeMarket) -> None:
        before, self._active = self._active, market
        self.switches += 1
        back = market is self._primary
        words = "answers again" if back else "does not answer"
        self._say(f"{self._primary.name} {words}: the market is shown by {market.name} now, not by {before.name}")

    async def _glance_at_secondary(self) -> Mapping[str, Quote]:
        """Its quotes for comparison. That it shows none is told when it begins and when it ends."""
        quotes: Mapping[str, Quote] = {}
        try:
            async with asyncio.timeout(_GLANCE_S):
                quotes = await self._secondary.glance()
        except (TimeoutError, VenueUnavailable, *_UNFIT):
            quotes = {}
        if bool(quotes) is not self._compared:
            self._compared = bool(quotes)
            words = "are compared again" if quotes else f"are not compared: {self._secondary.name} does not answer"
            self._tell(f"quotes of {self._primary.name} {words}")
        return quotes

    def _agreed(self, quotes: Mapping[str, Quote], others: Mapping[str, Quote]) -> Mapping[str, Quote]:
        """The quotes of the first exchange that the second one doesn't contradict."""
        agreed: dict[str, Quote] = {}
        for symbol, quote in quotes.items():
            other = others.get(symbol)
            if other is None or abs(quote.mid - other.mid) * BPS <= self._band_bps * min(quote.mid, other.mid):
                agreed[symbol] = quote
            else:
                self._say(
                    f"{symbol} is {quote.mid} at {self._primary.name} and {other.mid} at {self._secondary.name}: "
                    "neither is believed"
                )
        return agreed

    def _source(self, moment: datetime) -> ExchangeMarket:
        """Who showed the market at `moment`: the newest look by then; before all of them the first exchange."""
        return next((market for at, market in reversed(self._sources) if at <= moment), self._primary)

    def _say(self, text: str) -> None:
        self._notes.append(text)
        self._tell(text)


def _nobody(text: str) -> None:
    """Where nobody watches."""
