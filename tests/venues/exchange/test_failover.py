"""Two exchanges for one market: who shows it when, never both at once, and neither is believed in a dispute."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from builders.exchanges import START, Stage, a_stage
from domain.candle import last_close
from domain.clock import TickClock
from domain.errors import SymbolUnknown, UsageError, VenueUnavailable
from domain.venue import LiveMarket
from exchange_double.candles import Bar
from exchange_double.faults import ServerError
from exchange_double.wire import Operation
from venues.exchange.failover import FailoverMarket
from venues.exchange.market import ExchangeMarket
from venues.open import open_market

BTC, ETH = "BTC/USDT", "ETH/USDT"
SECOND = "myokx"
"""Another exchange of ccxt's, that speaks as OKX does."""
EVERYTHING = (Operation.CANDLES, Operation.BOOK, Operation.TIME)


@dataclass
class Pair:
    """Two doubles on one clock. The second one's volumes are a million more, so that its bars are known by them."""

    first: Stage
    second: Stage
    said: list[str] = field(default_factory=list)

    def market(self, **over: Any) -> FailoverMarket:
        made = FailoverMarket(
            self.first.market(),
            self.second.market(self.second.client(SECOND)),
            wall=self.first.wall,
            sleep=self.first.wall.sleep,
            **over,
        )
        made.watch(self.said.append)
        return made

    def fails(self, stage: Stage, *on: Operation) -> None:
        """From now on."""
        stage.double.faults.add(ServerError(), on=on or EVERYTHING, times=None)

    def heals(self, stage: Stage) -> None:
        stage.double.faults.clear()

    def prices(self, stage: Stage, bid: str, *, symbol: str = BTC) -> None:
        """Whatever the clock does."""
        price = Decimal(bid)

        def touch() -> None:
            stage.double.engine.set_touch(symbol, bid=price, ask=price + Decimal("0.1"))

        self.as_time_passes(touch)

    def as_time_passes(self, more: Callable[[], None]) -> None:
        before = self.first.wall.woken

        def woken() -> None:
            if before:
                before()
            more()

        self.first.wall.woken = woken
        woken()

    def said_of(self, words: str) -> int:
        return sum(words in text for text in self.said)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with ExitStack() as stack:
        first, second = (stack.enter_context(a_stage((BTC, ETH))) for _ in range(2))
        second.wall = first.wall
        second.theirs.wall = first.wall
        second.show()
        for symbol in (BTC, ETH):
            bars = [marked(bar) for bar in second.double.engine.bars(symbol, 300)]
            second.double.engine.set_bars(symbol, 300, bars)

        def woken() -> None:
            first.touch()
            second.touch()

        first.wall.woken = woken
        yield Pair(first, second)


def marked(bar: Bar) -> Bar:
    return Bar(
        opened_at=bar.opened_at,
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=bar.volume + 1_000_000,
    )


async def shown_by(market: FailoverMarket, at: datetime) -> set[str]:
    """Which exchange's bars are seen at a moment, by every one of them."""
    found: set[str] = set()
    for symbol in (BTC, ETH):
        bars = await market.candles(symbol, limit=600, until=at)
        assert bars[-1].closed_at == last_close(at, market.timeframe)
        found |= {SECOND if bar.volume > 1_000_000 else "okx" for bar in bars}
    return found


async def skip(ticks: AsyncIterator[datetime], count: int) -> datetime:
    for _ in range(count - 1):
        await anext(ticks)
    return await anext(ticks)


async def test_while_both_answer_the_first_one_shows_the_market(pair: Pair) -> None:
    market = pair.market()
    assert isinstance(market, LiveMarket)
    assert market.name == "okx,myokx"
    at = await anext(market.ticks())
    assert await shown_by(market, at) == {"okx"}
    assert (await market.quote(BTC, as_of=at)).at <= at
    assert await market.time(as_of=at) == at
    assert (market.switches, market.failures, market.notes) == (0, 0, ())


async def test_the_second_one_shows_it_once_the_first_has_failed_often_enough_and_says_so(pair: Pair) -> None:
    market = pair.market()
    ticks = market.ticks()
    await anext(ticks)
    pair.fails(pair.first)
    at = await anext(ticks)
    assert await shown_by(market, at) == {SECOND}
    assert (await market.quote(BTC, as_of=at)).at <= at
    assert await market.time(as_of=at) == at
    assert (market.active, market.switches, market.failures) == (SECOND, 1, 2)
    assert pair.said_of("okx does not answer: the market is shown by myokx now, not by okx") == 1


async def test_once_the_second_one_shows_the_market_its_warnings_are_heard(pair: Pair) -> None:
    market = pair.market()
    ticks = market.ticks()
    await anext(ticks)
    pair.fails(pair.first)
    pair.second.hide(ETH)
    await anext(ticks)
    assert market.active == SECOND
    assert pair.said_of("myokx has not shown the bar of ETH/USDT that closed at 12:05") == 1


async def test_a_failure_that_passes_switches_nothing(pair: Pair) -> None:
    market = pair.market()
    ticks = market.ticks()
    await anext(ticks)
    pair.first.double.faults.add(ServerError(), on=Operation.CANDLES, times=6)
    at = await anext(ticks)
    assert await shown_by(market, at) == {"okx"}
    assert (market.switches, market.failures) == (0, 1)


async def test_the_first_one_is_tried_again_in_time_and_shows_it_when_it_is_back(pair: Pair) -> None:
    market = pair.market(probe_after_s=900)
    ticks = market.ticks()
    await anext(ticks)
    pair.fails(pair.first)
    failed_at = await anext(ticks)
    pair.heals(pair.first)
    at = await anext(ticks)
    while market.active == SECOND:
        assert at - failed_at < timedelta(minutes=20)
        assert await shown_by(market, at) == {SECOND}
        at = await anext(ticks)
    assert at - failed_at >= timedelta(minutes=15)
    assert await shown_by(market, at) == {"okx"}
    assert pair.said_of("okx answers again: the market is shown by okx now, not by myokx") == 1
    assert market.switches == 2


async def test_a_first_one_that_is_tried_and_still_fails_changes_nothing(pair: Pair) -> None:
    market = pair.market(probe_after_s=60)
    ticks = market.ticks()
    await anext(ticks)
    pair.fails(pair.first)
    for failures in (2, 3, 4):
        at = await anext(ticks)
        assert await shown_by(market, at) == {SECOND}
        assert market.failures == failures
    assert market.switches == 1


async def test_an_earlier_moment_is_shown_by_who_showed_it_then(pair: Pair) -> None:
    market = pair.market()
    ticks = market.ticks()
    first = await anext(ticks)
    pair.fails(pair.first)
    second = await anext(ticks)
    assert await shown_by(market, first) == {"okx"}
    assert await shown_by(market, second) == {SECOND}


async def test_a_symbol_that_the_first_one_does_not_show_is_not_shown_by_the_second(pair: Pair) -> None:
    market = pair.market()
    ticks = market.ticks()
    await anext(ticks)
    pair.first.hide(ETH)
    at = await anext(ticks)
    assert market.active == "okx"
    assert (await market.quote(BTC, as_of=at)).at <= at
    with pytest.raises(VenueUnavailable):
        await market.quote(ETH, as_of=at)


async def test_while_neither_answers_there_is_no_tick(pair: Pair) -> None:
    market = pair.market()
    ticks = market.ticks()
    await anext(ticks)
    pair.fails(pair.first)
    pair.fails(pair.second)
    healed_at = pair.first.wall.at + timedelta(minutes=12)

    def heal() -> None:
        if pair.first.wall.at >= healed_at:
            pair.heals(pair.second)

    pair.as_time_passes(heal)
    at = await anext(ticks)
    assert at >= healed_at
    assert await shown_by(market, at) == {SECOND}


# Quotes of both.


@pytest.mark.parametrize(("theirs", "believed"), [("60600", True), ("60610", False), ("59390", False), ("59410", True)])
async def test_quotes_that_differ_too_much_are_both_refused(pair: Pair, theirs: str, believed: bool) -> None:
    pair.prices(pair.first, "60000")
    pair.prices(pair.second, theirs)
    market = pair.market(band_bps=Decimal(100))
    at = await anext(market.ticks())
    if believed:
        assert (await market.quote(BTC, as_of=at)).bid == 60_000
    else:
        with pytest.raises(VenueUnavailable):
            await market.quote(BTC, as_of=at)
        assert pair.said_of("BTC/USDT is 60000.05 at okx") == 1
        assert "neither is believed" in market.notes[0]
    assert (await market.quote(ETH, as_of=at)).at <= at
    assert await shown_by(market, at) == {"okx"}


async def test_a_second_one_that_does_not_answer_takes_no_quote_away_and_that_is_told_once(pair: Pair) -> None:
    pair.fails(pair.second)
    market = pair.market()
    ticks = market.ticks()
    at = await skip(ticks, 3)
    assert (await market.quote(BTC, as_of=at)).at <= at
    assert pair.said_of("quotes of okx are not compared: myokx does not answer") == 1
    pair.heals(pair.second)
    await skip(ticks, 2)
    assert pair.said_of("quotes of okx are compared again") == 1


# Opening.


async def test_instruments_are_those_of_the_first_one(pair: Pair) -> None:
    market = pair.market()
    plain = pair.first.market()
    assert await market.instruments() == await plain.instruments()


async def test_a_second_one_that_lacks_a_symbol_is_refused_at_the_start(pair: Pair) -> None:
    lacking = ExchangeMarket(
        pair.second.client(SECOND),
        symbols=("DOGE/USDT",),
        timeframe=None,
        wall=pair.first.wall,
    )
    market = FailoverMarket(pair.first.market(), lacking, wall=pair.first.wall)
    with pytest.raises(SymbolUnknown, match="DOGE/USDT is not listed on myokx"):
        await market.instruments()


async def test_a_second_one_that_is_away_at_the_start_is_not_needed(pair: Pair) -> None:
    pair.second.double.faults.add(ServerError(), on=Operation.INSTRUMENTS, times=None)
    assert set(await pair.market().instruments()) == {BTC, ETH}


def test_two_exchanges_are_opened_by_their_names() -> None:
    opened = open_market("okx,binance", symbols=[BTC], timeframe=None, seed=0, wall=TickClock(START))
    assert isinstance(opened, FailoverMarket)
    assert (opened.name, opened.active) == ("okx,binance", "okx")


@pytest.mark.parametrize(
    ("spec", "words"),
    [("okx,okx", "can't stand in for itself"), ("okx,binance,bybit", "more than two"), ("okx,", "not known")],
)
def test_names_that_make_no_pair_are_refused(spec: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_market(spec, symbols=[BTC], timeframe=None, seed=0, wall=TickClock(START))
