"""A venue's market in one symbol, looked at when the certification says so and not when a bar closes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from domain.candle import Candle, Headline, Quote, Timeframe
from domain.clock import Clock
from domain.errors import SymbolUnknown, VenueUnavailable
from domain.instrument import Instrument
from domain.venue import AccountVenue

TIMEFRAME = Timeframe("5m")


class VenueMarket:
    """See `Market`. What a look found is shown until the next one."""

    notes: tuple[str, ...] = ()
    timeframe = TIMEFRAME

    def __init__(self, venue: AccountVenue, *, name: str, symbol: str, wall: Clock) -> None:
        self.name = name
        self._venue = venue
        self._symbol = symbol
        self._wall = wall
        self._quote: Quote | None = None
        self._why = "nobody has looked yet"

    async def look(self) -> datetime:
        """Read bid and ask anew; the moment from which on that is known. A market that does not answer has none."""
        self._quote, self._why = None, ""
        try:
            self._quote = await self._venue.quote(self._symbol)
        except VenueUnavailable as error:
            self._why = error.message
        now = self._wall.now()
        return now if self._quote is None else max(now, self._quote.at)

    @property
    def quoted(self) -> Quote | None:
        """Bid and ask of the last look."""
        return self._quote

    async def instruments(self) -> Mapping[str, Instrument]:
        return await self._venue.instruments()

    async def candles(self, symbol: str, *, limit: int, until: datetime) -> Sequence[Candle]:
        return await self._venue.candles(symbol, limit=limit, until=until)

    async def quote(self, symbol: str, *, as_of: datetime) -> Quote:
        if symbol != self._symbol:
            raise SymbolUnknown(f"{symbol} is not in this market", remedy=f"There is {self._symbol}")
        if self._quote is None or self._quote.at > as_of:
            raise VenueUnavailable(f"{self.name} showed no bid and ask of {symbol}: {self._why}")
        return self._quote

    async def headlines(self, *, since: datetime, until: datetime) -> Sequence[Headline]:
        return ()

    async def ticks(self, *, after: datetime | None = None) -> AsyncIterator[datetime]:
        while True:
            yield await self.look()
