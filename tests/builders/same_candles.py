"""The same candles for a run on paper and for one at an exchange of this machine: same quotes, grids, fees and cash.

The exchange plays every bar once it is over, as a paper venue matches it: from the open to the extreme that is worse
for what is held, to the other one, to the close, and no price in between is left out that a stop waits for.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from builders.exchanges import START, Stage, Theirs, Wall
from domain.candle import Candle, Quote, Timeframe, last_close
from domain.instrument import Instrument
from domain.money import ceil_to, floor_to
from exchange_double.candles import Bar
from exchange_double.listing import Listing
from exchange_double.served import okx_double
from venues.costs import FeeSchedule, PaperCosts
from venues.files.market import FileMarket

SYMBOL = "BTC/USDT:USDT"
TICK = Decimal("0.00001")
"""So fine that half a spread of a basis point lies on it."""
HALF_SPREAD = Decimal("0.0001")
DEPTH = Decimal(50)
"""At either touch, in base currency."""
LISTING = Listing(
    symbol=SYMBOL,
    tick_size=TICK,
    lot_size=Decimal("0.01"),
    min_size=Decimal("0.01"),
    contract_size=Decimal("0.01"),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
)
COSTS = PaperCosts(
    swap=FeeSchedule(maker=LISTING.maker_fee, taker=LISTING.taker_fee),
    slippage_bps=Decimal(0),
    impact_bps=Decimal(0),
    participation=Decimal(1),
)
"""What the exchange costs: its fees and its spread, and its book is deeper than any order."""
LENGTH = timedelta(minutes=5)

Shock = tuple[str, str, str, str]
"""Open, high, low and close of a bar, each as a multiple of the close before it."""
SHOCKS: Sequence[Shock] = (
    ("1", "1.09", "0.94", "1.001"),  # both: the stop
    ("1.12", "1.121", "1.1195", "1.12"),  # a gap: the target, at the open
    ("1", "1.09", "0.9995", "1.001"),  # up and back: the target
    ("1", "1.001", "0.96", "1.0005"),  # down and back: stopped out at the stop
    ("0.88", "0.8805", "0.8795", "0.88"),  # a gap the other way: stopped out at the open
)
"""A gap is larger than the policy lets be entered into: at an exchange the exit is known a bar sooner than on paper."""


def candles(*, before: int, after: int, every: int = 6, seed: int = 7) -> Sequence[Candle]:
    """A market that climbs, with a shock of each kind in turn; `before` of its bars have closed at `START`."""
    chance, first = random.Random(seed), last_close(START, Timeframe("5m")) - before * LENGTH
    found: list[Candle] = []
    close = Decimal(60_000)
    for number in range(before + after):
        ahead = number - before
        if ahead > 0 and ahead % every == 0:
            parts = [round(close * Decimal(part), 1) for part in SHOCKS[ahead // every % len(SHOCKS)]]
        else:
            step = Decimal(chance.choice((90, 75, -40, 60, -30))).quantize(Decimal("0.1"))
            ends = (close, close + step)
            parts = [close, max(ends) + Decimal("20.3"), min(ends) - Decimal("20.3"), close + step]
        opened, high, low, close = parts
        at = first + number * LENGTH
        found.append(Candle(at, at + LENGTH, opened, high, low, close, Decimal(120)))
    return found


def touch(price: Decimal) -> tuple[Decimal, Decimal]:
    """Bid and ask around a price."""
    return floor_to(price * (1 - HALF_SPREAD), TICK), ceil_to(price * (1 + HALF_SPREAD), TICK)


class SameMarket(FileMarket):
    """The candles as a market to trade on paper on, with the exchange's own instrument and quotes."""

    def __init__(self, bars: Sequence[Candle], instruments: Mapping[str, Instrument]) -> None:
        super().__init__("file:memory", {SYMBOL: bars}, timeframe=Timeframe("5m"))
        self._bars, self._listed = {bar.opened_at: bar for bar in bars}, instruments

    async def instruments(self) -> Mapping[str, Instrument]:
        return self._listed

    async def quote(self, symbol: str, *, as_of: datetime) -> Quote:
        """Around where the bar under way opened: that much is to be seen of it."""
        bid, ask = touch(self._bars[last_close(as_of, self.timeframe)].open)
        return Quote(symbol=symbol, bid=bid, ask=ask, bid_size=DEPTH, ask_size=DEPTH, at=as_of)

    async def ticks(self, *, after: datetime | None = None) -> AsyncIterator[datetime]:
        first = last_close(START, self.timeframe)
        for opened_at in self._bars:
            if opened_at >= first if after is None else opened_at > after:
                yield opened_at


@dataclass
class PlayedStage(Stage):
    """An exchange that plays each bar when the next one has opened."""

    bars: Sequence[Candle] = ()
    played: datetime = field(default=START)

    def show(self, **_: object) -> None:  # type: ignore[override]
        unit = LISTING.contract_size
        shown = [
            Bar(opened_at=b.opened_at, open=b.open, high=b.high, low=b.low, close=b.close, volume=b.volume / unit)
            for b in self.bars
        ]
        self.double.engine.set_bars(SYMBOL, int(LENGTH.total_seconds()), shown)
        self.played = last_close(self.wall.at, self.timeframe)
        self.touch()

    def touch(self) -> None:
        now = last_close(self.wall.at, self.timeframe)
        for bar in self.bars:
            if self.played <= bar.opened_at < now:
                self._play(bar)
        self.played = now
        self._quote(next(bar.open for bar in self.bars if bar.opened_at == now))

    def _play(self, bar: Candle) -> None:
        short = any(stop.new.side == "buy" for stop in self.double.engine.waiting_stops)
        path = [bar.open, bar.high, bar.low, bar.close] if short else [bar.open, bar.low, bar.high, bar.close]
        self._trade(path[0])
        for start, end in pairwise(path):
            for price in [*self._waited_for(start, end), end]:
                self._trade(price)

    def _waited_for(self, start: Decimal, end: Decimal) -> list[Decimal]:
        """What stops wait for between two prices, in the order in which it is met."""
        triggers = [t for stop in self.double.engine.waiting_stops for t in (stop.trigger, stop.target) if t]
        low, high = sorted((start, end))
        return sorted((t.price for t in triggers if low < t.price < high), reverse=end < start)

    def _quote(self, price: Decimal) -> None:
        bid, ask = touch(price)
        self.double.engine.set_touch(SYMBOL, bid=bid, ask=ask, size=DEPTH / LISTING.contract_size)

    def _trade(self, price: Decimal) -> None:
        self._quote(price)
        self.double.engine.trade(SYMBOL, price=price)


@contextmanager
def a_played_stage(bars: Sequence[Candle]) -> Iterator[PlayedStage]:
    wall = Wall(START)
    theirs = Theirs(wall)
    with okx_double(clock=theirs, listings=[LISTING]) as double:
        stage = PlayedStage(double, wall, theirs, (SYMBOL,), Timeframe("5m"), {}, bars=bars)
        wall.woken = stage.touch
        stage.show()
        yield stage
