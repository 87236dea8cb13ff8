"""What exchanges really answered, read by the live venue: orders, trades, balances, positions and refusals.

The files are in shared/data. Where an order must be one of ours, only its client order id was changed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from builders.canned_venue import NOW_MS, a_canned_venue, bybit_answer, shared
from builders.markets import a_ticket, an_order
from domain.errors import OrderContradicted, OrderStateUnknown, VenueUnavailable
from domain.order import OrderReport, OrderRequest, OrderState
from domain.portfolio import Position
from domain.statement import KeyRights, Trade

OURS = "order1"


def recorded(method: str, description: str) -> str:
    """OKX's answer out of ccxt's own recordings."""
    calls = json.loads(shared("ccxt_static/okx_response.json"))["methods"][method]
    (call,) = [call for call in calls if call["description"].startswith(description)]
    return json.dumps(call["httpResponse"])


def refused(description: str) -> str:
    errors = json.loads(shared("ccxt_static/okx_response.json"))["errors"]
    (error,) = [error for error in errors if error["description"].startswith(description)]
    return json.dumps(error["httpResponse"])


def payload(exchange: str, name: str) -> str:
    return shared(f"exchange_payloads/{exchange}/{name}.json")


def ours(body: str, theirs: str) -> str:
    """The same answer about an order of ours."""
    assert theirs in body
    return body.replace(theirs, OURS)


def wrapped(row: str) -> str:
    return f'{{"code":"0","data":[{row}],"msg":""}}'


def at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC)


@dataclass
class Order:
    """An order as it was recorded, and what must be read of it."""

    symbol: str
    state: OrderState
    id: str
    filled: str = "0"
    average: str | None = None
    reason: str = ""
    at: int = 0

    def is_told_by(self, report: OrderReport | None) -> None:
        assert report is not None
        average = None if self.average is None else Decimal(self.average)
        assert (report.client_order_id, report.symbol, report.state, report.venue_order_id) == (
            OURS,
            self.symbol,
            self.state,
            self.id,
        )
        assert (report.filled, report.average_price, report.reason) == (Decimal(self.filled), average, self.reason)
        assert report.at == at(self.at)


OKX_ORDERS = {
    "a spot order that was filled": (
        ("fetchOrder", "fetch spot order", "e847386590ce4dBC6f7ae74854f6a617"),
        Order("LTC/USDT", OrderState.FILLED, "1339107111507525632", "0.1", "101.58", at=1712410901852),
    ),
    "a perpetual's order that was filled": (
        ("fetchClosedOrders", "swap closed order", "e847386590ce4dBC2f7dbb9924c2b77c"),
        Order("LTC/USDT:USDT", OrderState.FILLED, "672515387010932736", "1", "68.24", at=1706612162996),
    ),
    "a limit order that waits": (
        ("fetchOpenOrders", "swap limit open order", "e847386590ce4dBC28d905b5946bad5a"),
        Order("ADA/USDT:USDT", OrderState.WORKING, "645348448086081536", at=1700135060018),
    ),
}


@pytest.mark.parametrize("name", OKX_ORDERS)
async def test_an_okx_order_is_found_as_it_was_recorded(name: str) -> None:
    (method, description, theirs), order = OKX_ORDERS[name]
    answers = {"GET /api/v5/trade/order": ours(recorded(method, description), theirs)}
    async with a_canned_venue("okx", answers, symbols=[order.symbol]) as canned:
        order.is_told_by(await canned.venue.find(OURS, order.symbol))


async def test_a_live_capture_of_an_okx_order_is_counted_in_base() -> None:
    body = payload("okx", "http_get_orders_history").replace('"clOrdId": ""', f'"clOrdId": "{OURS}"')
    async with a_canned_venue("okx", {"GET /api/v5/trade/orders-history": body}, symbols=["BTC/USDT:USDT"]) as canned:
        report = await canned.venue.find(OURS, "BTC/USDT:USDT")
    Order("BTC/USDT:USDT", OrderState.FILLED, "2497956918703120384", "0.0003", "103698.9", at=1746947317402).is_told_by(
        report
    )
    assert report is not None
    assert report.evidence == "history"


async def test_an_okx_order_shown_instead_of_ours_contradicts_it() -> None:
    answers = {"GET /api/v5/trade/order": recorded("fetchOrder", "fetch spot order")}
    async with a_canned_venue("okx", answers, symbols=["LTC/USDT"]) as canned:
        with pytest.raises(OrderContradicted, match="showed another order"):
            await canned.venue.find(OURS, "LTC/USDT")


async def test_okx_open_orders_are_ours_or_counted_as_strangers() -> None:
    answers = {
        "GET /api/v5/trade/orders-pending": payload("okx", "http_get_orders_pending"),
        "GET /api/v5/account/balance": payload("okx", "http_get_account_balance"),
    }
    async with a_canned_venue("okx", answers, symbols=["BTC/USDT:USDT"]) as canned:
        assert (await canned.venue.open_orders(), (await canned.venue.statement()).strangers) == ([], 1)
    answers = {"GET /api/v5/trade/orders-pending": ours(payload("okx", "http_get_orders_pending"), "client-order-1")}
    async with a_canned_venue("okx", answers, symbols=["BTC/USDT:USDT"]) as canned:
        (report,) = await canned.venue.open_orders()
    Order("BTC/USDT:USDT", OrderState.WORKING, "1234567890123456789", at=1746947317000).is_told_by(report)


@pytest.mark.parametrize(
    ("body", "theirs", "order"),
    [
        (
            lambda: recorded("fetchOpenOrders", "trigger (conditional)"),
            "e847386590ce4dBC510e616e0438b78a",
            Order("LTC/USDT:USDT", OrderState.WORKING, "2017146754403004416", at=1732618057878),
        ),
        (
            lambda: payload("okx", "http_get_orders_algo_pending"),
            "client_algo_1",
            Order("BTC/USDT:USDT", OrderState.WORKING, "123456789", at=1622559930237),
        ),
    ],
    ids=["conditional", "trigger"],
)
async def test_an_okx_stop_waits_in_a_list_of_its_own(body: Any, theirs: str, order: Order) -> None:
    answers = {"GET /api/v5/trade/orders-algo-pending": ours(body(), theirs)}
    async with a_canned_venue("okx", answers, symbols=[order.symbol]) as canned:
        (report,) = await canned.venue.open_orders()
        order.is_told_by(report)


async def test_a_triggered_okx_stop_is_what_became_of_its_order() -> None:
    answers = {
        "GET /api/v5/trade/order-algo": ours(payload("okx", "http_get_orders_algo_history"), "client_algo_2"),
        "GET /api/v5/trade/order?ordId=ord_456": wrapped(
            '{"instId":"ETH-USDT-SWAP","instType":"SWAP","ordId":"ord_456","clOrdId":"","side":"sell","ordType":"market",'
            '"state":"filled","sz":"10","accFillSz":"10","avgPx":"2995","cTime":"1622559940237","uTime":"1622559940300"}'
        ),
    }
    async with a_canned_venue("okx", answers, symbols=["ETH/USDT:USDT"]) as canned:
        report = await canned.venue.find(OURS, "ETH/USDT:USDT")
    Order("ETH/USDT:USDT", OrderState.FILLED, "ord_456", "1", "2995", at=1622559940300).is_told_by(report)


async def test_an_okx_trade_is_read_with_its_fee_in_base() -> None:
    answers = {"GET /api/v5/trade/fills-history": recorded("fetchMyTrades", "spot trade")}
    async with a_canned_venue("okx", answers, symbols=["LTC/USDT"]) as canned:
        (trade,) = await canned.venue.trades("LTC/USDT", since=at(0))
    assert trade == Trade(
        trade_id="56181695",
        venue_order_id="639895991331667968",
        client_order_id="e847386590ce4dBCff0cf9a74b5f3bcf",
        symbol="LTC/USDT",
        side="buy",
        quantity=Decimal("0.1"),
        price=Decimal("67.84"),
        fee_base=Decimal("0.0001"),
        at=at(1698835093028),
    )


@pytest.mark.parametrize(
    ("name", "fee"), [("http_transaction_detail", "-0.042"), ("http_transaction_detail_empty_fee", "0")]
)
async def test_an_okx_fee_is_a_rebate_or_left_out(name: str, fee: str) -> None:
    answers = {"GET /api/v5/trade/fills-history": wrapped(payload("okx", name))}
    async with a_canned_venue("okx", answers, symbols=["BTC/USDT"]) as canned:
        (trade,) = await canned.venue.trades("BTC/USDT", since=at(0))
    assert (trade.fee, trade.fee_base, trade.quantity, trade.price) == (
        Decimal(fee),
        0,
        Decimal("0.001"),
        Decimal("42000.5"),
    )


async def test_an_okx_portfolio_is_its_cash_and_what_is_held_at_the_entry_price() -> None:
    answers = {
        "GET /api/v5/account/balance": payload("okx", "http_get_account_balance"),
        "GET /api/v5/account/positions": payload("okx", "http_get_positions"),
    }
    async with a_canned_venue("okx", answers, symbols=["BTC/USDT:USDT"]) as canned:
        statement = await canned.venue.statement()
        portfolio = await canned.venue.portfolio()
    wallet = Decimal("94.42612990333333") + Decimal("5.468566666666667") + Decimal("0.0273000000000002")
    assert statement.balances == {"USDT": wallet}
    assert statement.positions == {"BTC/USDT:USDT": Decimal("0.005")}
    assert statement.marks == {"BTC/USDT:USDT": Decimal(10_000)}
    assert portfolio.positions == {
        "BTC/USDT:USDT": Position(symbol="BTC/USDT:USDT", quantity=Decimal("0.005"), cost=Decimal(50))
    }
    assert (portfolio.cash, portfolio.equity, portfolio.start_cash) == (wallet - 50, wallet, wallet)


@pytest.mark.parametrize(
    ("method", "description"),
    [("fetchPosition", "inverse swap"), ("fetchPositions", "position history row")],
)
async def test_what_is_no_linear_position_of_ours_is_none(method: str, description: str) -> None:
    answers = {
        "GET /api/v5/account/positions": recorded(method, description),
        "GET /api/v5/account/balance": wrapped('{"details":[]}'),
    }
    async with a_canned_venue("okx", answers, symbols=["BTC/USDT:USDT"]) as canned:
        assert (await canned.venue.statement()).positions == {}


def a_stop(symbol: str) -> OrderRequest:
    return OrderRequest(
        client_order_id=OURS,
        symbol=symbol,
        side="buy",
        type="stop",
        quantity="0.0001",
        trigger_price="100444",  # type: ignore[arg-type]
    )


async def test_an_okx_order_that_was_taken_has_the_id_that_it_was_given() -> None:
    answers = {
        "POST /api/v5/trade/batch-orders": recorded("createOrder", "market swap order"),
        "GET /api/v5/trade/order": refused("unknown order"),
    }
    async with a_canned_venue("okx", answers, symbols=["BTC/USDT:USDT"]) as canned:
        order = an_order(symbol="BTC/USDT:USDT", quantity="0.0001")
        report = await canned.venue.submit(order, a_ticket(order))
    assert (report.state, report.venue_order_id, report.evidence) == (
        OrderState.WORKING,
        "2896576259728695296",
        "accepted",
    )


@pytest.mark.parametrize(
    ("body", "id"),
    [
        (lambda: recorded("createOrder", "trigger order"), "2896574163517353984"),
        (lambda: payload("okx", "http_place_algo_order_response"), "12345"),
    ],
    ids=["recorded", "documented"],
)
async def test_an_okx_stop_that_was_taken_has_the_id_that_it_was_given(body: Any, id: str) -> None:
    async with a_canned_venue("okx", {"POST /api/v5/trade/order-algo": body()}, symbols=["BTC/USDT:USDT"]) as canned:
        order = a_stop("BTC/USDT:USDT")
        report = await canned.venue.submit(order, a_ticket(order))
    assert (report.state, report.venue_order_id, report.evidence) == (OrderState.WORKING, id, "accepted")


async def test_an_okx_stop_may_be_refused_in_an_answer_that_says_all_is_well() -> None:
    answers = {"POST /api/v5/trade/order-algo": payload("okx", "http_place_algo_order_rejected")}
    async with a_canned_venue("okx", answers, symbols=["BTC/USDT:USDT"]) as canned:
        order = a_stop("BTC/USDT:USDT")
        report = await canned.venue.submit(order, a_ticket(order))
    assert (report.state, report.evidence) == (OrderState.REJECTED, "refused 51000")


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("POST /api/v5/trade/cancel-order", lambda: recorded("cancelOrder", "constructed")),
        ("POST /api/v5/trade/cancel-algos", lambda: recorded("cancelOrders", "cancel trigger orders")),
        ("POST /api/v5/trade/cancel-algos", lambda: payload("okx", "http_cancel_algo_order_response")),
    ],
    ids=["an order", "a stop", "a stop, documented"],
)
async def test_an_okx_cancel_is_believed_when_the_order_says_so(address: str, body: Any) -> None:
    stop = address.endswith("algos")
    row = (
        '{"algoId":"7","algoClOrdId":"order1","clOrdId":"","ordId":"","instId":"BTC-USDT-SWAP","ordType":"conditional",'
        '"state":"canceled","side":"buy","sz":"1","cTime":"1700000000000","uTime":"1700000000001"}'
        if stop
        else '{"ordId":"7","clOrdId":"order1","instId":"BTC-USDT-SWAP","ordType":"limit","state":"canceled",'
        '"side":"buy","sz":"1","accFillSz":"0","cancelSourceReason":"Order canceled by user",'
        '"cTime":"1700000000000","uTime":"1700000000001"}'
    )
    where = "GET /api/v5/trade/order-algo" if stop else "GET /api/v5/trade/order"
    gone = '{"code":"1","data":[{"sCode":"51400","sMsg":"Cancellation failed as the order does not exist"}],"msg":""}'
    answers = {"POST /api/v5/trade/cancel-order": gone, address: body(), where: wrapped(row)}
    async with a_canned_venue("okx", answers, symbols=["BTC/USDT:USDT"]) as canned:
        report = await canned.venue.cancel(OURS, "BTC/USDT:USDT")
    reason = "" if stop else "Order canceled by user"
    Order("BTC/USDT:USDT", OrderState.CANCELLED, "7", reason=reason, at=1700000000001).is_told_by(report)


@pytest.mark.parametrize(
    ("description", "becomes"),
    [
        ("insufficient funds", "refused 51008"),
        ("bad key", "refused 50111"),
        ("rate limit", None),
        ("service unavailable", None),
    ],
)
async def test_what_okx_says_to_an_order_refuses_it_or_proves_nothing(description: str, becomes: str | None) -> None:
    async with a_canned_venue(
        "okx", {"POST /api/v5/trade/batch-orders": refused(description)}, symbols=["BTC/USDT"]
    ) as canned:
        order = an_order(symbol="BTC/USDT")
        if becomes is None:
            with pytest.raises(OrderStateUnknown):
                await canned.venue.submit(order, a_ticket(order))
        else:
            report = await canned.venue.submit(order, a_ticket(order))
            assert (report.state, report.evidence) == (OrderState.REJECTED, becomes)


@pytest.mark.parametrize("description", ["rate limit", "bad key", "service unavailable"])
async def test_what_okx_says_to_a_question_is_no_answer(description: str) -> None:
    async with a_canned_venue(
        "okx", {"GET /api/v5/account/balance": refused(description)}, symbols=["BTC/USDT"]
    ) as canned:
        with pytest.raises(VenueUnavailable):
            await canned.venue.statement()


async def test_an_order_that_okx_does_not_know_is_none_once_enough_time_has_passed() -> None:
    async with a_canned_venue(
        "okx", {"GET /api/v5/trade/order": refused("unknown order")}, symbols=["BTC/USDT"]
    ) as canned:
        assert await canned.venue.find(OURS, "BTC/USDT", at(0)) is None


# Bybit.

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


async def test_bybit_open_orders_are_read_and_strangers_counted() -> None:
    body = payload("bybit", "http_get_orders_realtime")
    answers = {"GET /v5/order/realtime?symbol=ETHUSDT": ours(body, "client-open-1")}
    async with a_canned_venue("bybit", answers, symbols=[ETH]) as canned:
        statement = await canned.venue.statement()
    (report,) = statement.open_orders
    Order(ETH, OrderState.WORKING, "open-order-1", at=1761355905606).is_told_by(report)
    assert statement.strangers == 1


async def test_bybit_stops_wait_among_the_others() -> None:
    body = ours(payload("bybit", "http_get_orders_realtime_tp_sl"), "client-sl-001")
    async with a_canned_venue("bybit", {"GET /v5/order/realtime": body}, symbols=[BTC]) as canned:
        (report,) = await canned.venue.open_orders()
    Order(BTC, OrderState.WORKING, "sl-order-001", at=1672364262457).is_told_by(report)


@pytest.mark.parametrize(
    ("name", "theirs", "order"),
    [
        ("http_get_orders_history", "client-1", Order(BTC, OrderState.CANCELLED, "abcdef123456", at=1700000005000)),
        (
            "http_get_order_partially_filled_rejected",
            "O-20251001-164609-APEX-000-49",
            Order(
                BTC,
                OrderState.CANCELLED,
                "5cf98598-39a7-459e-97bf-76ca765ee021",
                "0.005",
                "30000",
                reason="INSUFFICIENT_MARGIN",
                at=1672364262457,
            ),
        ),
    ],
)
async def test_a_bybit_order_that_ended_is_found_in_the_history(name: str, theirs: str, order: Order) -> None:
    answers = {"GET /v5/order/history": ours(payload("bybit", name), theirs)}
    async with a_canned_venue("bybit", answers, symbols=[BTC]) as canned:
        order.is_told_by(await canned.venue.find(OURS, BTC))


async def test_bybit_trades_are_those_of_the_symbol() -> None:
    whole = payload("bybit", "http_get_executions")
    async with a_canned_venue("bybit", {"GET /v5/execution/list": whole}, symbols=[BTC]) as canned:
        with pytest.raises(VenueUnavailable, match="1 of 2 rows are of something else"):
            await canned.venue.trades(BTC, since=at(1672282722429))
    rows = [row for row in json.loads(whole)["result"]["list"] if row["symbol"] == "BTCUSDT"]
    answers = {"GET /v5/execution/list": [bybit_answer(rows), bybit_answer([])]}
    async with a_canned_venue("bybit", answers, symbols=[BTC]) as canned:
        (trade,) = await canned.venue.trades(BTC, since=at(1672282722429))
    assert trade == Trade(
        trade_id="e0cbe81d-0f18-5866-9415-cf319b5dab3b",
        venue_order_id="8c065341-7b52-4ca9-ac2c-37e31ac55c94",
        client_order_id="test-order-001",
        symbol=BTC,
        side="buy",
        quantity=Decimal("0.1"),
        price=Decimal(50_000),
        fee=Decimal("0.015"),
        at=at(1672282722429),
    )


async def test_a_bybit_portfolio_is_the_wallet_and_the_positions_at_their_entry() -> None:
    rows = json.loads(payload("bybit", "http_get_positions"))["result"]["list"]
    answers = {
        "GET /v5/account/wallet-balance": payload("bybit", "http_get_wallet_balance"),
        **{f"GET /v5/position/list?symbol={row['symbol']}": bybit_answer([row], category="linear") for row in rows},
    }
    async with a_canned_venue("bybit", answers, symbols=[BTC, ETH, "SOL/USDT:USDT"]) as canned:
        statement = await canned.venue.statement()
        portfolio = await canned.venue.portfolio()
    assert statement.balances == {"USDT": Decimal("1000.50")}
    assert statement.positions == {BTC: Decimal("0.5"), ETH: Decimal(-5)}
    assert statement.marks == {BTC: Decimal(50_500), ETH: Decimal(2_950)}
    assert portfolio.cash == Decimal("1000.50") - 25_000 + 15_000
    assert portfolio.unrealized == 250 + 250
    assert portfolio.equity == Decimal("1500.50")


@pytest.mark.parametrize("name", ["http_get_wallet_balance_spot_short", "http_get_wallet_balance_with_spot_borrow"])
async def test_a_bybit_wallet_is_its_wallet_balance(name: str) -> None:
    body = payload("bybit", name)
    coins = json.loads(body)["result"]["list"][0]["coin"]
    async with a_canned_venue("bybit", {"GET /v5/account/wallet-balance": body}, symbols=["BTC/USDT"]) as canned:
        statement = await canned.venue.statement()
    held = {coin["coin"]: Decimal(coin["walletBalance"]) for coin in coins}
    assert statement.balances == {name: amount for name, amount in held.items() if amount}


async def test_bybit_tells_what_a_key_may_do() -> None:
    answers = {"GET /v5/user/query-api": payload("bybit", "http_get_user_query_api")}
    async with a_canned_venue("bybit", answers, symbols=[BTC]) as canned:
        assert await canned.venue.rights() == KeyRights(account="1448939", trade=False, withdraw=False)


# Binance.


@pytest.mark.parametrize("address", ["order", "openOrders", "allOrders"])
async def test_a_binance_order_is_found_where_it_is_listed(address: str) -> None:
    names = {"order": "order_response", "openOrders": "open_orders_response", "allOrders": "all_orders_response"}
    body = ours(payload("binance", f"spot__http_json__{names[address]}"), "myOrder1")
    made = NOW_MS - 5_000  # such lists are read from the last days on
    answers = {f"GET /api/v3/{address}": body.replace("1499827319559", str(made))}
    async with a_canned_venue("binance", answers, symbols=["LTC/BTC"], currency="BTC") as canned:
        report = await canned.venue.find(OURS, "LTC/BTC")
    Order("LTC/BTC", OrderState.WORKING, "1", at=made).is_told_by(report)


async def test_a_binance_perpetual_order_is_found() -> None:
    body = ours(payload("binance", "futures__http_json__order_response"), "testOrder123")
    async with a_canned_venue("binance", {"GET /fapi/v1/order": body}, symbols=[BTC]) as canned:
        report = await canned.venue.find(OURS, BTC)
    Order(BTC, OrderState.WORKING, "12345678", at=1625474304765).is_told_by(report)


async def test_a_binance_stop_waits_in_a_list_of_its_own() -> None:
    body = ours(payload("binance", "futures__http_json__open_algo_orders"), "test-algo-order-1")
    async with a_canned_venue("binance", {"GET /fapi/v1/openAlgoOrders": body}, symbols=[BTC]) as canned:
        (report,) = await canned.venue.open_orders()
    Order(BTC, OrderState.WORKING, "123456789", at=1625474304765).is_told_by(report)


async def test_a_binance_order_that_was_filled_at_once_keeps_its_fills_and_fees() -> None:
    body = ours(payload("binance", "spot__http_json__new_order_full_response"), "6gCrw2kRUAF9CvJDGP16IP")
    told = json.loads(body)
    trades = [
        {
            "symbol": "BTCUSDT",
            "id": fill["tradeId"],
            "orderId": told["orderId"],
            "orderListId": -1,
            "price": fill["price"],
            "qty": fill["qty"],
            "commission": fill["commission"],
            "commissionAsset": fill["commissionAsset"],
            "time": told["transactTime"],
            "isBuyer": False,
            "isMaker": False,
        }
        for fill in told["fills"]
    ]
    row = {**{name: value for name, value in told.items() if name != "fills"}, "time": told["transactTime"]}
    answers = {
        "POST /api/v3/order": body,
        "GET /api/v3/order": json.dumps(row),
        "GET /api/v3/myTrades": json.dumps(trades),
    }
    async with a_canned_venue("binance", answers, symbols=["BTC/USDT"]) as canned:
        order = an_order("sell", "10", symbol="BTC/USDT")
        report = await canned.venue.submit(order, a_ticket(order))
    assert (report.state, report.filled, report.venue_order_id) == (OrderState.FILLED, Decimal(10), "28")
    assert [(fill.trade_id, fill.quantity, fill.price, fill.fee) for fill in report.fills] == [
        ("56", 1, 4000, 4),
        ("57", 5, 3999, Decimal("19.995")),
        ("58", 2, 3998, Decimal("7.996")),
        ("59", 1, 3997, Decimal("3.997")),
        ("60", 1, 3995, Decimal("3.995")),
    ]


async def test_a_binance_cancel_is_believed_when_the_order_says_so() -> None:
    body = ours(
        payload("binance", "spot__http_json__cancel_order_response"), '"origClientOrderId": "myOrder1"'
    ).replace(OURS, '"origClientOrderId": "order1"')
    row = {**json.loads(body), "clientOrderId": OURS, "time": 1684804350000, "updateTime": 1684804350068}
    answers = {"DELETE /api/v3/order": body, "GET /api/v3/order": json.dumps(row)}
    async with a_canned_venue("binance", answers, symbols=["LTC/BTC"], currency="BTC") as canned:
        report = await canned.venue.cancel(OURS, "LTC/BTC")
    Order("LTC/BTC", OrderState.CANCELLED, "4", at=1684804350068).is_told_by(report)


@pytest.mark.slow  # recorded in 2017, and Binance shows a day at a time
async def test_a_binance_trade_has_its_commission_in_its_own_currency() -> None:
    body = payload("binance", "spot__http_json__account_trades_response")
    answers = {"GET /api/v3/myTrades": body, "GET /api/v3/time": '{"serverTime":1499866000000}'}  # a day at a time
    async with a_canned_venue("binance", answers, symbols=["BNB/BTC"], currency="BTC") as canned:
        (trade,) = await canned.venue.trades("BNB/BTC", since=at(1499865549000))
    assert trade == Trade(
        trade_id="28457",
        venue_order_id="100234",
        symbol="BNB/BTC",
        side="buy",
        quantity=Decimal(12),
        price=Decimal("4.000001"),
        fee_base=Decimal("10.1"),
        at=at(1499865549590),
    )


async def test_a_binance_spot_wallet_is_what_is_free_and_what_is_locked() -> None:
    body = payload("binance", "spot__http_json__account_response")
    async with a_canned_venue("binance", {"GET /api/v3/account": body}, symbols=["LTC/BTC"], currency="BTC") as canned:
        statement = await canned.venue.statement()
        portfolio = await canned.venue.portfolio()
    assert statement.balances == {"BTC": Decimal("4723846.89208129"), "LTC": Decimal("4763368.68006011")}
    assert (portfolio.cash, portfolio.quantity("LTC/BTC")) == (Decimal("4723846.89208129"), Decimal("4763368.68006011"))
    assert portfolio.equity == portfolio.start_cash == portfolio.cash + portfolio.quantity("LTC/BTC") * 101


async def test_a_binance_perpetual_portfolio_is_its_wallet_and_its_position() -> None:
    answers = {
        "GET /fapi/v3/account": payload("binance", "futures__http_json__account_info_v2"),
        "GET /fapi/v3/positionRisk": payload("binance", "futures__http_json__position_risk"),
    }
    async with a_canned_venue("binance", answers, symbols=[BTC]) as canned:
        statement = await canned.venue.statement()
        portfolio = await canned.venue.portfolio()
    assert statement.balances == {"USDT": Decimal("23.72469206")}
    assert statement.positions == {BTC: Decimal("0.001")}
    assert statement.marks == {BTC: Decimal(51_000)}
    assert (portfolio.cash, portfolio.unrealized) == (Decimal("23.72469206") - 50, 1)
