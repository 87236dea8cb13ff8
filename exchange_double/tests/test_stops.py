"""Stops on the double: when they trigger, what becomes of them, and how OKX and the real ccxt tell it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from builders.okx_double import SPOT, SWAP, ask, impatient, okx_client, signed
from domain.clock import TickClock
from domain.order import Side
from exchange_double import Engine, ExchangeDouble, NewOrder, Operation, Stop, Trigger
from exchange_double.faults import (
    Fault,
    FilledBeforeCancel,
    IdReused,
    OrderHidden,
    PartialThenCancel,
    RateLimited,
    Timeout,
)
from exchange_double.okx import OkxWire
from exchange_double.orders import Cause, Order, Reason, Refused, Status
from exchange_double.served import START, ServedDouble
from exchange_double.shown import every_open_order, every_order, find_order
from exchange_double.stops import StopStatus

if TYPE_CHECKING:
    import ccxt.async_support as ccxt


def an_engine() -> Engine:
    """Two contracts long, at 60,000 to 60,001 on both BTC markets."""
    engine = Engine(TickClock(START))
    engine.deposit("USDT", 100_000)
    for symbol in (SPOT, SWAP):
        engine.set_touch(symbol, bid="60000", ask="60001", size=5)
    engine.place(NewOrder(symbol=SWAP, side="buy", type="market", quantity=Decimal(2)))
    return engine


def a_stop(
    engine: Engine,
    price: str = "59000",
    *,
    side: Side = "sell",
    direction: str = "below",
    by: str = "last",
    quantity: str = "2",
    reduce_only: bool = True,
    client_order_id: str = "",
    symbol: str = SWAP,
) -> Stop:
    return engine.place_stop(
        NewOrder(symbol=symbol, side=side, type="market", quantity=Decimal(quantity), reduce_only=reduce_only),
        Trigger(price=Decimal(price), direction=direction, by=by),  # type: ignore[arg-type]
        client_order_id=client_order_id,
    )


def now(engine: Engine, stop: Stop) -> Stop:
    found = engine.find_stop(stop_id=stop.stop_id)
    assert found is not None
    return found


def became(engine: Engine, stop: Stop) -> Order:
    found = engine.find(order_id=now(engine, stop).order_id)
    assert found is not None
    return found


# The engine.


def test_a_stop_waits_apart_and_holds_nothing_back() -> None:
    engine = an_engine()
    before = engine.funds()
    stop = a_stop(engine)
    assert engine.waiting_stops == (stop,)
    assert engine.open_orders == ()
    assert engine.funds() == before


@pytest.mark.parametrize(
    ("side", "direction", "price", "not_yet", "reached"),
    [
        ("sell", "below", "59000", "59000.1", "59000"),
        ("sell", "above", "61000", "60999.9", "61000"),
        ("buy", "above", "61000", "60999.9", "61000"),
        ("buy", "below", "59000", "59000.1", "59000"),
    ],
)
def test_a_stop_triggers_when_a_trade_reaches_its_price_and_not_before(
    side: Side, direction: str, price: str, not_yet: str, reached: str
) -> None:
    engine = an_engine()
    stop = a_stop(engine, price, side=side, direction=direction, reduce_only=False)
    engine.trade(SWAP, price=not_yet)
    assert now(engine, stop).waiting
    engine.trade(SWAP, price=reached)
    assert now(engine, stop).status is StopStatus.TRIGGERED
    order = became(engine, stop)
    assert (order.status, order.new.side, order.filled) == (Status.FILLED, side, Decimal(2))
    assert engine.waiting_stops == ()


def test_a_book_that_moves_past_the_last_price_takes_it_along() -> None:
    engine = an_engine()
    stop = a_stop(engine)
    engine.set_touch(SWAP, bid="58990", ask="59000.1")
    assert now(engine, stop).waiting
    engine.set_touch(SWAP, bid="58990", ask="59000")
    assert engine.fills[-1].price == Decimal(58990)
    assert engine.funds().positions == ()


def test_a_stop_on_the_mark_price_waits_for_that() -> None:
    engine = an_engine()
    engine.set_mark(SWAP, "60000")
    stop = a_stop(engine, by="mark")
    engine.trade(SWAP, price="58000")
    assert now(engine, stop).waiting
    engine.set_mark(SWAP, "58999")
    assert now(engine, stop).status is StopStatus.TRIGGERED


def test_what_one_stop_trades_may_trigger_the_next() -> None:
    engine = an_engine()
    first = a_stop(engine, "59500", quantity="1", reduce_only=False)
    second = a_stop(engine, "58000", quantity="1", reduce_only=False)
    engine.set_touch(SWAP, bid="57900", ask="59400")
    assert now(engine, first).status is now(engine, second).status is StopStatus.TRIGGERED
    assert [fill.price for fill in engine.fills[-2:]] == [Decimal(57900)] * 2


def test_a_stop_reduces_no_more_than_there_is() -> None:
    engine = an_engine()
    stop = a_stop(engine, quantity="5")
    engine.trade(SWAP, price="59000")
    order = became(engine, stop)
    assert (order.filled, order.cause) == (Decimal(2), Cause.REDUCE_ONLY)
    assert engine.funds().positions == ()


def test_a_stop_with_nothing_left_to_reduce_fails_and_says_why() -> None:
    engine = an_engine()
    stop = a_stop(engine)
    engine.place(NewOrder(symbol=SWAP, side="sell", type="market", quantity=Decimal(2)))
    orders = len(engine.orders)
    engine.trade(SWAP, price="59000")
    assert (now(engine, stop).status, now(engine, stop).reason) == (StopStatus.FAILED, Reason.NOTHING_TO_REDUCE)
    assert len(engine.orders) == orders


def test_a_stop_that_finds_nobody_to_trade_with_is_cancelled_with_its_cause() -> None:
    engine = an_engine()
    stop = a_stop(engine)
    engine.set_book(SWAP, bids=[], asks=[])
    engine.trade(SWAP, price="59000")
    order = became(engine, stop)
    assert (order.status, order.filled, order.cause) == (Status.CANCELLED, Decimal(0), Cause.IMMEDIATE)


def test_stops_outlive_the_dead_mans_switch() -> None:
    engine = an_engine()
    stop = a_stop(engine)
    engine.cancel_all_at(START)
    engine.tick()
    assert engine.waiting_stops == (stop,)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price": "60001"}, Reason.WOULD_TRIGGER),
        ({"price": "60002"}, Reason.WOULD_TRIGGER),
        ({"price": "59000.05"}, Reason.OFF_TICK),
        ({"price": "0"}, Reason.OFF_TICK),
        ({"quantity": "0.001"}, Reason.BELOW_MINIMUM),
        ({"quantity": "0.015"}, Reason.OFF_LOT),
        ({"symbol": SPOT}, Reason.REDUCE_ONLY_ON_SPOT),
        ({"symbol": "DOGE/USDT"}, Reason.UNKNOWN_SYMBOL),
        ({"symbol": "ETH/USDT:USDT"}, Reason.NO_MARKET),
        ({"client_order_id": "s1"}, Reason.DUPLICATE_ID),
    ],
    ids=str,
)
def test_a_stop_that_is_refused_changes_nothing(changes: dict[str, str], reason: Reason) -> None:
    engine = an_engine()
    a_stop(engine, client_order_id="s1")
    with pytest.raises(Refused) as refused:
        a_stop(engine, **changes)  # type: ignore[arg-type]
    assert refused.value.reason is reason
    assert len(engine.stops) == 1


def test_a_stop_is_cancelled_once() -> None:
    engine = an_engine()
    gone, done = a_stop(engine), a_stop(engine, "58000")
    engine.cancel_stop(gone.stop_id)
    engine.trigger(done.stop_id)
    for stop_id, reason in (
        (gone.stop_id, Reason.ALREADY_CANCELLED),
        (done.stop_id, Reason.ALREADY_TRIGGERED),
        ("7", Reason.UNKNOWN_ORDER),
    ):
        with pytest.raises(Refused) as refused:
            engine.cancel_stop(stop_id)
        assert refused.value.reason is reason
    assert now(engine, gone).status is StopStatus.CANCELLED


# Where a stop is an order like others.


def a_stop_order(engine: Engine, client_order_id: str = "s1", *, quantity: str = "2", price: str = "59000") -> Stop:
    new = NewOrder(symbol=SPOT, side="sell", type="market", quantity=Decimal(quantity), client_order_id=client_order_id)
    return engine.place_stop(
        new,
        Trigger(price=Decimal(price), direction="below"),
        client_order_id=client_order_id,
        same_order=True,
        holds=True,
    )


def with_coins(coins: int = 3) -> Engine:
    engine = an_engine()
    engine.deposit("BTC", coins)
    return engine


def test_a_stop_that_is_an_order_keeps_its_id_and_its_time_and_is_accepted_once() -> None:
    engine = with_coins()
    stop = a_stop_order(engine)
    engine.place(NewOrder(symbol=SWAP, side="sell", type="market", quantity=Decimal(1)))
    engine.trade(SPOT, price="59000")
    order = became(engine, stop)
    assert (order.order_id, order.created_at, order.stop_id) == (stop.stop_id, stop.created_at, stop.stop_id)
    assert engine.accepted.count(stop.stop_id) == 1
    assert len(set(engine.accepted)) == len(engine.accepted) == 3


def test_a_stop_that_is_an_order_is_shown_in_its_place_whatever_becomes_of_it() -> None:
    engine = with_coins(7)
    waits, gone, done = (a_stop_order(engine, f"s{n}", price=str(59000 - n % 2)) for n in range(3))
    engine.cancel_stop(gone.stop_id)
    engine.trigger(done.stop_id)
    first, *shown = every_order(engine)
    assert first.new.symbol == SWAP
    assert [(order.order_id, order.status, order.cause) for order in shown] == [
        (waits.stop_id, Status.LIVE, None),
        (gone.stop_id, Status.CANCELLED, Cause.USER),
        (done.stop_id, Status.FILLED, None),
    ]
    assert [order.order_id for order in every_open_order(engine)] == [waits.stop_id]
    assert find_order(engine, client_order_id="s1") == shown[1]


@pytest.mark.parametrize(("quantity", "taken"), [("3", True), ("3.00000001", False)])
def test_a_stop_that_holds_back_what_it_sells_can_do_so_only_once(quantity: str, taken: bool) -> None:
    engine = with_coins()
    if not taken:
        with pytest.raises(Refused, match=Reason.NO_FUNDS):
            a_stop_order(engine, quantity=quantity)
        return
    a_stop_order(engine, quantity=quantity)
    assert engine.funds().available("BTC") == 0
    with pytest.raises(Refused, match=Reason.NO_FUNDS):
        a_stop_order(engine, "s2", quantity="0.1")
    engine.trade(SPOT, price="59000")
    assert engine.fills[-1].size == 3
    assert engine.funds().balances["BTC"].held == 0


def test_an_id_is_of_an_order_or_of_a_stop_that_is_one() -> None:
    engine = with_coins()
    order = NewOrder(symbol=SWAP, side="buy", type="market", quantity=Decimal(1), client_order_id="s1")
    stop = a_stop_order(engine)
    for reused in (False, True):
        with pytest.raises(Refused, match=Reason.DUPLICATE_ID):
            engine.place(order, ids_unique_when_open=reused)
    engine.cancel_stop(stop.stop_id)
    with pytest.raises(Refused, match=Reason.DUPLICATE_ID):
        engine.place(order)
    engine.place(order, ids_unique_when_open=True)


# OKX's words, without a socket.

A_STOP = {
    "instId": "BTC-USDT-SWAP",
    "tdMode": "cross",
    "side": "sell",
    "ordType": "conditional",
    "sz": "2",
    "slTriggerPx": "59000",
    "slOrdPx": "-1",
    "algoClOrdId": "s1",
}


def an_okx() -> ExchangeDouble:
    double = ExchangeDouble(OkxWire(), TickClock(START))
    double.engine.deposit("USDT", 100_000)
    for symbol in (SPOT, SWAP):
        double.engine.set_touch(symbol, bid="60000", ask="60001")
    return double


def placed(double: ExchangeDouble, **changes: object) -> dict[str, str]:
    body = json.dumps({**A_STOP, **changes})
    (row,) = ask(double, signed(double, "POST", "/api/v5/trade/order-algo", body=body))["data"]
    return row  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "0"),
        ({"side": "sell", "slTriggerPx": "60002"}, "51280"),
        ({"side": "buy", "slTriggerPx": "59999"}, "51278"),
        ({"side": "sell", "slTriggerPx": "", "tpTriggerPx": "59999", "tpOrdPx": "-1"}, "51279"),
        ({"side": "buy", "slTriggerPx": "", "tpTriggerPx": "60002", "tpOrdPx": "-1"}, "51277"),
        ({"tpTriggerPx": "61000", "tpOrdPx": "-1"}, "51000"),
        ({"slTriggerPx": ""}, "51000"),
        ({"slOrdPx": ""}, "50014"),
        ({"slTriggerPxType": "index"}, "51000"),
        ({"ordType": "oco"}, "51000"),
        ({"ordType": "trigger", "triggerPx": "59000", "orderPx": "58000"}, "0"),
        ({"ordType": "trigger", "triggerPx": "60000.5", "orderPx": "-1"}, "51000"),
        ({"tdMode": "isolated"}, "51000"),
        ({"instId": "BTC-USDT", "tdMode": "cash"}, "0"),
        ({"instId": "BTC-USDT"}, "0"),
        ({"algoClOrdId": "not valid"}, "51000"),
        ({"closeFraction": "1"}, "51000"),
        ({"posSide": "long"}, "51000"),
        ({"sz": ""}, "50014"),
    ],
    ids=str,
)
def test_a_stop_is_answered_by_its_row(changes: dict[str, object], code: str) -> None:
    assert placed(an_okx(), **changes)["sCode"] == code


def test_an_id_of_a_stop_is_taken_once() -> None:
    double = an_okx()
    assert placed(double)["sCode"] == "0"
    assert placed(double)["sCode"] == "51068"
    double.faults.add(IdReused(), on=Operation.PLACE)
    assert placed(double)["sCode"] == "51068"
    double.engine.cancel_stop(double.engine.stops[0].stop_id)
    double.faults.add(IdReused(), on=Operation.PLACE)
    assert placed(double)["sCode"] == "0"
    assert double.placed_twice() == ("s1",)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("orders-algo-pending", "50014"),
        ("orders-algo-history?ordType=conditional", "50014"),
        ("orders-algo-history?state=canceled", "50014"),
        ("order-algo", "50014"),
        ("order-algo?algoId=1", "51603"),
    ],
)
def test_a_question_for_stops_must_say_which(target: str, code: str) -> None:
    double = an_okx()
    assert ask(double, signed(double, "GET", f"/api/v5/trade/{target}"))["code"] == code


# The real ccxt.


@pytest.fixture
def double(exchange_double: ServedDouble) -> ServedDouble:
    """60,000 to 60,001 for five on either side of both BTC markets."""
    for symbol in (SPOT, SWAP):
        exchange_double.engine.set_touch(symbol, bid="60000", ask="60001", size=5)
    return exchange_double


WAITING = {"trigger": True, "ordType": "conditional"}


async def protect(client: ccxt.okx, client_order_id: str = "s1", **params: object) -> str:
    """A stop loss for two contracts. Returns the exchange's id."""
    order = await client.create_order(
        SWAP,
        "market",
        "sell",
        2,
        None,
        {
            "stopLossPrice": 59000,
            "reduceOnly": True,
            "clientOrderId": client_order_id,
            "algoClOrdId": client_order_id,
            **params,
        },
    )
    return str(order["id"])


async def test_ccxt_places_finds_and_cancels_a_stop(double: ServedDouble) -> None:
    async with okx_client(double) as client:
        stop_id = await protect(client)
        assert await client.fetch_open_orders(SWAP) == []
        assert await client.fetch_open_orders(SWAP, params={"trigger": True}) == []
        (waiting,) = await client.fetch_open_orders(SWAP, params=WAITING)
        assert (waiting["id"], waiting["status"], waiting["stopLossPrice"]) == (stop_id, "open", 59000)
        assert (waiting["amount"], waiting["side"], waiting["reduceOnly"]) == (2, "sell", True)
        for given, params in ((stop_id, {}), (None, {"clientOrderId": "s1"})):
            found = await client.fetch_order(given, SWAP, {"trigger": True, **params})
            assert found["id"] == stop_id
        await client.cancel_order(stop_id, SWAP, {"trigger": True})
        assert (await client.fetch_order(stop_id, SWAP, {"trigger": True}))["status"] == "canceled"
        (gone,) = await client.fetch_canceled_orders(SWAP, params=WAITING)
        assert gone["id"] == stop_id
        with pytest.raises(Exception, match="51401"):
            await client.cancel_order(None, SWAP, {"trigger": True, "clientOrderId": "s1"})


async def test_a_stop_that_triggered_is_closed_and_names_the_order_that_it_became(double: ServedDouble) -> None:
    import ccxt

    async with okx_client(double) as client:
        await client.create_order(SWAP, "market", "buy", 2)
        stop_id = await protect(client)
        double.engine.set_touch(SWAP, bid="58900", ask="58901")
        assert await client.fetch_positions() == []
        stop = await client.fetch_order(stop_id, SWAP, {"trigger": True})
        assert (stop["status"], stop["info"]["actualSz"], stop["info"]["actualSide"]) == ("closed", "2", "sl")
        (effective,) = await client.fetch_closed_orders(SWAP, params=WAITING)
        assert effective["id"] == stop_id
        order = await client.fetch_order(stop["info"]["ordId"], SWAP)
        assert (order["status"], order["filled"], order["average"]) == ("closed", 2, 58900)
        told = order["info"]
        assert (told["algoId"], told["algoClOrdId"], told["clOrdId"], told["source"]) == (stop_id, "s1", "", "7")
        assert (await client.fetch_my_trades(SWAP))[-1]["order"] == told["ordId"]
        with pytest.raises(ccxt.OrderNotFound, match="51603"):
            await client.fetch_order(None, SWAP, {"clientOrderId": "s1"})


async def test_ccxts_client_order_id_alone_finds_no_stop(double: ServedDouble) -> None:
    import ccxt

    async with okx_client(double) as client:
        await protect(client, algoClOrdId="")
        with pytest.raises(ccxt.OrderNotFound, match="51603"):
            await client.fetch_order(None, SWAP, {"trigger": True, "clientOrderId": "s1"})


async def test_ccxt_protects_spot_and_takes_profits(double: ServedDouble) -> None:
    double.engine.deposit("BTC", 1)
    async with okx_client(double) as client:
        await client.create_order(SPOT, "market", "sell", 0.5, None, {"stopLossPrice": 59000})
        await client.create_order(SPOT, "market", "sell", 0.3, None, {"takeProfitPrice": 61000})
        await client.create_order(SPOT, "market", "buy", 0.1, None, {"triggerPrice": 62000})
        double.engine.trade(SPOT, price="61000")
        assert (await client.fetch_balance())["total"]["BTC"] == 0.7
        double.engine.trade(SPOT, price="62000")
        assert (await client.fetch_balance())["total"]["BTC"] == 0.7999
        (stop,) = await client.fetch_open_orders(SPOT, params=WAITING)
        assert stop["stopLossPrice"] == 59000


async def test_a_stop_that_could_not_be_placed_says_why(double: ServedDouble) -> None:
    async with okx_client(double) as client:
        stop_id = await protect(client)
        double.engine.trade(SWAP, price="59000")
        stop = await client.fetch_order(stop_id, SWAP, {"trigger": True})
        assert (stop["status"], stop["info"]["failCode"], stop["info"]["ordId"]) == ("canceled", "51169", "")


@pytest.mark.parametrize(
    "fault", [Timeout(accepted=True), Timeout(accepted=False), RateLimited(accepted=True)], ids=str
)
async def test_a_stop_without_an_answer_is_there_or_not(double: ServedDouble, fault: Fault) -> None:
    import ccxt

    double.faults.add(fault, on=Operation.PLACE)
    async with okx_client(double) as client:
        with impatient(client), pytest.raises(ccxt.NetworkError):
            await protect(client)
        waiting = await client.fetch_open_orders(SWAP, params=WAITING)
    carried_out = fault != Timeout(accepted=False)
    assert len(waiting) == carried_out
    assert double.journal.of(Operation.PLACE)[0].orders == tuple(stop.stop_id for stop in double.engine.stops)


async def test_a_stop_can_be_hidden_and_trigger_before_its_cancel_arrives(double: ServedDouble) -> None:
    import ccxt

    async with okx_client(double) as client:
        await client.create_order(SWAP, "market", "buy", 2)
        double.faults.add(OrderHidden(looks=2))
        stop_id = await protect(client)
        assert await client.fetch_open_orders(SWAP, params=WAITING) == []
        with pytest.raises(ccxt.OrderNotFound, match="51603"):
            await client.fetch_order(stop_id, SWAP, {"trigger": True})
        assert len(await client.fetch_open_orders(SWAP, params=WAITING)) == 1
        double.faults.add(FilledBeforeCancel())
        with pytest.raises(ccxt.OrderNotFound, match="51400"):
            await client.cancel_order(stop_id, SWAP, {"trigger": True})
        assert await client.fetch_positions() == []


async def test_the_order_of_a_stop_can_be_filled_in_part_and_then_cancelled(double: ServedDouble) -> None:
    async with okx_client(double) as client:
        await client.create_order(SWAP, "market", "buy", 2)
        double.faults.add(PartialThenCancel())
        await protect(client)
        double.engine.trade(SWAP, price="59000")
        (position,) = await client.fetch_positions()
        assert position["contracts"] == 1
    (stop,) = double.engine.stops
    order = double.engine.find(order_id=stop.order_id)
    assert order is not None
    assert order.cause is Cause.VENUE
