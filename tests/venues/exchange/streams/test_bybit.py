"""Streams of Bybit: its books are numbered and ccxt doesn't look, and it tells stops among the orders."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from builders.exchanges import START
from builders.live_venue import a_stage
from builders.patience import soon, until
from builders.streams import MINUTE, NERVOUS_S, QUICK, StreamStage, a_stream_stage, bid, first, shows
from domain.candle import last_close
from exchange_double import NewOrder, Operation, Trigger
from exchange_double.faults import (
    EVERY_SOCKET_FAULT,
    Socket,
    SocketClosed,
    SocketGap,
    SocketMalformed,
    SocketRepeated,
    SocketSilent,
    SocketSwapped,
)

pytestmark = pytest.mark.slow  # real sockets, that are left to fall silent

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
BOTH = pytest.mark.parametrize("symbol", [SPOT, SWAP])


@pytest.fixture
def stage() -> Iterator[StreamStage]:
    """A spot pair and a perpetual with one id."""
    with a_stream_stage([SPOT, SWAP], exchange="bybit") as made:
        yield made


# Quotes.


@BOTH
async def test_a_quote_is_what_the_exchange_sent_to_the_last_digit(stage: StreamStage, symbol: str) -> None:
    async with stage.live() as stream:
        stage.touch("60000.123456789012345678", "60000.2", size="0.100000000000000012", symbol=symbol)
        await until(shows(stream, "60000.123456789012345678", symbol))
        quote = stream.quote(symbol)
        assert quote is not None
        assert quote.bid_size == Decimal("0.100000000000000012")
        assert abs(quote.at - stage.double.now) < timedelta(seconds=5)
        assert bid(stream, SWAP if symbol == SPOT else SPOT) == 60_000


async def test_sizes_of_a_swap_are_in_the_base_currency(stage: StreamStage) -> None:
    async with stage.live() as stream:
        quote = stream.quote(SWAP)
        assert quote is not None
        assert quote.bid_size == 2


async def test_two_changes_of_one_millisecond_are_both_seen(stage: StreamStage) -> None:
    async with stage.live() as stream:
        for n in range(200):
            stage.touch(str(60_000 - n), "60003", symbol=SPOT)
            stage.touch(str(60_001 - n), "60003", symbol=SPOT)
        await until(shows(stream, "59802", SPOT))
        assert stream.health.gaps == 0


# What goes wrong.


@BOTH
@pytest.mark.parametrize("fault", [SocketGap(), SocketRepeated(), SocketSwapped()], ids=str)
async def test_a_gap_in_a_book_is_seen_and_the_book_subscribed_to_again(
    stage: StreamStage, fault: Socket, symbol: str
) -> None:
    async with stage.live() as stream:
        stage.double.faults.add(fault, on=Operation.STREAM_BOOK)
        for price in ("60001", "60002", "60003"):
            stage.touch(price, "60010", symbol=symbol)
        await until(lambda: stream.health.gaps == 1)
        await until(shows(stream, "60003", symbol))
        await until(lambda: stream.health.well)
        stage.touch("60004", "60010", symbol=symbol)
        await until(shows(stream, "60004", symbol))
        assert (stream.health.gaps, stream.health.reconnects) == (1, 0)


async def test_after_a_gap_only_rest_gives_a_quote_until_the_whole_book_is_there(stage: StreamStage) -> None:
    async with stage.live() as stream:
        stage.double.faults.add(SocketGap(), on=Operation.STREAM_BOOK)
        stage.double.faults.add(SocketSilent(), on=Operation.STREAM_BOOK, skip=2)
        stage.touch("60001", "60010", symbol=SPOT)
        stage.touch("60002", "60010", symbol=SPOT)
        await until(lambda: stream.health.gaps == 1)
        await until(shows(stream, "60002", SPOT))
        assert SPOT in stream.health.unread


@pytest.mark.parametrize("fault", [SocketSilent(), SocketClosed(), SocketMalformed()], ids=str)
async def test_a_connection_that_is_no_use_is_given_up_and_made_again(stage: StreamStage, fault: Socket) -> None:
    async with stage.live(limits=replace(QUICK, silent_after_s=NERVOUS_S)) as stream:
        stage.double.faults.add(fault, on=Operation.STREAM_BOOK)
        stage.touch("60001", "60010", symbol=SPOT)
        await until(lambda: stream.health.reconnects > 0)
        await until(lambda: stream.health.well)
        await until(shows(stream, "60001", SPOT))
        assert stream.health.shards[0].said


async def test_a_login_that_is_refused_is_a_connection_that_is_down_and_says_why(stage: StreamStage) -> None:
    settings = {**stage.settings(keys=True), "secret": "another"}
    async with stage.make(own_orders=True, settings=settings) as stream:
        await until(lambda: stream.health.shards and stream.health.shards[-1].reconnects > 0)
        own = stream.health.shards[-1]
        assert "its own orders: AuthenticationError: bybit error sign!" in own.said
        await until(shows(stream, "60000", SPOT))


@pytest.mark.parametrize("seed", [0, 1, 2, 28])
async def test_whatever_goes_wrong_the_newest_quotes_are_there_in_the_end(stage: StreamStage, seed: int) -> None:
    """Also a snapshot that is lost, or waits for a next message that doesn't come: `resync_s` ends that."""
    draw = random.Random(seed)
    async with stage.live(limits=replace(QUICK, silent_after_s=NERVOUS_S, resync_s=1)) as stream:
        for _ in range(6):
            on = draw.choice([Operation.STREAM_BOOK, Operation.STREAM_CANDLES])
            stage.double.faults.add(draw.choice(EVERY_SOCKET_FAULT), on=on, skip=draw.randrange(3))
            for _ in range(draw.randrange(1, 4)):
                price = draw.randrange(59_000, 61_000)
                stage.touch(str(price), str(price + 1), symbol=draw.choice([SPOT, SWAP]))
                await asyncio.sleep(draw.random() * 0.03)
        stage.double.faults.clear()
        for symbol in (SPOT, SWAP):
            stage.touch("60777", "60778", symbol=symbol)
            await until(shows(stream, "60777", symbol))
        await until(lambda: stream.health.well)
        assert [bid(stream, symbol) for symbol in (SPOT, SWAP)] == [60_777, 60_777]


# Bars.


@BOTH
async def test_a_bar_is_known_once_the_exchange_says_that_it_is_closed(stage: StreamStage, symbol: str) -> None:
    close = last_close(START, MINUTE) + MINUTE.length
    async with stage.live() as stream:
        await until(lambda: stream.bars(symbol, close=close - MINUTE.length) is not None)
        asked = [entry.operation for entry in stage.double.journal].count(Operation.CANDLES)
        assert stream.bars(symbol, close=close) is None
        stage.double.advance(31)
        await until(lambda: stream.bars(symbol, close=close) is not None)
        bars = stream.bars(symbol, close=close)
        (expected,) = (bar for bar in stage.double.engine.bars(symbol, 60) if bar.opened_at == close - MINUTE.length)
        assert bars is not None
        assert (bars[expected.opened_at].close, bars[expected.opened_at].volume) == (expected.close, expected.volume)
        assert [entry.operation for entry in stage.double.journal].count(Operation.CANDLES) == asked


# Own orders, in a run that trades spot, swaps or both.


@pytest.mark.parametrize("symbols", [[SPOT], [SWAP], [SPOT, SWAP]], ids=str)
async def test_own_orders_of_every_kind_are_heard(symbols: list[str]) -> None:
    with a_stream_stage(symbols, exchange="bybit") as stage:
        async with stage.live(own_orders=True) as stream:
            for symbol in symbols:
                buy = NewOrder(symbol=symbol, side="buy", type="market", quantity=Decimal("0.1"))
                stage.double.engine.place(buy)
                while (await soon(first(stream, "order"))).symbol != symbol:
                    pass  # what was placed before has been filled


@BOTH
async def test_a_stop_is_heard_when_it_waits_and_when_it_has_triggered(stage: StreamStage, symbol: str) -> None:
    engine = stage.double.engine
    engine.place(NewOrder(symbol=symbol, side="buy", type="market", quantity=Decimal(1)))
    async with stage.live(own_orders=True) as stream:
        engine.place_stop(
            NewOrder(symbol=symbol, side="sell", type="market", quantity=Decimal("0.5"), client_order_id="s1"),
            Trigger(price=Decimal(59_000), direction="below"),
            client_order_id="s1",
            form="StopOrder",
            same_order=True,
        )
        told = await soon(first(stream, "order"))
        assert (told.symbol, told.detail) == (symbol, "s1")
        stage.touch("58999", "59000", symbol=symbol)
        assert (await soon(first(stream, "order"))).detail == "s1"
        assert [fill.size for fill in engine.fills if fill.side == "sell"] == [Decimal("0.5")]


async def test_an_order_in_a_market_that_is_not_followed_does_no_harm(stage: StreamStage) -> None:
    stage.touch("3000", "3001", symbol="ETH/USDT")
    async with stage.live(own_orders=True) as stream:
        stage.double.engine.place(
            NewOrder(symbol="ETH/USDT", side="buy", type="market", quantity=Decimal(1), client_order_id="e1")
        )
        assert (await soon(first(stream, "order"))).detail == "e1"
        assert stream.health.reconnects == 0


@pytest.mark.parametrize(("symbol", "sandbox"), [(SPOT, False), (SWAP, False), (SWAP, True)])
async def test_a_live_venue_hears_its_orders_and_its_market(symbol: str, sandbox: bool) -> None:
    """By its own keys and another host, while the machine's clock is nothing like the exchange's."""
    async with a_stage(exchange="bybit", symbol=symbol, symbols=[symbol], sandbox=sandbox) as stage:
        stream = stage.venue.stream(MINUTE)
        assert stream is not None
        async with stream:
            await until(lambda: any("order" in connection.channels for connection in stage.double.sockets.open))
            await until(shows(stream, "60000", symbol))
            stage.double.engine.place(
                NewOrder(symbol=symbol, side="buy", type="market", quantity=Decimal("0.1"), client_order_id="a1")
            )
            told = await soon(first(stream, "order"))
            assert (told.symbol, told.detail) == (symbol, "a1")
