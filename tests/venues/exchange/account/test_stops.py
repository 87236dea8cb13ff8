"""Stops that a venue holds: what is sent for one, where it waits, and what becomes of it when its price comes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest

from builders.canned_venue import NOW_MS, a_canned_venue, a_plain_venue, bybit_answer
from builders.live_venue import SPOT, SWAP, Stage, a_stage
from builders.markets import a_ticket, an_order
from domain.order import OrderRequest, OrderState


def a_stop(symbol: str, side: str = "sell", quantity: str = "0.05", *, trigger: str = "59000") -> OrderRequest:
    return OrderRequest.model_validate(
        {
            "client_order_id": "stop1",
            "symbol": symbol,
            "side": side,
            "type": "stop",
            "quantity": quantity,
            "trigger_price": trigger,
            "reduce_only": True,
        }
    )


def an_entry(symbol: str, *, stop: str = "59000", target: str | None = "63000", **over: object) -> OrderRequest:
    given = {
        "client_order_id": "acentry",
        "symbol": symbol,
        "side": "buy",
        "type": "market",
        "quantity": "0.05",
        "stop_price": stop,
        "target_price": target,
    }
    return OrderRequest.model_validate(given | over)


# What is sent.


@pytest.mark.parametrize(
    ("symbol", "sent"),
    [
        (SPOT, {"instId": "BTC-USDT", "tdMode": "cash", "sz": "0.05"}),
        (SWAP, {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "sz": "5", "reduceOnly": True}),
    ],
)
async def test_okx_gets_a_conditional_order_at_market(symbol: str, sent: dict[str, object]) -> None:
    answers = {"POST /api/v5/trade/order-algo": '{"code":"0","data":[{"algoId":"7","sCode":"0"}],"msg":""}'}
    async with a_canned_venue("okx", answers, symbols=[symbol]) as canned:
        order = a_stop(symbol)
        report = await canned.venue.submit(order, a_ticket(order))
        ((_, body),) = canned.sent("POST /api/v5/trade/order-algo")
    asked = json.loads(body)
    expected = {
        **sent,
        "side": "sell",
        "ordType": "conditional",
        "slTriggerPx": "59000",
        "slOrdPx": "-1",
        "slTriggerPxType": "last",
        "algoClOrdId": "stop1",
    }
    assert {name: asked.get(name) for name in expected} == expected
    assert ("reduceOnly" in asked) is (symbol == SWAP)
    assert (report.state, report.venue_order_id) == (OrderState.WORKING, "7")


async def test_okx_gets_stop_and_target_as_one_order() -> None:
    answers = {"POST /api/v5/trade/order-algo": '{"code":"0","data":[{"algoId":"7","sCode":"0"}],"msg":""}'}
    async with a_canned_venue("okx", answers, symbols=[SPOT]) as canned:
        order = a_stop(SPOT).model_copy(update={"target_price": Decimal(63_000)})
        report = await canned.venue.submit(order, a_ticket(order))
        ((_, body),) = canned.sent("POST /api/v5/trade/order-algo")
    asked = json.loads(body)
    assert (asked["ordType"], asked["algoClOrdId"], asked["tdMode"]) == ("oco", "stop1", "cash")
    assert (asked["slTriggerPx"], asked["slOrdPx"], asked["tpTriggerPx"], asked["tpOrdPx"]) == (
        "59000",
        "-1",
        "63000",
        "-1",
    )
    assert "px" not in asked
    assert (report.state, report.venue_order_id) == (OrderState.WORKING, "7")


@pytest.mark.parametrize("target", ["63000", None])
@pytest.mark.parametrize("symbol", [SPOT, SWAP])
async def test_okx_gets_the_exits_of_an_entry_with_it_under_an_id_of_ours(symbol: str, target: str | None) -> None:
    answers = {"POST /api/v5/trade/batch-orders": '{"code":"0","data":[{"ordId":"7","sCode":"0"}],"msg":""}'}
    async with a_canned_venue("okx", answers, symbols=[symbol]) as canned:
        order = an_entry(symbol, target=target)
        await canned.venue.submit(order, a_ticket(order))
        ((_, body),) = canned.sent("POST /api/v5/trade/batch-orders")
    ((asked,),) = [json.loads(body)]
    exit = {
        "attachAlgoClOrdId": order.exit_id,
        "slTriggerPx": "59000",
        "slTriggerPxType": "last",
        "slOrdPx": "-1",
    }
    if target:
        exit |= {"tpTriggerPx": target, "tpTriggerPxType": "last", "tpOrdPx": "-1"}
    assert asked["attachAlgoOrds"] == [exit]
    assert (asked["clOrdId"], asked["side"], asked["ordType"]) == ("acentry", "buy", "market")


@pytest.mark.parametrize("exchange", ["binance", "bybit"])
async def test_where_nothing_is_attached_under_our_id_an_entry_with_its_exits_is_not_sent(exchange: str) -> None:
    async with a_canned_venue(exchange, {}, symbols=[SPOT]) as canned:
        order = an_entry(SPOT)
        report = await canned.venue.submit(order, a_ticket(order))
        assert not canned.venue.attaches_stops(SPOT)
    assert report.state is OrderState.REJECTED
    assert report.reason == f"not sent: stops are not attached to entries at {exchange}, and have no targets"


# At the double: what becomes of what was attached.


@pytest.mark.parametrize("symbol", [SPOT, SWAP])
async def test_a_filled_entry_leaves_its_stop_at_okx_for_what_can_be_sold(symbol: str) -> None:
    async with a_stage(symbol=symbol, symbols=[symbol]) as stage:
        order = an_entry(symbol)
        entry = await stage.venue.submit(order, a_ticket(order))
        exit = await stage.venue.find(order.exit_id, symbol)
        assert exit is not None
        assert (entry.state, exit.state, exit.filled) == (OrderState.FILLED, OrderState.WORKING, 0)
        bought = entry.filled - sum(fill.fee_base for fill in entry.fills)
        assert bought - Decimal("1e-8") < (exit.quantity or 0) <= bought
        assert [o.client_order_id for o in await stage.venue.open_orders()] == [order.exit_id]


@pytest.mark.parametrize(("last", "leg"), [("58900", "stop"), ("63100", "target")])
@pytest.mark.parametrize("symbol", [SPOT, SWAP])
async def test_whichever_price_comes_first_ends_it(symbol: str, last: str, leg: str) -> None:
    async with a_stage(symbol=symbol, symbols=[symbol]) as stage:
        order = an_entry(symbol)
        await stage.venue.submit(order, a_ticket(order))
        price = Decimal(last)
        stage.double.engine.set_touch(symbol, bid=price, ask=price + Decimal("0.1"))
        exit = await stage.venue.find(order.exit_id, symbol)
        assert exit is not None
        assert (exit.state, exit.filled, exit.average_price) == (OrderState.FILLED, exit.quantity, price)
        assert order.exit_order(exit.filled).leg(price) == leg
        assert await stage.venue.open_orders() == []


async def test_an_entry_that_fills_in_part_and_is_cancelled_keeps_a_stop_for_that_part() -> None:
    async with a_stage(symbol=SWAP, symbols=[SWAP]) as stage:
        order = an_entry(SWAP, limit_price=Decimal(59_500), type="limit")
        working = await stage.venue.submit(order, a_ticket(order))
        assert working.state is OrderState.WORKING
        stage.double.engine.fill(working.venue_order_id, "2")
        assert [stop.client_order_id for stop in stage.double.engine.stops] == []
        await stage.venue.cancel(order.client_order_id, SWAP)
        exit = await stage.venue.find(order.exit_id, SWAP)
    assert exit is not None
    assert (exit.state, exit.quantity) == (OrderState.WORKING, Decimal("0.02"))


async def test_an_attached_stop_is_cancelled_as_any_other() -> None:
    async with a_stage() as stage:
        order = an_entry(SPOT)
        await stage.venue.submit(order, a_ticket(order))
        report = await stage.venue.cancel(order.exit_id, SPOT)
        assert (report.state, await stage.venue.open_orders()) == (OrderState.CANCELLED, [])


@pytest.mark.parametrize(("stop", "target"), [("60001", None), ("59000", "59900")])
async def test_an_entry_whose_exits_the_market_has_met_is_refused_whole(stop: str, target: str | None) -> None:
    async with a_stage(symbol=SWAP, symbols=[SWAP]) as stage:
        order = an_entry(SWAP, stop=stop, target=target)
        report = await stage.venue.submit(order, a_ticket(order))
        assert (report.state, report.evidence) == (OrderState.REJECTED, "refused 51051")
        assert stage.double.engine.orders == ()


@pytest.mark.parametrize(
    ("symbol", "address", "sent"),
    [
        (SPOT, "POST /api/v3/order", {"type": "STOP_LOSS", "stopPrice": "59000", "newClientOrderId": "stop1"}),
        (
            SWAP,
            "POST /fapi/v1/algoOrder",
            {
                "type": "STOP_MARKET",
                "algoType": "CONDITIONAL",
                "triggerPrice": "59000",
                "clientAlgoId": "stop1",
                "reduceOnly": "true",
                "workingType": "CONTRACT_PRICE",
            },
        ),
    ],
)
async def test_binance_gets_an_order_on_spot_and_an_algo_order_on_perpetuals(
    symbol: str, address: str, sent: dict[str, str]
) -> None:
    answer = {
        "symbol": "BTCUSDT",
        "orderId": 7,
        "algoId": 7,
        "clientOrderId": "stop1",
        "status": "NEW",
        "algoStatus": "NEW",
    }
    async with a_canned_venue("binance", {address: json.dumps(answer)}, symbols=[symbol]) as canned:
        order = a_stop(symbol)
        report = await canned.venue.submit(order, a_ticket(order))
        ((_, body),) = canned.sent(address)
    asked = dict(parse_qsl(body))
    assert {name: asked.get(name) for name in sent} == sent
    assert (asked["side"], asked["quantity"], asked["symbol"], asked["recvWindow"]) == (
        "SELL",
        "0.05",
        "BTCUSDT",
        "5000",
    )
    assert ("reduceOnly" in asked) is (symbol == SWAP)
    assert (report.state, report.venue_order_id) == (OrderState.WORKING, "7")


@pytest.mark.parametrize(
    ("symbol", "side", "sent"),
    [
        (SPOT, "sell", {"category": "spot", "orderFilter": "StopOrder", "marketUnit": "baseCoin"}),
        (SWAP, "sell", {"category": "linear", "triggerDirection": 2, "reduceOnly": True, "triggerBy": "LastPrice"}),
        (SWAP, "buy", {"category": "linear", "triggerDirection": 1, "reduceOnly": True, "triggerBy": "LastPrice"}),
    ],
)
async def test_bybit_gets_a_conditional_order_with_its_direction(
    symbol: str, side: str, sent: dict[str, object]
) -> None:
    answers = {"POST /v5/order/create": '{"retCode":0,"result":{"orderId":"7","orderLinkId":"stop1"}}'}
    async with a_canned_venue("bybit", answers, symbols=[symbol]) as canned:
        order = a_stop(symbol, side)
        report = await canned.venue.submit(order, a_ticket(order))
        ((_, body),) = canned.sent("POST /v5/order/create")
    asked = json.loads(body)
    expected = {**sent, "orderLinkId": "stop1", "orderType": "Market", "qty": "0.05", "triggerPrice": "59000"}
    assert {name: asked.get(name) for name in expected} == expected
    assert (report.state, report.venue_order_id) == (OrderState.WORKING, "7")


async def test_an_exchange_of_which_no_stops_are_known_gets_none() -> None:
    venue = a_plain_venue("kraken")
    assert venue.holds_stops("BTC/USDT") is False
    await venue.aclose()


# Where it waits, and how it is taken back.


async def test_a_binance_stop_is_found_and_taken_back_by_its_algo_id() -> None:
    row = {
        "algoId": 7,
        "clientAlgoId": "stop1",
        "symbol": "BTCUSDT",
        "positionSide": "BOTH",
        "closePosition": False,
        "side": "SELL",
        "quantity": "0.050",
        "algoStatus": "NEW",
        "orderType": "STOP_MARKET",
        "triggerPrice": "59000.00",
        "createTime": NOW_MS,
        "updateTime": NOW_MS,
    }
    gone = {**row, "algoStatus": "CANCELED"}
    answers = {
        "POST /fapi/v1/algoOrder": json.dumps(row),
        "GET /fapi/v1/algoOrder": [json.dumps(row), json.dumps(gone)],
        "DELETE /fapi/v1/algoOrder": json.dumps(
            {"algoId": 7, "clientAlgoId": "stop1", "code": "200", "msg": "success"}
        ),
    }
    async with a_canned_venue("binance", answers, symbols=[SWAP]) as canned:
        order = a_stop(SWAP)
        assert (await canned.venue.submit(order, a_ticket(order))).state is OrderState.WORKING
        report = await canned.venue.cancel("stop1", SWAP)
        ((query, _),) = canned.sent("DELETE /fapi/v1/algoOrder")
    assert (report.state, report.venue_order_id, query["algoId"]) == (OrderState.CANCELLED, "7", "7")


async def test_a_triggered_binance_stop_is_what_became_of_its_order() -> None:
    stop = {
        "algoId": 7,
        "clientAlgoId": "stop1",
        "symbol": "BTCUSDT",
        "positionSide": "BOTH",
        "closePosition": False,
        "side": "SELL",
        "quantity": "0.050",
        "algoStatus": "FINISHED",
        "actualOrderId": "99",
        "orderType": "STOP_MARKET",
        "createTime": NOW_MS,
        "updateTime": NOW_MS,
    }
    order = {
        "orderId": 99,
        "symbol": "BTCUSDT",
        "positionSide": "BOTH",
        "closePosition": False,
        "clientOrderId": "x",
        "status": "FILLED",
        "origQty": "0.050",
        "executedQty": "0.050",
        "avgPrice": "58990.5",
        "side": "SELL",
        "type": "MARKET",
        "time": NOW_MS + 1,
        "updateTime": NOW_MS + 2,
    }
    trade = {
        "id": 5,
        "orderId": 99,
        "symbol": "BTCUSDT",
        "side": "SELL",
        "price": "58990.5",
        "qty": "0.050",
        "commission": "1.18",
        "commissionAsset": "USDT",
        "time": NOW_MS + 2,
        "buyer": False,
        "maker": False,
    }
    answers = {
        "GET /fapi/v1/algoOrder": json.dumps(stop),
        "GET /fapi/v1/order?orderId=99": json.dumps(order),
        "GET /fapi/v1/userTrades": json.dumps([trade]),
    }
    async with a_canned_venue("binance", answers, symbols=[SWAP]) as canned:
        report = await canned.venue.find("stop1", SWAP)
        (told,) = await canned.venue.trades(SWAP, since=canned.present.now())
    assert report is not None
    (fill,) = report.fills
    assert (report.state, report.filled, report.venue_order_id) == (OrderState.FILLED, Decimal("0.05"), "99")
    assert (fill.client_order_id, fill.price, fill.fee) == ("stop1", Decimal("58990.5"), Decimal("1.18"))
    assert told.client_order_id == "stop1"  # Binance's trades name no order of ours


async def test_a_bybit_stop_on_spot_is_asked_for_among_the_stops() -> None:
    row = {
        "orderId": "7",
        "orderLinkId": "stop1",
        "symbol": "BTCUSDT",
        "side": "Sell",
        "orderStatus": "Untriggered",
        "orderType": "Market",
        "qty": "0.050",
        "cumExecQty": "0",
        "leavesQty": "0.050",
        "triggerPrice": "59000",
        "createdTime": str(NOW_MS),
        "updatedTime": str(NOW_MS),
    }
    answers = {
        "GET /v5/order/realtime?orderFilter=StopOrder": [bybit_answer([row]), bybit_answer([])],
        "GET /v5/order/history?orderFilter=StopOrder": bybit_answer([{**row, "orderStatus": "Deactivated"}]),
        "POST /v5/order/cancel": [
            '{"retCode":170213,"retMsg":"Order does not exist.","result":{}}',
            '{"retCode":0,"result":{"orderId":"7"}}',
        ],
    }
    async with a_canned_venue("bybit", answers, symbols=[SPOT]) as canned:
        found = await canned.venue.find("stop1", SPOT)
        report = await canned.venue.cancel("stop1", SPOT)
        asked = [json.loads(body) for _, body in canned.sent("POST /v5/order/cancel")]
    assert found is not None
    assert (found.state, report.state) == (OrderState.WORKING, OrderState.CANCELLED)
    assert [(one["orderFilter"], one["orderLinkId"]) for one in asked] == [("Order", "stop1"), ("StopOrder", "stop1")]


# On the double, from the placing to the fill.


@pytest.fixture(params=["okx", "binance", "bybit"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with a_stage(exchange=request.param) as stage:
        yield stage


@pytest.mark.parametrize("symbol", [SPOT, SWAP])
async def test_a_stop_waits_is_triggered_and_filled(stage: Stage, symbol: str) -> None:
    held = an_order(symbol=symbol, quantity="0.1")
    await stage.venue.submit(held, a_ticket(held))
    stop = a_stop(symbol)
    assert (await stage.venue.submit(stop, a_ticket(stop, id="stop"))).state is OrderState.WORKING
    assert [order.client_order_id for order in await stage.venue.open_orders()] == ["stop1"]
    stage.double.engine.trade(symbol, price="58999", size="1")
    report = await stage.venue.find("stop1", symbol)
    again = stage.another()
    try:
        assert await again.find("stop1", symbol) == report
    finally:
        await again.aclose()
    assert report is not None
    (fill,) = report.fills
    assert (report.state, report.filled, fill.quantity) == (OrderState.FILLED, Decimal("0.05"), Decimal("0.05"))
    assert fill.client_order_id == "stop1"
    mine = [trade for trade in await stage.venue.trades(symbol, since=stage.now()) if trade.side == "sell"]
    assert [trade.client_order_id for trade in mine] == ["stop1"]


@pytest.mark.parametrize("symbol", [SPOT, SWAP])
async def test_a_stop_is_taken_back(stage: Stage, symbol: str) -> None:
    held = an_order(symbol=symbol, quantity="0.1")
    await stage.venue.submit(held, a_ticket(held))
    stop = a_stop(symbol)
    await stage.venue.submit(stop, a_ticket(stop, id="stop"))
    again = stage.another()
    try:
        report = await again.cancel("stop1", symbol)
    finally:
        await again.aclose()
    assert (report.state, report.filled) == (OrderState.CANCELLED, 0)
    assert await stage.venue.open_orders() == []
