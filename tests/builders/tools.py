"""A market that stands still, a clock, and a toolbox over it, for tests of tools."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.candle import Candle, Headline, Quote, Timeframe
from domain.clock import TickClock
from domain.effects import Effects, Unrecorded
from domain.errors import VenueUnavailable
from domain.instrument import Instrument
from tools.cycle_reads import CycleReads
from tools.resilience import Plumbing
from tools.tool import Tool
from tools.toolbox import Toolbox
from tools.view import MarketView

START = datetime(2025, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=5)
BTC = "BTC/USDT"
ETH = "ETH/USDT"


def walk(count: int, *, seed: int = 1, start: float = 100.0, drift: float = 0.0) -> list[Candle]:
    """A random walk of `count` five-minute bars from `START`."""
    rng, close, bars = random.Random(seed), start, []
    for number in range(count):
        opened, close = close, close * (1 + drift + rng.gauss(0, 0.002))
        high, low = max(opened, close) * 1.001, min(opened, close) * 0.999
        prices = (Decimal(str(round(price, 2))) for price in (opened, high, low, close))
        bars.append(Candle(START + number * STEP, START + (number + 1) * STEP, *prices, Decimal("10")))
    return bars


def level(count: int, *, price: str = "100") -> list[Candle]:
    """Bars that all stand at one price."""
    stand = Decimal(price)
    return [
        Candle(START + n * STEP, START + (n + 1) * STEP, stand, stand, stand, stand, Decimal(0)) for n in range(count)
    ]


def a_headline(**over: Any) -> Headline:
    given: dict[str, Any] = {"id": "n1", "title": "Bitcoin trades sideways", "source": "wire", "available_at": START}
    return Headline(**(given | over))


def a_quote(**over: Any) -> Quote:
    given: dict[str, Any] = {"symbol": BTC, "bid": Decimal("99.9"), "ask": Decimal("100.1"), "at": START}
    return Quote(**(given | over))


class StillMarket:
    """Shows what it was given. A careless one does not look at the moment that it is asked about."""

    name = "still"
    timeframe = Timeframe("5m")
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        bars: Mapping[str, Sequence[Candle]] | None = None,
        *,
        quotes: Mapping[str, Quote] | None = None,
        news: Sequence[Headline] = (),
        careless: bool = False,
    ) -> None:
        self._bars = bars or {}
        self._quotes = quotes or {}
        self._news = news
        self._careless = careless

    async def instruments(self) -> Mapping[str, Instrument]:
        return {}

    async def candles(self, symbol: str, *, limit: int, until: datetime) -> Sequence[Candle]:
        return [b for b in self._bars.get(symbol, ()) if self._careless or b.closed_at <= until][-limit:]

    async def quote(self, symbol: str, *, as_of: datetime) -> Quote:
        if symbol not in self._quotes:
            raise VenueUnavailable(f"no quote for {symbol} yet")
        return self._quotes[symbol]

    async def headlines(self, *, since: datetime, until: datetime) -> Sequence[Headline]:
        return [n for n in self._news if self._careless or since < n.available_at <= until]

    async def ticks(self, *, after: datetime | None = None) -> AsyncIterator[datetime]:
        for bar in next(iter(self._bars.values()), ()):
            yield bar.closed_at


class Naps:
    """A sleep that takes no time and remembers how long it should have been."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def a_view(
    market: StillMarket | None = None, *, as_of: datetime = START, universe: Sequence[str] = (BTC, ETH)
) -> MarketView:
    return MarketView(market or StillMarket(), as_of, frozenset(universe))


def a_toolbox(
    *tools: Tool[Any, Any],
    view: MarketView | None = None,
    clock: TickClock | None = None,
    effects: Effects | None = None,
    plumbing: Plumbing | None = None,
    reads: CycleReads | None = None,
) -> Toolbox:
    clock = clock or TickClock(START)
    return Toolbox(
        tools,
        view=view or a_view(),
        effects=effects or Unrecorded(clock),
        plumbing=plumbing or Plumbing(clock, sleep=Naps()),
        reads=reads,
    )
