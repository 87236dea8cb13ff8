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
