"""Streams of Binance by the real ccxt.pro on real sockets: spot and swaps, their own orders, and what goes wrong."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from builders.exchanges import FAST, START
from builders.patience import soon, until
from builders.streams import MINUTE, NERVOUS_S, QUICK, Running, StreamStage, a_stream_stage, bid, first, shows
from domain.candle import last_close
from domain.clock import Clock
from exchange_double import Credentials, NewOrder, Operation, Trigger
from exchange_double.binance import LISTINGS
from exchange_double.faults import (
    ServerError,
    Slow,
    Socket,
    SocketClosed,
    SocketGap,
    SocketMalformed,
    SocketRepeated,
    SocketSilent,
    SocketSwapped,
)
from exchange_double.served import binance_double
from exchange_double.stops import Stop
from venues.exchange.client import ExchangeClient
from venues.exchange.connection import move
from venues.exchange.streams.stream import ExchangeStream

pytestmark = pytest.mark.slow  # real sockets, that are left to fall silent

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
KINDS = {SPOT: "spot", SWAP: "swap"}
EITHER = pytest.mark.parametrize("symbol", [SPOT, SWAP])


@pytest.fixture
def both() -> Iterator[StreamStage]:
    """Spot and swap, which have the same id at Binance."""
    with a_stream_stage([SPOT, SWAP], exchange="binance") as made:
        yield made


async def told_back(stream: ExchangeStream) -> None:
    """Once the stream of own orders is back."""
    while (await soon(first(stream, "doubt"))).detail != "their stream is back":
        pass


async def trade(stage: StreamStage, stream: ExchangeStream, symbol: str) -> None:
    """Until an order is heard of: of what happens while their stream begins, only that it is in doubt is told."""
    heard = asyncio.ensure_future(told_of(stream, symbol))
    for _ in range(50):
        buy(stage, symbol)
        with suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(heard), 0.1)
    heard.cancel()
    pytest.fail(f"no order in {symbol} was heard of")


async def told_of(stream: ExchangeStream, symbol: str, client_order_id: str = "") -> None:
    async for change in stream.changes():
        if (change.kind, change.symbol) == ("order", symbol) and client_order_id in ("", change.detail):
            return


def buy(stage: StreamStage, symbol: str, client_order_id: str = "") -> None:
    stage.double.engine.place(
        NewOrder(symbol=symbol, side="buy", type="market", quantity=Decimal("0.01"), client_order_id=client_order_id)
    )


def place_stop(stage: StreamStage, symbol: str) -> Stop:
    return stage.double.engine.place_stop(
        NewOrder(symbol=symbol, side="sell", type="market", quantity=Decimal("0.1"), client_order_id="s1"),
        Trigger(price=Decimal(59_000), direction="below"),
        client_order_id="s1",
        form="STOP_LOSS" if symbol == SPOT else "STOP_MARKET",
        same_order=symbol == SPOT,
    )


# Quotes.


async def test_spot_and_swap_of_one_id_are_not_taken_for_each_other(both: StreamStage) -> None:
    async with both.live() as stream:
        both.touch("60000.12", "60000.2", size="0.10001", symbol=SPOT)
        both.touch("61000.1", "61000.2", size="0.007", symbol=SWAP)
        await until(shows(stream, "60000.12", SPOT))
        await until(shows(stream, "61000.1", SWAP))
        sizes = {symbol: quote.bid_size for symbol in (SPOT, SWAP) if (quote := stream.quote(symbol))}
        assert sizes == {SPOT: Decimal("0.10001"), SWAP: Decimal("0.007")}
        assert stream.health.reconnects == 0


async def test_many_books_share_a_few_connections() -> None:
    symbols = [f"{base}/USDT" for base in ("BTC", "ETH", "SOL", "XRP", "ADA", "DOT", "LTC")]
    listings = [replace(LISTINGS[0], symbol=symbol) for symbol in symbols]
    with binance_double(clock=Running(), listings=listings) as double:
        stage = StreamStage(double, tuple(symbols), "binance")
        for n, symbol in enumerate(symbols):
            stage.touch(str(50_000 + n), "60000", symbol=symbol)
        stage.show_bars()
        async with stage.live() as stream:
            await until(lambda: [bid(stream, symbol) for symbol in symbols] == [50_000 + n for n in range(7)])
            assert len(double.sockets.open) == 4
            double.faults.add(SocketGap(), on=Operation.STREAM_BOOK)
            for price in ("51001", "51002"):
                stage.touch(price, "60000", symbol=symbols[5])
            await until(lambda: stream.health.gaps == 1)
            await until(shows(stream, "51002", symbols[5]))
            assert stream.health.reconnects == 0


@pytest.mark.parametrize("fault", [SocketGap(), SocketSwapped()], ids=str)
@EITHER
async def test_a_gap_in_a_book_is_seen_and_filled_and_the_connection_stays(symbol: str, fault: Socket) -> None:
    with a_stream_stage([symbol], exchange="binance") as stage:
        async with stage.live() as stream:
            stage.double.faults.add(fault, on=Operation.STREAM_BOOK)
            for price in ("60001", "60002", "60003"):
                stage.touch(price, "60010", symbol=symbol)
            await until(lambda: stream.health.gaps == 1)
            await until(shows(stream, "60003", symbol))
            await until(lambda: stream.health.well)
            stage.touch("60004", "60010", symbol=symbol)
            await until(shows(stream, "60004", symbol))
            assert stream.health.reconnects == 0


@EITHER
async def test_a_message_that_comes_twice_does_no_harm(symbol: str) -> None:
    with a_stream_stage([symbol], exchange="binance") as stage:
        async with stage.live() as stream:
            stage.double.faults.add(SocketRepeated(), on=Operation.STREAM_BOOK)
            for price in ("60001", "60002"):
                stage.touch(price, "60010", symbol=symbol)
            await until(shows(stream, "60002", symbol))
            assert (stream.health.gaps, stream.health.reconnects) == (0, 0)


@pytest.mark.parametrize("fault", [SocketSilent(), SocketClosed(), SocketMalformed()], ids=str)
@EITHER
async def test_a_connection_that_is_no_use_is_given_up_and_made_again(symbol: str, fault: Socket) -> None:
    with a_stream_stage([symbol], exchange="binance") as stage:
        async with stage.live(limits=replace(QUICK, silent_after_s=NERVOUS_S)) as stream:
            stage.double.faults.add(fault, on=Operation.STREAM_BOOK)
            stage.touch("60001", "60010", symbol=symbol)
            await until(lambda: stream.health.reconnects == 1)
            await until(lambda: stream.health.well)
            assert bid(stream, symbol) == 60_001


async def test_where_rest_gives_no_whole_book_the_stream_is_tried_until_it_does() -> None:
    with a_stream_stage([SPOT], exchange="binance") as stage:
        stage.double.faults.add(ServerError(), on=Operation.BOOK, times=9)
        async with stage.make() as stream:
            await until(lambda: stream.health.reconnects > 0)
            await until(lambda: stream.health.shards and stream.health.well)
            assert bid(stream, SPOT) == 60_000


@dataclass
class Ahead:
    """Our clock is ahead of the exchange's."""

    stage: StreamStage

    def now(self) -> datetime:
        return self.stage.double.now + timedelta(seconds=30)


@EITHER
async def test_a_clock_that_is_ahead_does_not_hold_quotes_back(symbol: str) -> None:
    """The whole book of spot has no time, so that it is given ours, and what comes next has the exchange's."""
    with a_stream_stage([symbol], exchange="binance") as stage:
        wall: Clock = Ahead(stage)
        async with stage.live(wall=wall) as stream:
            stage.touch("60001", "60010", symbol=symbol)
            await until(shows(stream, "60001", symbol))


# Bars.


@EITHER
async def test_bars_are_read_at_first_and_then_told_as_they_close(symbol: str) -> None:
    with a_stream_stage([symbol], exchange="binance") as stage:
        async with stage.live() as stream:
            close = last_close(START, MINUTE)
            await until(lambda: stream.bars(symbol, close=close) is not None)
            asked = [entry.operation for entry in stage.double.journal].count(Operation.CANDLES)
            changes = stream.changes()
            while (await soon(anext(changes))).kind != "bar":
                pass
            stage.double.advance(31)
            told = await soon(anext(changes))
            assert (told.kind, told.symbol, told.detail) == ("bar", symbol, "the bar that closed at 12:01")
            bars = stream.bars(symbol, close=close + MINUTE.length)
            (expected,) = (bar.close for bar in stage.double.engine.bars(symbol, 60) if bar.opened_at == close)
            assert bars is not None
            assert bars[close].close == expected
            assert [entry.operation for entry in stage.double.journal].count(Operation.CANDLES) == asked


async def test_a_bar_that_closes_on_both_kinds_is_told_of_each(both: StreamStage) -> None:
    async with both.live() as stream:
        close = last_close(START, MINUTE)
        await until(lambda: all(stream.bars(symbol, close=close) is not None for symbol in (SPOT, SWAP)))
        both.double.advance(31)
        after = close + MINUTE.length
        await until(lambda: all(stream.bars(symbol, close=after) is not None for symbol in (SPOT, SWAP)))


# Own orders.


@EITHER
async def test_an_own_order_and_a_stop_that_change_are_told(symbol: str) -> None:
    with a_stream_stage([symbol], exchange="binance") as stage:
        async with stage.live(own_orders=True) as stream:
            assert [shard.name for shard in stream.health.shards] == ["market 1", f"own orders ({KINDS[symbol]})"]
            await told_back(stream)
            await trade(stage, stream, symbol)
            stream.urgent.clear()
            buy(stage, symbol, "a1")
            await soon(told_of(stream, symbol, "a1"))
            assert stream.urgent.is_set()
            place_stop(stage, symbol)
            await soon(told_of(stream, symbol, "s1"))
            stage.double.engine.set_touch(symbol, bid="58990", ask="58991")
            await soon(told_of(stream, symbol, "s1"))


async def test_a_run_on_both_kinds_hears_the_orders_of_each(both: StreamStage) -> None:
    async with both.make(own_orders=True) as stream:
        await until(lambda: len(stream.health.shards) == 3 and stream.health.well)
        await until(lambda: [c.channels for c in both.double.sockets.open].count(("userData",)) == 2)
        for symbol in (SPOT, SWAP):
            await trade(both, stream, symbol)


@pytest.mark.parametrize("symbols", [[SPOT], [SWAP], [SPOT, SWAP]], ids=str)
async def test_with_keys_and_another_address_alone_everything_is_heard(symbols: list[str]) -> None:
    """As a run does it: ccxt's own addresses, all moved."""
    with a_stream_stage(symbols, exchange="binance") as stage:
        known, at = Credentials(), stage.double.url
        stream = ExchangeStream(
            ExchangeClient("binance", base_url=at, settings={**FAST, "enableRateLimit": False}),
            symbols=symbols,
            timeframe=MINUTE,
            wall=Ahead(stage),
            settings={"apiKey": known.key, "secret": known.secret, **FAST, "enableRateLimit": False},
            prepare=partial(move, base_url=at),
            own_orders=True,
            limits=QUICK,
        )
        async with stream:
            await until(lambda: stream.health.shards and stream.health.well)
            accounts = [("userData",)] * len(symbols)
            await until(lambda: [c.channels for c in stage.double.sockets.open if "userData" in c.channels] == accounts)
            for n, symbol in enumerate(symbols):
                await until(lambda symbol=symbol: stream.quote(symbol))
                stage.touch(str(59_001 + n), "60010", symbol=symbol)
                await until(shows(stream, str(59_001 + n), symbol))
                await trade(stage, stream, symbol)
            close = last_close(START, MINUTE) + MINUTE.length
            stage.double.advance(31)
            await until(lambda: all(stream.bars(symbol, close=close) is not None for symbol in symbols))
            assert stream.health.reconnects == 0


def kept_alive(stage: StreamStage) -> int:
    """How often a listen key was."""
    return sum(entry.request.method == "PUT" and entry.status == 200 for entry in stage.double.journal)


def often(stage: StreamStage) -> dict[str, Any]:
    """Settings by which a listen key is kept alive every 50 ms."""
    given = dict(stage.settings(keys=True))
    options = given["options"]
    assert isinstance(options, dict)
    return {**given, "options": {**options, "listenKeyRefreshRate": 50}}


async def test_the_listen_key_is_kept_alive_for_as_long_as_the_stream_lives() -> None:
    with a_stream_stage([SWAP], exchange="binance") as stage:
        async with stage.live(own_orders=True, settings=often(stage)) as stream:
            await until(lambda: kept_alive(stage) >= 3)
            assert stream.health.reconnects == 0
        last = kept_alive(stage)
        await asyncio.sleep(0.2)
        assert kept_alive(stage) == last


async def test_a_listen_key_that_has_ended_is_noticed_and_another_one_is_asked_for() -> None:
    with a_stream_stage([SWAP], exchange="binance") as stage:
        async with stage.live(own_orders=True) as stream:
            await told_back(stream)
            stage.double.advance(3_601)
            await until(lambda: stream.health.shards[-1].reconnects == 1)
            assert "listenKeyExpired" in stream.health.shards[-1].said
            await told_back(stream)
            await trade(stage, stream, SWAP)


@EITHER
async def test_while_the_stream_of_own_orders_is_down_they_are_in_doubt(symbol: str) -> None:
    with a_stream_stage([symbol], exchange="binance") as stage:
        async with stage.live(own_orders=True) as stream:
            await told_back(stream)
            stage.double.faults.add(SocketClosed(), on=Operation.STREAM_ORDERS)
            stage.double.faults.add(SocketClosed(), on=Operation.STREAM_OPEN, times=3)
            buy(stage, symbol)
            assert (await soon(first(stream, "doubt"))).detail == "their stream is down"
            await told_back(stream)
            await trade(stage, stream, symbol)


async def test_when_it_ends_while_a_whole_book_is_asked_for_nothing_is_left() -> None:
    with a_stream_stage([SPOT], exchange="binance") as stage:
        before = asyncio.all_tasks()
        stage.double.faults.add(Slow(seconds=0.3), on=Operation.BOOK, times=None)
        async with stage.make():
            await until(lambda: "depth" in stage.channels())
            await asyncio.sleep(0.1)
        await until(lambda: not stage.double.sockets.open)
        await until(lambda: not asyncio.all_tasks() - before)
        gc.collect()  # a session that was left open says so, which fails the test


async def test_when_it_ends_nothing_is_left(both: StreamStage) -> None:
    before = asyncio.all_tasks()
    async with both.live(own_orders=True):
        assert len(both.double.sockets.open) >= 5
    await until(lambda: not both.double.sockets.open)
    assert asyncio.all_tasks() - before == set()
