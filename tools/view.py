"""The only sight of a market that a tool gets: one moment, one universe, nothing newer, nothing beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.candle import Candle, Headline, Quote, Session, Timeframe
from domain.errors import SymbolUnknown, VenueUnavailable
from domain.venue import Market, SessionSource


@dataclass(frozen=True, slots=True)
class MarketView:
    """`market` as it could be known at `as_of`, for the symbols in `universe`.

    Markets promise to show nothing newer than they are asked for; this looks again, so that one
    careless market cannot let a decision see its own future.
    """

    market: Market
    as_of: datetime
    universe: frozenset[str]

    @property
    def timeframe(self) -> Timeframe:
        return self.market.timeframe

    async def candles(self, symbol: str, limit: int) -> Sequence[Candle]:
        """The last `limit` closed bars, oldest first. Raises `SymbolUnknown`."""
        bars = await self.market.candles(self.known(symbol), limit=limit, until=self.as_of)
        if bars and bars[-1].closed_at > self.as_of:
            return [bar for bar in bars if bar.closed_at <= self.as_of]
        return bars

    async def quote(self, symbol: str) -> Quote:
        """Best bid and ask, with the time they are from: judging their age is the reader's matter.

        Raises `SymbolUnknown`, and `VenueUnavailable` when there is no quote of `as_of` or before.
        """
        quote = await self.market.quote(self.known(symbol), as_of=self.as_of)
        if quote.at > self.as_of:
            raise VenueUnavailable(f"{self.market.name} has no quote for {symbol} as old as the moment asked for")
        return quote

    async def session(self, symbol: str) -> Session | None:
        """The session that `symbol` is in; `None` where the market doesn't tell. Raises `SymbolUnknown`."""
        known, market = self.known(symbol), self.market
        return await market.session(known, as_of=self.as_of) if isinstance(market, SessionSource) else None

    async def headlines(self, lookback: timedelta) -> Sequence[Headline]:
        """News of the time before `as_of` that names the universe or no symbol at all, oldest first.

        Symbols outside the universe are taken off a headline, and a headline about them only is left out.
        """
        since = self.as_of - lookback
        lines = await self.market.headlines(since=since, until=self.as_of)
        inside = [self._within(line) for line in lines if since < line.available_at <= self.as_of]
        return sorted((line for line in inside if line), key=lambda line: (line.available_at, line.id))

    def _within(self, line: Headline) -> Headline | None:
        inside = tuple(symbol for symbol in line.symbols if symbol in self.universe)
        if inside == line.symbols:
            return line
        return line.model_copy(update={"symbols": inside}) if inside else None

    def known(self, symbol: str) -> str:
        """`symbol` itself. Raises `SymbolUnknown` when it is outside the universe."""
        if symbol not in self.universe:
            raise SymbolUnknown(
                f"{symbol} is outside the universe", remedy=f"Known here: {', '.join(sorted(self.universe))}"
            )
        return symbol
