"""The streams of the double's Bybit: what the real ccxt.pro gets from them, and Bybit's words where it gets nothing."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from builders.bybit_double import SPOT, SWAP, bybit_streams
from builders.patience import never, soon, until
from domain.clock import TickClock
from exchange_double import Bar, Credentials, Engine, NewOrder, Operation, Trigger
from exchange_double.bybit import LISTINGS, BybitWire
from exchange_double.events import MarketChanged
from exchange_double.faults import Fault, SocketClosed, SocketGap, SocketRepeated, SocketSilent, SocketSwapped
from exchange_double.served import START, ServedDouble
from venues.exchange.connection import move

BOTH = pytest.mark.parametrize("symbol", [SPOT, SWAP])


@pytest.fixture
def double(bybit_double: ServedDouble) -> ServedDouble:
    """60,000 to 60,001 for two on either side of both BTC markets."""
    for symbol in (SPOT, SWAP):
        bybit_double.engine.set_touch(symbol, bid="60000", ask="60001", size=2)
    return bybit_double


def a_bar(minute: int, close: str = "60000") -> Bar:
    price = Decimal(close)
    return Bar(
        opened_at=START + timedelta(minutes=minute), open=price, high=price, low=price, close=price, volume=Decimal(3)
    )


async def subscribed(double: ServedDouble, channel: str) -> None:
    """Once the client has subscribed to `channel`."""
    await until(lambda: any(channel in connection.channels for connection in double.sockets.open))


# What the real ccxt.pro gets.


@BOTH
async def test_ccxt_keeps_a_book_from_its_changes(double: ServedDouble, symbol: str) -> None:
    async with bybit_streams(double) as client:
        book = await soon(client.watch_order_book(symbol))
        assert (book["symbol"], book["bids"], book["asks"]) == (symbol, [[60000, 2]], [[60001, 2]])
        double.engine.set_touch(symbol, bid="60000.5", ask="60001", size=1)
        book = await soon(client.watch_order_book(symbol))
        assert (book["bids"], book["asks"]) == ([[60000.5, 1]], [[60001, 1]])


async def test_a_spot_pair_and_a_perpetual_of_one_name_are_told_apart(double: ServedDouble) -> None:
    async with bybit_streams(double) as client:
        await soon(client.watch_order_book(SPOT))
        await soon(client.watch_order_book(SWAP))
        double.engine.set_touch(SWAP, bid="50000", ask="50001")
        assert (await soon(client.watch_order_book(SWAP)))["bids"][0][0] == 50000
        await never(client.watch_order_book(SPOT))


async def test_a_book_shows_our_own_orders(double: ServedDouble) -> None:
    async with bybit_streams(double) as client:
        await soon(client.watch_order_book(SPOT))
        await client.create_order(SPOT, "limit", "buy", 0.1, 60000.5)
        assert (await soon(client.watch_order_book(SPOT)))["bids"][0] == [60000.5, 0.1]


async def test_ccxt_gets_the_best_level_whole_each_time(double: ServedDouble) -> None:
    async with bybit_streams(double) as client:
        await soon(client.watch_order_book(SPOT, 1))
        double.engine.set_touch(SPOT, bid="59000", ask="59001")
        assert (await soon(client.watch_order_book(SPOT, 1)))["bids"][0][0] == 59000


@BOTH
async def test_ccxt_gets_a_bar_as_it_grows_closes_and_the_next_one(double: ServedDouble, symbol: str) -> None:
    double.engine.set_bars(symbol, 60, [a_bar(-1), a_bar(0), a_bar(1, "60100")])
    async with bybit_streams(double) as client:
        rows = await soon(client.watch_ohlcv(symbol, "1m"))
        assert [row[0] for row in rows] == [START.timestamp() * 1000]
        double.engine.set_bars(symbol, 60, [a_bar(-1), a_bar(0, "60050"), a_bar(1, "60100")])
        assert (await soon(client.watch_ohlcv(symbol, "1m")))[-1][4] == 60050
        double.advance(60)
        # Two messages: the bar that has closed, and the next one. ccxt wakes once for a burst.
        await soon(client.watch_ohlcv(symbol, "1m"))
        await until(lambda: [row[4] for row in client.ohlcvs[symbol]["1m"]] == [60050, 60100])


@BOTH
@pytest.mark.parametrize("trades", ["spot", "swap"])
async def test_ccxt_gets_orders_and_fills_of_every_market_whatever_it_trades(
    double: ServedDouble, symbol: str, trades: str
) -> None:
    async with bybit_streams(double) as client:
        client.options["defaultType"] = trades
        watching = asyncio.ensure_future(client.watch_orders())
        await subscribed(double, "order")
        placed = double.engine.place(a_buy(symbol))
        (order,) = await soon(watching)
        assert (order["id"], order["clientOrderId"], order["symbol"]) == (placed.order_id, "a1", symbol)
        assert order["status"] == "open"
        double.engine.fill(placed.order_id)
        (order,) = await soon(client.watch_orders())
        assert (order["status"], order["filled"], order["fee"]["currency"]) == (
            "closed",
            0.1,
            "BTC" if symbol == SPOT else "USDT",
        )


def a_buy(symbol: str) -> NewOrder:
    return NewOrder(
        symbol=symbol,
        side="buy",
        type="limit",
        quantity=Decimal("0.1"),
        limit_price=Decimal(50_000),
        client_order_id="a1",
    )


@BOTH
async def test_ccxt_gets_a_stop_among_the_orders_from_when_it_waits(double: ServedDouble, symbol: str) -> None:
    async with bybit_streams(double) as client:
        watching = asyncio.ensure_future(client.watch_orders())
        await subscribed(double, "order")
        rising = {"triggerDirection": "ascending"} if symbol == SWAP else {}
        placed = await client.create_order(symbol, "market", "buy", 0.1, None, {"triggerPrice": 61_000, **rising})
        (told,) = await soon(watching)
        assert (told["id"], told["symbol"], told["status"]) == (placed["id"], symbol, "open")
        assert (told["triggerPrice"], told["info"]["orderStatus"]) == (61_000, "Untriggered")
        double.engine.set_touch(symbol, bid="61000", ask="61001", size=2)
        await until(lambda: client.orders[-1]["status"] == "closed")
        assert (client.orders[-1]["id"], client.orders[-1]["filled"]) == (placed["id"], 0.1)


async def test_a_stop_that_is_cancelled_is_told_as_deactivated(double: ServedDouble) -> None:
    async with bybit_streams(double) as client:
        watching = asyncio.ensure_future(client.watch_orders())
        await subscribed(double, "order")
        stop = a_stop(double, SWAP)
        await soon(watching)
        double.engine.cancel_stop(stop)
        (told,) = await soon(client.watch_orders())
        assert (told["status"], told["info"]["orderStatus"]) == ("canceled", "Deactivated")


async def test_a_stop_whose_order_is_refused_is_told_as_rejected(double: ServedDouble) -> None:
    async with bybit_streams(double) as client:
        watching = asyncio.ensure_future(client.watch_orders())
        await subscribed(double, "order")
        stop = a_stop(double, SPOT)
        await soon(watching)
        double.engine.trigger(stop)
        (told,) = await soon(client.watch_orders())
        assert (told["status"], told["info"]["orderStatus"]) == ("rejected", "Rejected")


def a_stop(double: ServedDouble, symbol: str) -> str:
    """A sell of what isn't there, by the id of the stop."""
    return double.engine.place_stop(
        NewOrder(symbol=symbol, side="sell", type="market", quantity=Decimal(1), client_order_id="s1"),
        Trigger(price=Decimal(59_000), direction="below"),
        client_order_id="s1",
        form="StopOrder",
        same_order=True,
    ).stop_id


@pytest.mark.parametrize("wrong", ["apiKey", "secret"])
async def test_a_login_with_another_key_is_refused(double: ServedDouble, wrong: str) -> None:
    import ccxt

    async with bybit_streams(double) as client:
        await client.is_unified_enabled()
        setattr(client, wrong, "another")
        with pytest.raises(ccxt.BaseError, match="invalid" if wrong == "apiKey" else "error sign"):
            await soon(client.watch_orders())


async def test_pings_are_answered_on_public_and_private_connections(double: ServedDouble) -> None:
    async with bybit_streams(double, streaming={"keepAlive": 10}) as client:
        await soon(client.watch_order_book(SPOT))
        watching = asyncio.ensure_future(client.watch_orders())
        await subscribed(double, "order")
        connections = list(client.clients.values())
        before = [connection.lastPong for connection in connections]
        await until(lambda: all(now.lastPong > then for now, then in zip(connections, before, strict=True)))
        watching.cancel()


async def test_a_client_that_is_moved_by_its_host_finds_every_stream(double: ServedDouble) -> None:
    async with bybit_streams(double) as client:
        client.urls = client.describe()["urls"]
        move(client, double.url)
        await soon(client.watch_order_book(SPOT))
        await soon(client.watch_order_book(SWAP))
        client.options |= {"enableUnifiedMargin": False, "enableUnifiedAccount": True}
        watching = asyncio.ensure_future(client.watch_orders())
        await subscribed(double, "order")
        watching.cancel()


async def test_ccxt_does_not_see_that_a_message_of_a_book_is_lost(double: ServedDouble) -> None:
    async with bybit_streams(double) as client:
        await soon(client.watch_order_book(SPOT))
        double.faults.add(SocketGap(), on=Operation.STREAM_BOOK)
        double.engine.set_touch(SPOT, bid="59000", ask="59001")
        double.engine.set_touch(SPOT, bid="59000", ask="59001", size=7)
        book = await soon(client.watch_order_book(SPOT))
        assert (book["bids"], book["asks"][0][0]) == ([[60000, 2], [59000, 7]], 59001)


async def test_ccxt_gives_up_a_book_of_a_perpetual_that_it_never_asked_for(double: ServedDouble) -> None:
    async with bybit_streams(double) as client:
        for symbol in (SPOT, SWAP):
            await soon(client.watch_order_book(symbol))
            await soon(client.un_watch_order_book(symbol))
        assert [list(connection.channels) for connection in double.sockets.open] == [[], ["orderbook.50"]]


async def test_ccxt_waits_without_end_for_what_was_refused(double: ServedDouble) -> None:
    async with bybit_streams(double) as client:
        await soon(client.watch_order_book(SPOT))
        await never(client.watch_ohlcv(SPOT, "1M"))


async def test_ccxt_asks_what_kind_of_account_it_is_before_it_hears_of_orders(double: ServedDouble) -> None:
    async with bybit_streams(double) as client:
        watching = asyncio.ensure_future(client.watch_orders())
        await subscribed(double, "order")
        assert len(double.journal.of(Operation.SETTINGS)) == 2
        watching.cancel()


# What goes wrong with a connection, message by message.


@asynccontextmanager
async def a_book(double: ServedDouble) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A client that has received the whole book."""
    address = f"{double.url}/v5/public/linear"
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
        await socket.send_json({"op": "subscribe", "args": ["orderbook.50.BTCUSDT"]})
        assert (await received(socket))["success"]
        assert numbers(await received(socket)) == ("snapshot", 0)
        yield socket


async def received(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    told: dict[str, Any] = await soon(socket.receive_json())
    return told


def numbers(told: dict[str, Any]) -> tuple[str, int]:
    """The kind of a message, and its number after that of the snapshot."""
    return told["type"], told["data"]["u"] - 1_001


def grow(double: ServedDouble) -> None:
    for size in (3, 4, 5):
        double.engine.set_touch(SWAP, bid="60000", ask="60001", size=size)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [(None, [1, 2, 3]), (SocketGap(), [2, 3]), (SocketRepeated(), [1, 1, 2, 3]), (SocketSwapped(), [2, 1, 3])],
    ids=str,
)
async def test_messages_are_numbered_so_that_a_fault_shows(
    double: ServedDouble, fault: Fault | None, expected: Sequence[int]
) -> None:
    async with a_book(double) as socket:
        if fault:
            double.faults.add(fault, on=Operation.STREAM_BOOK)
        grow(double)
        assert [numbers(await received(socket)) for _ in expected] == [("delta", number) for number in expected]


async def test_a_silent_connection_answers_no_ping_and_a_closed_one_is_closed(double: ServedDouble) -> None:
    async with a_book(double) as socket:
        double.faults.add(SocketSilent(), on=Operation.STREAM_BOOK)
        grow(double)
        await socket.send_json({"op": "ping"})
        await never(socket.receive())
        assert not socket.closed
    async with a_book(double) as socket:
        double.faults.add(SocketClosed(), on=Operation.STREAM_BOOK)
        grow(double)
        assert (await soon(socket.receive())).type is aiohttp.WSMsgType.CLOSE


async def test_an_address_that_is_not_spoken_is_refused(double: ServedDouble) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(f"{double.url}/v5/public/inverse")


# Bybit's words, without a socket.


def answers(path: str, *requests: object, credentials: Credentials | None = None) -> list[dict[str, Any]]:
    """What each request is answered with."""
    session = BybitWire(credentials).session(path, Engine(TickClock(START), listings=LISTINGS))
    assert session is not None
    told = []
    for request in requests:
        text = request if isinstance(request, str) else json.dumps(request)
        told += [json.loads(push.text) for push in session.receive(text, now=START)]
    return told


def asking(operation: str, *args: object) -> dict[str, object]:
    return {"op": operation, "args": args}


def login(*, key: str = "double-key", secret: str = "double-secret") -> dict[str, object]:
    sign = hmac.digest(secret.encode(), b"GET/realtime1767225700000", hashlib.sha256).hex()
    return asking("auth", key, "1767225700000", sign)


@pytest.mark.parametrize(
    ("path", "request_", "words"),
    [
        ("public/spot", asking("subscribe", "orderbook.50.DOGEUSDT"), "error:handler not found,topic:orderbook.50.DOG"),
        ("public/linear", asking("subscribe", "orderbook.500.BTCUSDT"), "error:handler not found,topic:orderbook.500"),
        ("public/linear", asking("subscribe", "kline.7.BTCUSDT"), "error:handler not found,topic:kline.7.BTCUSDT"),
        ("public/linear", asking("subscribe", "order"), "error:handler not found,topic:order"),
        ("public/linear", asking("auth", "double-key", 1, "x"), "error:invalid op"),
        ("private", asking("subscribe", "order"), "Request not authorized"),
        ("private", asking("auth", "another", 1, "x"), "API key is invalid."),
        ("private", asking("auth", "double-key", 1, "x"), "error sign!"),
        ("private", asking("auth", "double-key"), "Param Error"),
        ("public/spot", asking("dance"), "error:invalid op"),
        ("public/spot", {}, "error:invalid op"),
        ("public/spot", "hello", "Failed to decode incoming data"),
        ("public/spot", [], "Failed to decode incoming data"),
    ],
    ids=str,
)
def test_a_bad_request_is_refused_in_bybits_words(path: str, request_: object, words: str) -> None:
    (told,) = answers(f"/v5/{path}", request_)
    assert told["success"] is False
    assert told["ret_msg"].startswith(words)


def test_what_is_asked_with_a_number_is_answered_with_it() -> None:
    (told,) = answers("/v5/public/spot", asking("ping") | {"req_id": 7})
    assert (told["ret_msg"], told["req_id"], told["op"]) == ("pong", "7", "ping")
    (told,) = answers("/v5/private", asking("ping"))
    assert (told["op"], "req_id" in told) == ("pong", False)


def test_a_topic_that_is_refused_takes_the_others_of_its_request_along() -> None:
    refused, ack, *_ = answers(
        "/v5/public/spot",
        asking("subscribe", "kline.1.BTCUSDT", "kline.7.BTCUSDT"),
        asking("subscribe", "kline.1.BTCUSDT"),
    )
    assert (refused["success"], ack["success"]) == (False, True)


def test_what_is_subscribed_to_already_is_refused_until_it_is_given_up() -> None:
    topic = asking("subscribe", "kline.1.BTCUSDT")
    told = answers("/v5/public/spot", topic, topic, asking("unsubscribe", "kline.1.BTCUSDT"), topic)
    assert [answer["success"] for answer in told] == [True, False, True, True]
    assert told[1]["ret_msg"] == "error:already subscribed,topic:kline.1.BTCUSDT"


def test_a_book_that_is_subscribed_to_again_goes_on_with_its_numbers() -> None:
    subscribe, unsubscribe = (asking(word, "orderbook.50.BTCUSDT") for word in ("subscribe", "unsubscribe"))
    told = answers("/v5/public/spot", subscribe, unsubscribe, subscribe)
    assert [answer["data"]["u"] for answer in told if "data" in answer] == [1_001, 1_002]


@pytest.mark.parametrize(("path", "sandbox"), [("/v5/private", False), ("/testnet/v5/private", True)])
def test_a_key_is_known_in_its_own_environment_only(path: str, sandbox: bool) -> None:
    for known in (Credentials(sandbox=sandbox), replace(Credentials(), sandbox=not sandbox)):
        (told,) = answers(path, login(), credentials=known)
        assert told["success"] is (known.sandbox == sandbox)


def test_what_was_given_up_is_not_pushed() -> None:
    engine = Engine(TickClock(START), listings=LISTINGS)
    session = BybitWire().session("/v5/public/spot", engine)
    assert session is not None
    session.receive(json.dumps(asking("subscribe", "orderbook.50.BTCUSDT")), now=START)
    assert session.channels == ["orderbook.50"]
    engine.set_touch(SPOT, bid="60000", ask="60001")
    assert len(session.happened(MarketChanged(SPOT), now=START)) == 1
    assert session.happened(MarketChanged(SPOT), now=START) == []
    session.receive(json.dumps(asking("unsubscribe", "orderbook.50.BTCUSDT")), now=START)
    engine.set_touch(SPOT, bid="60010", ask="60011")
    assert session.happened(MarketChanged(SPOT), now=START) == []


@pytest.mark.parametrize(("topic", "told"), [("order", 2), ("order.spot", 1), ("order.linear", 1)])
def test_orders_are_told_of_one_category_or_of_all(topic: str, told: int) -> None:
    engine = Engine(TickClock(START), listings=LISTINGS)
    engine.deposit("USDT", 100_000)
    session = BybitWire().session("/v5/private", engine)
    assert session is not None
    for request in (login(), asking("subscribe", topic)):
        session.receive(json.dumps(request), now=START)
    rows = []
    engine.listeners.append(lambda event: rows.extend(session.happened(event, now=START)))
    for symbol in (SPOT, SWAP):
        engine.place(replace(a_buy(symbol), client_order_id=""))
    assert len(rows) == told
    assert {json.loads(push.text)["topic"] for push in rows} == {topic}
