"""The double's streams: what the real ccxt.pro gets from OKX's WebSockets, and every fault that they can have."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from builders.okx_double import SPOT, SWAP, okx_streams
from builders.patience import never, soon, until
from domain.clock import TickClock
from exchange_double import Bar, Credentials, Engine, ExchangeDouble, NewOrder, Operation, Trigger
from exchange_double.events import MarketChanged
from exchange_double.faults import (
    Fault,
    SocketClosed,
    SocketGap,
    SocketRepeated,
    SocketSilent,
    SocketSwapped,
)
from exchange_double.okx import OkxWire
from exchange_double.served import START, ServedDouble


@pytest.fixture
def double(exchange_double: ServedDouble) -> ServedDouble:
    """60,000 to 60,001 for two on either side of both BTC markets."""
    for symbol in (SPOT, SWAP):
        exchange_double.engine.set_touch(symbol, bid="60000", ask="60001", size=2)
    return exchange_double


def a_bar(minute: int, close: str = "60000") -> Bar:
    price = Decimal(close)
    return Bar(
        opened_at=START + timedelta(minutes=minute), open=price, high=price, low=price, close=price, volume=Decimal(3)
    )


# What the real ccxt.pro gets.


async def test_ccxt_keeps_a_book_from_its_changes(double: ServedDouble) -> None:
    async with okx_streams(double) as client:
        book = await soon(client.watch_order_book(SPOT))
        assert (book["bids"], book["asks"]) == ([[60000, 2]], [[60001, 2]])
        double.engine.set_touch(SPOT, bid="60000.5", ask="60001", size=1)
        book = await soon(client.watch_order_book(SPOT))
        assert (book["bids"], book["asks"], book["nonce"]) == ([[60000.5, 1]], [[60001, 1]], 2)


async def test_a_book_shows_our_own_orders(double: ServedDouble) -> None:
    async with okx_streams(double) as client:
        await soon(client.watch_order_book(SPOT))
        await client.create_order(SPOT, "limit", "buy", 0.1, 60000.5)
        assert (await soon(client.watch_order_book(SPOT)))["bids"][0] == [60000.5, 0.1]


async def test_a_book_that_has_not_changed_is_not_pushed(double: ServedDouble) -> None:
    async with okx_streams(double) as client:
        await soon(client.watch_order_book(SPOT))
        double.engine.set_touch(SWAP, bid="50000", ask="50001")
        double.engine.set_touch(SPOT, bid="60000", ask="60001", size=2)
        await never(client.watch_order_book(SPOT))


@pytest.mark.parametrize("levels", [1, 5])
async def test_ccxt_gets_the_top_of_a_book(double: ServedDouble, levels: int) -> None:
    async with okx_streams(double) as client:
        await soon(client.watch_order_book(SPOT, levels))
        double.engine.set_touch(SPOT, bid="59000", ask="59001")
        assert (await soon(client.watch_order_book(SPOT, levels)))["bids"][0][0] == 59000


async def test_ccxt_gets_tickers_as_the_last_price_moves(double: ServedDouble) -> None:
    async with okx_streams(double) as client:
        assert (await soon(client.watch_ticker(SPOT)))["last"] == 60000.5
        double.engine.trade(SPOT, price="60000.7")
        assert (await soon(client.watch_ticker(SPOT)))["last"] == 60000.7


async def test_ccxt_gets_a_bar_as_it_grows_closes_and_the_next_one(double: ServedDouble) -> None:
    double.engine.set_bars(SPOT, 60, [a_bar(-1), a_bar(0), a_bar(1, "60100")])
    async with okx_streams(double) as client:
        rows = await soon(client.watch_ohlcv(SPOT, "1m"))
        assert [row[0] for row in rows] == [START.timestamp() * 1000]
        double.engine.set_bars(SPOT, 60, [a_bar(-1), a_bar(0, "60050"), a_bar(1, "60100")])
        assert (await soon(client.watch_ohlcv(SPOT, "1m")))[-1][4] == 60050
        double.advance(60)
        # Two messages: the bar that has closed, and the next one. ccxt wakes once for a burst.
        await soon(client.watch_ohlcv(SPOT, "1m"))
        await until(lambda: [row[4] for row in client.ohlcvs[SPOT]["1m"]] == [60050, 60100])


async def test_ccxt_gets_orders_and_fills_as_they_happen(double: ServedDouble) -> None:
    async with okx_streams(double) as client:
        watching = asyncio.ensure_future(client.watch_orders())
        await subscribed(double, "orders")
        placed = double.engine.place(
            NewOrder(
                symbol=SPOT,
                side="buy",
                type="limit",
                quantity=Decimal("0.1"),
                limit_price=Decimal(50_000),
                client_order_id="a1",
            )
        )
        (order,) = await soon(watching)
        assert (order["id"], order["clientOrderId"], order["status"]) == (placed.order_id, "a1", "open")
        double.engine.fill(placed.order_id)
        (order,) = await soon(client.watch_orders())
        assert (order["status"], order["filled"], order["info"]["fillFeeCcy"]) == ("closed", 0.1, "BTC")
        (trade,) = client.myTrades
        assert (trade["price"], trade["takerOrMaker"]) == (50000, "maker")


async def test_ccxt_gets_stops_apart_from_orders(double: ServedDouble) -> None:
    async with okx_streams(double) as client:
        watching = asyncio.ensure_future(client.watch_orders(params={"trigger": True}))
        await subscribed(double, "orders-algo")
        stop = double.engine.place_stop(
            NewOrder(symbol=SWAP, side="sell", type="market", quantity=Decimal(1)),
            Trigger(price=Decimal(59_000), direction="below"),
            client_order_id="s1",
            form="conditional",
        )
        (told,) = await soon(watching)
        assert (told["id"], told["status"], told["stopLossPrice"]) == (stop.stop_id, "open", 59000)
        double.engine.cancel_stop(stop.stop_id)
        (told,) = await soon(client.watch_orders(params={"trigger": True}))
        assert told["status"] == "canceled"


async def subscribed(double: ServedDouble, channel: str) -> None:
    """Once the client has subscribed to `channel`."""
    await until(lambda: any(channel in connection.channels for connection in double.sockets.open))


async def test_ccxt_gets_balances(double: ServedDouble) -> None:
    async with okx_streams(double) as client:
        assert (await soon(client.watch_balance()))["USDT"]["total"] == 100_000
        double.engine.place(NewOrder(symbol=SPOT, side="buy", type="market", quantity=Decimal(1)))
        assert (await soon(client.watch_balance()))["BTC"]["total"] == 0.999


async def test_a_login_with_another_key_is_refused(double: ServedDouble) -> None:
    import ccxt

    async with okx_streams(double) as client:
        client.apiKey = "another"
        with pytest.raises(ccxt.BaseError):
            await soon(client.watch_orders())


async def test_pings_are_answered(double: ServedDouble) -> None:
    async with okx_streams(double, streaming={"keepAlive": 10}) as client:
        await soon(client.watch_order_book(SPOT))
        (connection,) = client.clients.values()
        before = connection.lastPong
        await until(lambda: connection.lastPong > before)


async def test_a_client_that_goes_is_forgotten(double: ServedDouble) -> None:
    async with okx_streams(double) as client:
        await soon(client.watch_order_book(SPOT))
        assert len(double.sockets.open) == 1
    await until(lambda: not double.sockets.open)
    assert double.sockets.opened == 1


# What goes wrong with a connection, message by message.


@asynccontextmanager
async def a_book(double: ServedDouble) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A client that has received the whole book."""
    address = f"{double.url}/ws/v5/public"
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
        await socket.send_json({"op": "subscribe", "args": [{"channel": "books", "instId": "BTC-USDT"}]})
        assert (await received(socket))["event"] == "subscribe"
        assert numbers(await received(socket)) == (-1, 1)
        yield socket


async def received(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    told: dict[str, Any] = await soon(socket.receive_json())
    return told


def numbers(told: dict[str, Any]) -> tuple[int, int]:
    (row,) = told["data"]
    return row["prevSeqId"], row["seqId"]


def move(double: ServedDouble, *, times: int = 3) -> None:
    for size in range(3, 3 + times):
        double.engine.set_touch(SPOT, bid="60000", ask="60001", size=size)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (None, [(1, 2), (2, 3), (3, 4)]),
        (SocketGap(), [(2, 3), (3, 4)]),
        (SocketRepeated(), [(1, 2), (1, 2), (2, 3), (3, 4)]),
        (SocketSwapped(), [(2, 3), (1, 2), (3, 4)]),
    ],
    ids=str,
)
async def test_messages_are_numbered_so_that_a_fault_shows(
    double: ServedDouble, fault: Fault | None, expected: list[tuple[int, int]]
) -> None:
    async with a_book(double) as socket:
        if fault:
            double.faults.add(fault, on=Operation.STREAM_BOOK)
        move(double)
        assert [numbers(await received(socket)) for _ in expected] == expected
        assert double.faults.waiting == ()


async def test_a_silent_connection_stays_open_and_says_nothing(double: ServedDouble) -> None:
    async with a_book(double) as socket:
        double.faults.add(SocketSilent(), on=Operation.STREAM_BOOK)
        move(double)
        await socket.send_str("ping")
        await never(socket.receive())
        assert not socket.closed


async def test_a_closed_connection_is_closed_and_the_next_one_is_not(double: ServedDouble) -> None:
    async with a_book(double) as socket:
        double.faults.add(SocketClosed(), on=Operation.STREAM_BOOK)
        move(double)
        assert (await soon(socket.receive())).type is aiohttp.WSMsgType.CLOSE
    async with a_book(double):
        assert double.sockets.opened == 2


async def test_a_connection_can_be_refused_or_silent_from_the_first(double: ServedDouble) -> None:
    address = f"{double.url}/ws/v5/public"
    double.faults.add(SocketClosed(), on=Operation.STREAM_OPEN)
    double.faults.add(SocketSilent(), on=Operation.STREAM_OPEN)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await session.ws_connect(address)
        async with session.ws_connect(address) as socket:
            await socket.send_str("ping")
            await never(socket.receive())


async def test_an_address_without_streams_is_refused(double: ServedDouble) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(f"{double.url}/ws/v4/public")


def test_what_ccxt_adds_to_an_address_changes_nothing() -> None:
    engine = Engine(TickClock(START))
    assert OkxWire().session("/ws/v5/public?brokerId=9999", engine) is not None


async def test_ccxt_refuses_to_go_on_after_a_gap_and_begins_again(double: ServedDouble) -> None:
    import ccxt

    async with okx_streams(double) as client:
        await soon(client.watch_order_book(SPOT))
        double.faults.add(SocketGap(), on=Operation.STREAM_BOOK)
        move(double, times=2)
        with pytest.raises(ccxt.InvalidNonce):
            await soon(client.watch_order_book(SPOT))
        book = await soon(client.watch_order_book(SPOT))
        assert (book["bids"], book["nonce"]) == ([[60000, 4]], 1)


# OKX's words, without a socket.


def answers(endpoint: str, *requests: object) -> list[dict[str, Any]]:
    """What each request is answered with."""
    session = OkxWire(Credentials()).session(f"/ws/v5/{endpoint}", Engine(TickClock(START)))
    assert session is not None
    told = []
    for request in requests:
        text = request if isinstance(request, str) else json.dumps(request)
        told += [json.loads(push.text) for push in session.receive(text, now=START)]
    return told


def asking(operation: str, **arg: str) -> dict[str, object]:
    return {"op": operation, "args": [arg]}


@pytest.mark.parametrize(
    ("endpoint", "request_", "code"),
    [
        ("public", asking("subscribe", channel="books", instId="DOGE-USDT"), "60018"),
        ("public", asking("subscribe", channel="candle1m", instId="BTC-USDT"), "60018"),
        ("public", asking("subscribe", channel="orders", instType="ANY"), "60018"),
        ("private", asking("subscribe", channel="orders", instType="ANY"), "60011"),
        ("business", asking("subscribe", channel="orders-algo", instType="ANY"), "60011"),
        ("private", asking("login", apiKey="another"), "60005"),
        ("private", asking("login", apiKey="double-key", passphrase="another"), "60024"),
        ("private", asking("login", apiKey="double-key", passphrase="double-passphrase", sign="x"), "60007"),
        ("public", asking("dance"), "60012"),
        ("public", "not json", "60012"),
        ("public", {"op": "subscribe"}, "60012"),
    ],
    ids=str,
)
def test_a_bad_request_is_answered_with_its_code(endpoint: str, request_: object, code: str) -> None:
    (told,) = answers(endpoint, request_)
    assert (told["event"], told["code"]) == ("error", code)


def test_what_was_unsubscribed_is_not_pushed() -> None:
    engine = Engine(TickClock(START))
    session = OkxWire().session("/ws/v5/public", engine)
    assert session is not None
    session.receive(json.dumps(asking("subscribe", channel="tickers", instId="BTC-USDT")), now=START)
    assert session.channels == ["tickers"]
    engine.set_touch(SPOT, bid="60000", ask="60001")
    assert len(session.happened(MarketChanged(SPOT), now=START)) == 1
    (told,) = session.receive(json.dumps(asking("unsubscribe", channel="tickers", instId="BTC-USDT")), now=START)
    assert json.loads(told.text)["event"] == "unsubscribe"
    engine.set_touch(SPOT, bid="60010", ask="60011")
    assert session.happened(MarketChanged(SPOT), now=START) == []


def test_a_fault_of_a_stream_means_nothing_on_a_request() -> None:
    double = ExchangeDouble(OkxWire(), TickClock(START))
    with pytest.raises(ValueError, match="SocketGap means nothing on place"):
        double.faults.add(SocketGap(), on=Operation.PLACE)
    with pytest.raises(ValueError, match="SocketGap means nothing on stream_open"):
        double.faults.add(SocketGap(), on=Operation.STREAM_OPEN)
