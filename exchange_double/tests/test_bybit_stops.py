"""Stops on the double as a Bybit: orders like others, that wait for a price."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from builders.bybit_double import SPOT, SWAP, a_bybit, bybit_client, got, impatient, posted
from exchange_double import ExchangeDouble, NewOrder, Operation
from exchange_double.faults import Fault, FilledBeforeCancel, OrderHidden, PartialThenCancel, RateLimited, Timeout
from exchange_double.served import ServedDouble
from exchange_double.stops import StopStatus

APART: dict[str, dict[str, object]] = {SPOT: {"trigger": True}, SWAP: {}}
"""What ccxt must be told to cancel a stop: on perpetuals it sends such a word on as it is."""

BOTH = pytest.mark.parametrize("symbol", [SPOT, SWAP])

A_SPOT_STOP = {
    "category": "spot",
    "symbol": "BTCUSDT",
    "side": "Sell",
    "orderType": "Market",
    "marketUnit": "baseCoin",
    "qty": "0.4",
    "orderFilter": "StopOrder",
    "triggerPrice": "59000",
    "orderLinkId": "s1",
}
A_SWAP_STOP = {
    "category": "linear",
    "symbol": "BTCUSDT",
    "side": "Sell",
    "orderType": "Market",
    "qty": "0.4",
    "triggerPrice": "59000",
    "triggerDirection": 2,
    "orderLinkId": "s1",
}


def with_coins() -> ExchangeDouble:
    """One BTC and cash, at 60,000 to 60,001 on both BTC markets."""
    double = a_bybit()
    double.engine.deposit("BTC", 1)
    return double


def placed(double: ExchangeDouble, stop: dict[str, Any], **changes: object) -> dict[str, Any]:
    return posted(double, "order/create", **{**stop, **changes})


def shown(double: ExchangeDouble, path: str = "order/realtime", **query: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = got(double, path, **query)["result"]["list"]
    return found


def spot(double: ExchangeDouble, path: str = "order/realtime", **query: object) -> list[dict[str, Any]]:
    return shown(double, path, category="spot", symbol="BTCUSDT", **query)


# What is refused.


@pytest.mark.parametrize(
    ("stop", "changes", "code"),
    [
        (A_SPOT_STOP, {}, 0),
        (A_SPOT_STOP, {"triggerPrice": "61000"}, 0),
        (A_SPOT_STOP, {"triggerPrice": "60000.5"}, 170130),
        (A_SPOT_STOP, {"triggerPrice": ""}, 10001),
        (A_SPOT_STOP, {"triggerPrice": "0"}, 170140),
        (A_SPOT_STOP, {"triggerPrice": "59000.05"}, 170134),
        (A_SPOT_STOP, {"triggerDirection": 2}, 10001),
        (A_SPOT_STOP, {"triggerBy": "MarkPrice"}, 10001),
        (A_SPOT_STOP, {"orderFilter": "Order"}, 170202),
        (A_SPOT_STOP, {"orderFilter": ""}, 170202),
        (A_SPOT_STOP, {"orderFilter": "OcoOrder"}, 10001),
        (A_SPOT_STOP, {"orderType": "Limit", "marketUnit": "", "price": "58000"}, 0),
        (A_SPOT_STOP, {"qty": "0.00001"}, 170140),
        (A_SPOT_STOP, {"qty": "5"}, 0),
        (A_SPOT_STOP, {"orderFilter": "tpslOrder"}, 0),
        (A_SPOT_STOP, {"orderFilter": "tpslOrder", "qty": "5"}, 170131),
        (A_SPOT_STOP, {"reduceOnly": True}, 170130),
        (A_SWAP_STOP, {}, 0),
        (A_SWAP_STOP, {"reduceOnly": True}, 0),
        (A_SWAP_STOP, {"triggerBy": "MarkPrice"}, 0),
        (A_SWAP_STOP, {"triggerBy": "IndexPrice"}, 10001),
        (A_SWAP_STOP, {"triggerDirection": ""}, 10001),
        (A_SWAP_STOP, {"triggerDirection": 3}, 10001),
        (A_SWAP_STOP, {"triggerPrice": ""}, 10001),
        (A_SWAP_STOP, {"triggerPrice": "60002"}, 110093),
        (A_SWAP_STOP, {"triggerPrice": "59000", "triggerDirection": 1}, 110092),
        (A_SWAP_STOP, {"triggerPrice": "61000", "triggerDirection": 1}, 0),
        (A_SWAP_STOP, {"triggerPrice": "59000.05"}, 10001),
        (A_SWAP_STOP, {"orderFilter": "StopOrder"}, 10001),
        (A_SWAP_STOP, {"closeOnTrigger": True}, 10001),
        (A_SWAP_STOP, {"stopLoss": "58000"}, 10001),
    ],
    ids=str,
)
def test_a_stop_is_taken_or_refused_with_its_code(stop: dict[str, Any], changes: dict[str, object], code: int) -> None:
    double = with_coins()
    assert placed(double, stop, **changes)["retCode"] == code
    assert len(double.engine.stops) == (code == 0)


def test_a_link_id_is_taken_once_by_orders_and_stops_together() -> None:
    double = with_coins()
    order = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "0.1"}
    assert placed(double, A_SPOT_STOP)["retCode"] == 0
    assert placed(double, A_SWAP_STOP)["retCode"] == 110072
    assert posted(double, "order/create", **order, orderLinkId="s1")["retCode"] == 110072
    double.engine.cancel_stop(double.engine.stops[0].stop_id)
    assert placed(double, A_SPOT_STOP)["retCode"] == 170141
    assert posted(double, "order/create", **order, orderLinkId="o1")["retCode"] == 0
    assert placed(double, A_SWAP_STOP, orderLinkId="o1")["retCode"] == 110072
    assert double.placed_twice() == ()


# What becomes of one.


def test_a_stop_waits_and_keeps_its_ids_and_its_time_when_it_triggers() -> None:
    double = with_coins()
    order_id = placed(double, A_SPOT_STOP)["result"]["orderId"]
    told = ("orderId", "orderLinkId", "orderStatus", "stopOrderType", "triggerPrice", "triggerDirection")
    (waits,) = spot(double, orderFilter="StopOrder")
    assert [waits[name] for name in told] == [order_id, "s1", "Untriggered", "Stop", "59000", 2]
    double.advance(60)
    double.engine.trade(SPOT, price="59000")
    assert spot(double) == []
    (done,) = spot(double, "order/history", orderFilter="StopOrder")
    assert [done[name] for name in told] == [order_id, "s1", "Filled", "Stop", "59000", 2]
    assert int(done["updatedTime"]) - int(done["createdTime"]) == 60_000
    assert done["createdTime"] == waits["createdTime"]
    (trade,) = spot(double, "execution/list")
    assert (trade["orderId"], trade["orderLinkId"], trade["stopOrderType"]) == (order_id, "s1", "Stop")
    assert double.placed_twice() == ()


@pytest.mark.parametrize(
    ("kind", "seen"), [("", ["s1", "t1"]), ("Order", []), ("StopOrder", ["s1"]), ("tpslOrder", ["t1"])]
)
def test_spots_stops_are_told_apart_by_a_filter(kind: str, seen: list[str]) -> None:
    double = with_coins()
    placed(double, A_SPOT_STOP)
    placed(double, A_SPOT_STOP, orderFilter="tpslOrder", orderLinkId="t1")
    assert sorted(row["orderLinkId"] for row in spot(double, **({"orderFilter": kind} if kind else {}))) == seen


def test_only_a_take_profit_or_stop_loss_of_spot_holds_its_coins_back() -> None:
    double = with_coins()
    placed(double, A_SPOT_STOP)
    assert double.engine.funds().available("BTC") == 1
    placed(double, A_SPOT_STOP, orderFilter="tpslOrder", orderLinkId="t1")
    assert double.engine.funds().available("BTC") == Decimal("0.6")


def test_a_stop_above_the_price_of_spot_waits_for_it_to_rise() -> None:
    double = with_coins()
    placed(double, A_SPOT_STOP, triggerPrice="61000")
    double.engine.trade(SPOT, price="60500")
    assert double.engine.fills == ()
    double.engine.trade(SPOT, price="61000")
    assert [fill.size for fill in double.engine.fills] == [Decimal("0.4")]


def test_perpetuals_show_their_stops_among_the_orders_and_cancel_them_with_all() -> None:
    double = with_coins()
    placed(double, A_SWAP_STOP)
    placed(double, A_SPOT_STOP, orderLinkId="s2")
    where = {"category": "linear", "symbol": "BTCUSDT"}
    assert [row["orderLinkId"] for row in shown(double, **where)] == ["s1"]
    assert [row["orderLinkId"] for row in posted(double, "order/cancel-all", **where)["result"]["list"]] == ["s1"]
    assert posted(double, "order/cancel-all", category="spot")["result"]["list"] == []
    (gone,) = shown(double, "order/history", **where)
    assert (gone["orderStatus"], gone["cancelType"]) == ("Deactivated", "CancelByUser")
    done = posted(double, "order/cancel-all", category="spot", orderFilter="StopOrder")["result"]["list"]
    assert [row["orderLinkId"] for row in done] == ["s2"]


def test_a_stop_of_spot_is_cancelled_by_its_own_filter_only() -> None:
    double = with_coins()
    placed(double, A_SPOT_STOP)
    named = {"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "s1"}
    for kind in ("", "Order", "tpslOrder"):
        assert posted(double, "order/cancel", **named, orderFilter=kind)["retCode"] == 170213
    assert posted(double, "order/cancel", **named, orderFilter="StopOrder")["retCode"] == 0
    assert posted(double, "order/cancel", **named, orderFilter="StopOrder")["retCode"] == 170213


def test_a_stop_with_nothing_left_to_reduce_is_rejected() -> None:
    double = with_coins()
    placed(double, A_SWAP_STOP, reduceOnly=True)
    double.engine.trade(SWAP, price="59000")
    (row,) = shown(double, "order/history", category="linear", symbol="BTCUSDT")
    assert (row["orderStatus"], row["rejectReason"]) == ("Rejected", "EC_Others")
    assert double.engine.orders == ()


# The real ccxt.


@pytest.fixture
def double(bybit_double: ServedDouble) -> ServedDouble:
    """One BTC and 0.4 of the perpetual, at 60,000 to 60,001 on both BTC markets."""
    bybit_double.engine.deposit("BTC", 1)
    for symbol in (SPOT, SWAP):
        bybit_double.engine.set_touch(symbol, bid="60000", ask="60001", size=2)
    bybit_double.engine.place(NewOrder(symbol=SWAP, side="buy", type="market", quantity=Decimal("0.4")))
    return bybit_double


async def protect(client: Any, symbol: str) -> str:
    """A conditional sell of 0.4. Returns the exchange's id."""
    params: dict[str, object] = {"triggerPrice": 59000, "clientOrderId": "s1"}
    if symbol == SWAP:
        params |= {"triggerDirection": "descending", "reduceOnly": True}
    return str((await client.create_order(symbol, "market", "sell", 0.4, None, params))["id"])


@BOTH
async def test_ccxt_places_finds_and_cancels_a_stop(double: ServedDouble, symbol: str) -> None:
    import ccxt

    apart = APART[symbol]
    async with bybit_client(double) as client:
        stop_id = await protect(client, symbol)
        (waiting,) = await client.fetch_open_orders(symbol)
        assert (waiting["id"], waiting["clientOrderId"], waiting["status"]) == (stop_id, "s1", "open")
        assert (waiting["triggerPrice"], waiting["amount"], waiting["side"]) == (59000, 0.4, "sell")
        await client.cancel_order(stop_id, symbol, apart)
        assert (await client.fetch_order(stop_id, symbol))["status"] == "canceled"
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order(stop_id, symbol, apart)


@BOTH
async def test_ccxt_takes_a_profit(double: ServedDouble, symbol: str) -> None:
    async with bybit_client(double) as client:
        await client.create_order(symbol, "market", "sell", 0.4, None, {"takeProfitPrice": 61000})
        double.engine.set_touch(symbol, bid="61000", ask="61001")
        trade = max(await client.fetch_my_trades(symbol), key=lambda row: int(row["id"]))
    assert (trade["price"], trade["amount"], trade["side"]) == (61000, 0.4, "sell")


async def test_a_stop_that_would_trigger_at_once_is_refused(double: ServedDouble) -> None:
    import ccxt

    params = {"triggerPrice": 61000, "triggerDirection": "descending"}
    async with bybit_client(double) as client:
        with pytest.raises(ccxt.InvalidOrder, match="110093"):
            await client.create_order(SWAP, "market", "sell", 0.4, None, params)
    assert double.engine.stops == ()


# Faults.


@BOTH
@pytest.mark.parametrize(
    ("fault", "error", "waiting"),
    [
        (Timeout(accepted=True), "RequestTimeout", 1),
        (Timeout(accepted=False), "RequestTimeout", 0),
        (RateLimited(accepted=True), "RateLimitExceeded", 1),
        (RateLimited(), "RateLimitExceeded", 0),
    ],
    ids=str,
)
async def test_a_stop_without_an_answer_is_there_or_not(
    double: ServedDouble, symbol: str, fault: Fault, error: str, waiting: int
) -> None:
    import ccxt

    async with bybit_client(double) as client:
        await client.is_unified_enabled()
        double.faults.add(fault, on=Operation.PLACE)
        with impatient(client), pytest.raises(getattr(ccxt, error)):
            await protect(client, symbol)
        found = await client.fetch_open_orders(symbol)
    assert len(double.engine.stops) == len(found) == waiting


@BOTH
async def test_a_stop_can_trigger_before_its_cancel_arrives(double: ServedDouble, symbol: str) -> None:
    import ccxt

    async with bybit_client(double) as client:
        stop_id = await protect(client, symbol)
        double.faults.add(FilledBeforeCancel())
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order(stop_id, symbol, APART[symbol])
    assert double.engine.stops[0].status is StopStatus.TRIGGERED
    assert double.engine.fills[-1].order_id == stop_id


@BOTH
async def test_a_stop_can_be_hidden_though_it_waits(double: ServedDouble, symbol: str) -> None:
    async with bybit_client(double) as client:
        double.faults.add(OrderHidden(looks=1))
        stop_id = await protect(client, symbol)
        assert await client.fetch_open_orders(symbol) == []
        assert [order["id"] for order in await client.fetch_open_orders(symbol)] == [stop_id]


@BOTH
async def test_what_a_stop_becomes_can_be_filled_in_part_and_cancelled(double: ServedDouble, symbol: str) -> None:
    async with bybit_client(double) as client:
        double.faults.add(PartialThenCancel(part=Decimal("0.25")))
        stop_id = await protect(client, symbol)
        double.engine.set_touch(symbol, bid="58900", ask="58901")
        order = await client.fetch_order(stop_id, symbol)
    assert (order["info"]["cumExecQty"], order["info"]["leavesQty"]) == ("0.1", "0")
    assert order["info"]["cancelType"] == "CancelByAdmin"
