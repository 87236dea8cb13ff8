"""Looks between bars: what is urgent gets a tick of its own, seldom enough, and never a bar that hasn't closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from builders.exchanges import START, Stage, a_stage
from builders.hearing import Alarm, Hearing
from domain.candle import Quote, last_close
from exchange_double.faults import ServerError
from exchange_double.wire import Operation
from venues.exchange.bars import Bars, read_rows

BTC = "BTC/USDT"
FIVE = timedelta(minutes=5)
CLOSE = START - timedelta(seconds=30)
"""When the last bar before the start closed."""


@pytest.fixture
def stage() -> Iterator[Stage]:
    with a_stage((BTC,)) as stage:
        yield stage


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


async def ticks_until(ticks: AsyncIterator[datetime], end: datetime) -> list[datetime]:
    """Those before `end`, and the first one that isn't."""
    found = [await anext(ticks)]
    while found[-1] < end:
        found.append(await anext(ticks))
    return found


async def test_what_is_urgent_has_a_tick_between_two_bars(stage: Stage) -> None:
    market = Alarm(stage, at=[after(100)]).market()
    ticks = market.ticks()
    first = await anext(ticks)
    early = await anext(ticks)
    assert after(100) <= early <= after(105)
    quote = await market.quote(BTC, as_of=early)
    assert first < quote.at <= early
    bars = await market.candles(BTC, limit=3, until=early)
    assert bars[-1].closed_at == CLOSE
    regular = await anext(ticks)
    assert last_close(regular, market.timeframe) == CLOSE + FIVE
    assert (await market.candles(BTC, limit=1, until=regular))[-1].closed_at == CLOSE + FIVE


async def test_without_anything_urgent_ticks_are_as_they_were(stage: Stage) -> None:
    plain = [at async for at in first_of(stage.market().ticks(), 3)]
    with a_stage((BTC,)) as other:
        assert [at async for at in first_of(Alarm(other, at=[]).market().ticks(), 3)] == plain


async def first_of(ticks: AsyncIterator[datetime], count: int) -> AsyncIterator[datetime]:
    for _ in range(count):
        yield await anext(ticks)


@pytest.mark.parametrize(("every_s", "most"), [(5, 20), (30, 4), (1_000, 0)])
async def test_however_much_is_urgent_there_is_one_tick_in_so_many_seconds(
    stage: Stage, every_s: float, most: int
) -> None:
    alarm = Alarm(stage, at=[after(n) for n in range(5, 105)])
    found = await ticks_until(alarm.market(urgent_every_s=every_s).ticks(), CLOSE + FIVE)
    assert all((later - earlier).total_seconds() >= every_s for earlier, later in pairwise(found[:-1]))
    assert most / 2 <= len(found) - 2 <= most + 1


async def test_between_the_close_of_a_bar_and_its_tick_nothing_is_urgent(stage: Stage) -> None:
    alarm = Alarm(stage, at=[CLOSE + FIVE + timedelta(seconds=1)])
    ticks = alarm.market().ticks()
    await anext(ticks)
    assert last_close(await anext(ticks), stage.timeframe) == CLOSE + FIVE
    assert not alarm.hearing.urgent.is_set()
    assert asked(stage, Operation.BOOK) == 2


async def test_an_exchange_that_fails_then_is_asked_again_and_the_next_bar_is_on_time(stage: Stage) -> None:
    alarm = Alarm(stage, at=[after(100)])
    market = alarm.market()
    ticks = market.ticks()
    await anext(ticks)
    stage.double.faults.add(ServerError(), on=Operation.BOOK, times=3)
    early = await anext(ticks)
    assert after(104) < early < after(130)
    assert (await market.quote(BTC, as_of=early)).at <= early
    stage.double.faults.add(ServerError(), on=Operation.BOOK, times=3)
    alarm.at = [early + timedelta(seconds=30)]
    assert len(await ticks_until(ticks, CLOSE + FIVE)) >= 1
    assert stage.wall.at < CLOSE + FIVE + timedelta(seconds=10)


async def test_ticks_that_are_given_up_leave_nothing_behind(stage: Stage) -> None:
    async def for_ever(seconds: float) -> None:
        await asyncio.sleep(3_600)

    before = asyncio.all_tasks()
    ticks = stage.market(sleep=for_ever, stream=Hearing()).ticks()
    await anext(ticks)
    waiting = asyncio.ensure_future(anext(ticks))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert asyncio.all_tasks() == before


# Looks that a stream tells of.


@dataclass(kw_only=True)
class Streams(Hearing):
    """Tells a quote as old as it says, and the bars that the double has."""

    stage: Stage
    age_s: float = 0
    tells_bars: bool = True

    def quote(self, symbol: str) -> Quote | None:
        at = self.stage.wall.at - timedelta(seconds=self.age_s)
        return Quote(symbol=symbol, bid=Decimal(7), ask=Decimal(8), at=at)

    def bars(self, symbol: str, *, close: datetime) -> Bars | None:
        if not self.tells_bars:
            return None
        rows = [
            [int(bar.opened_at.timestamp()) * 1_000, bar.open, bar.high, bar.low, bar.close, bar.volume]
            for bar in self.stage.double.engine.bars(symbol, 300)
            if close - 50 * FIVE <= bar.opened_at < close
        ]
        return read_rows(rows, timeframe=self.stage.timeframe)


def asked(stage: Stage, operation: Operation) -> int:
    return len(stage.double.journal.of(operation))


async def test_what_a_stream_tells_is_not_asked_for(stage: Stage) -> None:
    market = stage.market(stream=Streams(stage=stage))
    ticks = market.ticks()
    at = await anext(ticks)
    assert (await market.quote(BTC, as_of=at)).bid == 7
    assert asked(stage, Operation.BOOK) == 0
    candles = asked(stage, Operation.CANDLES)
    at = await anext(ticks)
    assert asked(stage, Operation.CANDLES) == candles
    told = await market.candles(BTC, limit=600, until=at)
    with a_stage((BTC,)) as other:
        plain = other.market()
        ticks = plain.ticks()
        await anext(ticks)
        assert told == await plain.candles(BTC, limit=600, until=await anext(ticks))


async def test_an_old_quote_of_a_stream_is_asked_for_instead(stage: Stage) -> None:
    market = stage.market(stream=Streams(stage=stage, age_s=3))
    at = await anext(market.ticks())
    assert (await market.quote(BTC, as_of=at)).bid > 7
    assert asked(stage, Operation.BOOK) == 1


async def test_bars_that_a_stream_does_not_tell_are_asked_for(stage: Stage) -> None:
    streams = Streams(stage=stage)
    market = stage.market(stream=streams)
    ticks = market.ticks()
    await anext(ticks)
    streams.tells_bars = False
    candles = asked(stage, Operation.CANDLES)
    at = await anext(ticks)
    assert asked(stage, Operation.CANDLES) == candles + 1
    assert (await market.candles(BTC, limit=1, until=at))[-1].closed_at == CLOSE + FIVE


async def test_bars_of_a_stream_that_does_not_begin_where_ours_end_are_not_taken(stage: Stage) -> None:
    streams = Streams(stage=stage)
    market = stage.market(stream=streams)
    ticks = market.ticks()
    await anext(ticks)
    stage.wall.at += 60 * FIVE
    at = await anext(ticks)
    bars = await market.candles(BTC, limit=100, until=at)
    assert all(later.opened_at - earlier.opened_at == FIVE for earlier, later in pairwise(bars))
    assert bars[-1].closed_at == last_close(at, stage.timeframe)
