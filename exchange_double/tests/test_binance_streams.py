"""The double's Binance streams: what the real ccxt.pro gets from them, and what can go wrong with them."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from builders.binance_double import SPOT, SWAP, ask, binance_streams, signed
from builders.patience import never, soon, until
from domain.clock import TickClock
from exchange_double import Bar, Credentials, Engine, ExchangeDouble, NewOrder, Operation, Trigger
from exchange_double.binance import LISTINGS, BinanceWire
from exchange_double.events import Event, OrderChanged
from exchange_double.faults import (
    EVERY_SOCKET_FAULT,
    Fault,
    SocketClosed,
    SocketGap,
    SocketRepeated,
    SocketSilent,
    SocketSwapped,
)
from exchange_double.listing import Listing
from exchange_double.orders import Order
from exchange_double.served import START, ServedDouble, binance_double
from exchange_double.sockets import Session
from exchange_double.stops import Stop

AT = {"spot": "spot", "swap": "future"}
"""What ccxt calls the accounts."""
BOTH = pytest.mark.parametrize("symbol", [SPOT, SWAP])


@pytest.fixture
def double() -> Iterator[ServedDouble]:
    """60,000 to 60,001 for two on either side of both BTC markets."""
    with binance_double() as made:
        for symbol in (SPOT, SWAP):
            made.engine.set_touch(symbol, bid="60000", ask="60001", size=2)
        yield made


def a_bar(opened_at: datetime, close: str = "60000") -> Bar:
    price = Decimal(close)
    return Bar(opened_at=opened_at, open=price, high=price, low=price, close=price, volume=Decimal(3))


async def listening(double: ServedDouble, client: Any) -> None:
    """Once the account is told, and the client waits for it: of what comes before that ccxt says nothing."""
    await until(lambda: any("userData" in held.channels for held in double.sockets.open))
    waited_for = {"orders", "balance", "positions"}
    await until(lambda: any(waited_for & set(name.split(":")) for name in futures(client)))


def futures(client: Any) -> list[str]:
    """What is waited for."""
    return [name for connection in client.clients.values() for name in connection.futures]


def place(double: ServedDouble, symbol: str, quantity: str = "0.1", **over: Any) -> Order:
    given: dict[str, Any] = {"side": "buy", "type": "limit", "limit_price": Decimal(50_000), "client_order_id": "a1"}
    return double.engine.place(NewOrder(symbol=symbol, quantity=Decimal(quantity), **(given | over)))


def place_stop(double: ServedDouble, symbol: str) -> Stop:
    """A stop loss at 59,000, as a client of this exchange would place it."""
    spot = symbol == SPOT
    return double.engine.place_stop(
        NewOrder(symbol=symbol, side="sell", type="market", quantity=Decimal("0.1"), client_order_id="s1"),
        Trigger(price=Decimal(59_000), direction="below"),
        client_order_id="s1",
        form="STOP_LOSS" if spot else "STOP_MARKET",
        same_order=spot,
    )


# Books.


@BOTH
async def test_ccxt_keeps_a_book_from_the_whole_of_rest_and_its_changes(double: ServedDouble, symbol: str) -> None:
    async with binance_streams(double) as client:
        book = await soon(client.watch_order_book(symbol))
        assert (book["bids"], book["asks"]) == ([[60000, 2]], [[60001, 2]])
        first = book["nonce"]
        for size in (3, 4, 5):
            double.engine.set_touch(symbol, bid="60000.5", ask="60001", size=size)
            await until(lambda size=size: client.orderbooks[symbol]["bids"] == [[60000.5, size]])
        assert client.orderbooks[symbol]["nonce"] > first
        assert double.sockets.opened == 1


@BOTH
async def test_a_book_shows_our_own_orders(double: ServedDouble, symbol: str) -> None:
    async with binance_streams(double) as client:
        await soon(client.watch_order_book(symbol))
        await client.create_order(symbol, "limit", "buy", 0.1, 60000.5)
        assert (await soon(client.watch_order_book(symbol)))["bids"][0] == [60000.5, 0.1]


async def test_a_book_that_has_not_changed_is_not_pushed(double: ServedDouble) -> None:
    async with binance_streams(double) as client:
        await soon(client.watch_order_book(SPOT))
        double.engine.set_touch(SWAP, bid="50000", ask="50001")
        double.engine.set_touch(SPOT, bid="60000", ask="60001", size=2)
        await never(client.watch_order_book(SPOT))


async def test_a_book_that_changes_while_the_whole_of_it_is_asked_for_is_joined(double: ServedDouble) -> None:
    async with binance_streams(double) as client:
        watching = asyncio.ensure_future(client.watch_order_book(SPOT))
        for n in range(200):
            double.engine.set_touch(SPOT, bid=str(59_000 + n), ask="60001")
            await asyncio.sleep(0)
        await soon(watching)
        double.engine.set_touch(SPOT, bid="60000.7", ask="60001")
        await until(lambda: client.orderbooks[SPOT]["bids"][0][0] == 60000.7)
        assert len(client.orderbooks[SPOT]["bids"]) == 1


@BOTH
async def test_ccxt_sees_a_gap_in_a_book_and_begins_again(double: ServedDouble, symbol: str) -> None:
    import ccxt

    async with binance_streams(double) as client:
        await soon(client.watch_order_book(symbol))
        double.faults.add(SocketGap(), on=Operation.STREAM_BOOK)
        move(double, symbol, times=2)
        with pytest.raises(ccxt.InvalidNonce):
            await soon(client.watch_order_book(symbol))
        assert (await soon(client.watch_order_book(symbol)))["bids"] == [[60000, 4]]
        move(double, symbol, times=1)
        assert (await soon(client.watch_order_book(symbol)))["bids"] == [[60000, 3]]


async def test_what_ccxt_no_longer_watches_is_not_subscribed_to(double: ServedDouble) -> None:
    async with binance_streams(double) as client:
        await soon(client.watch_order_book(SPOT))
        await soon(client.un_watch_order_book(SPOT))
        (connection,) = double.sockets.open
        assert connection.channels == ()


# Bars.


@BOTH
async def test_ccxt_gets_a_bar_as_it_grows_closes_and_the_next_one(double: ServedDouble, symbol: str) -> None:
    minute = timedelta(minutes=1)
    before, now, after = START - minute, START, START + minute
    double.engine.set_bars(symbol, 60, [a_bar(before), a_bar(now), a_bar(after, "60100")])
    async with binance_streams(double) as client:
        rows = await soon(client.watch_ohlcv(symbol, "1m"))
        assert [row[0] for row in rows] == [now.timestamp() * 1000]
        double.engine.set_bars(symbol, 60, [a_bar(before), a_bar(now, "60050"), a_bar(after, "60100")])
        assert (await soon(client.watch_ohlcv(symbol, "1m")))[-1][4] == 60050
        double.advance(60)
        await until(lambda: [row[4] for row in client.ohlcvs[symbol]["1m"]] == [60050, 60100])


# Own orders.


async def test_ccxt_gets_orders_and_fills_on_spot_as_they_happen(double: ServedDouble) -> None:
    async with binance_streams(double) as client:
        watching = asyncio.ensure_future(client.watch_orders())
        await listening(double, client)
        placed = place(double, SPOT)
        (order,) = await soon(watching)
        assert (order["id"], order["clientOrderId"], order["status"]) == (placed.order_id, "a1", "open")
        double.engine.fill(placed.order_id, size=Decimal("0.04"))
        (order,) = await soon(client.watch_orders())
        assert (order["status"], order["filled"], order["symbol"]) == ("open", 0.04, SPOT)
        double.engine.fill(placed.order_id)
        (order,) = await soon(client.watch_orders())
        assert (order["status"], order["filled"], order["type"]) == ("closed", 0.1, "limit")
        assert [(trade["price"], trade["amount"]) for trade in client.myTrades] == [(50000, 0.04), (50000, 0.06)]
        assert {(trade["takerOrMaker"], trade["fee"]["currency"]) for trade in client.myTrades} == {("maker", "BTC")}


async def test_ccxt_gets_orders_and_fills_on_futures_as_they_happen(double: ServedDouble) -> None:
    async with binance_streams(double) as client:
        watching = asyncio.ensure_future(client.watch_orders(SWAP))
        await listening(double, client)
        placed = place(double, SWAP)
        (order,) = await soon(watching)
        assert (order["id"], order["clientOrderId"], order["status"]) == (placed.order_id, "a1", "open")
        double.engine.fill(placed.order_id)
        (order,) = await soon(client.watch_orders(SWAP))
        assert (order["status"], order["filled"], order["symbol"]) == ("closed", 0.1, SWAP)
        (trade,) = client.myTrades
        assert (trade["price"], trade["takerOrMaker"], trade["fee"]["currency"]) == (50000, "maker", "USDT")


@BOTH
async def test_ccxt_gets_a_cancelled_order_by_its_own_client_id(double: ServedDouble, symbol: str) -> None:
    async with binance_streams(double) as client:
        placed = place(double, symbol)
        watching = asyncio.ensure_future(client.watch_orders(symbol))
        await listening(double, client)
        await client.cancel_order(placed.order_id, symbol)
        (order,) = await soon(watching)
        assert (order["status"], order["clientOrderId"]) == ("canceled", "a1")


async def test_each_kind_of_market_is_told_apart(double: ServedDouble) -> None:
    async with binance_streams(double) as client:
        watching = asyncio.ensure_future(client.watch_orders(SPOT))
        await listening(double, client)
        place(double, SWAP)
        await never(asyncio.shield(watching))
        watching.cancel()


async def test_a_stop_on_spot_is_told_as_the_order_that_it_is(double: ServedDouble) -> None:
    async with binance_streams(double) as client:
        watching = asyncio.ensure_future(client.watch_orders())
        await listening(double, client)
        stop = place_stop(double, SPOT)
        (told,) = await soon(watching)
        assert (told["id"], told["clientOrderId"], told["status"]) == (stop.stop_id, "s1", "open")
        assert (told["triggerPrice"], told["info"]["o"], told["info"]["w"]) == (59000, "STOP_LOSS", False)
        double.engine.deposit("BTC", 1)
        double.engine.set_touch(SPOT, bid="58990", ask="58991")
        await until(lambda: [(row["id"], row["status"]) for row in client.orders] == [(stop.stop_id, "closed")])
        assert client.orders[0]["filled"] == 0.1


async def test_a_stop_on_futures_is_told_as_an_algo_order_and_then_as_its_order(double: ServedDouble) -> None:
    async with binance_streams(double) as client:
        watching = asyncio.ensure_future(client.watch_orders(SWAP))
        await listening(double, client)
        stop = place_stop(double, SWAP)
        (told,) = await soon(watching)
        assert (told["id"], told["clientOrderId"], told["status"]) == (stop.stop_id, "s1", "open")
        assert (told["triggerPrice"], told["symbol"]) == (59000, SWAP)
        double.engine.set_touch(SWAP, bid="58990", ask="58991")
        became = double.engine.find_stop(stop_id=stop.stop_id)
        assert became is not None
        ends = {stop.stop_id: "FINISHED", became.order_id: "FILLED"}
        await until(lambda: {order["id"]: order["info"]["X"] for order in client.orders} == ends)


@BOTH
async def test_a_stop_that_is_cancelled_is_told(double: ServedDouble, symbol: str) -> None:
    async with binance_streams(double) as client:
        stop = place_stop(double, symbol)
        watching = asyncio.ensure_future(client.watch_orders(symbol))
        await listening(double, client)
        double.engine.cancel_stop(stop.stop_id)
        (told,) = await soon(watching)
        assert (told["id"], told["status"]) == (stop.stop_id, "canceled")


@pytest.mark.parametrize(("kind", "left"), [("spot", 39_999), ("swap", 99_969.9995)])
async def test_ccxt_gets_balances_once_an_order_has_changed_them(double: ServedDouble, kind: str, left: float) -> None:
    async with binance_streams(double, options={"defaultType": kind}) as client:
        watching = asyncio.ensure_future(client.watch_balance())
        await listening(double, client)
        symbol = SPOT if kind == "spot" else SWAP
        double.engine.place(NewOrder(symbol=symbol, side="buy", type="market", quantity=Decimal(1)))
        await soon(watching)
        await until(lambda: client.balance[AT[kind]]["USDT"]["free" if kind == "spot" else "total"] == left)


async def test_ccxt_gets_a_position_once_an_order_has_changed_it(double: ServedDouble) -> None:
    unasked = {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False}
    async with binance_streams(double, options={"defaultType": "swap", "watchPositions": unasked}) as client:
        watching = asyncio.ensure_future(client.watch_positions())
        await listening(double, client)
        double.engine.place(NewOrder(symbol=SWAP, side="sell", type="market", quantity=Decimal("0.5")))
        found = [row for row in await soon(watching) if row["symbol"] == SWAP]
        assert [(row["side"], row["contracts"], row["entryPrice"]) for row in found] == [("short", 0.5, 60000)]


async def test_a_key_that_is_another_is_refused(double: ServedDouble) -> None:
    import ccxt

    async with binance_streams(double) as client:
        client.apiKey = "another"
        with pytest.raises(ccxt.BaseError):
            await soon(client.watch_orders(SWAP))
        with pytest.raises(ccxt.AuthenticationError):
            await soon(client.watch_orders(SPOT))


async def test_pings_are_answered_and_not_by_a_silent_connection(double: ServedDouble) -> None:
    async with binance_streams(double, streaming={"keepAlive": 10}) as client:
        await soon(client.watch_order_book(SPOT))
        (connection,) = client.clients.values()
        before = connection.lastPong
        await until(lambda: connection.lastPong > before)
        double.faults.add(SocketSilent(), on=Operation.STREAM_BOOK)
        move(double, SPOT, times=1)
        await until(lambda: double.sockets.open[0].silent)
        await asyncio.sleep(0.05)
        last = connection.lastPong
        await asyncio.sleep(0.05)
        assert connection.lastPong == last


# What goes wrong with a connection, message by message.


def move(double: ServedDouble, symbol: str = SPOT, *, times: int = 3) -> None:
    for size in range(3, 3 + times):
        double.engine.set_touch(symbol, bid="60000", ask="60001", size=size)


@asynccontextmanager
async def changes_of(double: ServedDouble, symbol: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A client that is told the changes of a book."""
    path = "/ws/0" if symbol == SPOT else "/public/ws/0"
    async with aiohttp.ClientSession() as session, session.ws_connect(double.url + path) as socket:
        await socket.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": 7})
        assert await received(socket) == {"result": None, "id": 7}
        yield socket


async def received(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    told: dict[str, Any] = await soon(socket.receive_json())
    return told


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (None, [1, 2, 3]),
        (SocketGap(), [2, 3]),
        (SocketRepeated(), [1, 1, 2, 3]),
        (SocketSwapped(), [2, 1, 3]),
    ],
    ids=str,
)
@BOTH
async def test_changes_are_numbered_so_that_a_fault_shows(
    double: ServedDouble, symbol: str, fault: Fault | None, expected: list[int]
) -> None:
    async with changes_of(double, symbol) as socket:
        start = 1 + double.engine.changes(symbol)
        if fault:
            double.faults.add(fault, on=Operation.STREAM_BOOK)
        move(double, symbol)
        told = [await received(socket) for _ in expected]
        assert [(row["U"], row["u"]) for row in told] == [(start + n, start + n) for n in expected]
        assert [row.get("pu") for row in told] == [None if symbol == SPOT else start + n - 1 for n in expected]
        assert double.faults.waiting == ()


async def test_a_second_subscription_to_the_same_stream_is_no_new_beginning(double: ServedDouble) -> None:
    async with changes_of(double, SPOT) as socket:
        move(double, times=1)
        before = await received(socket)
        await socket.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": 8})
        assert await received(socket) == {"result": None, "id": 8}
        move(double, times=2)  # the first of which changes nothing
        told = await received(socket)
        assert (told["U"], told["u"]) == (before["u"] + 1, before["u"] + 2)


async def test_the_listen_key_of_futures_ends_unless_it_is_kept(double: ServedDouble) -> None:
    async with binance_streams(double, options={"defaultType": "swap"}) as client:
        watching = asyncio.ensure_future(client.watch_orders())
        await listening(double, client)
        key = client.options["future"]["listenKey"]
        double.advance(3_000)
        assert (await client.fapiprivate_put_listenkey())["listenKey"] == key
        double.advance(3_000)
        place(double, SWAP, client_order_id="kept")
        assert (await soon(watching))[0]["clientOrderId"] == "kept"
        heard: list[object] = []
        client.handle_message = lambda _, message: heard.append(message["e"])
        (connection,) = client.clients.values()
        connection.on_message_callback = client.handle_message
        double.advance(3_601)
        place(double, SWAP, client_order_id="lost")
        await until(lambda: heard)
        place(double, SWAP, client_order_id="lost too")
        await asyncio.sleep(0.05)
        assert heard == ["listenKeyExpired"]
        assert (await client.fapiprivate_post_listenkey())["listenKey"] != key


async def test_ccxt_keeps_a_listen_key_alive_where_futures_are_its_default(double: ServedDouble) -> None:
    async with watching_swaps(double, default="swap"):
        await until(lambda: kept_alive(double))


async def test_ccxt_lets_a_listen_key_end_where_spot_is_its_default(double: ServedDouble) -> None:
    async with watching_swaps(double, default="spot"):
        await asyncio.sleep(0.3)
        assert not kept_alive(double)


@asynccontextmanager
async def watching_swaps(double: ServedDouble, *, default: str) -> AsyncIterator[None]:
    """A client that would keep a listen key alive every 50 ms."""
    async with binance_streams(double, options={"defaultType": default, "listenKeyRefreshRate": 50}) as client:
        watching = asyncio.ensure_future(client.watch_orders(None, None, None, {"type": "swap"}))
        await listening(double, client)
        yield
        watching.cancel()


def kept_alive(double: ServedDouble) -> bool:
    return any(entry.request.method == "PUT" for entry in double.journal)


# Binance's words, without a socket.


def a_session(path: str, engine: Engine | None = None, *, credentials: Credentials | None = None) -> Session:
    session = BinanceWire(credentials).session(path, engine or Engine(TickClock(START), listings=LISTINGS))
    assert session is not None
    return session


def answer(session: Session, request: object) -> dict[str, Any]:
    text = request if isinstance(request, str) else json.dumps(request)
    told: dict[str, Any] = json.loads(session.receive(text, now=START)[0].text)
    return told


def subscribing(*streams: str) -> dict[str, object]:
    return {"method": "SUBSCRIBE", "params": list(streams), "id": 1}


@pytest.mark.parametrize(
    ("path", "request_", "code"),
    [
        ("/ws/0", subscribing("dogeusdt@depth"), 2),
        ("/ws/0", subscribing("btcusdt@dance"), 2),
        ("/ws/0", subscribing("btcusdt@kline_7m"), 2),
        ("/public/ws/0", subscribing("btcusdt@kline_1m"), 2),
        ("/market/ws/0", subscribing("btcusdt@depth"), 2),
        ("/private/ws?listenKey=x", subscribing("btcusdt@depth"), 2),
        ("/ws/0", {"method": "DANCE", "id": 1}, 2),
        ("/ws/0", {"method": "SUBSCRIBE", "params": [1], "id": 1}, 2),
        ("/ws/0", {"id": 1}, 2),
        ("/ws/0", ["SUBSCRIBE"], 2),
        ("/ws/0", "not json", 3),
    ],
    ids=str,
)
def test_a_bad_request_is_answered_with_its_code(path: str, request_: object, code: int) -> None:
    assert answer(a_session(path), request_)["error"]["code"] == code


def test_what_is_subscribed_to_is_listed_until_it_is_not() -> None:
    session = a_session("/ws")
    listing = {"method": "LIST_SUBSCRIPTIONS", "id": 2}
    answer(session, subscribing("btcusdt@depth", "ethusdt@kline_5m"))
    assert answer(session, listing) == {"result": ["btcusdt@depth", "ethusdt@kline_5m"], "id": 2}
    answer(session, {"method": "UNSUBSCRIBE", "params": ["btcusdt@depth"], "id": 3})
    assert answer(session, listing)["result"] == ["ethusdt@kline_5m"]


@pytest.mark.parametrize("path", ["/", "/ws/btcusdt@depth", "/delivery/ws/0", "/ws-fapi/v1", "/public"])
def test_an_address_without_streams_is_refused(path: str) -> None:
    assert BinanceWire().session(path, Engine(TickClock(START), listings=LISTINGS)) is None


def signing(*, key: str = "double-key", secret: str = "double-secret", late_ms: int = 0) -> dict[str, object]:
    stamp = round(START.timestamp() * 1000) - late_ms
    params: dict[str, object] = {"apiKey": key, "timestamp": stamp}
    sent = "&".join(f"{name}={value}" for name, value in sorted(params.items()))
    params["signature"] = hmac.digest(secret.encode(), sent.encode(), hashlib.sha256).hex()
    return {"id": "1", "method": "userDataStream.subscribe.signature", "params": params}


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (signing(key="another"), 401, -2015),
        (signing(key=""), 401, -2014),
        (signing(secret="another"), 400, -1022),
        (signing(late_ms=5_001), 400, -1021),
        (signing(late_ms=-1_001), 400, -1021),
        ({"id": "1", "method": "userDataStream.subscribe.signature"}, 401, -2014),
        ({"id": "1", "method": "order.place"}, 400, -1020),
        ("not json", 400, -1135),
    ],
    ids=str,
)
def test_the_account_on_spot_is_told_to_who_signs(request_: object, status: int, code: int) -> None:
    session = a_session("/ws-api/v3")
    told = answer(session, request_)
    assert (told["status"], told["error"]["code"], session.channels) == (status, code, [])


def test_a_subscription_to_the_account_on_spot_has_a_number() -> None:
    session = a_session("/ws-api/v3")
    assert answer(session, signing()) == {"id": "1", "status": 200, "result": {"subscriptionId": 0}}
    assert session.channels == ["userData"]


def test_a_key_is_of_one_environment_on_streams_too() -> None:
    demo = Credentials(sandbox=True)
    assert answer(a_session("/sandbox/ws-api/v3", credentials=demo), signing())["status"] == 200
    assert answer(a_session("/ws-api/v3", credentials=demo), signing())["status"] == 401


def test_a_listen_key_is_the_same_until_it_has_ended() -> None:
    double = ExchangeDouble(BinanceWire(), TickClock(START), listings=LISTINGS)

    def asked(method: str) -> dict[str, Any]:
        found: dict[str, Any] = ask(double, signed(double, method, "/fapi/v1/listenKey"))
        return found

    def keyed(method: str) -> dict[str, Any]:
        request = signed(double, method, "/fapi/v1/listenKey")
        bare = type(request)(
            method=method, target="/fapi/v1/listenKey", headers={"x-mbx-apikey": Credentials().key}, body=""
        )
        found: dict[str, Any] = ask(double, bare)
        return found

    assert asked("POST")["code"] == -1104
    assert keyed("PUT") == {"code": -1125, "msg": "This listenKey does not exist."}
    key = keyed("POST")["listenKey"]
    double.advance(3_599)
    assert keyed("POST")["listenKey"] == key
    double.advance(3_599)
    assert keyed("PUT")["listenKey"] == key
    assert keyed("DELETE") == {}
    assert keyed("PUT")["code"] == -1125
    assert keyed("POST")["listenKey"] != key


def test_sizes_of_a_swap_are_told_in_the_base_currency() -> None:
    listing = Listing(
        symbol=SWAP,
        tick_size=Decimal("0.1"),
        lot_size=Decimal(1),
        min_size=Decimal(1),
        contract_size=Decimal("0.01"),
    )
    engine = Engine(TickClock(START), listings=[listing])
    told: list[dict[str, Any]] = []
    session = a_session("/public/ws", engine)
    session.receive(json.dumps(subscribing("btcusdt@depth")), now=START)
    engine.listeners.append(
        lambda event: told.extend(json.loads(push.text) for push in session.happened(event, now=START))
    )
    engine.set_touch(SWAP, bid="60000", ask="60001", size=2)
    assert [row["b"] for row in told] == [[["60000.00000000", "0.02000000"]]]


def test_events_are_told_in_order_to_a_listener_that_asks_the_engine() -> None:
    engine = Engine(TickClock(START), listings=LISTINGS)
    engine.deposit("USDT", 100_000)
    engine.set_touch(SPOT, bid="60000", ask="60001")
    told: list[str] = []

    def listen(event: Event) -> None:
        engine.funds()
        if isinstance(event, OrderChanged):
            told.append(event.order.status.value)

    engine.listeners.append(listen)
    engine.place(NewOrder(symbol=SPOT, side="buy", type="market", quantity=Decimal(1)))
    assert told == ["live", "filled"]


def test_every_fault_of_a_socket_may_be_put_on_its_streams() -> None:
    double = ExchangeDouble(BinanceWire(), TickClock(START), listings=LISTINGS)
    for fault in EVERY_SOCKET_FAULT:
        for operation in (Operation.STREAM_BOOK, Operation.STREAM_CANDLES, Operation.STREAM_ORDERS):
            double.faults.add(fault, on=operation)
    double.faults.add(SocketClosed(), on=Operation.STREAM_OPEN)
