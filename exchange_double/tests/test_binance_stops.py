"""Stops on the double as a Binance: orders like others on spot, algo orders on futures."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from builders.binance_double import SPOT, SWAP, ask, binance_client, impatient, signed
from domain.clock import TickClock
from exchange_double import ExchangeDouble, Operation
from exchange_double.binance import LISTINGS, BinanceWire
from exchange_double.faults import Fault, FilledBeforeCancel, OrderHidden, PartialThenCancel, RateLimited, Timeout
from exchange_double.served import START, ServedDouble
from exchange_double.stops import StopStatus

if TYPE_CHECKING:
    import ccxt.async_support as ccxt

BOTH = pytest.mark.parametrize("symbol", [SPOT, SWAP])
SPOT_ORDER, ALGO_ORDER = "/api/v3/order", "/fapi/v1/algoOrder"

A_SPOT_STOP = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "STOP_LOSS",
    "quantity": "0.4",
    "stopPrice": "59000",
    "newClientOrderId": "s1",
}
AN_ALGO_ORDER = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "algoType": "CONDITIONAL",
    "type": "STOP_MARKET",
    "quantity": "0.4",
    "triggerPrice": "59000",
    "clientAlgoId": "s1",
    "reduceOnly": "true",
}


def a_binance() -> ExchangeDouble:
    """One BTC on spot and cash, at 60,000 to 60,001 on both BTC markets."""
    double = ExchangeDouble(BinanceWire(), TickClock(START), listings=LISTINGS)
    double.engine.deposit("USDT", 100_000)
    double.engine.deposit("BTC", 1)
    for symbol in (SPOT, SWAP):
        double.engine.set_touch(symbol, bid="60000", ask="60001", size=2)
    return double


def asked(double: ExchangeDouble, method: str, path: str, **params: str) -> Any:
    return ask(double, signed(double, method, path, params))


def placed(double: ExchangeDouble, path: str, **changes: str | None) -> Any:
    whole = {**(A_SPOT_STOP if path == SPOT_ORDER else AN_ALGO_ORDER), **changes}
    return asked(double, "POST", path, **{name: value for name, value in whole.items() if value is not None})


# What is refused.


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"stopPrice": None}, -1102),
        ({"stopPrice": "0"}, -1013),
        ({"stopPrice": "59000.005"}, -1013),
        ({"stopPrice": "60000.5"}, -2010),
        ({"stopPrice": "60002"}, -2010),
        ({"side": "BUY", "stopPrice": "60002"}, None),
        ({"side": "BUY", "stopPrice": "59000"}, -2010),
        ({"type": "TAKE_PROFIT", "stopPrice": "61000"}, None),
        ({"type": "TAKE_PROFIT", "stopPrice": "59000"}, -2010),
        ({"type": "STOP_LOSS_LIMIT", "price": "58000", "timeInForce": "GTC"}, None),
        ({"type": "STOP_LOSS_LIMIT", "price": "58000"}, -1102),
        ({"price": "58000"}, -1106),
        ({"timeInForce": "GTC"}, -1106),
        ({"quoteOrderQty": "60", "quantity": None}, -1106),
        ({"trailingDelta": "10"}, -1104),
        ({"quantity": "0.00001"}, -1013),
        ({"quantity": "1.1"}, -2010),
        ({"side": "BUY", "stopPrice": "62000", "quantity": "1.7"}, -2010),
    ],
    ids=str,
)
def test_a_stop_on_spot_is_taken_or_refused_with_its_code(changes: dict[str, str | None], code: int | None) -> None:
    double = a_binance()
    assert placed(double, SPOT_ORDER, **changes).get("code") == code
    assert len(double.engine.stops) == (code is None)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"algoType": None}, -1102),
        ({"algoType": "VP"}, -1130),
        ({"type": "MARKET"}, -1116),
        ({"type": "TRAILING_STOP_MARKET"}, -1116),
        ({"triggerPrice": None}, -1102),
        ({"triggerPrice": "59000.05"}, -1111),
        ({"triggerPrice": "60002"}, -2021),
        ({"side": "BUY", "triggerPrice": "59000"}, -2021),
        ({"type": "TAKE_PROFIT_MARKET", "triggerPrice": "61000"}, None),
        ({"type": "TAKE_PROFIT_MARKET", "triggerPrice": "59000"}, -2021),
        ({"type": "STOP", "price": "58000"}, None),
        ({"type": "STOP"}, -1102),
        ({"workingType": "MARK_PRICE"}, None),
        ({"workingType": "INDEX"}, -1130),
        ({"clientAlgoId": "not valid"}, -4015),
        ({"positionSide": "LONG"}, -4061),
        ({"closePosition": "true"}, -1104),
        ({"quantity": "0.001", "reduceOnly": None}, -4164),
        ({"newOrderRespType": "LOUD"}, -1130),
    ],
    ids=str,
)
def test_an_algo_order_is_taken_or_refused_with_its_code(changes: dict[str, str | None], code: int | None) -> None:
    double = a_binance()
    assert placed(double, ALGO_ORDER, **changes).get("code") == code
    assert len(double.engine.stops) == (code is None)


def test_an_open_id_is_taken_once_by_orders_and_stops_of_spot_together() -> None:
    double = a_binance()
    first = placed(double, SPOT_ORDER)["orderId"]
    an_order = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.1", "newClientOrderId": "s1"}
    assert placed(double, SPOT_ORDER)["msg"] == "Duplicate order sent."
    assert asked(double, "POST", SPOT_ORDER, **an_order)["msg"] == "Duplicate order sent."
    double.engine.cancel_stop(str(first))
    resting = {**an_order, "type": "LIMIT", "price": "70000", "timeInForce": "GTC"}
    assert asked(double, "POST", SPOT_ORDER, **resting)["status"] == "NEW"
    assert placed(double, SPOT_ORDER)["msg"] == "Duplicate order sent."


def test_an_id_of_an_algo_order_is_free_once_it_has_ended() -> None:
    double = a_binance()
    first = placed(double, ALGO_ORDER)["algoId"]
    assert placed(double, ALGO_ORDER)["code"] == -4116
    double.engine.cancel_stop(str(first))
    second = placed(double, ALGO_ORDER)["algoId"]
    assert asked(double, "GET", ALGO_ORDER, clientAlgoId="s1")["algoId"] == second != first


# Spot: an order like others.


def test_a_stop_on_spot_holds_back_what_it_sells_until_it_is_cancelled() -> None:
    double = a_binance()
    order_id = str(placed(double, SPOT_ORDER)["orderId"])
    selling = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.7"}
    assert double.engine.funds().balances["BTC"].held == Decimal("0.4")
    assert asked(double, "POST", SPOT_ORDER, **selling)["code"] == -2010
    assert asked(double, "DELETE", SPOT_ORDER, symbol="BTCUSDT", orderId=order_id)["status"] == "CANCELED"
    assert asked(double, "POST", SPOT_ORDER, **selling)["status"] == "FILLED"


def test_a_buy_stop_on_spot_holds_its_cash_back_and_pays_with_it() -> None:
    double = a_binance()
    placed(double, SPOT_ORDER, side="BUY", stopPrice="62000", quantity="1.6")
    assert double.engine.funds().available("USDT") == Decimal(800)
    double.engine.set_touch(SPOT, bid="62000", ask="62001", size=2)
    assert [fill.size for fill in double.engine.fills] == [Decimal("1.6")]
    assert double.engine.funds().balances["USDT"].held == 0


def test_a_stop_on_spot_keeps_its_ids_and_its_time_and_comes_to_the_book_when_it_triggers() -> None:
    double = a_binance()
    made = placed(double, SPOT_ORDER)
    found = {"symbol": "BTCUSDT", "orderId": str(made["orderId"])}
    waits = asked(double, "GET", SPOT_ORDER, **found)
    told = ("clientOrderId", "status", "type", "isWorking", "workingTime")
    assert [waits[name] for name in told] == ["s1", "NEW", "STOP_LOSS", False, -1]
    assert Decimal(waits["stopPrice"]) == 59000
    double.advance(60)
    double.engine.trade(SPOT, price="59000")
    done = asked(double, "GET", SPOT_ORDER, **found)
    assert [done[name] for name in told] == ["s1", "FILLED", "STOP_LOSS", True, waits["time"] + 60_000]
    assert (done["time"], done["updateTime"]) == (waits["time"], waits["time"] + 60_000)
    assert asked(double, "GET", "/api/v3/allOrders", symbol="BTCUSDT") == [done]
    (trade,) = asked(double, "GET", "/api/v3/myTrades", symbol="BTCUSDT", orderId=found["orderId"])
    assert (trade["orderId"], trade["qty"]) == (made["orderId"], "0.40000000")
    assert double.placed_twice() == ()


def test_all_orders_of_spot_are_cancelled_with_the_stops_among_them() -> None:
    double = a_binance()
    placed(double, SPOT_ORDER)
    placed(double, ALGO_ORDER, clientAlgoId="f1")
    (row,) = asked(double, "DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    assert (row["status"], row["origClientOrderId"]) == ("CANCELED", "s1")
    assert asked(double, "GET", "/api/v3/openOrders") == []
    assert [stop.client_order_id for stop in double.engine.waiting_stops] == ["f1"]


# Futures: algo orders.


def test_an_algo_order_is_no_order_and_outlives_the_cancel_of_all_orders() -> None:
    double = a_binance()
    made = placed(double, ALGO_ORDER)
    params = {"symbol": "BTCUSDT"}
    assert asked(double, "GET", "/fapi/v1/openOrders", **params) == []
    assert asked(double, "GET", "/fapi/v1/order", **params, origClientOrderId="s1")["code"] == -2013
    asked(double, "DELETE", "/fapi/v1/allOpenOrders", **params)
    (waits,) = asked(double, "GET", "/fapi/v1/openAlgoOrders", **params)
    assert waits == {**made, "actualOrderId": "", "actualPrice": "0.00000000"}
    asked(double, "DELETE", "/fapi/v1/algoOpenOrders", **params)
    assert asked(double, "GET", "/fapi/v1/openAlgoOrders", **params) == []
    (gone,) = asked(double, "GET", "/fapi/v1/allAlgoOrders", **params)
    assert (gone["algoId"], gone["algoStatus"]) == (made["algoId"], "CANCELED")


def test_a_triggered_algo_order_names_its_order_which_has_an_id_of_its_own_and_the_same_client_id() -> None:
    double = a_binance()
    made = placed(double, ALGO_ORDER, type="STOP", price="58990", reduceOnly=None)
    double.engine.set_book(SWAP, bids=[], asks=[])
    double.engine.trade(SWAP, price="59000")
    stop = asked(double, "GET", ALGO_ORDER, algoId=str(made["algoId"]))
    assert (stop["algoStatus"], stop["triggerTime"]) == ("TRIGGERED", stop["updateTime"])
    double.engine.fill(stop["actualOrderId"])
    stop = asked(double, "GET", ALGO_ORDER, clientAlgoId="s1")
    assert (stop["algoStatus"], stop["actualPrice"]) == ("FINISHED", "58990.00000000")
    order = asked(double, "GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="s1")
    assert str(order["orderId"]) == stop["actualOrderId"] != str(made["algoId"])
    (trade,) = asked(double, "GET", "/fapi/v1/userTrades", symbol="BTCUSDT")
    assert trade["orderId"] == order["orderId"]


def test_an_algo_order_whose_order_is_refused_is_rejected() -> None:
    double = a_binance()
    placed(double, ALGO_ORDER)
    double.engine.trade(SWAP, price="59000")
    assert asked(double, "GET", ALGO_ORDER, clientAlgoId="s1")["algoStatus"] == "REJECTED"
    assert asked(double, "DELETE", ALGO_ORDER, clientAlgoId="s1")["code"] == -2011


def test_algo_orders_are_walked_by_id_and_asked_for_within_a_week() -> None:
    double = a_binance()
    ids = [placed(double, ALGO_ORDER, clientAlgoId=f"s{n}")["algoId"] for n in range(3)]
    now_ms = round(double.now.timestamp() * 1000)

    def found(**params: str) -> list[int]:
        return [row["algoId"] for row in asked(double, "GET", "/fapi/v1/allAlgoOrders", symbol="BTCUSDT", **params)]

    assert found(algoId=str(ids[1])) == ids[1:]
    assert found(algoId=str(ids[0]), limit="2") == ids[:2]
    assert found(startTime=str(now_ms - 1), endTime=str(now_ms)) == ids
    assert found(endTime=str(now_ms - 1)) == []
    too_long = asked(double, "GET", "/fapi/v1/allAlgoOrders", symbol="BTCUSDT", startTime="0", endTime="604800001")
    assert too_long["code"] == -4165


def test_a_cancelled_algo_order_is_forgotten_after_three_days() -> None:
    double = a_binance()
    double.engine.cancel_stop(str(placed(double, ALGO_ORDER)["algoId"]))
    kept = placed(double, ALGO_ORDER, clientAlgoId="s2")["algoId"]
    double.advance(3 * 86_400 + 1)
    assert asked(double, "GET", ALGO_ORDER, clientAlgoId="s1")["code"] == -2013
    assert [row["algoId"] for row in asked(double, "GET", "/fapi/v1/allAlgoOrders", symbol="BTCUSDT")] == [kept]


@pytest.mark.parametrize(("method", "code"), [("GET", -2013), ("DELETE", -2011)])
def test_an_unknown_algo_order_is_said_to_be_none_and_spots_stop_is_unknown_too(method: str, code: int) -> None:
    double = a_binance()
    spots = str(placed(double, SPOT_ORDER)["orderId"])
    assert asked(double, method, ALGO_ORDER)["code"] == -1102
    for params in ({"clientAlgoId": "s1"}, {"algoId": "7"}, {"algoId": spots}):
        assert asked(double, method, ALGO_ORDER, **params)["code"] == code
    assert len(double.engine.waiting_stops) == 1


# The real ccxt.


@pytest.fixture
def double(binance_double: ServedDouble) -> ServedDouble:
    """One BTC on spot, and 60,000 to 60,001 for two on either side of both BTC markets."""
    binance_double.engine.deposit("BTC", 1)
    for symbol in (SPOT, SWAP):
        binance_double.engine.set_touch(symbol, bid="60000", ask="60001", size=2)
    return binance_double


async def protect(client: ccxt.binance, symbol: str) -> str:
    """A stop loss for 0.4. Returns the exchange's id."""
    params = {"stopLossPrice": 59000, "clientOrderId": "s1"}
    order = await client.create_order(symbol, "market", "sell", 0.4, None, params)
    assert (order["status"], order["clientOrderId"], order["triggerPrice"]) == ("open", "s1", 59000)
    return str(order["id"])


@BOTH
async def test_ccxt_places_finds_and_cancels_a_stop(double: ServedDouble, symbol: str) -> None:
    import ccxt

    apart = {"trigger": True}
    async with binance_client(double) as client:
        stop_id = await protect(client, symbol)
        (waiting,) = await client.fetch_open_orders(symbol, params=apart)
        assert (waiting["id"], waiting["status"], waiting["triggerPrice"]) == (stop_id, "open", 59000)
        assert await client.fetch_open_orders(symbol) == ([waiting] if symbol == SPOT else [])
        for given, params in ((stop_id, {}), (None, {"clientOrderId": "s1"})):
            assert (await client.fetch_order(given, symbol, {**apart, **params}))["id"] == stop_id
        await client.cancel_order(stop_id, symbol, apart)
        assert (await client.fetch_order(stop_id, symbol, apart))["status"] == "canceled"
        assert [order["id"] for order in await client.fetch_orders(symbol, params=apart)] == [stop_id]
        with pytest.raises(ccxt.OrderNotFound, match="-2011"):
            await client.cancel_order(None, symbol, {**apart, "clientOrderId": "s1"})


@pytest.mark.parametrize(
    ("symbol", "code", "error"),
    [(SPOT, "-2010", "OrderImmediatelyFillable"), (SWAP, "-2021", "OrderImmediatelyFillable")],
)
async def test_a_stop_that_would_trigger_at_once_is_refused(
    double: ServedDouble, symbol: str, code: str, error: str
) -> None:
    import ccxt

    async with binance_client(double) as client:
        with pytest.raises(getattr(ccxt, error), match=f"{code}|trigger immediately"):
            await client.create_order(symbol, "market", "sell", 0.4, None, {"stopLossPrice": 61000})
    assert double.engine.stops == ()


@BOTH
async def test_ccxt_takes_a_profit(double: ServedDouble, symbol: str) -> None:
    async with binance_client(double) as client:
        await client.create_order(symbol, "market", "sell", 0.4, None, {"takeProfitPrice": 61000})
        double.engine.set_touch(symbol, bid="61000", ask="61001")
        (trade,) = await client.fetch_my_trades(symbol)
    assert (trade["price"], trade["amount"]) == (61000, 0.4)


# Faults.


@BOTH
@pytest.mark.parametrize(
    ("fault", "error", "waiting"),
    [
        (Timeout(accepted=True), "RequestTimeout", 1),
        (Timeout(accepted=False), "RequestTimeout", 0),
        (RateLimited(accepted=True), "DDoSProtection", 1),
        (RateLimited(), "DDoSProtection", 0),
    ],
    ids=str,
)
async def test_a_stop_without_an_answer_is_there_or_not(
    double: ServedDouble, symbol: str, fault: Fault, error: str, waiting: int
) -> None:
    import ccxt

    async with binance_client(double) as client:
        double.faults.add(fault, on=Operation.PLACE)
        with impatient(client), pytest.raises(getattr(ccxt, error)):
            await protect(client, symbol)
        found = await client.fetch_open_orders(symbol, params={"trigger": True})
    assert len(double.engine.stops) == len(found) == waiting


@BOTH
async def test_a_stop_can_trigger_before_its_cancel_arrives(double: ServedDouble, symbol: str) -> None:
    import ccxt

    async with binance_client(double) as client:
        stop_id = await protect(client, symbol)
        double.faults.add(FilledBeforeCancel())
        with pytest.raises(ccxt.OrderNotFound, match="-2011"):
            await client.cancel_order(stop_id, symbol, {"trigger": True})
    assert double.engine.stops[0].status is StopStatus.TRIGGERED
    assert [fill.size for fill in double.engine.fills] == [Decimal("0.4")]


@BOTH
async def test_a_stop_can_be_hidden_though_it_waits(double: ServedDouble, symbol: str) -> None:
    import ccxt

    async with binance_client(double) as client:
        double.faults.add(OrderHidden(looks=3))
        stop_id = await protect(client, symbol)
        with pytest.raises(ccxt.OrderNotFound, match="-2013"):
            await client.fetch_order(stop_id, symbol, {"trigger": True})
        assert await client.fetch_open_orders(symbol, params={"trigger": True}) == []
        assert await client.fetch_orders(symbol, params={"trigger": True}) == []
        assert (await client.fetch_order(stop_id, symbol, {"trigger": True}))["status"] == "open"


@BOTH
async def test_what_a_stop_becomes_can_be_filled_in_part_and_expired(double: ServedDouble, symbol: str) -> None:
    async with binance_client(double) as client:
        double.faults.add(PartialThenCancel(part=Decimal("0.25")))
        await protect(client, symbol)
        double.engine.set_touch(symbol, bid="58900", ask="58901")
        order = await client.fetch_order(None, symbol, {"clientOrderId": "s1"})
    assert (order["status"], order["filled"]) == ("expired", 0.1)
