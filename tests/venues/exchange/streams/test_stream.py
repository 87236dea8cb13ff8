"""Streams by the real ccxt.pro on real sockets: what they tell, and that nothing wrong with them goes unnoticed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from builders.exchanges import START, Wall
from builders.patience import soon, until
from builders.streams import MINUTE, NERVOUS_S, QUICK, StreamStage, a_stream_stage, bid, first, shows
from domain.candle import last_close
from domain.errors import UsageError
from exchange_double import NewOrder, Operation, Trigger
from exchange_double.faults import (
    EVERY_SOCKET_FAULT,
    RateLimited,
    ServerError,
    Socket,
    SocketClosed,
    SocketGap,
    SocketMalformed,
    SocketRepeated,
    SocketSilent,
    SocketSwapped,
)
from venues.exchange.client import ExchangeClient
from venues.exchange.stream_health import ShardHealth, ShardState
from venues.exchange.streams.changes import Change
from venues.exchange.streams.limits import StreamLimits
from venues.exchange.streams.stream import ExchangeStream

pytestmark = pytest.mark.slow  # real sockets, that are left to fall silent

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"


@pytest.fixture
def stage() -> Iterator[StreamStage]:
    with a_stream_stage() as made:
        yield made


# Quotes.


async def test_a_quote_is_what_the_exchange_sent_to_the_last_digit(stage: StreamStage) -> None:
    async with stage.live() as stream:
        stage.touch("60000.123456789012345678", "60000.2", size="0.10000000000000000012")
        await until(shows(stream, "60000.123456789012345678"))
        quote = stream.quote(SPOT)
        assert quote is not None
        assert quote.bid_size == Decimal("0.10000000000000000012")
        assert abs(quote.at - stage.double.now) < timedelta(seconds=5)


async def test_sizes_of_a_swap_are_in_the_base_currency() -> None:
    with a_stream_stage([SWAP]) as stage:
        async with stage.live() as stream:
            quote = stream.quote(SWAP)
            assert quote is not None
            assert quote.bid_size == Decimal("0.02")


async def test_a_quiet_market_keeps_its_quote_for_as_long_as_pings_are_answered(stage: StreamStage) -> None:
    async with stage.live(limits=replace(QUICK, silent_after_s=NERVOUS_S)) as stream:
        await asyncio.sleep(2 * NERVOUS_S)
        assert bid(stream) == 60_000
        assert stream.health.reconnects == 0


async def test_a_market_without_one_side_has_no_quote_and_its_stream_goes_on(stage: StreamStage) -> None:
    async with stage.live() as stream:
        stage.double.engine.set_book(SPOT, bids=[], asks=[])
        await until(lambda: stream.quote(SPOT) is None)
        stage.touch("59000", "59001")
        await until(shows(stream, "59000"))
        assert stream.health.reconnects == 0


async def test_a_slow_reader_gets_the_newest_quote_and_no_backlog(stage: StreamStage) -> None:
    async with stage.live() as stream:
        stream.watch_prices({SPOT: (None, Decimal(60_001))})
        for n in range(200):
            stage.touch(str(60_002 - n % 2 * 10), "60003")
        stage.touch("60500", "60501")
        await until(shows(stream, "60500"))
        told = await drained(stream)
        assert [change.kind for change in told].count("price") == 1


async def drained(stream: ExchangeStream) -> list[Change]:
    """The changes that wait."""
    changes, found = stream.changes(), []
    with suppress(TimeoutError):
        while True:
            found.append(await asyncio.wait_for(anext(changes), 0.05))
    return found


async def test_it_connects_until_it_is_heard(stage: StreamStage) -> None:
    stream, began = stage.make(), stage.double.now
    assert (stream.health.begun_at, stream.health.connecting(at=began)) == (None, True)
    async with stream:
        assert stream.health.connecting(at=stage.double.now)
        await until(lambda: stream.health.shards and stream.health.well)
        assert stream.health.begun_at is not None
        assert began <= stream.health.begun_at <= stage.double.now
        assert not stream.health.connecting(at=stream.health.begun_at)


# What goes wrong.


@pytest.mark.parametrize("fault", [SocketGap(), SocketRepeated(), SocketSwapped()], ids=str)
async def test_a_gap_in_a_book_is_seen_and_filled_and_the_connection_stays(stage: StreamStage, fault: Socket) -> None:
    async with stage.live() as stream:
        backfills = stream.health.backfills
        stage.double.faults.add(fault, on=Operation.STREAM_BOOK)
        for price in ("60001", "60002", "60003"):
            stage.touch(price, "60010")
        await until(lambda: stream.health.gaps == 1)
        await until(shows(stream, "60003"))
        await until(lambda: stream.health.well)
        assert stream.health.backfills >= backfills
        assert stream.health.reconnects == 0
        stage.touch("60004", "60010")
        await until(shows(stream, "60004"))


async def test_in_a_gap_there_is_no_quote_until_rest_has_given_one(stage: StreamStage) -> None:
    async with stage.live() as stream:
        stage.double.faults.add(ServerError(), on=Operation.BOOK, times=None)
        stage.double.faults.add(SocketGap(), on=Operation.STREAM_BOOK)
        stage.double.faults.add(SocketSilent(), on=Operation.STREAM_BOOK, skip=2)
        stage.touch("60001", "60010")
        stage.touch("60002", "60010")
        await until(lambda: stream.health.gaps == 1)
        assert stream.quote(SPOT) is None
        await until(lambda: not stage.double.faults.scripted(SocketSilent))
        stage.double.faults.clear()
        await until(shows(stream, "60002"))
        assert stream.health.unread == (SPOT,)


@pytest.mark.parametrize("fault", [SocketSilent(), SocketClosed(), SocketMalformed()], ids=str)
async def test_a_connection_that_is_no_use_is_given_up_and_made_again(stage: StreamStage, fault: Socket) -> None:
    async with stage.live(limits=replace(QUICK, silent_after_s=NERVOUS_S)) as stream:
        stage.double.faults.add(fault, on=Operation.STREAM_BOOK)
        stage.touch("60001", "60010")
        await until(lambda: stream.health.reconnects == 1)
        await until(lambda: stream.health.well)
        assert bid(stream) == 60_001
        assert stream.health.backfills > 0
        assert stream.health.shards[0].said


async def test_while_a_socket_is_down_rest_is_asked_instead(stage: StreamStage) -> None:
    async with stage.live() as stream:
        stage.double.faults.add(SocketClosed(), on=Operation.STREAM_OPEN, times=None)
        stage.double.sockets.close_all()
        await until(lambda: stream.health.shards[0].state is ShardState.DOWN)
        for price in ("60001", "60002"):
            stage.touch(price, "60010")
            await until(shows(stream, price))
        assert stream.health.unread == (SPOT,)
        assert stream.health.polls > 0
        stage.double.faults.clear()
        await until(lambda: stream.health.well)
        stage.touch("60003", "60010")
        await until(shows(stream, "60003"))


async def test_when_nothing_answers_at_all_a_quote_grows_stale_and_is_not_shown(stage: StreamStage) -> None:
    async with stage.live(limits=replace(QUICK, stale_after_s=0.05)) as stream:
        stage.double.faults.add(SocketClosed(), on=Operation.STREAM_OPEN, times=None)
        stage.double.faults.add(ServerError(), on=Operation.BOOK, times=None, skip=1)
        stage.double.sockets.close_all()
        await until(lambda: stream.quote(SPOT) is None)
        await until(lambda: stream.quote(SPOT) is None and Operation.BOOK in operations(stage))
        await asyncio.sleep(0.1)
        assert stream.quote(SPOT) is None


def operations(stage: StreamStage) -> list[Operation | None]:
    return [entry.operation for entry in stage.double.journal]


async def test_markets_are_asked_for_until_the_exchange_gives_them(stage: StreamStage) -> None:
    stage.double.faults.add(RateLimited(), on=Operation.INSTRUMENTS, times=3)
    async with stage.live() as stream:
        assert bid(stream) == 60_000


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_goes_wrong_the_newest_quote_is_there_in_the_end(stage: StreamStage, seed: int) -> None:
    draw = random.Random(seed)
    async with stage.live(limits=replace(QUICK, silent_after_s=NERVOUS_S)) as stream:
        for _ in range(6):
            fault = draw.choice(EVERY_SOCKET_FAULT)
            opens = isinstance(fault, SocketClosed | SocketSilent) and draw.random() < 0.3
            on = Operation.STREAM_OPEN if opens else draw.choice([Operation.STREAM_BOOK, Operation.STREAM_CANDLES])
            stage.double.faults.add(fault, on=on, skip=draw.randrange(3))
            for _ in range(draw.randrange(1, 4)):
                price = draw.randrange(59_000, 61_000)
                stage.touch(str(price), str(price + 1))
                await asyncio.sleep(draw.random() * 0.03)
        stage.double.faults.clear()
        stage.touch("60777", "60778")
        await until(shows(stream, "60777"))
        await until(lambda: stream.health.well)
        assert bid(stream) == 60_777


# Shards.


async def test_symbols_are_spread_over_connections_and_each_fails_alone() -> None:
    symbols = ["BTC/USDT", "ETH/USDT", "BTC/USDT:USDT"]
    with a_stream_stage(symbols) as stage:
        async with stage.live(limits=replace(QUICK, per_connection=2)) as stream:
            assert [shard.symbols for shard in stream.health.shards] == [tuple(symbols[:2]), tuple(symbols[2:])]
            books = [c.channels for c in stage.double.sockets.open if "books" in c.channels]
            assert sorted(len(channels) for channels in books) == [1, 2]
            stage.double.faults.add(SocketClosed(), on=Operation.STREAM_BOOK)
            stage.touch("3000", "3001", symbol="ETH/USDT")
            await until(lambda: stream.health.reconnects == 1)
            await until(lambda: stream.health.well)
            assert [shard.reconnects for shard in stream.health.shards] == [1, 0]
            assert [bid(stream, symbol) for symbol in symbols] == [60_000, 3_000, 60_000]


@pytest.mark.parametrize("exchange", ["okx", "binance", "bybit"])
async def test_a_symbol_that_is_delisted_is_followed_no_more_and_the_others_go_on(exchange: str) -> None:
    symbols = ["BTC/USDT", "ETH/USDT"]
    with a_stream_stage(symbols, exchange=exchange) as stage:
        async with stage.live(limits=replace(QUICK, relist_every_s=0.05)) as stream:
            stage.double.engine.delist("ETH/USDT")
            stage.double.faults.add(SocketClosed(), on=Operation.STREAM_BOOK)
            stage.touch("60001", "60002")
            await until(lambda: [shard.symbols for shard in stream.health.shards] == [("BTC/USDT",)])
            await until(lambda: stream.health.well)
            reconnects, polls = stream.health.reconnects, stream.health.polls
            stage.touch("60003", "60004")
            await until(shows(stream, "60003"))
            await asyncio.sleep(0.2)
            assert (stream.health.reconnects, stream.health.polls) == (reconnects, polls)
            assert (stream.health.well, stream.quote("ETH/USDT"), stream.health.unread) == (True, None, ())
            stage.double.engine.relist("ETH/USDT")
            stage.touch("3000", "3001", symbol="ETH/USDT")
            await until(shows(stream, "3000", "ETH/USDT"))
            await until(lambda: stream.health.well)
            assert [shard.symbols for shard in stream.health.shards] == [tuple(symbols)]


async def test_a_stream_begins_without_what_is_not_listed_any_more(stage: StreamStage) -> None:
    async with stage.live(symbols=[SPOT, "DOGE/USDT"]) as stream:
        assert [shard.symbols for shard in stream.health.shards] == [(SPOT,)]
        assert (bid(stream), stream.quote("DOGE/USDT"), stream.health.failed) == (60_000, None, "")


async def test_where_nothing_is_listed_any_more_nothing_is_followed_until_it_is(stage: StreamStage) -> None:
    async with stage.live(limits=replace(QUICK, relist_every_s=0.05)) as stream:
        stage.double.engine.delist(SPOT)
        stage.double.faults.add(SocketClosed(), on=Operation.STREAM_BOOK)
        stage.touch("60001", "60002")
        await until(lambda: [shard.symbols for shard in stream.health.shards] == [()])
        await until(lambda: stream.health.well)
        stage.double.engine.relist(SPOT)
        stage.touch("60003", "60004")
        await until(shows(stream, "60003"))


# Bars.


def newest(stream: ExchangeStream, *, close_in: timedelta = timedelta(0)) -> Decimal | None:
    """The close of the bar that closes at the next minute from `START`, as the stream has it."""
    close = last_close(START, MINUTE) + close_in
    bars = stream.bars(SPOT, close=close)
    return None if bars is None else bars[max(bars)].close


async def test_bars_are_read_at_first_and_then_told_as_they_close(stage: StreamStage) -> None:
    async with stage.live() as stream:
        await until(lambda: newest(stream) is not None)
        asked = operations(stage).count(Operation.CANDLES)
        changes = stream.changes()
        while (await soon(anext(changes))).kind != "bar":
            pass
        assert newest(stream, close_in=timedelta(minutes=1)) is None
        stage.double.advance(31)
        told = await soon(anext(changes))
        assert (told.kind, told.symbol, told.detail) == ("bar", SPOT, "the bar that closed at 12:01")
        (expected,) = (
            bar.close for bar in stage.double.engine.bars(SPOT, 60) if bar.opened_at == last_close(START, MINUTE)
        )
        assert newest(stream, close_in=timedelta(minutes=1)) == expected
        assert operations(stage).count(Operation.CANDLES) == asked


async def test_a_bar_whose_end_was_lost_is_read_when_the_next_one_begins(stage: StreamStage) -> None:
    async with stage.live() as stream:
        await until(lambda: newest(stream) is not None)
        asked = operations(stage).count(Operation.CANDLES)
        stage.double.faults.add(SocketGap(), on=Operation.STREAM_CANDLES)
        stage.double.advance(31)
        await until(lambda: newest(stream, close_in=timedelta(minutes=1)) is not None)
        assert operations(stage).count(Operation.CANDLES) > asked


async def test_bars_that_closed_while_a_stream_was_down_are_all_there(stage: StreamStage) -> None:
    async with stage.live() as stream:
        await until(lambda: newest(stream) is not None)
        stage.double.faults.add(SocketClosed(), on=Operation.STREAM_OPEN, times=None)
        stage.double.sockets.close_all()
        await until(lambda: stream.health.shards[0].state is ShardState.DOWN)
        stage.double.advance(300)
        close = last_close(START, MINUTE) + timedelta(minutes=5)
        await until(lambda: stream.bars(SPOT, close=close) is not None)
        stage.double.faults.clear()
        await until(lambda: stream.health.well)
        stage.double.advance(60)
        await until(lambda: stream.bars(SPOT, close=close + MINUTE.length) is not None)
        bars = stream.bars(SPOT, close=close + MINUTE.length)
        assert bars is not None
        opened = sorted(bars)
        assert opened == [opened[0] + n * MINUTE.length for n in range(len(opened))]
        expected = {bar.opened_at: bar.close for bar in stage.double.engine.bars(SPOT, 60)}
        assert {at: bar.close for at, bar in bars.items()} == {at: expected[at] for at in opened}


# Hints.


async def test_a_crossed_price_is_told_at_once(stage: StreamStage) -> None:
    async with stage.live() as stream:
        stream.watch_prices({SPOT: (Decimal(59_000), Decimal(61_000))})
        stage.touch("59000.1", "59001")
        await until(shows(stream, "59000.1"))
        assert not stream.urgent.is_set()
        stage.touch("59000", "59001")
        told = await soon(first(stream, "price"))
        assert (told.symbol, told.detail) == (SPOT, "bid at or below 59000")
        assert stream.urgent.is_set()


async def test_an_own_order_that_changes_is_told_and_nothing_is_said_of_its_state(stage: StreamStage) -> None:
    async with stage.live(own_orders=True) as stream:
        stream.urgent.clear()
        stage.double.engine.place(
            NewOrder(symbol=SPOT, side="buy", type="market", quantity=Decimal("0.1"), client_order_id="a1")
        )
        told = await soon(first(stream, "order"))
        assert (told.symbol, told.detail) == (SPOT, "a1")
        assert stream.urgent.is_set()


def own(stream: ExchangeStream) -> ShardHealth:
    return next(shard for shard in stream.health.shards if shard.name.startswith("own orders"))


async def test_a_stream_of_own_orders_that_stays_down_is_urgent_once(stage: StreamStage) -> None:
    async with stage.live(own_orders=True) as stream:
        stage.double.faults.add(SocketClosed(), on=Operation.STREAM_OPEN, times=None)
        stage.double.sockets.close_all()
        await until(lambda: own(stream).state is ShardState.DOWN and own(stream).reconnects >= 1)
        assert (await soon(first(stream, "doubt"))).detail == "their stream is down"
        stream.urgent.clear()
        await until(lambda: own(stream).reconnects >= 4)
        assert not stream.urgent.is_set()


async def test_a_stop_that_changes_is_told_too(stage: StreamStage) -> None:
    async with stage.live(own_orders=True) as stream:
        stop = stage.double.engine.place_stop(
            NewOrder(symbol=SPOT, side="sell", type="market", quantity=Decimal(1)),
            Trigger(price=Decimal(59_000), direction="below"),
            client_order_id="s1",
            form="conditional",
        )
        told = await soon(first(stream, "order"))
        assert told.detail == stop.stop_id


async def test_while_the_stream_of_own_orders_is_down_they_are_in_doubt(stage: StreamStage) -> None:
    async with stage.live(own_orders=True) as stream:
        assert (await soon(first(stream, "doubt"))).detail == "their stream is back"
        stage.double.faults.add(SocketClosed(), on=Operation.STREAM_OPEN, times=None)
        stage.double.sockets.close_all()
        assert (await soon(first(stream, "doubt"))).detail == "their stream is down"
        stage.double.faults.clear()
        while (await soon(first(stream, "doubt"))).detail != "their stream is back":
            pass
        await until(lambda: stream.health.well)


# Beginning and end.


async def test_when_it_ends_nothing_is_left(stage: StreamStage) -> None:
    before = asyncio.all_tasks()
    async with stage.live(own_orders=True):
        assert len(stage.double.sockets.open) >= 3
    await until(lambda: not stage.double.sockets.open)
    assert asyncio.all_tasks() - before == set()


async def test_it_may_end_before_it_has_begun(stage: StreamStage) -> None:
    async with stage.make() as stream:
        assert stream.quote(SPOT) is None
        assert not stream.health.failed
    await until(lambda: not stage.double.sockets.open)


async def test_a_symbol_that_is_not_listed_ends_it_and_says_so(stage: StreamStage) -> None:
    stream = stage.make(symbols=["DOGE/USDT"])
    await stream.__aenter__()
    await until(lambda: stream.health.failed)
    assert "DOGE/USDT is not listed" in stream.health.failed
    assert stream.quote("DOGE/USDT") is None
    await stream.__aexit__()
    assert "DOGE/USDT is not listed" in stream.health.failed


async def test_another_symbol_is_an_error_and_not_a_missing_quote(stage: StreamStage) -> None:
    async with stage.make() as stream:
        with pytest.raises(KeyError):
            stream.quote("ETH/USDT")


def test_an_exchange_that_ccxt_does_not_stream_is_refused() -> None:
    with pytest.raises(UsageError, match="btcbox has no streams"):
        ExchangeStream(ExchangeClient("btcbox"), symbols=[SPOT], timeframe=MINUTE, wall=Wall())


@pytest.mark.parametrize(
    "wrong", [{"per_connection": 0}, {"pauses_s": ()}, {"silent_after_s": 5, "ping_every_s": 5}], ids=str
)
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|needs"):
        StreamLimits(**wrong)  # type: ignore[arg-type]
