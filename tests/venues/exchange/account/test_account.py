"""The account at an exchange: what its key may do, what it is set to, what moved money besides trades."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest

from builders.canned_venue import NOW, NOW_MS, a_canned_venue, bybit_answer
from builders.live_venue import SPOT, SWAP, Stage, a_stage
from builders.markets import a_ticket, an_order
from domain.errors import OrderStateUnknown, Refused, VenueUnavailable
from domain.order import OrderState
from domain.statement import KeyRights, Transfer
from exchange_double import NewOrder, Operation
from exchange_double.faults import ServerError

AN_HOUR_AGO = NOW - timedelta(hours=1)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as stage:
        yield stage


# What is held.


async def test_a_statement_has_what_is_locked_what_is_held_and_what_may_trade(stage: Stage) -> None:
    bought = an_order(symbol=SPOT, quantity="0.5")
    waiting = an_order(symbol=SPOT, quantity="0.5", limit="50000", id="order2")
    short = an_order("sell", "0.05", symbol=SWAP, id="order3")
    for order in (bought, waiting, short):
        await stage.venue.submit(order, a_ticket(order, id=order.client_order_id))
    statement = await stage.venue.statement()
    fee = Decimal("0.05") * 60_000 * Decimal("0.0005")
    assert statement.balances == {"BTC": Decimal("0.4995"), "USDT": 100_000 - Decimal("30000.5") - fee}
    assert statement.positions == {SWAP: Decimal("-0.05")}
    assert statement.marks[SPOT] == Decimal("60000.5")
    assert [order.client_order_id for order in statement.open_orders] == ["order2"]
    portfolio = await stage.venue.portfolio()
    assert portfolio.quantity(SWAP) == Decimal("-0.05")
    assert portfolio.equity == portfolio.start_cash + portfolio.unrealized


async def test_a_statement_is_whole_without_the_mark_of_a_book_that_does_not_come(stage: Stage) -> None:
    whole = await stage.venue.statement()
    stage.double.faults.add(ServerError(), on=Operation.BOOK, times=None)
    found = await stage.venue.statement()
    assert (whole.marks.keys(), found.marks) == ({SPOT}, {})
    assert (found.balances, found.positions) == (whole.balances, whole.positions)


async def test_trades_are_read_page_by_page_to_the_last_one(stage: Stage) -> None:
    stage.double.engine.set_touch(SPOT, bid="60000", ask="60001", size=1_000)
    for _ in range(205):
        stage.double.engine.place(_a_buy())
    trades = await stage.venue.trades(SPOT, since=stage.now())
    assert [trade.trade_id for trade in trades] == [fill.trade_id for fill in stage.double.engine.fills]
    assert await stage.venue.trades(SPOT, since=stage.now() + timedelta(seconds=1)) == []


async def test_open_orders_are_read_page_by_page_and_the_strangers_counted(stage: Stage) -> None:
    for n in range(130):
        stage.double.engine.place(_a_bid(f"order{n}" if n % 2 else f"Stranger{n}"))
    statement = await stage.venue.statement()
    assert (len(statement.open_orders), statement.strangers) == (65, 65)


def _a_buy() -> NewOrder:
    return NewOrder(symbol=SPOT, side="buy", type="market", quantity=Decimal("0.001"))


def _a_bid(client_order_id: str) -> NewOrder:
    return NewOrder(
        symbol=SPOT,
        side="buy",
        type="limit",
        quantity=Decimal("0.001"),
        limit_price=Decimal(50_000),
        client_order_id=client_order_id,
    )


# OKX.


async def test_okx_tells_whose_key_it_is_and_what_it_may_do(stage: Stage) -> None:
    assert await stage.venue.rights() == KeyRights(account="1", trade=True, withdraw=False)


async def test_an_okx_key_that_can_withdraw_says_so() -> None:
    config = json.dumps({"code": "0", "data": [{"uid": "7", "perm": "read_only,withdraw,trade"}], "msg": ""})
    async with a_canned_venue("okx", {"GET /api/v5/account/config": config}, symbols=[SPOT]) as canned:
        assert await canned.venue.rights() == KeyRights(account="7", trade=True, withdraw=True)


async def test_okx_is_set_to_net_positions_or_refuses_with_what_to_do(stage: Stage) -> None:
    assert await stage.venue.prepare() == ("positions are in net mode",)
    config = json.dumps({"code": "0", "data": [{"posMode": "long_short_mode", "acctLv": "2"}], "msg": ""})
    done = '{"code":"0","data":[{"posMode":"net_mode"}],"msg":""}'
    held = '{"code":"59000","data":[],"msg":"Setting failed. Cancel any open orders, close positions first."}'
    for answer, refuses in ((done, False), (held, True)):
        answers = {"GET /api/v5/account/config": config, "POST /api/v5/account/set-position-mode": answer}
        async with a_canned_venue("okx", answers, symbols=[SWAP]) as canned:
            if refuses:
                with pytest.raises(Refused, match="choose one-way"):
                    await canned.venue.prepare()
            else:
                assert await canned.venue.prepare() == ("positions were set to net mode",)


async def test_an_okx_account_that_can_hold_no_perpetual_is_refused() -> None:
    config = json.dumps({"code": "0", "data": [{"posMode": "net_mode", "acctLv": "1"}], "msg": ""})
    async with a_canned_venue("okx", {"GET /api/v5/account/config": config}, symbols=[SWAP]) as canned:
        with pytest.raises(Refused, match="spot mode"):
            await canned.venue.prepare()


async def test_the_dead_man_switch_cancels_what_rests_unless_it_is_armed_again(stage: Stage) -> None:
    order = an_order(symbol=SPOT, quantity="0.1", limit="50000")
    await stage.venue.submit(order, a_ticket(order))
    assert await stage.venue.keep_alive(timeout_s=15)
    stage.present.at += timedelta(seconds=14)
    assert await stage.venue.keep_alive(timeout_s=15)
    stage.present.at += timedelta(seconds=14)
    assert len(await stage.venue.open_orders()) == 1
    stage.present.at += timedelta(seconds=1)
    found = await stage.venue.find(order.client_order_id, SPOT)
    assert found is not None
    assert (found.state, found.reason) == (OrderState.CANCELLED, "Cancel all after triggered")


async def test_a_dead_man_switch_that_was_not_confirmed_is_an_error(stage: Stage) -> None:
    stage.double.faults.add(ServerError(), on=Operation.CANCEL_AFTER)
    with pytest.raises(VenueUnavailable, match="not confirmed"):
        await stage.venue.keep_alive(timeout_s=15)
    assert await stage.venue.keep_alive(timeout_s=0)


async def test_okx_bills_that_are_no_trades_are_transfers(stage: Stage) -> None:
    order = an_order("sell", "0.05", symbol=SWAP)
    await stage.venue.submit(order, a_ticket(order))
    stage.double.engine.set_mark(SWAP, "60000")
    stage.double.engine.fund(SWAP, "0.0001")
    stage.double.engine.deposit("USDT", -500)
    told = await stage.venue.transfers(since=stage.now())
    assert told is not None
    assert [(one.kind, one.currency, one.amount, one.symbol) for one in told] == [
        ("deposit", "USDT", 100_000, None),
        ("funding", "USDT", Decimal("0.3"), SWAP),
        ("withdrawal", "USDT", -500, None),
    ]
    assert await stage.venue.transfers(since=stage.now() + timedelta(seconds=1)) == []


@pytest.mark.parametrize(
    ("funding", "held", "out_of_reach"),
    [
        ('[{"ccy":"BTC","availBal":"1"},{"ccy":"USDT","availBal":"7.5","bal":"9","frozenBal":"1.5"}]', "0", "7.5"),
        ('[{"ccy":"USDT","availBal":"7.5"}]', "0.1", "0"),
        ('[{"ccy":"BTC","availBal":"1"}]', "0", "0"),
        ("[]", "0", "0"),
    ],
)
async def test_what_lies_in_okx_funding_account_is_out_of_reach(funding: str, held: str, out_of_reach: str) -> None:
    answers = {
        "GET /api/v5/asset/balances": f'{{"code":"0","data":{funding},"msg":""}}',
        "GET /api/v5/account/balance": json.dumps(
            {"code": "0", "data": [{"details": [{"ccy": "USDT", "cashBal": held}]}], "msg": ""}
        ),
    }
    async with a_canned_venue("okx", answers, symbols=[SPOT]) as canned:
        assert await canned.venue.out_of_reach() == Decimal(out_of_reach)


async def test_demo_trading_has_no_funding_account() -> None:
    async with a_stage(sandbox=True) as stage:
        assert await stage.venue.out_of_reach() == 0
        assert stage.double.journal.of(Operation.BALANCE) == ()


async def test_another_exchange_is_not_asked_for_a_funding_account() -> None:
    async with a_canned_venue("binance", {}, symbols=[SPOT]) as canned:
        assert await canned.venue.out_of_reach() == 0
        assert canned.asked == []


async def test_a_bill_that_cannot_be_read_is_an_error() -> None:
    bills = json.dumps({"code": "0", "data": [{"billId": "1", "type": "1", "ccy": "USDT", "balChg": ""}], "msg": ""})
    async with a_canned_venue("okx", {"GET /api/v5/account/bills-archive": bills}, symbols=[SPOT]) as canned:
        with pytest.raises(VenueUnavailable):
            await canned.venue.transfers(since=AN_HOUR_AGO)


# Binance.


async def test_binance_tells_what_a_key_may_do() -> None:
    answers = {
        "GET /sapi/v1/account/apiRestrictions": '{"enableWithdrawals":true,"enableSpotAndMarginTrading":true}',
        "GET /api/v3/account": '{"uid":354937868,"balances":[]}',
    }
    async with a_canned_venue("binance", answers, symbols=[SPOT]) as canned:
        assert await canned.venue.rights() == KeyRights(account="354937868", trade=True, withdraw=True)


async def test_binance_is_set_to_one_way_positions_and_cross_margin() -> None:
    answers = {
        "POST /fapi/v1/positionSide/dual": '{"code":-4059,"msg":"No need to change position side."}',
        "POST /fapi/v1/marginType": '{"code":200,"msg":"success"}',
    }
    async with a_canned_venue("binance", answers, symbols=[SWAP]) as canned:
        assert await canned.venue.prepare() == ["one-way mode: so already", f"cross margin of {SWAP}: set"]
        ((_, body),) = canned.sent("POST /fapi/v1/positionSide/dual")
        assert dict(parse_qsl(body))["dualSidePosition"] == "false"
    answers["POST /fapi/v1/positionSide/dual"] = '{"code":-4068,"msg":"Position side cannot be changed."}'
    async with a_canned_venue("binance", answers, symbols=[SWAP]) as canned:
        with pytest.raises(Refused, match="one-way mode can't be had"):
            await canned.venue.prepare()


async def test_binance_spot_needs_no_setting_and_has_no_switch() -> None:
    async with a_canned_venue("binance", {}, symbols=[SPOT]) as canned:
        assert await canned.venue.prepare() == ()
        assert await canned.venue.keep_alive(timeout_s=15) is False


async def test_binance_counts_down_each_perpetual() -> None:
    answers = {"POST /fapi/v1/countdownCancelAll": '{"symbol":"BTCUSDT","countdownTime":"15000"}'}
    async with a_canned_venue("binance", answers, symbols=[SWAP]) as canned:
        assert await canned.venue.keep_alive(timeout_s=15) is True
        ((_, body),) = canned.sent("POST /fapi/v1/countdownCancelAll")
    asked = dict(parse_qsl(body))
    assert (asked["symbol"], asked["countdownTime"]) == ("BTCUSDT", "15000")


async def test_binance_income_that_is_no_trades_is_transfers() -> None:
    def income(kind: str, amount: str, id: int, symbol: str = "") -> dict[str, object]:
        return {
            "incomeType": kind,
            "income": amount,
            "asset": "USDT",
            "tranId": id,
            "symbol": symbol,
            "time": NOW_MS - 1_000,
        }

    rows = [
        income("TRANSFER", "-5.5", 1),
        income("FUNDING_FEE", "-0.25", 2, "BTCUSDT"),
        income("COMMISSION", "-1", 3, "BTCUSDT"),
        income("REALIZED_PNL", "9", 4, "BTCUSDT"),
    ]
    async with a_canned_venue("binance", {"GET /fapi/v1/income": json.dumps(rows)}, symbols=[SWAP]) as canned:
        told = await canned.venue.transfers(since=AN_HOUR_AGO)
    at = NOW - timedelta(seconds=1)
    assert told == [
        Transfer(
            id="FUNDING_FEE-2-BTCUSDT", kind="funding", currency="USDT", amount=Decimal("-0.25"), symbol=SWAP, at=at
        ),
        Transfer(id="TRANSFER-1-USDT", kind="withdrawal", currency="USDT", amount=Decimal("-5.5"), at=at),
    ]


async def test_a_binance_id_that_is_taken_is_looked_up() -> None:
    row = {
        "symbol": "BTCUSDT",
        "orderId": 9,
        "clientOrderId": "order1",
        "price": "0",
        "origQty": "1",
        "executedQty": "0",
        "cummulativeQuoteQty": "0",
        "status": "NEW",
        "type": "MARKET",
        "side": "BUY",
        "time": NOW_MS - 3_600_000,  # an earlier process sent it
        "updateTime": NOW_MS - 3_600_000,
    }
    answers = {
        "POST /api/v3/order": '{"code":-2010,"msg":"Duplicate order sent."}',
        "GET /api/v3/openOrders": [json.dumps([row]), "[]"],
    }
    async with a_canned_venue("binance", answers, symbols=[SPOT]) as canned:
        order = an_order(symbol=SPOT)
        report = await canned.venue.submit(order, a_ticket(order))
        assert (report.state, report.venue_order_id) == (OrderState.WORKING, "9")
        canned.present.at += timedelta(hours=1)
        with pytest.raises(OrderStateUnknown, match="not visible"):  # it was there: it is never said not to be
            await canned.venue.find(order.client_order_id, SPOT)


async def test_a_binance_perpetual_in_two_directions_is_an_error() -> None:
    def side(name: str, amount: str) -> dict[str, str]:
        return {"symbol": "BTCUSDT", "positionSide": name, "positionAmt": amount, "entryPrice": "1", "markPrice": "1"}

    answers = {"GET /fapi/v3/positionRisk": json.dumps([side("LONG", "1"), side("SHORT", "-0.5")])}
    async with a_canned_venue("binance", answers, symbols=[SWAP]) as canned:
        with pytest.raises(VenueUnavailable, match="does not net them"):
            await canned.venue.statement()


async def test_binance_spot_and_perpetuals_are_two_wallets_of_one_account() -> None:
    answers = {
        "GET /api/v3/account": '{"balances":[{"asset":"USDT","free":"1.5","locked":"0.5"}]}',
        "GET /fapi/v3/account": '{"assets":[{"asset":"USDT","walletBalance":"3","marginBalance":"99"}]}',
    }
    async with a_canned_venue("binance", answers, symbols=[SPOT, SWAP]) as canned:
        assert (await canned.venue.statement()).balances == {"USDT": Decimal(5)}


# Bybit.


async def test_bybit_is_set_to_one_way_positions_symbol_by_symbol() -> None:
    same = '{"retCode":110025,"retMsg":"Position mode is not modified","result":{}}'
    async with a_canned_venue("bybit", {"POST /v5/position/switch-mode": same}, symbols=[SPOT, SWAP]) as canned:
        assert await canned.venue.prepare() == [f"positions in {SWAP} are one-way"]
        assert await canned.venue.keep_alive(timeout_s=15) is False
    held = '{"retCode":110024,"retMsg":"You have an existing position","result":{}}'
    async with a_canned_venue("bybit", {"POST /v5/position/switch-mode": held}, symbols=[SWAP]) as canned:
        with pytest.raises(Refused, match="can't be set to one-way mode"):
            await canned.venue.prepare()


async def test_the_bybit_log_without_its_trades_is_transfers() -> None:
    def entry(id: str, kind: str, change: str, symbol: str = "") -> dict[str, str]:
        return {
            "id": id,
            "type": kind,
            "change": change,
            "currency": "USDT",
            "symbol": symbol,
            "transactionTime": str(NOW_MS - 1_000),
        }

    first = bybit_answer([entry("a", "TRANSFER_IN", "50"), entry("b", "TRADE", "-3", "BTCUSDT")], nextPageCursor="next")
    second = bybit_answer([entry("c", "SETTLEMENT", "-0.5", "BTCUSDT")])
    async with a_canned_venue("bybit", {"GET /v5/account/transaction-log": [first, second]}, symbols=[SWAP]) as canned:
        told = await canned.venue.transfers(since=AN_HOUR_AGO)
    assert told is not None
    assert [(one.id, one.kind, one.amount, one.symbol) for one in told] == [
        ("a", "deposit", 50, None),
        ("c", "funding", Decimal("-0.5"), SWAP),
    ]


async def test_bybit_lists_are_walked_by_their_cursor() -> None:
    def row(n: int) -> dict[str, str]:
        return {
            "orderId": str(n),
            "orderLinkId": f"order{n}",
            "symbol": "BTCUSDT",
            "side": "Buy",
            "orderStatus": "New",
            "orderType": "Limit",
            "qty": "1",
            "cumExecQty": "0",
            "createdTime": str(NOW_MS + n),
            "updatedTime": str(NOW_MS + n),
        }

    pages = [bybit_answer([row(1)], nextPageCursor="next"), bybit_answer([row(2)])]
    async with a_canned_venue("bybit", {"GET /v5/order/realtime": pages}, symbols=[SWAP]) as canned:
        reports = await canned.venue.open_orders()
        cursors = [query.get("cursor") for query, _ in canned.sent("GET /v5/order/realtime")]
    assert [report.client_order_id for report in reports] == ["order1", "order2"]
    assert cursors == [None, "next"]


@pytest.mark.parametrize(
    ("code", "evidence"), [(110007, "refused 110007"), (10002, "refused 10002"), (10016, None), (10006, None)]
)
async def test_what_bybit_says_to_an_order_refuses_it_or_proves_nothing(code: int, evidence: str | None) -> None:
    answers = {"POST /v5/order/create": json.dumps({"retCode": code, "retMsg": "said", "result": {}})}
    async with a_canned_venue("bybit", answers, symbols=[SWAP]) as canned:
        order = an_order(symbol=SWAP)
        if evidence is None:
            with pytest.raises(OrderStateUnknown):
                await canned.venue.submit(order, a_ticket(order))
        else:
            assert (await canned.venue.submit(order, a_ticket(order))).evidence == evidence


# Any other.


@pytest.mark.parametrize(
    "answer",
    ['{"code":"0","data":[],"msg":""}', '{"code":"0","data":[{"sCode":"0","ordId":""}]}', "[]", "null", "{}", "x"],
)
async def test_an_answer_to_an_order_without_an_id_proves_nothing(answer: str) -> None:
    async with a_canned_venue("okx", {"POST /api/v5/trade/batch-orders": answer}, symbols=[SPOT]) as canned:
        order = an_order(symbol=SPOT)
        with pytest.raises(OrderStateUnknown):
            await canned.venue.submit(order, a_ticket(order))
        assert len(canned.sent("POST /api/v5/trade/batch-orders")) == 1


async def test_the_sandbox_is_another_host_or_a_header() -> None:
    async with a_stage(sandbox=True) as stage:
        with pytest.raises(VenueUnavailable, match="50101"):
            await stage.venue.portfolio()
        assert stage.double.journal.of(Operation.BALANCE)[-1].request.headers["x-simulated-trading"] == "1"
