"""A seeded simulated market: correlated symbols, phases of weather, spreads, and headlines that fit the moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from domain.candle import Candle, Headline, Quote, Timeframe
from domain.errors import SymbolUnknown, VenueUnavailable
from domain.instrument import Instrument
from venues.quote_from_bar import quote_from
from venues.sim.path import CHARACTERS, START
from venues.sim.story import SimStory

WARMUP_BARS = 200

DEFAULT_SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")


class SimMarket:
    """Bars without end from 2025-01-01, made as they are asked for.

    Bar `t` of a symbol depends on the seed, the symbol, the timeframe and `t`, and on nothing else:
    neither on what was asked before nor on which other symbols there are.
    """

    def __init__(self, *, seed: int, symbols: Sequence[str] | None = None, timeframe: Timeframe | None = None) -> None:
        """Raises `SymbolUnknown` naming the symbols that can be simulated."""
        chosen = DEFAULT_SYMBOLS if symbols is None else tuple(dict.fromkeys(symbols))
        if unknown := [symbol for symbol in chosen if symbol not in CHARACTERS]:
            raise SymbolUnknown(
                f"{', '.join(unknown)} can't be simulated", remedy=f"Choose from {', '.join(CHARACTERS)}"
            )
        self._timeframe = timeframe or Timeframe("5m")
        self._stories = {
            symbol: SimStory(CHARACTERS[symbol], seed=seed, timeframe=self._timeframe) for symbol in chosen
        }
        self._instruments = {symbol: CHARACTERS[symbol].instrument() for symbol in chosen}
        self._spread_bps: Decimal | None = None

    @property
    def name(self) -> str:
        return "sim"

    @property
    def timeframe(self) -> Timeframe:
        return self._timeframe

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    def set_spread(self, spread_bps: Decimal) -> None:
        """See `MakesQuotes.set_spread`."""
        self._spread_bps = spread_bps

    async def instruments(self) -> Mapping[str, Instrument]:
        return MappingProxyType(self._instruments)

    async def candles(self, symbol: str, *, limit: int, until: datetime) -> Sequence[Candle]:
        return self._of(symbol).window(limit=limit, until=until)

    async def quote(self, symbol: str, *, as_of: datetime) -> Quote:
        bars = self._of(symbol).window(limit=1, until=as_of)
        if not bars:
            raise VenueUnavailable(f"{symbol} has no closed bar before {as_of.isoformat()} in the simulation")
        return quote_from(bars[0], self._instruments[symbol], width_bps=self._spread_bps)

    async def headlines(self, *, since: datetime, until: datetime) -> Sequence[Headline]:
        headlines = [
            headline for story in self._stories.values() for headline in story.headlines(since=since, until=until)
        ]
        return sorted(headlines, key=lambda headline: (headline.available_at, headline.id))

    async def ticks(self, *, after: datetime | None = None) -> AsyncIterator[datetime]:
        length = self._timeframe.length
        bars = WARMUP_BARS if after is None else max(0, (after - START) // length) + 1
        while True:
            yield START + bars * length
            bars += 1

    def _of(self, symbol: str) -> SimStory:
        if symbol not in self._stories:
            raise SymbolUnknown(f"{symbol} is not in this market", remedy=f"There are {', '.join(self._stories)}")
        return self._stories[symbol]
