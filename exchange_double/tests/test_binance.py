"""Binance's dialect of the double, request by request and without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.binance_double import SPOT, SWAP, answered, ask, signed
from domain.clock import TickClock
from exchange_double import Credentials, ExchangeDouble, Listing, NewOrder
from exchange_double.binance import LISTINGS, BinanceWire
from exchange_double.binance.routes import SPOKEN
from exchange_double.binance.text import text
from exchange_double.orders import Status
from exchange_double.served import START
from exchange_double.wire import Request, Wire

RECORDED = Path(__file__).parents[2].parent / "shared/data/exchange_payloads/binance"

A_BUY = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.1",
    "price": "50000",
}
SPOT_ORDER, FUTURES_ORDER = "/api/v3/order", "/fapi/v1/order"
NOW_MS = round(START.timestamp() * 1000)


def a_binance(
    credentials: Credentials | None = None, *, listings: tuple[Listing, ...] = LISTINGS, touch: bool = True
) -> ExchangeDouble:
    wire: Wire = BinanceWire(credentials)
    double = ExchangeDouble(wire, TickClock(START), listings=listings)
    double.engine.deposit("USDT", 100_000)
    if touch:
        for symbol in (SPOT, SWAP):
            double.engine.set_touch(symbol, bid="60000", ask="60001", size=2)
    return double


def placed(double: ExchangeDouble, path: str = SPOT_ORDER, /, **changes: str | None) -> Any:
    """The answer to one order; `None` leaves a parameter out."""
    params = {name: value for name, value in {**A_BUY, **changes}.items() if value is not None}
    return ask(double, signed(double, "POST", path, params))


def asked(double: ExchangeDouble, path: str, **params: object) -> Any:
    return ask(double, signed(double, "GET", path, {name: str(value) for name, value in params.items()}))


def a_market_order(side: str = "BUY", quantity: str = "0.1") -> dict[str, str | None]:
    return {"type": "MARKET", "timeInForce": None, "price": None, "side": side, "quantity": quantity}


# Signatures and clocks.


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"key": ""}, 401, -2014),
        ({"key": "another"}, 401, -2015),
        ({"credentials": Credentials(secret="another")}, 400, -1022),
        ({"stamp_ms": NOW_MS + 1_000}, 400, -1021),
        ({"stamp_ms": NOW_MS + 999}, 200, None),
        ({"stamp_ms": NOW_MS - 5_001}, 400, -1021),
        ({"stamp_ms": NOW_MS - 5_000}, 200, None),
        ({"stamp_ms": NOW_MS - 9_000, "params": {"recvWindow": "9000"}}, 200, None),
        ({"params": {"recvWindow": "60001"}}, 400, -1131),
        ({"params": {"recvWindow": "long"}}, 400, -1100),
    ],
    ids=str,
)
def test_a_signature_is_checked_with_its_key_and_its_time(changes: dict[str, Any], status: int, code: int) -> None:
    double = a_binance()
    answer = answered(double, signed(double, "GET", "/api/v3/account", **changes))
    assert (answer.status, json.loads(answer.body).get("code")) == (status, code)


@pytest.mark.parametrize("part", ["signature", "timestamp"])
def test_a_private_request_needs_a_signature_and_a_time(part: str) -> None:
    double = a_binance()
    request = signed(double, "GET", "/api/v3/account")
    kept = "&".join(pair for pair in request.target.split("?")[1].split("&") if not pair.startswith(part))
    bare = Request(method="GET", target=f"/api/v3/account?{kept}", headers=request.headers)
    answer = ask(double, bare)
    assert answer["code"] == -1102
    assert f"'{part}'" in answer["msg"]


def test_a_signature_covers_query_and_form_together() -> None:
    double = a_binance()
    request = signed(double, "POST", SPOT_ORDER, A_BUY)
    moved, signature = request.body.rsplit("&signature=", 1)
    first, rest = moved.split("&", 1)
    split = Request(
        method="POST", target=f"{SPOT_ORDER}?{first}", body=f"{rest}&signature={signature}", headers=request.headers
    )
    assert ask(double, split)["code"] == -1022, "query and form are signed one right after the other"
    changed = Request(
        method="POST", target=SPOT_ORDER, body=request.body.replace("0.1", "0.9"), headers=request.headers
    )
    assert ask(double, changed)["code"] == -1022
    assert double.engine.orders == ()
    assert ask(double, request)["status"] == "NEW"


def test_a_parameter_that_comes_twice_is_refused() -> None:
    double = a_binance()
    request = Request(method="GET", target="/api/v3/depth?symbol=BTCUSDT&symbol=ETHUSDT")
    assert ask(double, request)["code"] == -1101


def test_a_key_is_of_one_environment_and_trades_only_when_it_may() -> None:
    key = Credentials(sandbox=True, permissions=("read_only",))
    double = a_binance(key)
    assert asked(double, "/api/v3/account")["code"] == -2015
    assert "balances" in asked(double, "/sandbox/api/v3/account")
    assert placed(double, f"/sandbox{SPOT_ORDER}")["code"] == -2015


# New orders.


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"quantity": None}, -1102, "quantity"),
        ({"quantity": "many"}, -1100, "quantity"),
        ({"quantity": "NaN"}, -1100, "quantity"),
        ({"quantity": "-1"}, -1100, "quantity"),
        ({"quantity": "0"}, -1013, "LOT_SIZE"),
        ({"quantity": "0.000001"}, -1013, "LOT_SIZE"),
        ({"quantity": "0.100001"}, -1013, "LOT_SIZE"),
        ({"quantity": "0.100000001"}, -1111, "quantity"),
        ({"quantity": "0.00001"}, -1013, "NOTIONAL"),
        ({"price": None}, -1102, "price"),
        ({"price": "50000.005"}, -1013, "PRICE_FILTER"),
        ({"price": "0"}, -1013, "PRICE_FILTER"),
        ({"symbol": "XYZUSDT"}, -1121, "symbol"),
        ({"symbol": None}, -1102, "symbol"),
        ({"side": "HOLD"}, -1117, "side"),
        ({"type": "GUESS"}, -1116, "orderType"),
        ({"type": "LIMIT_MAKER"}, -1106, "timeInForce"),
        ({"type": "MARKET"}, -1106, "timeInForce"),
        ({"type": "MARKET", "timeInForce": None}, -1106, "price"),
        ({"type": "MARKET", "timeInForce": None, "price": None, "quoteOrderQty": "60"}, -1128, "Combination"),
        ({"timeInForce": None}, -1102, "timeInForce"),
        ({"timeInForce": "GTX"}, -1115, "timeInForce"),
        ({"timeInForce": "DAY"}, -1115, "timeInForce"),
        ({"newClientOrderId": "not valid"}, -1100, "newClientOrderId"),
        ({"newClientOrderId": "a" * 37}, -1100, "newClientOrderId"),
        ({"newOrderRespType": "LOUD"}, -1130, "newOrderRespType"),
        ({"selfTradePreventionMode": "NONE"}, -1130, "selfTradePreventionMode"),
        ({"stopPrice": "40000"}, -1106, "stopPrice"),
        ({"icebergQty": "0.01"}, -1104, "read '8' parameter(s) but was sent '9'"),
        ({"reduceOnly": "true"}, -1104, "read"),
        ({"quantity": "2.5"}, -2010, "insufficient balance"),
    ],
    ids=str,
)
def test_a_spot_order_that_binance_would_not_take_is_refused(
    changes: dict[str, str | None], code: int, says: str
) -> None:
    double = a_binance()
    answer = placed(double, **changes)
    assert (answer["code"], says in answer["msg"]) == (code, True), answer
    assert double.engine.orders == ()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantity": "0.0001"}, -1111),
        ({"price": "50000.05"}, -1111),
        ({"quantity": "0"}, -4004),
        ({"quantity": "0.001"}, -4164),
        ({"quantity": "31"}, -2019),
        ({"type": "LIMIT_MAKER", "timeInForce": None}, -1116),
        ({"type": "STOP_MARKET", "timeInForce": None, "price": None}, -4120),
        ({"positionSide": "LONG"}, -4061),
        ({"newClientOrderId": "not valid"}, -4015),
        ({"newOrderRespType": "FULL"}, -1130),
        ({"reduceOnly": "true"}, -2022),
        ({"reduceOnly": "perhaps"}, -1130),
        ({"quoteOrderQty": "100"}, -1104),
        ({"closePosition": "true"}, -1104),
        ({"timeInForce": "GTX", "price": "60001"}, -5022),
        ({"timeInForce": "FOK", "price": "60001", "quantity": "2.001"}, -5021),
    ],
    ids=str,
)
def test_a_futures_order_that_binance_would_not_take_is_refused(changes: dict[str, str | None], code: int) -> None:
    double = a_binance()
    double.engine.deposit("USDT", 50_000)
    assert placed(double, FUTURES_ORDER, **changes)["code"] == code
    assert double.engine.orders == ()


def test_what_reduces_may_be_smaller_than_the_least_notional() -> None:
    double = a_binance()
    placed(double, FUTURES_ORDER, **a_market_order("BUY", "0.002"))
    smaller = {**a_market_order("SELL", "0.001"), "newOrderRespType": "RESULT"}
    assert placed(double, FUTURES_ORDER, **smaller)["code"] == -4164
    assert placed(double, FUTURES_ORDER, **smaller, reduceOnly="true")["status"] == "FILLED"


def test_a_grid_that_is_no_power_of_ten_refuses_by_step() -> None:
    halves = Listing(symbol=SWAP, tick_size=Decimal("0.5"), lot_size=Decimal("0.05"), min_size=Decimal("0.05"))
    double = a_binance(listings=(halves,), touch=False)
    assert placed(double, FUTURES_ORDER, price="50000.1")["code"] == -4014
    assert placed(double, FUTURES_ORDER, quantity="0.07")["code"] == -4023
    assert placed(double, FUTURES_ORDER, price="50000.5", quantity="0.15")["status"] == "NEW"


def test_a_size_is_in_the_base_whatever_a_contract_holds() -> None:
    hundredths = Listing(
        symbol=SWAP,
        tick_size=Decimal("0.1"),
        lot_size=Decimal(1),
        min_size=Decimal(1),
        contract_size=Decimal("0.01"),
        taker_fee=Decimal("0.0005"),
    )
    double = a_binance(listings=(hundredths,), touch=False)
    double.engine.set_touch(SWAP, bid="60000", ask="60001", size=200)
    order = placed(double, FUTURES_ORDER, **a_market_order(quantity="0.25"), newOrderRespType="RESULT")
    assert double.engine.orders[0].new.quantity == 25
    assert (order["executedQty"], order["cumQuote"]) == ("0.25000000", "15000.25000000")
    (trade,) = asked(double, "/fapi/v1/userTrades", symbol="BTCUSDT")
    assert (trade["qty"], trade["quoteQty"], trade["commission"]) == ("0.25000000", "15000.25000000", "7.50012500")
    (position,) = asked(double, "/fapi/v3/positionRisk")
    assert (position["positionAmt"], position["entryPrice"]) == ("0.25000000", "60001.00000000")
    assert asked_depth(double)["asks"] == [["60001.00000000", "1.75000000"]]


def asked_depth(double: ExchangeDouble) -> Any:
    return ask(double, Request(method="GET", target="/fapi/v1/depth?symbol=BTCUSDT&limit=5"))


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"timeInForce": "IOC"}, "EXPIRED"),
        ({"timeInForce": "FOK"}, "EXPIRED"),
        ({"type": "LIMIT_MAKER", "timeInForce": None}, "NEW"),
        ({"timeInForce": "GTC"}, "NEW"),
        ({"timeInForce": "IOC", "price": "60001"}, "FILLED"),
        ({"timeInForce": "FOK", "price": "60001"}, "FILLED"),
    ],
    ids=str,
)
def test_a_spot_order_rests_fills_or_expires_by_its_time_in_force(changes: dict[str, str | None], state: str) -> None:
    double = a_binance()
    placed(double, **changes, newClientOrderId="a1")
    order = asked(double, SPOT_ORDER, symbol="BTCUSDT", origClientOrderId="a1")
    assert order["status"] == state
    assert order["type"] == changes.get("type", "LIMIT")


def test_a_maker_order_that_would_take_is_rejected_and_leaves_nothing() -> None:
    double = a_binance()
    answer = placed(double, type="LIMIT_MAKER", timeInForce=None, price="60001")
    assert answer == {"code": -2010, "msg": "Order would immediately match and take."}
    assert double.engine.orders == ()


def test_our_own_orders_do_not_fill_one_that_must_fill_at_once() -> None:
    double = a_binance()
    placed(double, FUTURES_ORDER, side="SELL", price="60000.5", quantity="0.1")
    order = {"price": "60001", "timeInForce": "FOK", "newOrderRespType": "RESULT"}
    assert placed(double, FUTURES_ORDER, **order, quantity="2.1")["code"] == -5021
    assert placed(double, FUTURES_ORDER, **order, quantity="2")["status"] == "FILLED"
    assert double.engine.orders[0].status is Status.CANCELLED
    gone = asked(double, FUTURES_ORDER, symbol="BTCUSDT", orderId=double.engine.orders[0].order_id)
    assert gone["status"] == "EXPIRED_IN_MATCH"


def test_a_market_order_that_empties_the_book_expires_with_what_it_got() -> None:
    double = a_binance()
    double.engine.set_touch(SPOT, bid="60000", ask="60001", size="0.4")
    order = placed(double, **a_market_order(quantity="1"))
    assert (order["status"], order["executedQty"], order["cummulativeQuoteQty"]) == (
        "EXPIRED",
        "0.40000000",
        "24000.40000000",
    )


def test_a_spot_buy_may_be_sized_by_what_it_spends() -> None:
    double = a_binance()
    order = placed(double, type="MARKET", timeInForce=None, price=None, quantity=None, quoteOrderQty="600.01")
    assert (order["status"], order["origQty"], order["origQuoteOrderQty"]) == ("FILLED", "0.01000000", "600.01000000")
    sell = {"type": "MARKET", "timeInForce": None, "price": None, "quantity": None, "quoteOrderQty": "60"}
    assert placed(double, **sell, side="SELL")["code"] == -1020
    assert placed(double, **(sell | {"quoteOrderQty": "4.99"}))["code"] == -1013


@pytest.mark.parametrize(
    ("response", "has", "lacks"),
    [("ACK", "transactTime", "status"), ("RESULT", "status", "fills"), ("FULL", "fills", "nothing")],
)
def test_a_client_says_how_much_it_wants_to_hear(response: str, has: str, lacks: str) -> None:
    answer = placed(a_binance(), newOrderRespType=response)
    assert has in answer
    assert lacks not in answer


def test_a_full_answer_names_every_fill_with_its_commission() -> None:
    double = a_binance()
    double.engine.deposit("BTC", 1)
    answer = placed(double, **a_market_order("SELL", "0.01"))
    assert answer["fills"] == [
        {
            "price": "60000.00000000",
            "qty": "0.01000000",
            "commission": "0.60000000",
            "commissionAsset": "USDT",
            "tradeId": 100_000_000,
        }
    ]


def test_without_a_word_futures_acknowledge_an_order_as_it_was_before_it_met_the_book() -> None:
    double = a_binance()
    first = placed(double, FUTURES_ORDER, **a_market_order())
    assert (first["status"], first["executedQty"], first["avgPrice"]) == ("NEW", "0.00000000", "0.00000000")
    assert asked(double, FUTURES_ORDER, symbol="BTCUSDT", orderId=first["orderId"])["status"] == "FILLED"


def test_a_client_order_id_is_taken_while_its_order_is_open_and_free_afterwards() -> None:
    double = a_binance()
    first = placed(double, newClientOrderId="a1")
    assert placed(double, newClientOrderId="a1") == {"code": -2010, "msg": "Duplicate order sent."}
    double.engine.fill(str(first["orderId"]))
    again = placed(double, newClientOrderId="a1")
    assert again["orderId"] != first["orderId"]
    assert asked(double, SPOT_ORDER, symbol="BTCUSDT", origClientOrderId="a1")["orderId"] == again["orderId"]
    assert double.placed_twice() == ("a1",)


def test_a_client_order_id_is_of_one_market() -> None:
    double = a_binance()
    spot = placed(double, newClientOrderId="a1")
    double.engine.cancel(str(spot["orderId"]))
    swap = placed(double, FUTURES_ORDER, newClientOrderId="a1")
    assert asked(double, SPOT_ORDER, symbol="BTCUSDT", origClientOrderId="a1")["orderId"] == spot["orderId"]
    assert asked(double, FUTURES_ORDER, symbol="BTCUSDT", origClientOrderId="a1")["orderId"] == swap["orderId"]


def test_an_order_without_a_client_order_id_is_given_one_to_find_it_by() -> None:
    double = a_binance()
    by_hand = double.engine.place(NewOrder(symbol=SPOT, side="buy", type="market", quantity=Decimal("0.01")))
    made_up = asked(double, SPOT_ORDER, symbol="BTCUSDT", orderId=by_hand.order_id)["clientOrderId"]
    found = asked(double, SPOT_ORDER, symbol="BTCUSDT", origClientOrderId=made_up)
    assert found["orderId"] == int(by_hand.order_id)
    assert asked(double, SPOT_ORDER, symbol="BTCUSDT", orderId=1, origClientOrderId=made_up)["code"] == -2013


# Cancels.


def cancelled(double: ExchangeDouble, path: str, **params: object) -> Any:
    return ask(double, signed(double, "DELETE", path, {name: str(value) for name, value in params.items()}))


@pytest.mark.parametrize("end", ["fill", "cancel", None])
@pytest.mark.parametrize("path", [SPOT_ORDER, FUTURES_ORDER])
def test_to_a_cancel_whatever_is_not_open_is_unknown(path: str, end: str | None) -> None:
    double = a_binance()
    order_id = str(placed(double, path)["orderId"])
    if end:
        getattr(double.engine, end)(order_id)
    answer = cancelled(double, path, symbol="BTCUSDT", orderId=order_id if end else 1)
    assert answer == {"code": -2011, "msg": "Unknown order sent."}


def test_on_spot_the_cancels_own_id_takes_the_place_of_the_orders() -> None:
    double = a_binance()
    placed(double, newClientOrderId="a1")
    answer = cancelled(double, SPOT_ORDER, symbol="BTCUSDT", origClientOrderId="a1", newClientOrderId="c1")
    assert (answer["clientOrderId"], answer["origClientOrderId"], answer["status"]) == ("c1", "a1", "CANCELED")
    assert asked(double, SPOT_ORDER, symbol="BTCUSDT", origClientOrderId="a1")["status"] == "CANCELED"


def test_on_futures_the_order_keeps_its_own_id() -> None:
    double = a_binance()
    placed(double, FUTURES_ORDER, newClientOrderId="a1")
    answer = cancelled(double, FUTURES_ORDER, symbol="BTCUSDT", origClientOrderId="a1")
    assert (answer["clientOrderId"], answer["status"]) == ("a1", "CANCELED")


def test_all_orders_of_a_market_can_be_cancelled_and_those_of_others_stay() -> None:
    double = a_binance()
    placed(double)
    placed(double, FUTURES_ORDER)
    placed(double, symbol="ETHUSDT", price="3000")
    assert [row["status"] for row in cancelled(double, "/api/v3/openOrders", symbol="BTCUSDT")] == ["CANCELED"]
    assert cancelled(double, "/api/v3/openOrders", symbol="BTCUSDT")["code"] == -2011
    assert cancelled(double, "/fapi/v1/allOpenOrders", symbol="BTCUSDT")["code"] == 200
    assert cancelled(double, "/fapi/v1/allOpenOrders", symbol="BTCUSDT")["code"] == 200
    assert [order.new.symbol for order in double.engine.open_orders] == ["ETH/USDT"]


def test_the_dead_mans_switch_is_one_markets_own() -> None:
    double = a_binance()

    def arm(symbol: str, after_ms: int) -> Any:
        params = {"symbol": symbol, "countdownTime": str(after_ms)}
        return ask(double, signed(double, "POST", "/fapi/v1/countdownCancelAll", params))

    placed(double)
    placed(double, FUTURES_ORDER)
    placed(double, FUTURES_ORDER, symbol="ETHUSDT", price="3000")
    assert arm("BTCUSDT", 10_000) == {"symbol": "BTCUSDT", "countdownTime": "10000"}
    arm("ETHUSDT", 10_000)
    arm("ETHUSDT", 0)
    double.advance(9.999)
    assert len(double.engine.open_orders) == 3
    double.advance(0.001)
    assert [order.new.symbol for order in double.engine.open_orders] == [SPOT, "ETH/USDT:USDT"]
    gone = asked(double, FUTURES_ORDER, symbol="BTCUSDT", orderId=double.engine.orders[1].order_id)
    assert gone["status"] == "CANCELED"


# Queries.


@pytest.mark.parametrize(
    ("method", "path", "params", "code"),
    [
        ("GET", SPOT_ORDER, {"symbol": "BTCUSDT"}, -1102),
        ("GET", SPOT_ORDER, {"orderId": "1"}, -1102),
        ("GET", SPOT_ORDER, {"symbol": "BTCUSDT", "orderId": "1"}, -2013),
        ("GET", SPOT_ORDER, {"symbol": "BTCUSDT", "orderId": "one"}, -1100),
        ("GET", "/fapi/v1/openOrder", {"symbol": "BTCUSDT", "orderId": "1"}, -2013),
        ("GET", "/api/v3/myTrades", {}, -1102),
        ("GET", "/api/v3/myTrades", {"symbol": "BTCUSDT", "limit": "0"}, -1130),
        ("GET", "/api/v3/myTrades", {"symbol": "BTCUSDT", "fromId": "1", "startTime": "1"}, -1128),
        ("GET", "/api/v3/myTrades", {"symbol": "BTCUSDT", "startTime": "0", "endTime": "86400001"}, -1127),
        ("GET", "/api/v3/myTrades", {"symbol": "BTCUSDT", "startTime": "1", "endTime": "0"}, -1023),
        ("GET", "/api/v3/allOrders", {"symbol": "BTCUSDT", "startTime": "0", "endTime": "86400001"}, -1127),
        ("GET", "/fapi/v1/userTrades", {"symbol": "BTCUSDT", "limit": "1001"}, -1130),
        ("GET", "/fapi/v1/userTrades", {"symbol": "BTCUSDT", "fromId": "1", "startTime": "1"}, -1128),
        ("GET", "/fapi/v1/userTrades", {"symbol": "BTCUSDT", "startTime": "0", "endTime": "604800001"}, -4165),
        ("GET", "/fapi/v1/allOrders", {"symbol": "BTCUSDT", "startTime": "0", "endTime": "604800001"}, -4165),
        ("POST", "/fapi/v1/batchOrders", {"batchOrders": "{"}, -1130),
        ("POST", "/fapi/v1/batchOrders", {"batchOrders": "{}"}, -1130),
        ("POST", "/fapi/v1/batchOrders", {"batchOrders": json.dumps([{}] * 6)}, -4082),
        ("DELETE", "/fapi/v1/batchOrders", {"symbol": "BTCUSDT", "orderIdList": json.dumps([1] * 11)}, -4032),
        ("POST", "/fapi/v1/countdownCancelAll", {"symbol": "BTCUSDT"}, -1130),
        ("POST", "/fapi/v1/positionSide/dual", {"dualSidePosition": "false"}, -4059),
        ("POST", "/fapi/v1/positionSide/dual", {"dualSidePosition": "true"}, -1020),
        ("POST", "/fapi/v1/positionSide/dual", {"dualSidePosition": "both"}, -1130),
        ("POST", "/fapi/v1/marginType", {"symbol": "BTCUSDT", "marginType": "CROSSED"}, -4046),
        ("POST", "/fapi/v1/marginType", {"symbol": "BTCUSDT", "marginType": "ISOLATED"}, -1020),
        ("POST", "/fapi/v1/marginType", {"symbol": "BTCUSDT", "marginType": "ANY"}, -1130),
        ("POST", "/fapi/v1/leverage", {"symbol": "BTCUSDT", "leverage": "126"}, -4028),
        ("GET", "/api/v3/account", {"surprise": "1"}, -1104),
        ("POST", "/fapi/v1/order/amend", {}, -5000),
    ],
    ids=str,
)
def test_a_bad_request_is_answered_with_its_code(method: str, path: str, params: dict[str, str], code: int) -> None:
    double = a_binance()
    answer = answered(double, signed(double, method, path, params))
    assert json.loads(answer.body)["code"] == code
    assert answer.status == (404 if code == -5000 else 400)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/api/v3/klines?symbol=BTCUSDT&interval=7m", -1120),
        ("/fapi/v1/depth?symbol=BTCUSDT&limit=7", -4021),
        ("/api/v3/ticker/24hr?symbols=BTCUSDT", -1130),
        ('/api/v3/ticker/24hr?symbols=["NOBODY"]', -1121),
        ("/fapi/v1/ticker/24hr?symbols=[]", -1104),
    ],
)
def test_a_bad_question_about_the_market_is_answered_with_its_code(target: str, code: int) -> None:
    assert ask(a_binance(), Request(method="GET", target=target))["code"] == code


def a_week_of_trades(double: ExchangeDouble, path: str, count: int = 5, *, hours: int = 12) -> list[int]:
    """One small buy every so many hours. Returns the ids of the trades."""
    for _ in range(count):
        placed(double, path, **a_market_order(quantity="0.01"))
        double.advance(hours * 3_600)
    return [int(fill.trade_id) for fill in double.engine.fills]


@pytest.mark.parametrize("path", ["/api/v3/myTrades", "/fapi/v1/userTrades"])
def test_pages_of_trades_are_walked_by_their_id(path: str) -> None:
    double = a_binance()
    ids = a_week_of_trades(double, path.rsplit("/", 1)[0] + "/order")
    seen: list[int] = []
    while page := asked(double, path, symbol="BTCUSDT", fromId=seen[-1] + 1 if seen else 0, limit=2):
        seen += [row["id"] for row in page]
    assert seen == ids
    assert all("clientOrderId" not in row for row in asked(double, path, symbol="BTCUSDT"))


@pytest.mark.parametrize(("path", "first"), [("/api/v3/myTrades", 0), ("/fapi/v1/userTrades", 1)])
def test_trades_are_asked_for_by_windows_of_time(path: str, first: int) -> None:
    double = a_binance()
    ids = a_week_of_trades(double, path.rsplit("/", 1)[0] + "/order")

    def ids_of(**params: int) -> list[int]:
        return [row["id"] for row in asked(double, path, symbol="BTCUSDT", **params)]

    half_day = 12 * 3_600 * 1_000
    assert ids_of(startTime=NOW_MS, endTime=NOW_MS + 2 * half_day) == ids[:3]
    assert ids_of(startTime=NOW_MS + 1, endTime=NOW_MS + 2 * half_day - 1) == ids[1:2]
    assert ids_of(startTime=NOW_MS + half_day, limit=2) == ids[1:3], "the oldest from a start on"
    assert ids_of(endTime=NOW_MS + 3 * half_day, limit=2) == ids[2:4], "the newest before an end"
    assert ids_of(limit=2) == ids[3:], "the newest without a word"
    double.advance(5 * 86_400)
    assert ids_of() == ids[first:], "futures show a week without a word"
    assert ids_of(startTime=NOW_MS) == ids


def test_trades_can_be_asked_for_by_order() -> None:
    double = a_binance()
    ids = a_week_of_trades(double, SPOT_ORDER, 3)
    order_id = double.engine.orders[1].order_id
    assert [row["id"] for row in asked(double, "/api/v3/myTrades", symbol="BTCUSDT", orderId=order_id)] == ids[1:2]
    later = asked(double, "/api/v3/myTrades", symbol="BTCUSDT", orderId=order_id, fromId=ids[2])
    assert later == []


def test_orders_are_shown_from_an_id_on_or_within_a_window_oldest_first() -> None:
    double = a_binance()
    ids = []
    for _ in range(3):
        ids.append(placed(double, price="6000")["orderId"])
        double.advance(60)

    def ids_of(**params: int) -> list[int]:
        return [row["orderId"] for row in asked(double, "/api/v3/allOrders", symbol="BTCUSDT", **params)]

    assert ids_of() == ids
    assert ids_of(limit=2) == ids[1:]
    assert ids_of(orderId=ids[0], limit=2) == ids[:2]
    assert ids_of(startTime=NOW_MS + 60_000, endTime=NOW_MS + 120_000) == ids[1:]
    double.engine.cancel(str(ids[0]))
    assert ids_of(startTime=NOW_MS + 121_000) == ids[:1], "by the time of the last change"


@pytest.mark.parametrize(("path", "days", "code"), [(SPOT_ORDER, 90, -2026), (FUTURES_ORDER, 3, -2013)])
def test_what_ended_without_a_trade_is_forgotten_after_some_days(path: str, days: int, code: int) -> None:
    double = a_binance()
    untouched, partly = placed(double, path)["orderId"], placed(double, path, price="51000")["orderId"]
    double.engine.fill(str(partly), "0.01")
    for order_id in (untouched, partly):
        double.engine.cancel(str(order_id))
    double.advance(days * 86_400)
    assert asked(double, path, symbol="BTCUSDT", orderId=untouched)["status"] == "CANCELED"
    double.advance(1)
    assert asked(double, path, symbol="BTCUSDT", orderId=untouched)["code"] == code
    assert asked(double, path, symbol="BTCUSDT", orderId=partly)["status"] == "CANCELED"


# Account.


def test_what_a_position_binds_and_loses_is_locked_in_the_spot_wallet() -> None:
    double = a_binance()
    placed(double, FUTURES_ORDER, **a_market_order(quantity="1"))
    placed(double, quantity="0.1", price="50000")
    double.engine.set_mark(SWAP, "59001")
    (usdt,) = [row for row in asked(double, "/api/v3/account")["balances"] if row["asset"] == "USDT"]
    cash = double.engine.funds().balances["USDT"].cash
    assert Decimal(usdt["free"]) + Decimal(usdt["locked"]) == cash == Decimal("99969.9995")
    assert Decimal(usdt["locked"]) == 5_000 + Decimal("5900.1") + 1_000


def test_empty_balances_are_left_out_on_request() -> None:
    double = a_binance()
    assert [row["asset"] for row in asked(double, "/api/v3/account")["balances"]] == ["BTC", "ETH", "USDT"]
    held = asked(double, "/api/v3/account", omitZeroBalances="true")["balances"]
    assert [row["asset"] for row in held] == ["USDT"]


def test_the_second_version_of_positions_shows_flat_ones_and_leverage_and_the_third_does_not() -> None:
    double = a_binance()
    placed(double, FUTURES_ORDER, **a_market_order("SELL", "0.5"))
    assert [(row["symbol"], row["positionAmt"], row["leverage"]) for row in asked(double, "/fapi/v2/positionRisk")] == [
        ("BTCUSDT", "-0.50000000", "10"),
        ("ETHUSDT", "0.00000000", "10"),
    ]
    (third,) = asked(double, "/fapi/v3/positionRisk")
    assert (third["notional"], "leverage" in third) == ("-30000.00000000", False)
    assert asked(double, "/fapi/v3/positionRisk", symbol="ETHUSDT") == []
    assert len(asked(double, "/fapi/v2/account")["positions"]) == 2
    assert len(asked(double, "/fapi/v3/account")["positions"]) == 1
    (balance,) = asked(double, "/fapi/v3/balance")
    assert (balance["asset"], balance["balance"]) == ("USDT", "99985.00000000")


def test_income_is_every_change_of_futures_cash_and_adds_up_to_it() -> None:
    double = a_binance()
    placed(double, FUTURES_ORDER, **a_market_order("BUY", "1"))
    placed(double, FUTURES_ORDER, **a_market_order("SELL", "1"))
    placed(double, FUTURES_ORDER, **a_market_order("BUY", "0.5"))
    double.engine.set_mark(SWAP, "60000")
    double.engine.fund(SWAP, "0.0001")
    rows = asked(double, "/fapi/v1/income")
    assert [row["incomeType"] for row in rows] == [
        "TRANSFER",
        "COMMISSION",
        "REALIZED_PNL",
        "COMMISSION",
        "COMMISSION",
        "FUNDING_FEE",
    ]
    assert sum(Decimal(row["income"]) for row in rows) == double.engine.funds().balances["USDT"].cash
    (funding,) = asked(double, "/fapi/v1/income", incomeType="FUNDING_FEE", symbol="BTCUSDT")
    assert (funding["income"], funding["symbol"], funding["asset"]) == ("-3.00000000", "BTCUSDT", "USDT")
    assert asked(double, "/fapi/v1/income", symbol="ETHUSDT") == []
    assert asked(double, "/fapi/v1/income", limit=2, page=2) == rows[2:4]
    double.advance(7 * 86_400 + 1)
    assert asked(double, "/fapi/v1/income") == []
    assert asked(double, "/fapi/v1/income", startTime=NOW_MS) == rows


def test_income_of_spot_is_none_of_futures() -> None:
    double = a_binance()
    placed(double, **a_market_order())
    assert [row["incomeType"] for row in asked(double, "/fapi/v1/income")] == ["TRANSFER"]


def test_deposits_and_withdrawals_are_told_apart_newest_first() -> None:
    double = a_binance()
    double.advance(60)
    double.engine.deposit("BTC", "0.5")
    double.engine.deposit("USDT", "-1000")
    deposits = asked(double, "/sapi/v1/capital/deposit/hisrec")
    assert [(row["coin"], row["amount"]) for row in deposits] == [("BTC", "0.50000000"), ("USDT", "100000.00000000")]
    assert asked(double, "/sapi/v1/capital/deposit/hisrec", coin="BTC") == deposits[:1]
    assert asked(double, "/sapi/v1/capital/deposit/hisrec", offset=1, limit=1) == deposits[1:]
    assert asked(double, "/sapi/v1/capital/deposit/hisrec", endTime=NOW_MS) == deposits[1:]
    (withdrawal,) = asked(double, "/sapi/v1/capital/withdraw/history")
    assert (withdrawal["amount"], withdrawal["applyTime"]) == ("1000.00000000", "2026-01-01 00:01:00")


def test_moves_between_wallets_are_no_deposits_and_are_told_by_their_kind() -> None:
    double = a_binance()
    path = "/sapi/v1/asset/transfer"
    double.engine.deposit("USDT", 30, wallet="FUNDING")
    double.advance(60)
    double.engine.deposit("USDT", -5, wallet="FUNDING")
    double.engine.deposit("USDT", 7, wallet="FUNDING")
    into = asked(double, path, type="FUNDING_MAIN")
    assert [(row["amount"], row["asset"], row["status"]) for row in into["rows"]] == [
        ("7.00000000", "USDT", "CONFIRMED"),
        ("30.00000000", "USDT", "CONFIRMED"),
    ]
    assert asked(double, path, type="FUNDING_MAIN", size=1, current=2) == {"total": 2, "rows": into["rows"][1:]}
    assert asked(double, path, type="FUNDING_MAIN", endTime=NOW_MS)["rows"] == into["rows"][1:]
    assert [row["amount"] for row in asked(double, path, type="MAIN_FUNDING")["rows"]] == ["5.00000000"]
    assert asked(double, path, type="MAIN_MARGIN") == {"total": 0, "rows": []}
    assert len(asked(double, "/sapi/v1/capital/deposit/hisrec")) == 1
    assert asked(double, "/sapi/v1/capital/withdraw/history") == []
    assert asked(double, path)["code"] == -1102
    for kind in ("FUNDING", "MAIN_MAIN", "MAIN_", "FUNDING_MARGIN"):
        assert asked(double, path, type=kind)["code"] == -1130


@pytest.mark.parametrize(("days", "window", "shown"), [(6, {}, 1), (8, {}, 0), (8, {"startTime": NOW_MS}, 1)])
def test_moves_between_wallets_are_of_a_week_without_a_window(days: int, window: dict[str, object], shown: int) -> None:
    double = a_binance()
    double.engine.deposit("USDT", 30, wallet="FUNDING")
    double.advance(days * 86_400)
    assert asked(double, "/sapi/v1/asset/transfer", type="FUNDING_MAIN", **window)["total"] == shown
    double.advance(200 * 86_400)
    assert asked(double, "/sapi/v1/asset/transfer", type="FUNDING_MAIN", startTime=NOW_MS)["total"] == 0


# Outages.


@pytest.mark.parametrize(
    ("status", "code", "retry_after"),
    [(408, -1007, None), (418, -1003, "120"), (429, -1003, "1"), (500, -1001, None), (503, -1006, None)],
)
def test_an_outage_is_told_in_binances_words(status: int, code: int, retry_after: str | None) -> None:
    answer = BinanceWire().server_error(status)
    assert (answer.status, json.loads(answer.body)["code"]) == (status, code)
    assert answer.headers.get("Retry-After") == retry_after


def test_a_gateway_answers_with_a_page() -> None:
    answer = BinanceWire().server_error(502)
    assert (answer.status, answer.content_type) == (502, "text/html")


# Text, and the shapes of the real thing.


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**12), max_value=10**12))
def test_numbers_have_eight_places_or_more_and_lose_nothing(value: Decimal) -> None:
    written = text(value)
    assert Decimal(written) == value
    assert len(written.partition(".")[2]) >= 8


def a_live_binance() -> ExchangeDouble:
    """With something of everything."""
    double = a_binance()
    double.engine.deposit("BTC", 1)
    for path in (SPOT_ORDER, FUTURES_ORDER):
        placed(double, path, **a_market_order())
        placed(double, path, price="40000")
    return double


SHOWN: dict[str, Callable[[ExchangeDouble], Any]] = {
    "spot__http_json__account_response": lambda double: asked(double, "/api/v3/account"),
    "spot__http_json__account_trades_response": lambda double: asked(double, "/api/v3/myTrades", symbol="BTCUSDT"),
    "spot__http_json__all_orders_response": lambda double: asked(double, "/api/v3/allOrders", symbol="BTCUSDT"),
    "spot__http_json__open_orders_response": lambda double: asked(double, "/api/v3/openOrders"),
    "spot__http_json__order_response": lambda double: asked(
        double, SPOT_ORDER, symbol="BTCUSDT", orderId=double.engine.orders[0].order_id
    ),
    "spot__http_json__new_order_full_response": lambda double: placed(double, **a_market_order("SELL")),
    "spot__http_json__cancel_order_response": lambda double: cancelled(
        double, SPOT_ORDER, symbol="BTCUSDT", orderId=double.engine.orders[1].order_id
    ),
    "spot__http_json__cancel_open_orders_response": lambda double: cancelled(
        double, "/api/v3/openOrders", symbol="BTCUSDT"
    ),
    "spot__http_json__depth_response": lambda double: asked_publicly(double, "/api/v3/depth?symbol=BTCUSDT"),
    "spot__http_json__book_ticker_response": lambda double: asked_publicly(
        double, "/api/v3/ticker/bookTicker?symbol=BTCUSDT"
    ),
    "spot__http_json__ticker_24hr_response": lambda double: asked_publicly(
        double, "/api/v3/ticker/24hr?symbol=BTCUSDT"
    ),
    "spot__http_json__ticker_price_response": lambda double: asked_publicly(
        double, "/api/v3/ticker/price?symbol=BTCUSDT"
    ),
    "spot__http_json__ping_response": lambda double: asked_publicly(double, "/api/v3/ping"),
    "spot__http_json__server_time_response": lambda double: asked_publicly(double, "/api/v3/time"),
    "futures__http_json__account_info_v2": lambda double: asked(double, "/fapi/v2/account"),
    "futures__http_json__balance": lambda double: asked(double, "/fapi/v2/balance"),
    "futures__http_json__position_risk": lambda double: asked(double, "/fapi/v2/positionRisk"),
    "futures__http_json__order_response": lambda double: asked(
        double, FUTURES_ORDER, symbol="BTCUSDT", orderId=double.engine.orders[2].order_id
    ),
}


def asked_publicly(double: ExchangeDouble, target: str) -> Any:
    return ask(double, Request(method="GET", target=target))


def lacking(recorded: Any, shown: Any, where: str = "") -> list[str]:
    """What the recorded answer has, and the shown one has not, or in another type."""
    if isinstance(recorded, dict) and isinstance(shown, dict):
        return [
            fault
            for name, value in recorded.items()
            for fault in (
                lacking(value, shown[name], f"{where}.{name}") if name in shown else [f"{where}.{name} is missing"]
            )
        ]
    if isinstance(recorded, list) and isinstance(shown, list):
        return lacking(recorded[0], shown[0], f"{where}[0]") if recorded and shown else []
    return [] if type(recorded) is type(shown) else [f"{where} is {shown!r}, not like {recorded!r}"]


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded answers are not on this machine")
@pytest.mark.parametrize("name", SHOWN)
def test_answers_have_every_field_that_was_recorded_in_the_same_type(name: str) -> None:
    recorded = json.loads((RECORDED / f"{name}.json").read_text())
    missing = lacking(recorded, SHOWN[name](a_live_binance()))
    assert missing == []


def test_every_address_is_written_once_and_below_a_known_root() -> None:
    assert len(SPOKEN) == len(set(SPOKEN))
    assert {address.split(" ")[1].split("/")[1] for address in SPOKEN} == {"api", "sapi", "fapi", "dapi"}
