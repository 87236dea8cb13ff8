"""A source that hangs for one symbol: what it costs a cycle, and what becomes of the other symbols meanwhile.

Run with `python benchmarks/hung_source.py`; it takes half a minute. The market is the simulated one, asked as over a
network: each answer is some milliseconds away, and with a symbol hung its quotes never come. Both runs are in one
process, one after the other, so that what the hung one costs holds on any machine. While every node waited anew, up
to 5 seconds for a quote, it cost 10.2 s a cycle and 15.1 at most; since failures are kept for the cycle and reads share
its time, 1.5.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from cycle import address, heading

from domain.candle import Candle, Headline, Quote
from domain.instrument import Instrument
from domain.venue import Market
from graphs import Runner, RunOptions, build, policy_in_effect, prepare, start
from graphs.trading.events import CycleEnded, CycleStarted, Event
from memory import Database
from venues.open import open_market

CYCLES = 6
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
HUNG = "BTC/USDT"
AWAY_S = 0.005
TARGET_S = 2.0
"""More than without, a cycle."""
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class AwayMarket:
    """`market` over a network, on which quotes of the symbols in `hung` never come."""

    def __init__(self, market: Market, *, hung: Sequence[str]) -> None:
        self._market = market
        self._hung = hung
        self.name, self.timeframe, self.notes = market.name, market.timeframe, market.notes

    async def instruments(self) -> Mapping[str, Instrument]:
        return await self._market.instruments()

    async def candles(self, symbol: str, *, limit: int, until: datetime) -> Sequence[Candle]:
        await asyncio.sleep(AWAY_S)
        return await self._market.candles(symbol, limit=limit, until=until)

    async def quote(self, symbol: str, *, as_of: datetime) -> Quote:
        await asyncio.Future() if symbol in self._hung else await asyncio.sleep(AWAY_S)
        return await self._market.quote(symbol, as_of=as_of)

    async def headlines(self, *, since: datetime, until: datetime) -> Sequence[Headline]:
        return await self._market.headlines(since=since, until=until)

    def ticks(self, *, after: datetime | None = None) -> Any:
        return self._market.ticks(after=after)


class Watch:
    """Seconds that each cycle took."""

    def __init__(self) -> None:
        self._began = 0.0
        self.cycles: list[float] = []

    def hear(self, event: Event) -> None:
        if isinstance(event, CycleStarted):
            self._began = time.perf_counter()
        elif isinstance(event, CycleEnded):
            self.cycles.append(time.perf_counter() - self._began)


def away(spec: str, *, hung: Sequence[str], **given: Any) -> Market:
    return AwayMarket(open_market(spec, **given), hung=hung)


async def run(folder: Path, *, hung: Sequence[str]) -> tuple[list[float], int]:
    """Seconds of each cycle, and how many orders the other symbols had."""
    options = RunOptions(policy=policy_in_effect(None), symbols=SYMBOLS, cycles=CYCLES)
    opener = partial(away, hung=hung)
    header, market, model = await prepare(options, run_id="bench", at=NOW, opener=opener)
    watch = Watch()
    async with await Database.open(address(folder)) as database:
        session = await start(header, market, model, database=database)
        await Runner(session, build(), listen=watch.hear).run(cycles=CYCLES)
        orders = await session.ledger.orders()
    return watch.cycles, sum(order.request.symbol not in hung for order in orders)


def measured(*hung: str) -> tuple[list[float], int]:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run(Path(folder), hung=hung))


def row(name: str, cycles: Sequence[float], orders: int) -> None:
    slowest = f"{max(cycles):8.2f} at most"
    print(f"  {name:28}{statistics.median(cycles):8.2f} s a cycle{slowest}   {orders} orders of the other symbols")


def main() -> None:
    measured()  # imports pandas and ta before anything is timed
    heading(f"{CYCLES} cycles of {len(SYMBOLS)} symbols, each answer {AWAY_S * 1_000:.0f} ms away")
    well, orders = measured()
    hung, others = measured(HUNG)
    row("all answer", well, orders)
    row(f"{HUNG} hangs", hung, others)
    more = statistics.median(hung) - statistics.median(well)
    ratio = statistics.median(hung) / statistics.median(well)
    share = f"target {TARGET_S:.0f} s: {more / TARGET_S:.2f} of it"
    share = f"target {TARGET_S:.0f} s: {more / TARGET_S:.2f} of it"
    print(f"  it costs {more:.2f} s a cycle, {ratio:.0f} × one without; {share}")


if __name__ == "__main__":
    main()
