"""An exchange's market at the wire: one picture a tick, nothing newer, nothing old as new, and nothing left out."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from builders.exchanges import START, Hung, Stage, a_stage, bar_at
from builders.markets import fits
from domain.candle import Timeframe, last_close
from domain.clock import TickClock
from domain.errors import SymbolUnknown, UsageError, VenueUnavailable
from domain.venue import LiveMarket
from exchange_double.faults import (
    ClockSkew,
    Fault,
    Maintenance,
    Malformed,
    RateLimited,
    Reset,
    ServerError,
    Timeout,
)
from exchange_double.wire import Operation
from venues.exchange.bars import BarWindow
from venues.exchange.client import ExchangeClient
from venues.exchange.feed import KEPT_BARS, ExchangeFeed
from venues.exchange.market import ExchangeMarket
from venues.paper.venue import PaperVenue

BTC, ETH = "BTC/USDT", "ETH/USDT"
FIVE = timedelta(minutes=5)
CLOSE = START - timedelta(seconds=30)
"""When the last bar before the start closed."""


FAULTS: tuple[Fault, ...] = (
    ClockSkew(seconds=31),
    ClockSkew(seconds=-31),
    Maintenance(),
    Malformed(),
    RateLimited(),
    Reset(accepted=False),
    ServerError(),
    Timeout(accepted=False),
)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with a_stage() as stage:
        yield stage


def told(market: ExchangeMarket) -> list[str]:
    said: list[str] = []
    market.watch(said.append)
    return said


async def after(ticks: AsyncIterator[datetime], count: int) -> datetime:
    """The last of so many ticks."""
    for _ in range(count - 1):
        await anext(ticks)
    return await anext(ticks)


def test_it_is_a_live_market(stage: Stage) -> None:
    assert isinstance(stage.market(), LiveMarket)
    assert stage.market().name == "okx"


async def test_the_first_tick_is_at_once_and_the_next_soon_after_each_close(stage: Stage) -> None:
    ticks = stage.market().ticks()
    assert [await anext(ticks) for _ in range(3)] == [
        START,
        CLOSE + FIVE + timedelta(seconds=2),
        CLOSE + 2 * FIVE + timedelta(seconds=2),
    ]
    assert max(stage.wall.slept) <= 30


async def test_after_a_tick_of_the_same_bar_the_next_bar_is_waited_for(stage: Stage) -> None:
    ticks = stage.market().ticks(after=START - timedelta(seconds=20))
    assert await anext(ticks) == CLOSE + FIVE + timedelta(seconds=2)


async def test_a_tick_shows_closed_bars_and_the_book_of_that_moment(stage: Stage) -> None:
    market = stage.market()
    at = await anext(market.ticks())
    bars = await market.candles(BTC, limit=500, until=at)
    quote = await market.quote(BTC, as_of=at)
    assert len(bars) == 500
    assert bars[-1].closed_at == CLOSE
    assert all(later.opened_at - earlier.opened_at == FIVE for earlier, later in pairwise(bars))
    shown = bar_at(CLOSE - FIVE, length=FIVE, base=Decimal(60_000))
    assert (bars[-1].open, bars[-1].close, bars[-1].volume) == (shown.open, shown.close, shown.volume)
    assert (quote.ask - quote.bid, quote.bid_size, quote.at) == (Decimal("0.1"), Decimal("3.5"), START)


async def test_what_happens_after_a_tick_is_seen_at_the_next_one_only(stage: Stage) -> None:
    market = stage.market()
    ticks = market.ticks()
    first = await anext(ticks)
    quote, bars = await market.quote(BTC, as_of=first), await market.candles(BTC, limit=9, until=first)
    requests = len(stage.double.journal)
    stage.wall.at += timedelta(seconds=90)
    stage.double.engine.set_touch(BTC, bid="50000", ask="50001")
    assert await market.quote(BTC, as_of=first) == quote
    assert len(stage.double.journal) == requests
    second = await anext(ticks)
    assert (await market.quote(BTC, as_of=second)).at == second
    assert await market.quote(BTC, as_of=first) == quote
    assert await market.candles(BTC, limit=9, until=first) == bars
    assert (await market.quote(BTC, as_of=second - timedelta(seconds=3))) == quote  # the last one known then


async def test_a_symbol_that_hangs_does_not_hold_up_the_look_at_the_others(stage: Stage) -> None:
    stage.double.bystander = hung = Hung(stage.double, BTC)
    market = stage.market(stage.client(timeout=60_000), patience_s=0.2)
    words = told(market)
    at = await anext(market.ticks())
    assert (await market.quote(ETH, as_of=at)).at == at
    assert len(await market.candles(BTC, limit=9, until=at)) == 9, "what it did show is there"
    with pytest.raises(VenueUnavailable, match="okx showed no bid and ask of BTC/USDT"):
        await market.quote(BTC, as_of=at)
    assert words == ["okx did not answer about BTC/USDT within 0.2 s of the other symbols"]
    assert hung.requests == 1, "and it was not asked again in the same look"
    hung.symbol = ""
    stage.wall.at += FIVE
    assert (await market.quote(BTC, as_of=await anext(market.ticks(after=at)))).symbol == BTC


async def test_everything_that_closed_while_nobody_looked_is_there_in_order(stage: Stage) -> None:
    market = stage.market()
    ticks = market.ticks()
    await anext(ticks)
    stage.wall.at += timedelta(hours=7)
    at = await anext(ticks)
    bars = await market.candles(BTC, limit=200, until=at)
    assert at == START + timedelta(hours=7)
    assert bars[-1].closed_at == last_close(at, Timeframe("5m"))
    assert all(later.opened_at - earlier.opened_at == FIVE for earlier, later in pairwise(bars))
    missed = START + timedelta(hours=3)
    quote = await market.quote(BTC, as_of=missed)
    assert missed - FIVE < quote.at <= missed  # what the bar that had closed by then stands for


async def test_after_more_time_than_is_kept_nothing_is_left_out(stage: Stage) -> None:
    stage.show(after=1_200)
    market = stage.market(symbols=(BTC,))
    ticks = market.ticks()
    await anext(ticks)
    stage.wall.at += timedelta(hours=75)  # 900 bars
    at = await anext(ticks)
    bars = await market.candles(BTC, limit=1_000, until=at)
    assert (len(bars), bars[-1].closed_at) == (1_000, CLOSE + timedelta(hours=75))
    assert all(later.opened_at - earlier.opened_at == FIVE for earlier, later in pairwise(bars))
    assert len(market._observer.windows[BTC]) <= KEPT_BARS


async def test_more_bars_than_are_kept_are_asked_for_again(stage: Stage) -> None:
    market = stage.market()
    at = await anext(market.ticks())
    window = market._observer.windows[BTC]
    assert len(window) <= KEPT_BARS
    bars = await market.candles(BTC, limit=900, until=at)
    assert len(bars) == 900
    assert all(later.opened_at - earlier.opened_at == FIVE for earlier, later in pairwise(bars))
    assert len(window) <= KEPT_BARS


async def test_a_moment_before_all_that_is_kept_is_shown_as_it_was(stage: Stage) -> None:
    market = stage.market()
    await anext(market.ticks())
    moment = START - timedelta(hours=60)
    bars = await market.candles(BTC, limit=5, until=moment)
    assert [bar.closed_at for bar in bars] == [CLOSE - timedelta(hours=60) - n * FIVE for n in reversed(range(5))]
    assert (await market.quote(BTC, as_of=moment)).at == bars[-1].closed_at


async def test_bars_before_the_listing_are_asked_for_once(stage: Stage) -> None:
    stage.show(before=40)
    market = stage.market()
    at = await anext(market.ticks())
    assert len(await market.candles(BTC, limit=700, until=at)) == 40
    requests = len(stage.double.journal)
    assert len(await market.candles(BTC, limit=700, until=at)) == 40
    assert len(stage.double.journal) == requests


async def test_a_bar_that_is_nowhere_is_noted_once_and_not_invented(stage: Stage) -> None:
    hole = CLOSE - 3 * FIVE
    stage.show(without={hole})
    market = stage.market(symbols=(BTC,))
    at = await after(market.ticks(), 2)
    bars = await market.candles(BTC, limit=6, until=at)
    assert hole not in {bar.opened_at for bar in bars}
    assert market.notes == (f"{BTC}: 1 bars missing before {hole + FIVE:%Y-%m-%d %H:%M}",)


async def test_a_symbol_without_its_last_bar_yet_has_no_quote_until_it_comes(stage: Stage) -> None:
    market = stage.market()
    said, ticks = told(market), market.ticks()
    await anext(ticks)
    stage.hide(ETH)
    at = await anext(ticks)
    assert (await market.quote(BTC, as_of=at)).at <= at
    with pytest.raises(VenueUnavailable, match="showed no bid and ask of ETH/USDT"):
        await market.quote(ETH, as_of=at)
    with pytest.raises(VenueUnavailable, match="did not show the candles of ETH/USDT"):
        await market.candles(ETH, limit=1, until=at)
    assert [text for text in said if "has not shown the bar of ETH/USDT" in text]
    stage.show()
    at = await anext(ticks)
    bars = await market.candles(ETH, limit=4, until=at)
    assert [bar.closed_at for bar in bars] == [CLOSE + n * FIVE for n in (-1, 0, 1, 2)]
    assert (await market.quote(ETH, as_of=at)).symbol == ETH


async def test_without_a_book_there_are_bars_and_no_quote(stage: Stage) -> None:
    stage.double.faults.add(Malformed(), on=Operation.BOOK, times=None)
    market = stage.market(symbols=(BTC,))
    at = await anext(market.ticks())
    assert len(await market.candles(BTC, limit=5, until=at)) == 5
    with pytest.raises(VenueUnavailable):
        await market.quote(BTC, as_of=at)


async def test_a_passing_failure_is_asked_again_within_the_tick(stage: Stage) -> None:
    stage.double.faults.add(RateLimited(), on={Operation.CANDLES, Operation.BOOK}, times=2)
    market = stage.market(symbols=(BTC,))
    said = told(market)
    at = await anext(market.ticks())
    assert (await market.quote(BTC, as_of=at)).at <= at
    assert said == []


async def test_while_nothing_answers_there_is_no_tick_and_the_pauses_grow(stage: Stage) -> None:
    market = stage.market()
    await market.instruments()
    stage.double.faults.add(Maintenance(), times=None)
    stage.wall.woken = lambda: stage.double.faults.clear() if stage.wall.at > START + timedelta(minutes=2) else None
    said = told(market)
    at = await anext(market.ticks())
    assert at > START + timedelta(minutes=2)
    pauses = [text.rpartition("in ")[2] for text in said if "is asked again" in text]
    assert pauses[:3] == ["5 s", "10 s", "20 s"]
    assert not any("Traceback" in text for text in said)


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_goes_wrong_nothing_is_ahead_of_its_time_and_no_bar_is_lost(stage: Stage, seed: int) -> None:
    chance = random.Random(seed)
    stage.show(after=2_500)
    market = stage.market(stage.client(timeout=100))
    ticks, previous = market.ticks(), START - timedelta(seconds=1)
    for _ in range(12):
        at = await anext(ticks)
        assert at > previous
        previous = at
        for symbol in (BTC, ETH):
            with suppress(VenueUnavailable):
                assert at - timedelta(seconds=60) <= (await market.quote(symbol, as_of=at)).at <= at
            with suppress(VenueUnavailable):
                bars = await market.candles(symbol, limit=100, until=at)
                assert bars[-1].closed_at == last_close(at, Timeframe("5m"))
                assert all(later.opened_at - earlier.opened_at == FIVE for earlier, later in pairwise(bars))
        stage.double.faults.clear()
        for _ in range(chance.randrange(4)):
            fault = chance.choice(FAULTS)
            on = chance.choice([Operation.TIME, Operation.CANDLES, Operation.BOOK])
            stage.double.faults.add(fault, on=on, times=chance.randrange(1, 9), skip=chance.randrange(3))
        stage.wall.at += timedelta(seconds=chance.choice([0, 0, 200, 900, 40_000]))
    assert market.notes == ()


@pytest.mark.parametrize("ahead_s", [-30, -1, 0, 1, 30])
async def test_the_exchanges_clock_is_measured_and_told(stage: Stage, ahead_s: int) -> None:
    stage.theirs.ahead = timedelta(seconds=ahead_s)
    market = stage.market()
    ticks = market.ticks()
    for _ in range(2):
        at = await anext(ticks)
        assert await market.time(as_of=at) == at + timedelta(seconds=ahead_s)
        bars = await market.candles(BTC, limit=1, until=at)
        assert bars[-1].closed_at <= stage.theirs.now()  # closed by their clock too
        venue = PaperVenue(market, TickClock(at), currency="USDT", start_cash=Decimal(1_000), check=fits)
        assert await venue.time() == at + timedelta(seconds=ahead_s)


async def test_a_clock_that_was_not_read_is_not_known(stage: Stage) -> None:
    stage.double.faults.add(Malformed(), on=Operation.TIME, times=None)
    market = stage.market()
    at = await anext(market.ticks())
    assert await market.time(as_of=at) is None


async def test_a_clock_that_was_once_read_still_says_when_a_bar_has_closed(stage: Stage) -> None:
    stage.theirs.ahead = timedelta(seconds=-30)
    market = stage.market()
    ticks = market.ticks()
    await anext(ticks)
    stage.double.faults.add(Malformed(), on=Operation.TIME, times=None)
    at = await anext(ticks)
    bars = await market.candles(BTC, limit=1, until=at)
    assert bars[-1].closed_at <= stage.theirs.now()
    assert await market.time(as_of=at) is None


async def test_a_quote_from_the_future_is_not_shown(stage: Stage) -> None:
    stage.theirs.ahead = timedelta(seconds=30)
    market = stage.market()
    at = await anext(market.ticks())
    with pytest.raises(VenueUnavailable):
        await market.quote(BTC, as_of=at)


async def test_ticks_ascend_though_our_clock_is_put_back(stage: Stage) -> None:
    ticks = stage.market().ticks()
    first = await anext(ticks)
    stage.wall.at -= timedelta(minutes=2)
    assert await anext(ticks) > first


async def test_before_the_first_tick_an_earlier_moment_is_shown_as_it_was(stage: Stage) -> None:
    market = stage.market()
    moment = START - timedelta(hours=2)
    bars = await market.candles(BTC, limit=300, until=moment)
    quote = await market.quote(BTC, as_of=moment)
    assert (len(bars), bars[-1].closed_at) == (300, CLOSE - timedelta(hours=2))
    assert quote.at == bars[-1].closed_at
    assert await market.time(as_of=moment) is None
    at = await anext(market.ticks(after=moment))
    assert len(await market.candles(BTC, limit=324, until=at)) == 324


async def test_quotes_of_moments_that_nobody_looked_at_are_as_wide_as_was_set(stage: Stage) -> None:
    market = stage.market()
    moment = START - timedelta(hours=2)
    market.set_spread(Decimal(20))
    quote = await market.quote(BTC, as_of=moment)
    bid, ask = quote.mid * Decimal("0.999"), quote.mid * Decimal("1.001")
    tick = (await market.instruments())[BTC].tick_size
    assert abs(quote.bid - bid) <= tick
    assert abs(quote.ask - ask) <= tick
    at = await anext(market.ticks())
    assert (await market.quote(BTC, as_of=at)).at > CLOSE  # a real one stays as it is
    assert (await market.quote(BTC, as_of=at)).ask - (await market.quote(BTC, as_of=at)).bid < 2 * (ask - bid) / 3


async def test_markets_are_loaded_once(stage: Stage) -> None:
    market = stage.market()
    await after(market.ticks(), 3)
    await market.instruments()
    assert len(stage.double.journal.of(Operation.INSTRUMENTS)) == 2  # spot and swaps


async def test_nothing_private_is_asked(stage: Stage) -> None:
    market = stage.market()
    at = await after(market.ticks(), 2)
    await market.candles(BTC, limit=700, until=at)
    assert {entry.operation for entry in stage.double.journal} == {
        Operation.INSTRUMENTS,
        Operation.TIME,
        Operation.CANDLES,
        Operation.BOOK,
    }


async def test_another_symbol_is_named_with_those_that_there_are(stage: Stage) -> None:
    market = stage.market()
    with pytest.raises(SymbolUnknown, match=r"SOL/USDT is not in this market. There are BTC/USDT, ETH/USDT"):
        await market.candles("SOL/USDT", limit=1, until=START)
    with pytest.raises(SymbolUnknown, match="Did you mean"):
        await stage.market(symbols=("BTC/USDC",)).instruments()


def test_a_timeframe_that_the_exchange_has_not_is_answered_with_those_it_has(stage: Stage) -> None:
    with pytest.raises(UsageError, match=r"okx has no bars of 7m. It has 1m, 3m, 5m"):
        stage.market(timeframe=Timeframe("7m"))


class PatchyClient(ExchangeClient):
    """A client whose first answer for candles has holes."""

    asked = 0

    async def bars(
        self, symbol: str, timeframe: Timeframe, *, since: datetime, limit: int
    ) -> Sequence[Sequence[object]]:
        rows = await super().bars(symbol, timeframe, since=since, limit=limit)
        self.asked += 1
        return [row for n, row in enumerate(rows) if n % 7 != 3] if self.asked == 1 else rows


async def test_a_gap_in_an_answer_is_filled_by_asking_again(stage: Stage) -> None:
    patchy = PatchyClient("okx", settings={**stage._address(), "rateLimit": 1, "timeout_on_exit": 0})
    window = BarWindow(Timeframe("5m"), most=50)
    async with patchy:
        await patchy.markets()
        window.merge({})
        gaps = await ExchangeFeed(patchy, Timeframe("5m")).bring_up(window, BTC, close=CLOSE)
    bars = window.window(limit=50, until=CLOSE)
    assert (gaps, len(bars)) == ([], 50)
    assert all(later.opened_at - earlier.opened_at == FIVE for earlier, later in pairwise(bars))
