"""Bybit's dialect of the double, request by request and without a socket, and the shape of recorded answers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.bybit_double import SPOT, SWAP, a_bybit, ask, got, placed, posted, signed
from exchange_double import Credentials, ExchangeDouble, Level, Listing, NewOrder, Operation
from exchange_double.bybit.errors import BybitError
from exchange_double.bybit.pages import inside, window
from exchange_double.faults import DuplicateFill, FillsLate, FillsOutOfOrder, OrderHidden
from exchange_double.served import START, bybit_double

RECORDED = Path(__file__).parents[2].parent / "shared/data/exchange_payloads/bybit"
DAY_MS, NOW_MS = 86_400_000, 1_767_225_600_000
A_SWAP = {"category": "linear", "orderType": "Market", "qty": "0.1"}


def rows(answer: dict[str, Any]) -> list[dict[str, Any]]:
    assert answer["retCode"] == 0, answer
    found: list[dict[str, Any]] = answer["result"]["list"]
    return found


# Signatures and rights.


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("x-bapi-api-key", "", 10001),
        ("x-bapi-sign", "", 10001),
        ("x-bapi-timestamp", "", 10001),
        ("x-bapi-timestamp", "yesterday", 10001),
        ("x-bapi-recv-window", "long", 10001),
        ("x-bapi-timestamp", "1767225601000", 10002),
        ("x-bapi-timestamp", "1767225600999", 10004),
        ("x-bapi-timestamp", "1767225594999", 10002),
        ("x-bapi-timestamp", "1767225595000", 10004),
        ("x-bapi-recv-window", "6000", 10004),
        ("x-bapi-api-key", "another", 10003),
        ("x-bapi-sign", "another", 10004),
    ],
)
def test_a_signature_is_refused_for_the_first_thing_that_is_wrong(header: str, value: str, code: int) -> None:
    double = a_bybit()
    request = signed(double, "GET", "/v5/account/wallet-balance?accountType=UNIFIED", headers={header: value})
    reply = double.respond(request)
    assert reply.answer is not None
    assert (reply.answer.status, json.loads(reply.answer.body)["retCode"]) == (200, code)


@pytest.mark.parametrize(
    ("method", "sent", "changed"),
    [
        ("GET", {"target": "/v5/order/realtime?category=spot"}, {"target": "/v5/order/realtime?category=linear"}),
        (
            "POST",
            {"target": "/v5/order/cancel-all", "body": '{"category": "spot"}'},
            {"body": '{"category": "linear"}'},
        ),
    ],
    ids=["query", "body"],
)
def test_a_signature_covers_the_query_of_a_get_and_the_body_of_a_post(
    method: str, sent: dict[str, str], changed: dict[str, str]
) -> None:
    double = a_bybit()
    request = signed(double, method, **sent)
    assert ask(double, request)["retCode"] == 0
    assert ask(double, replace(request, **changed))["retCode"] == 10004


def test_a_request_is_good_for_the_window_that_it_asks_for() -> None:
    double = a_bybit()
    short, long = (signed(double, "GET", "/v5/user/query-api", window=window) for window in ("5000", "7000"))
    double.advance(6)
    assert (ask(double, short)["retCode"], ask(double, long)["retCode"]) == (10002, 0)


def test_a_testnets_key_is_not_known_elsewhere() -> None:
    key = Credentials(sandbox=True)
    double = a_bybit(key)
    assert ask(double, signed(double, "GET", "/v5/user/query-api"))["retCode"] == 10003
    assert ask(double, signed(double, "GET", "/testnet/v5/user/query-api"))["retCode"] == 0


@pytest.mark.parametrize(
    ("permissions", "read_only", "spot", "wallet"),
    [
        (("read_only",), 1, [], []),
        (("read_only", "trade"), 0, ["SpotTrade"], []),
        (("read_only", "trade", "withdraw"), 0, ["SpotTrade"], ["AccountTransfer", "Withdraw"]),
    ],
    ids=["reads", "trades", "withdraws"],
)
def test_a_key_says_what_it_may_do(
    permissions: tuple[str, ...], read_only: int, spot: list[str], wallet: list[str]
) -> None:
    told = got(a_bybit(Credentials(permissions=permissions)), "user/query-api")["result"]
    assert (told["readOnly"], told["permissions"]["Spot"], told["permissions"]["Wallet"]) == (read_only, spot, wallet)
    assert (told["uta"], told["userID"]) == (1, 1)


def test_a_key_that_only_reads_may_not_trade() -> None:
    double = a_bybit(Credentials(permissions=("read_only",)))
    assert placed(double)["retCode"] == 10005
    assert posted(double, "order/cancel-all", category="spot")["retCode"] == 10005
    assert double.engine.orders == ()


# Placing.


def test_an_order_is_acknowledged_and_no_more() -> None:
    double = a_bybit()
    answer = placed(double, orderType="Market", qty="600.01", orderLinkId="a1")
    (order,) = double.engine.orders
    assert answer["result"] == {"orderId": order.order_id, "orderLinkId": "a1"}
    assert answer["time"] == 1767225600000


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"category": ""}, 10001),
        ({"category": "futures"}, 10001),
        ({"symbol": ""}, 10001),
        ({"symbol": "XYZUSDT"}, 170121),
        ({"symbol": "XYZUSDT", "category": "linear"}, 10001),
        ({"side": "buy"}, 10001),
        ({"orderType": "limit"}, 10001),
        ({"timeInForce": "GTD"}, 10001),
        ({"qty": ""}, 10001),
        ({"qty": 0.1}, 10001),
        ({"qty": "NaN"}, 10001),
        ({"qty": "0"}, 170136),
        ({"qty": "-1"}, 170136),
        ({"qty": "0.0000001"}, 170140),
        ({"qty": "0.00009"}, 170140),
        ({"qty": "0.1000001"}, 170137),
        ({"price": "50000.05"}, 170134),
        ({"price": ""}, 10001),
        ({"qty": "3"}, 170131),
        ({"orderLinkId": "a" * 37}, 10001),
        ({"orderLinkId": "a b"}, 10001),
        ({"reduceOnly": True}, 170130),
        ({"marketUnit": "baseCoin"}, 10001),
        ({"timeInForce": "PostOnly", "orderType": "Market"}, 10001),
        ({"orderType": "Market", "side": "Sell", "marketUnit": "quoteCoin"}, 10001),
        ({"orderType": "Market", "qty": "10.00000001"}, 170137),
        ({"orderType": "Market", "qty": "4.9"}, 170140),
        ({"isLeverage": 1}, 10001),
        ({"positionIdx": 1}, 10001),
        ({"takeProfit": "55000"}, 10001),
        ({"smpType": "CancelMaker"}, 10001),
        ({"somethingNew": "1"}, 10001),
        ({"category": "linear", "qty": "0.0001"}, 10001),
        ({"category": "linear", "qty": "0.1001"}, 10001),
        ({"category": "linear", "price": "50000.05"}, 10001),
        ({"category": "linear", "price": "100", "qty": "0.01"}, 110094),
        ({"category": "linear", "qty": "100"}, 110007),
        ({"category": "linear", "reduceOnly": True}, 110017),
        ({"category": "linear", "closeOnTrigger": True}, 10001),
        ({"category": "linear", "orderType": "Market", "marketUnit": "baseCoin"}, 10001),
    ],
    ids=str,
)
def test_an_order_that_bybit_would_not_take_is_refused_with_its_code(changes: dict[str, object], code: int) -> None:
    double = a_bybit()
    assert placed(double, **changes)["retCode"] == code
    assert double.engine.orders == ()
    assert double.journal.of(Operation.PLACE)[-1].status == 200


@pytest.mark.parametrize("neutral", [{"isLeverage": 0}, {"orderFilter": "Order"}, {"positionIdx": 0}], ids=str)
def test_a_parameter_that_asks_for_nothing_is_taken(neutral: dict[str, object]) -> None:
    assert placed(a_bybit(), **neutral)["retCode"] == 0


@pytest.mark.parametrize("end", [None, "fill", "cancel"])
@pytest.mark.parametrize(("category", "code"), [("spot", 170141), ("linear", 110072)])
def test_a_link_id_is_never_taken_again(end: str | None, category: str, code: int) -> None:
    double = a_bybit()
    placed(double, orderLinkId="a-1_B")
    if end:
        getattr(double.engine, end)(double.engine.orders[0].order_id)
    assert placed(double, category=category, orderLinkId="a-1_B")["retCode"] == code
    assert len(double.engine.orders) == 1


@pytest.mark.parametrize(
    ("changes", "filled", "unit"),
    [
        ({"qty": "600.01"}, "0.01", "quoteCoin"),
        ({"qty": "600.01", "marketUnit": "quoteCoin"}, "0.01", "quoteCoin"),
        ({"qty": "0.01", "marketUnit": "baseCoin"}, "0.01", "baseCoin"),
        ({"qty": "1.5", "side": "Sell"}, "1.5", "baseCoin"),
    ],
    ids=["a buy", "in quote", "in base", "a sell"],
)
def test_a_spot_market_order_is_sized_by_its_unit(changes: dict[str, object], filled: str, unit: str) -> None:
    double = a_bybit()
    double.engine.deposit("BTC", 2)
    placed(double, orderType="Market", **changes)
    (row,) = rows(got(double, "order/history", category="spot"))
    assert (row["cumExecQty"], row["qty"], row["marketUnit"]) == (filled, changes["qty"], unit)
    assert (row["orderStatus"], row["leavesQty"], row["timeInForce"]) == ("Filled", "0", "IOC")


@pytest.mark.parametrize(
    ("time_in_force", "price", "state", "reason"),
    [
        ("PostOnly", "60001", "Cancelled", "EC_PostOnlyWillTakeLiquidity"),
        ("FOK", "50000", "Cancelled", "EC_NoEnoughQtyToFill"),
        ("IOC", "50000", "Cancelled", "EC_NoImmediateQtyToFill"),
        ("GTC", "50000", "New", "EC_NoError"),
        ("PostOnly", "50000", "New", "EC_NoError"),
    ],
)
def test_an_order_that_may_not_rest_is_acknowledged_and_then_cancelled(
    time_in_force: str, price: str, state: str, reason: str
) -> None:
    double = a_bybit()
    order_id = placed(double, timeInForce=time_in_force, price=price)["result"]["orderId"]
    (row,) = rows(got(double, "order/realtime", category="spot", orderId=order_id))
    assert (row["orderStatus"], row["rejectReason"], row["timeInForce"]) == (state, reason, time_in_force)


@pytest.mark.parametrize(("category", "state"), [("spot", "PartiallyFilledCanceled"), ("linear", "Cancelled")])
def test_only_spot_tells_apart_what_was_cancelled_after_it_had_traded(category: str, state: str) -> None:
    double = a_bybit()
    placed(double, category=category)
    order_id = double.engine.orders[0].order_id
    double.engine.fill(order_id, "0.04")
    double.engine.cancel(order_id)
    (row,) = rows(got(double, "order/history", category=category))
    assert (row["orderStatus"], row["cumExecQty"], row["leavesQty"]) == (state, "0.04", "0")
    assert (row["cancelType"], row["rejectReason"]) == ("CancelByUser", "EC_PerCancelRequest")


def test_a_batch_is_ok_whatever_becomes_of_its_orders() -> None:
    double = a_bybit()
    good = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "price": "50000", "qty": "0.1"}
    batch = [{**good, "orderLinkId": "a1"}, {**good, "orderLinkId": "a2", "qty": "100"}, {**good, "iceberg": "1"}]
    answer = posted(double, "order/create-batch", category="spot", request=batch)
    assert answer["retCode"] == 0
    assert [row["code"] for row in answer["retExtInfo"]["list"]] == [0, 170131, 10001]
    (order,) = double.engine.orders
    assert [row["orderId"] for row in answer["result"]["list"]] == [order.order_id, "", ""]
    assert posted(double, "order/create-batch", category="spot", request=[good] * 11)["retCode"] == 10001


# Cancelling.


@pytest.mark.parametrize(("category", "code"), [("spot", 170213), ("linear", 110001)])
@pytest.mark.parametrize("end", ["fill", "cancel", None])
def test_cancelling_does_not_tell_what_has_ended_from_what_never_was(category: str, code: int, end: str | None) -> None:
    double = a_bybit()
    placed(double, category=category, orderLinkId="a1")
    if end:
        getattr(double.engine, end)(double.engine.orders[0].order_id)
    name = "a1" if end else "a2"
    answer = posted(double, "order/cancel", category=category, symbol="BTCUSDT", orderLinkId=name)
    assert answer["retCode"] == code


def test_an_order_is_cancelled_by_either_id_in_its_own_category() -> None:
    double = a_bybit()
    for name in ("a1", "a2"):
        placed(double, orderLinkId=name)
    here = {"category": "spot", "symbol": "BTCUSDT"}
    first, second = (order.order_id for order in double.engine.orders)
    assert posted(double, "order/cancel", category="linear", symbol="BTCUSDT", orderId=first)["retCode"] == 110001
    assert posted(double, "order/cancel", **here, orderFilter="StopOrder", orderId=first)["retCode"] == 170213
    assert posted(double, "order/cancel", **here)["retCode"] == 10001
    assert posted(double, "order/cancel", **here, orderId=first)["result"] == {"orderId": first, "orderLinkId": "a1"}
    assert posted(double, "order/cancel", **here, orderLinkId="a2")["result"]["orderId"] == second
    assert double.engine.open_orders == ()


def test_a_batch_of_cancels_may_go_well_in_part() -> None:
    double = a_bybit()
    placed(double, orderLinkId="a1")
    batch = [{"symbol": "BTCUSDT", "orderLinkId": name} for name in ("a1", "a2")]
    answer = posted(double, "order/cancel-batch", category="spot", request=batch)
    assert [row["code"] for row in answer["retExtInfo"]["list"]] == [0, 170213]


def test_all_orders_of_a_category_are_cancelled_at_once() -> None:
    double = a_bybit()
    for category in ("spot", "linear", "spot"):
        placed(double, category=category)
    assert posted(double, "order/cancel-all", category="linear")["retCode"] == 10001
    assert posted(double, "order/cancel-all", category="spot", orderFilter="StopOrder")["result"]["list"] == []
    assert len(rows(posted(double, "order/cancel-all", category="spot"))) == 2
    (left,) = double.engine.open_orders
    assert rows(posted(double, "order/cancel-all", category="linear", settleCoin="USDT"))[0]["orderId"] == left.order_id


def test_the_dead_mans_switch_does_nothing_without_a_stream_to_lose() -> None:
    double = a_bybit()
    placed(double)
    assert posted(double, "order/disconnected-cancel-all", product="SPOT", timeWindow=10)["retCode"] == 0
    double.advance(3600)
    assert len(double.engine.open_orders) == 1
    assert posted(double, "order/disconnected-cancel-all", timeWindow=2)["retCode"] == 10001
    assert got(double, "account/info")["result"]["dcpStatus"] == "OFF"


# Queries.


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("order/realtime", {}),
        ("order/realtime", {"category": "linear"}),
        ("order/realtime", {"category": "spot", "openOnly": 2}),
        ("order/realtime", {"category": "spot", "limit": 51}),
        ("order/realtime", {"category": "spot", "limit": 0}),
        ("order/realtime", {"category": "spot", "cursor": "next"}),
        ("order/realtime", {"category": "spot", "orderFilter": "All"}),
        ("order/realtime", {"category": "spot", "clientOrderId": "a1"}),
        ("order/history", {"category": "spot", "startTime": 0, "endTime": 8 * 86_400_000}),
        ("order/history", {"category": "spot", "startTime": "today"}),
        ("execution/list", {"category": "spot", "limit": 101}),
        ("execution/list", {"category": "spot", "execType": "Settle"}),
        ("account/wallet-balance", {}),
        ("account/transaction-log", {"accountType": "SPOT"}),
        ("position/list", {"category": "linear"}),
        ("market/kline", {"category": "spot", "symbol": "BTCUSDT", "interval": "7"}),
        ("market/orderbook", {"category": "spot", "symbol": "BTCUSDT", "limit": 0}),
    ],
    ids=str,
)
def test_a_query_that_bybit_would_not_take_is_refused(path: str, query: dict[str, object]) -> None:
    assert got(a_bybit(), path, **query)["retCode"] == 10001


def test_a_body_that_is_no_object_is_refused() -> None:
    double = a_bybit()
    for body in ("{", "[]"):
        assert ask(double, signed(double, "POST", "/v5/order/create", body=body))["retCode"] == 10001


def test_an_address_that_is_not_spoken_is_not_found() -> None:
    double = a_bybit()
    reply = double.respond(signed(double, "POST", "/v5/order/amend", body="{}"))
    assert reply.answer is not None
    assert (reply.answer.status, json.loads(reply.answer.body)["retCode"]) == (404, 10017)


def test_an_order_is_found_by_name_whether_it_is_open_or_not() -> None:
    double = a_bybit()
    ids = [placed(double, orderLinkId=name)["result"]["orderId"] for name in ("a1", "a2", "a3")]
    double.engine.fill(ids[0])
    double.engine.cancel(ids[1])

    def found(**query: object) -> list[str]:
        return [row["orderLinkId"] for row in rows(got(double, "order/realtime", category="spot", **query))]

    assert found() == ["a3"]
    assert found(openOnly=1) == ["a2", "a1"]
    assert [found(orderLinkId=name) for name in ("a1", "a2", "a3", "a4")] == [["a1"], ["a2"], ["a3"], []]
    assert found(orderId=ids[0], orderLinkId="a3") == ["a1"]
    assert found(orderStatus="New") == ["a3"]
    assert found(orderFilter="StopOrder") == []
    assert got(double, "order/realtime", category="spot", baseCoin="ETH")["result"]["list"] == []


def test_a_query_by_name_is_one_for_an_order() -> None:
    double = a_bybit()
    double.faults.add(OrderHidden(looks=1))
    placed(double, orderLinkId="a1")
    looks = [rows(got(double, "order/realtime", category="spot", orderLinkId="a1")) for _ in range(2)]
    assert [len(found) for found in looks] == [0, 1]
    assert len(double.journal.of(Operation.ORDER)) == 2


def test_an_order_that_never_traded_is_forgotten_after_a_day_and_any_after_a_week_unless_asked_for() -> None:
    double = a_bybit()
    for name in ("a1", "a2"):
        placed(double, orderLinkId=name)
    first, second = (order.order_id for order in double.engine.orders)
    double.engine.fill(second, "0.01")
    for order_id in (first, second):
        double.engine.cancel(order_id)

    def found(**query: object) -> list[str]:
        return [row["orderLinkId"] for row in rows(got(double, "order/history", category="spot", **query))]

    assert found() == ["a2", "a1"]
    double.advance(timedelta(days=1).total_seconds())
    assert found() == ["a2"]
    double.advance(timedelta(days=6, minutes=1).total_seconds())
    assert found() == []
    assert found(startTime=1767225600000) == ["a2"]


def test_only_the_newest_500_closed_orders_are_found_by_name() -> None:
    double = a_bybit()
    for number in range(501):
        new = NewOrder(symbol=SPOT, side="buy", type="limit", quantity=Decimal("0.1"), limit_price=Decimal(50_000))
        double.engine.cancel(double.engine.place(replace(new, client_order_id=f"a{number}")).order_id)
    found = [len(rows(got(double, "order/realtime", category="spot", orderLinkId=name))) for name in ("a0", "a1")]
    assert found == [0, 1]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, (NOW_MS - DAY_MS, NOW_MS)),
        ({"startTime": "5"}, (5, 5 + DAY_MS)),
        ({"endTime": str(DAY_MS)}, (0, DAY_MS)),
        ({"startTime": "5", "endTime": "9"}, (5, 9)),
        ({"startTime": "0", "endTime": str(7 * DAY_MS)}, (0, 7 * DAY_MS)),
    ],
    ids=["neither", "start", "end", "both", "a week"],
)
def test_a_span_is_of_its_own_length_unless_both_ends_are_given(
    asked: dict[str, object], expected: tuple[int, int]
) -> None:
    assert window(asked, now=START, default=timedelta(days=1)) == expected
    assert [inside(expected, START + timedelta(milliseconds=at - NOW_MS)) for at in expected] == [True, True]
    assert not inside(expected, START + timedelta(milliseconds=expected[1] - NOW_MS + 1))


def test_a_span_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(BybitError, match="10001"):
        window({"startTime": "9", "endTime": "8"}, now=START, default=timedelta(days=1))


def test_pages_are_walked_until_one_is_empty() -> None:
    double = a_bybit()
    for _ in range(5):
        placed(double, orderType="Market", qty="600.01")
    seen: list[list[str]] = []
    cursor = ""
    while not seen or seen[-1]:
        target = f"/v5/execution/list?category=spot&limit=2&cursor={cursor}"
        page = ask(double, signed(double, "GET", target))["result"]
        seen.append([row["execId"] for row in page["list"]])
        cursor = page["nextPageCursor"]
    newest_first = [fill.trade_id for fill in reversed(double.engine.fills)]
    assert seen == [newest_first[:2], newest_first[2:4], newest_first[4:], []]
    assert cursor == ""


def test_an_execution_names_its_order_its_fee_and_what_it_left_and_closed() -> None:
    double = a_bybit()
    placed(double, **A_SWAP, side="Buy", orderLinkId="a1")
    placed(double, category="linear", side="Sell", price="61000", qty="0.3", orderLinkId="a2")
    double.engine.trade(SWAP, price="62000", size="0.2", aggressor="buy")
    sell, buy = rows(got(double, "execution/list", category="linear", symbol="BTCUSDT"))
    assert (buy["orderLinkId"], buy["execFee"], buy["feeRate"], buy["isMaker"]) == ("a1", "3.300055", "0.00055", False)
    assert (sell["orderLinkId"], sell["execFee"], sell["feeRate"], sell["isMaker"]) == ("a2", "2.44", "0.0002", True)
    assert (buy["leavesQty"], buy["closedSize"]) == ("0", "0")
    assert (sell["leavesQty"], sell["closedSize"], sell["execPnl"]) == ("0.1", "0.1", "99.9")
    assert rows(got(double, "execution/list", category="linear", orderLinkId="a1")) == [buy]
    assert rows(got(double, "execution/list", category="spot")) == []


def test_each_execution_says_what_its_order_still_wanted() -> None:
    double = a_bybit()
    placed(double, qty="0.3")
    for size in ("0.05", "0.1", "0.15"):
        double.engine.fill(double.engine.orders[0].order_id, size)
    assert [row["leavesQty"] for row in rows(got(double, "execution/list", category="spot"))] == ["0", "0.15", "0.25"]
    double.engine.set_book(SPOT, bids=[], asks=[Level(Decimal(60_000 + step), Decimal("0.01")) for step in (1, 3)])
    placed(double, orderType="Market", qty="1300")
    newest = rows(got(double, "execution/list", category="spot"))[:2]
    assert [row["leavesQty"] for row in newest] == ["99.96", "699.99"]


def test_an_average_that_never_ends_is_cut_after_18_places() -> None:
    double = a_bybit()
    asks = [Level(Decimal(60_001), Decimal("0.1")), Level(Decimal(60_003), Decimal("0.2"))]
    double.engine.set_book(SPOT, bids=[], asks=asks)
    placed(double, price="60003", qty="0.3")
    (row,) = rows(got(double, "order/history", category="spot"))
    assert (row["avgPrice"], row["cumExecValue"]) == ("60002.333333333333333333", "18000.7")


def test_fundings_stand_among_the_executions() -> None:
    double = a_bybit()
    placed(double, **A_SWAP, side="Sell")
    double.advance(1)
    double.engine.set_mark(SWAP, "60000")
    double.engine.fund(SWAP, "0.0001")
    double.advance(1)
    placed(double, **A_SWAP, side="Buy")
    found = rows(got(double, "execution/list", category="linear"))
    assert [row["execType"] for row in found] == ["Trade", "Funding", "Trade"]
    assert (found[1]["execFee"], found[1]["side"], found[1]["execQty"]) == ("-0.6", "Sell", "0.1")
    assert rows(got(double, "execution/list", category="linear", execType="Funding")) == [found[1]]
    trades = [found[0]["execId"], found[2]["execId"]]
    for fault, expected in (
        (DuplicateFill(), [trades[0], None, trades[0], trades[1]]),
        (FillsLate(), [trades[1], None]),
        (FillsOutOfOrder(seed=3), [trades[1], None, trades[0]]),
    ):
        double.faults.add(fault)
        bent = rows(got(double, "execution/list", category="linear"))
        assert [row["execId"] if row["execType"] == "Trade" else None for row in bent] == expected


@pytest.mark.parametrize(("side", "paid", "gained"), [("Buy", "0.6", "-0.6"), ("Sell", "-0.6", "0.6")])
def test_a_funding_has_the_side_of_the_position(side: str, paid: str, gained: str) -> None:
    double = a_bybit()
    placed(double, **A_SWAP, side=side)
    double.engine.set_mark(SWAP, "60000")
    double.engine.fund(SWAP, "0.0001")
    (funding,) = rows(got(double, "execution/list", category="linear", execType="Funding"))
    (line,) = rows(got(double, "account/transaction-log", type="SETTLEMENT"))
    assert (funding["side"], funding["execFee"], funding["execQty"]) == (side, paid, "0.1")
    assert (line["side"], line["funding"], line["size"]) == (side, gained, "0.1" if side == "Buy" else "-0.1")


# The account.


def test_the_log_adds_up_to_the_balances() -> None:
    double = a_bybit()
    placed(double, orderType="Market", qty="600.01", orderLinkId="a1")
    placed(double, orderType="Market", side="Sell", qty="0.005")
    placed(double, **A_SWAP, side="Buy")
    double.engine.set_touch(SWAP, bid="61000.1", ask="61001")
    placed(double, **A_SWAP, side="Sell", reduceOnly=True)
    double.engine.deposit("USDT", -50)
    log = rows(got(double, "account/transaction-log", accountType="UNIFIED"))
    for row in log:
        flow, funding, fee = (Decimal(row[name] or 0) for name in ("cashFlow", "funding", "fee"))
        assert Decimal(row["change"]) == flow + funding - fee
    balances = double.engine.funds().balances
    for currency in ("USDT", "BTC"):
        mine = [row for row in log if row["currency"] == currency]
        assert sum(Decimal(row["change"]) for row in mine) == balances[currency].cash
        assert Decimal(mine[0]["cashBalance"]) == balances[currency].cash
    assert [row["type"] for row in log] == ["TRANSFER_OUT", *["TRADE"] * 6, "TRANSFER_IN"]
    bought = next(row for row in log if row["orderLinkId"] == "a1" and row["currency"] == "BTC")
    assert (bought["fee"], bought["cashFlow"], bought["change"]) == ("0.00001", "0.01", "0.00999")


def test_the_log_shows_fundings_by_the_position_that_paid() -> None:
    double = a_bybit()
    placed(double, **A_SWAP, side="Buy")
    double.engine.set_mark(SWAP, "60000")
    double.engine.fund(SWAP, "0.0001")
    placed(double, **A_SWAP, side="Buy")
    (row,) = rows(got(double, "account/transaction-log", type="SETTLEMENT", category="linear", currency="USDT"))
    assert (row["funding"], row["change"], row["fee"], row["cashFlow"]) == ("-0.6", "-0.6", "0", "0")
    assert (row["symbol"], row["side"], row["qty"], row["size"]) == ("BTCUSDT", "Buy", "0.1", "0.1")


def test_the_log_is_of_a_day_unless_a_span_is_asked_for_and_has_pages() -> None:
    double = a_bybit()
    double.advance(timedelta(days=2).total_seconds())
    placed(double, orderType="Market", qty="600.01")
    assert len(rows(got(double, "account/transaction-log"))) == 2
    span = {"startTime": 1767225600000, "endTime": 1767225600000 + 3 * 86_400_000}
    assert len(rows(got(double, "account/transaction-log", **span))) == 3
    first = got(double, "account/transaction-log", **span, limit=2)
    query = f"startTime={span['startTime']}&endTime={span['endTime']}&cursor={first['result']['nextPageCursor']}"
    last = ask(double, signed(double, "GET", f"/v5/account/transaction-log?{query}"))
    assert [row["type"] for row in rows(first) + rows(last)] == ["TRADE", "TRADE", "TRANSFER_IN"]


def test_deposits_come_from_the_funding_account_and_over_no_chain() -> None:
    double = a_bybit()
    double.engine.deposit("USDT", -40)
    out, came = rows(got(double, "asset/transfer/query-inter-transfer-list"))
    assert (came["fromAccountType"], came["toAccountType"], came["amount"]) == ("FUND", "UNIFIED", "100000")
    assert (out["fromAccountType"], out["toAccountType"], out["amount"]) == ("UNIFIED", "FUND", "40")
    for path in ("asset/deposit/query-record", "asset/withdraw/query-record"):
        assert got(double, path)["result"]["rows"] == []


def test_fees_and_coins_are_told_by_name() -> None:
    double = a_bybit()
    (fee,) = rows(got(double, "account/fee-rate", category="linear", symbol="ETHUSDT"))
    assert (fee["symbol"], fee["makerFeeRate"], fee["takerFeeRate"]) == ("ETHUSDT", "0.0002", "0.00055")
    assert len(rows(got(double, "account/fee-rate", category="spot"))) == 2
    coins = got(double, "asset/coin/query-info")["result"]["rows"]
    assert [coin["coin"] for coin in coins] == ["BTC", "ETH", "USDT"]
    assert got(double, "asset/coin/query-info", coin="ETH")["result"]["rows"] == coins[1:2]


def test_a_wallet_tells_what_orders_and_positions_hold() -> None:
    double = a_bybit()
    placed(double, qty="0.2")
    placed(double, **A_SWAP, side="Buy")
    placed(double, category="linear")
    (wallet,) = rows(got(double, "account/wallet-balance", accountType="UNIFIED"))
    (usdt,) = wallet["coin"]
    assert (usdt["coin"], usdt["locked"], usdt["totalOrderIM"]) == ("USDT", "10000", "500")
    assert (usdt["totalPositionIM"], usdt["walletBalance"]) == ("600.01", "99996.699945")
    assert (usdt["equity"], usdt["cumRealisedPnl"], usdt["usdValue"]) == ("99996.699945", "-3.300055", "99996.699945")
    assert wallet["totalAvailableBalance"] == str(double.engine.funds().available("USDT"))
    assert rows(got(double, "account/wallet-balance", accountType="UNIFIED", coin="BTC"))[0]["coin"] == []


def test_a_position_is_shown_with_what_it_cost_and_a_flat_one_by_name() -> None:
    double = a_bybit()
    placed(double, **A_SWAP, side="Sell")
    (row,) = rows(got(double, "position/list", category="linear", settleCoin="USDT"))
    assert (row["side"], row["size"], row["avgPrice"], row["positionValue"]) == ("Sell", "0.1", "60000", "6000")
    assert (row["curRealisedPnl"], row["cumRealisedPnl"], row["positionIdx"]) == ("-3.3", "-3.3", 0)
    assert rows(got(double, "position/list", category="linear", settleCoin="USDC")) == []
    (flat,) = rows(got(double, "position/list", category="linear", symbol="ETHUSDT"))
    assert (flat["side"], flat["size"], flat["leverage"]) == ("", "0", "10")


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("position/set-leverage", {"symbol": "BTCUSDT", "buyLeverage": "5", "sellLeverage": "5"}, 0),
        ("position/set-leverage", {"symbol": "BTCUSDT", "buyLeverage": "10", "sellLeverage": "10"}, 110043),
        ("position/set-leverage", {"symbol": "BTCUSDT", "buyLeverage": "101", "sellLeverage": "101"}, 110013),
        ("position/set-leverage", {"symbol": "BTCUSDT", "buyLeverage": "5", "sellLeverage": "6"}, 10001),
        ("position/switch-mode", {"symbol": "BTCUSDT", "mode": 0}, 110025),
        ("position/switch-mode", {"coin": "USDT", "mode": 3}, 110029),
        ("position/switch-mode", {"coin": "USDT", "mode": 1}, 10001),
        ("position/switch-mode", {"mode": 0}, 10001),
    ],
    ids=str,
)
def test_a_setting_that_is_already_so_is_refused(path: str, fields: dict[str, object], code: int) -> None:
    assert posted(a_bybit(), path, category="linear", **fields)["retCode"] == code


def test_a_swap_in_contracts_cannot_be_listed() -> None:
    grid = {"tick_size": Decimal("0.1"), "lot_size": Decimal(1), "min_size": Decimal(1)}
    contract = Listing(symbol=SWAP, contract_size=Decimal("0.01"), **grid)
    with pytest.raises(ValueError, match=r"1 BTC, not 0\.01"), bybit_double(listings=[contract]):
        pass
    with bybit_double(listings=[Listing(symbol=SPOT, **grid)]) as double:
        assert set(double.engine.listings) == {SPOT}


# As recorded.


def _same_shape(recorded: object, ours: object, where: str) -> None:
    """Every name of a recorded answer is in ours, with the same kind of value; lists by their first item."""
    if isinstance(recorded, dict):
        assert isinstance(ours, dict), where
        for name, value in recorded.items():
            assert name in ours, f"{where}.{name}"
            _same_shape(value, ours[name], f"{where}.{name}")
    elif isinstance(recorded, list) and isinstance(ours, list):
        if recorded and ours:
            _same_shape(recorded[0], ours[0], f"{where}[0]")
    elif recorded is not None:
        assert type(ours) is type(recorded), where


@pytest.mark.skipif(not RECORDED.is_dir(), reason="recorded answers are not on this machine")
@pytest.mark.parametrize(
    ("name", "path", "query"),
    [
        ("instruments_spot", "market/instruments-info", {"category": "spot"}),
        ("instruments_linear", "market/instruments-info", {"category": "linear"}),
        ("orderbook", "market/orderbook", {"category": "linear", "symbol": "BTCUSDT"}),
        ("klines_linear", "market/kline", {"category": "linear", "symbol": "BTCUSDT", "interval": "1"}),
        ("orders_realtime", "order/realtime", {"category": "linear", "settleCoin": "USDT"}),
        ("orders_history", "order/history", {"category": "linear"}),
        ("executions", "execution/list", {"category": "linear"}),
        ("positions", "position/list", {"category": "linear", "settleCoin": "USDT"}),
        ("wallet_balance", "account/wallet-balance", {"accountType": "UNIFIED"}),
        ("account_info", "account/info", {}),
        ("fee_rate", "account/fee-rate", {"category": "linear"}),
        ("user_query_api", "user/query-api", {}),
    ],
)
def test_answers_have_what_recorded_ones_have(name: str, path: str, query: dict[str, object]) -> None:
    double = a_bybit()
    placed(double, category="linear")
    placed(double, **A_SWAP)
    _same_shape(json.loads((RECORDED / f"http_get_{name}.json").read_text("utf-8")), got(double, path, **query), name)


# What must hold whatever is done.

ACTS = st.one_of(
    st.tuples(
        st.just("place"),
        st.sampled_from(["spot", "linear"]),
        st.sampled_from(["Buy", "Sell"]),
        st.sampled_from(["Market", "Limit"]),
        st.integers(min_value=1, max_value=300),
        st.integers(min_value=590_000, max_value=610_000),
    ),
    st.tuples(st.just("trade"), st.sampled_from([SPOT, SWAP]), st.integers(min_value=590_000, max_value=610_000)),
    st.tuples(st.just("fund"), st.integers(min_value=-9, max_value=9)),
    st.tuples(st.just("wait"), st.integers(min_value=0, max_value=3)),
)


def _do(double: ExchangeDouble, act: tuple[Any, ...]) -> None:
    match act:
        case ("place", category, side, order_type, size, price):
            order = {"category": category, "side": side, "orderType": order_type, "price": str(Decimal(price) / 10)}
            unit = {"marketUnit": "baseCoin"} if category == "spot" and order_type == "Market" else {}
            placed(double, **order, **unit, qty=str(Decimal(size) / 1000))
        case ("trade", symbol, price):
            for aggressor in ("buy", "sell"):
                double.engine.trade(symbol, price=Decimal(price) / 10, size="0.07", aggressor=aggressor)
        case ("fund", rate):
            double.engine.fund(SWAP, Decimal(rate) / 10_000)
        case ("wait", seconds):
            double.advance(seconds)


def _walked(double: ExchangeDouble, path: str, *, limit: int, **query: object) -> list[dict[str, Any]]:
    """All pages of an address, one after the other."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        target = f"/v5/{path}?{urlencode({**query, 'limit': limit})}&cursor={cursor}"
        page = ask(double, signed(double, "GET", target))["result"]
        if not page["list"]:
            return found
        found += page["list"]
        cursor = page["nextPageCursor"]


@given(acts=st.lists(ACTS, max_size=25), limit=st.integers(min_value=1, max_value=7))
def test_log_executions_orders_and_balances_tell_one_story(acts: list[tuple[Any, ...]], limit: int) -> None:
    double = a_bybit()
    double.engine.deposit("BTC", 1)
    for act in acts:
        _do(double, act)
    log = _walked(double, "account/transaction-log", limit=limit)
    assert len({row["id"] for row in log}) == len(log)
    (wallet,) = rows(got(double, "account/wallet-balance", accountType="UNIFIED"))
    for coin in wallet["coin"]:
        mine = [row for row in log if row["currency"] == coin["coin"]]
        assert Decimal(coin["walletBalance"]) == sum(Decimal(row["change"]) for row in mine)
        assert coin["walletBalance"] == mine[0]["cashBalance"]
        held = sum(Decimal(coin[name]) for name in ("locked", "totalOrderIM", "totalPositionIM"))
        assert (
            held
            == double.engine.funds().balances[coin["coin"]].held + double.engine.funds().balances[coin["coin"]].margin
        )
    for category in ("spot", "linear"):
        query = {"category": category, "baseCoin": "BTC"}
        trades = _walked(double, "execution/list", limit=limit, **query, execType="Trade")
        assert len({row["execId"] for row in trades}) == len(trades)
        everything = _walked(double, "execution/list", limit=limit, **query)
        assert [row for row in everything if row["execType"] == "Trade"] == trades
        orders = _walked(double, "order/realtime", limit=limit, **query)
        orders += _walked(double, "order/history", limit=limit, **query)
        assert len({row["orderId"] for row in orders}) == len(orders)
        for order in orders:
            mine = [row for row in trades if row["orderId"] == order["orderId"]]
            for total, part in (("cumExecQty", "execQty"), ("cumExecFee", "execFee"), ("cumExecValue", "execValue")):
                assert Decimal(order[total]) == sum(Decimal(row[part]) for row in mine)
            if order["orderStatus"] in ("New", "PartiallyFilled") and mine:
                assert order["leavesQty"] == mine[0]["leavesQty"]
    signs = {"Buy": 1, "Sell": -1, "": 0}
    (position,) = rows(got(double, "position/list", category="linear", symbol="BTCUSDT"))
    size = signs[position["side"]] * Decimal(position["size"])
    assert size == sum(signs[row["side"]] * Decimal(row["execQty"]) for row in trades)
    swaps = [row for row in log if row["category"] == "linear"]
    assert Decimal(position["cumRealisedPnl"]) == sum(Decimal(row["change"]) for row in swaps)
    if swaps:
        assert Decimal(swaps[0]["size"]) == size
