"""The double as a Binance, as a client sees it: the real ccxt trades spot and perpetuals, and every fault shows."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from builders.binance_double import SPOT, SWAP, binance_client, binance_streams, impatient
from domain.clock import TickClock
from exchange_double import Bar, Credentials, Operation
from exchange_double.faults import (
    EVERY_FAULT,
    BalanceLag,
    ClockSkew,
    DuplicateFill,
    Ending,
    Fault,
    FilledBeforeCancel,
    FillsLate,
    FillsOutOfOrder,
    IdReused,
    Maintenance,
    Malformed,
    OrderHidden,
    PartialThenCancel,
    RateLimited,
    Reset,
    ServerError,
    Slow,
    Timeout,
)
from exchange_double.served import START, ServedDouble, binance_double

pytestmark = pytest.mark.slow  # the real ccxt on real sockets, for all that the dialect speaks

if TYPE_CHECKING:
    import ccxt.async_support as ccxt

BOTH = pytest.mark.parametrize("symbol", [SPOT, SWAP])


@pytest.fixture
def double(binance_double: ServedDouble) -> ServedDouble:
    """60,000 to 60,001 for two on either side of both BTC markets."""
    for symbol in (SPOT, SWAP):
        binance_double.engine.set_touch(symbol, bid="60000", ask="60001", size=2)
    return binance_double


async def rest(
    client: ccxt.binance, client_order_id: str = "a1", *, symbol: str = SPOT, price: str = "50000", amount: float = 0.1
) -> str:
    """A limit buy that waits below the market. Returns the exchange's id."""
    order = await client.create_order(symbol, "limit", "buy", amount, price, {"clientOrderId": client_order_id})
    return str(order["id"])


# Reading the market.


async def test_ccxt_loads_the_markets_with_their_grids_and_least_notionals(double: ServedDouble) -> None:
    async with binance_client(double) as client:
        assert set(client.markets) == set(double.engine.listings)
        assert client.markets[SPOT]["precision"]["amount"] == 1e-05
        assert client.markets[SPOT]["precision"]["price"] == 0.01
        assert client.markets[SPOT]["limits"]["amount"]["min"] == 1e-05
        assert client.markets[SPOT]["limits"]["cost"]["min"] == 5
        assert client.markets[SWAP]["limits"]["cost"]["min"] == 100
        assert (client.markets[SWAP]["contractSize"], client.markets[SWAP]["linear"]) == (1, True)


async def test_without_a_key_only_what_is_public_is_asked(double: ServedDouble) -> None:
    import ccxt

    async with binance_client(double, apiKey="", secret="") as client:
        assert (await client.fetch_ticker(SPOT))["bid"] == 60000
        with pytest.raises(ccxt.AuthenticationError):
            await client.fetch_balance()
    assert not any("signature" in entry.request.target for entry in double.journal)


@BOTH
async def test_ccxt_reads_time_book_touch_and_status(double: ServedDouble, symbol: str) -> None:
    async with binance_client(double) as client:
        assert abs(await client.fetch_time() - double.now.timestamp() * 1000) < 1000
        await rest(client, symbol=symbol, price="60000.5")
        book = await client.fetch_order_book(symbol, limit=5)
        assert [level[:2] for level in book["bids"]] == [[60000.5, 0.1], [60000, 2]]
        touch = (await client.fetch_bids_asks([symbol]))[symbol]
        assert (touch["bid"], touch["bidVolume"], touch["ask"]) == (60000.5, 0.1, 60001)
        assert (await client.fetch_tickers([symbol]))[symbol]["last"] == 60000.5
        assert (await client.fetch_status())["status"] == "ok"


async def test_a_futures_ticker_has_no_touch_but_there_is_a_mark_price(double: ServedDouble) -> None:
    double.engine.set_mark(SWAP, "60100")
    async with binance_client(double) as client:
        ticker = await client.fetch_ticker(SWAP)
        assert (ticker["last"], ticker["bid"], ticker["ask"]) == (60000.5, None, None)
        assert (await client.fetch_mark_price(SWAP))["markPrice"] == 60100
        rate = await client.fetch_funding_rate(SWAP)
        assert rate["fundingTimestamp"] == (START + timedelta(hours=8)).timestamp() * 1000
        assert (await client.fetch_last_prices([SPOT]))[SPOT]["price"] == 60000.5
        assert (await client.fetch_last_prices([SWAP]))[SWAP]["price"] == 60000.5


@BOTH
async def test_ccxt_reads_candles_page_by_page(double: ServedDouble, symbol: str) -> None:
    bars = [
        Bar(
            opened_at=START + timedelta(minutes=minute),
            open=Decimal(60_000 + minute),
            high=Decimal(60_010),
            low=Decimal(59_990),
            close=Decimal(60_000),
            volume=Decimal(3),
        )
        for minute in range(-5, 2)
    ]
    double.engine.set_bars(symbol, 60, bars)
    async with binance_client(double) as client:
        shown = await client.fetch_ohlcv(symbol, "1m")
        assert [row[1] for row in shown] == [60_000 + minute for minute in range(-5, 1)]
        assert [row[1] for row in await client.fetch_ohlcv(symbol, "1m", limit=2)] == [59_999, 60_000]
        since = int((START - timedelta(minutes=4)).timestamp() * 1000)
        assert [row[1] for row in await client.fetch_ohlcv(symbol, "1m", since=since, limit=2)] == [59_996, 59_997]


# Trading.


async def test_ccxt_trades_spot_from_order_to_balance(double: ServedDouble) -> None:
    async with binance_client(double) as client:
        order = await client.create_order(SPOT, "market", "buy", 0.5, None, {"clientOrderId": "a1"})
        assert (order["status"], order["filled"], order["average"]) == ("closed", 0.5, 60001)
        assert order["fee"] == {"cost": 0.0005, "currency": "BTC"}
        assert (await client.fetch_order(order["id"], SPOT))["filled"] == 0.5
        (trade,) = await client.fetch_my_trades(SPOT)
        assert (trade["order"], trade["amount"], trade["price"], trade["takerOrMaker"]) == (
            order["id"],
            0.5,
            60001,
            "taker",
        )
        assert trade["fee"] == {"cost": 0.0005, "currency": "BTC"}
        balance = await client.fetch_balance()
        assert balance["total"] == {"BTC": 0.4995, "ETH": 0, "USDT": 100_000 - 0.5 * 60001}


async def test_fills_and_fees_are_told_to_the_last_digit(double: ServedDouble) -> None:
    double.engine.set_touch(SPOT, bid="59999.99", ask="60000.01", size=2)
    async with binance_client(double) as client:
        await client.create_order(SPOT, "market", "buy", 0.00123)
        raw = await client.private_get_mytrades({"symbol": "BTCUSDT"})
        assert (raw[0]["price"], raw[0]["qty"], raw[0]["commission"]) == ("60000.01000000", "0.00123000", "0.00000123")
        await client.create_order(SPOT, "market", "sell", 0.00122)
        raw = await client.private_get_mytrades({"symbol": "BTCUSDT"})
        assert (raw[1]["commission"], raw[1]["commissionAsset"]) == ("0.0731999878", "USDT")
        balances = {row["asset"]: row["free"] for row in (await client.private_get_account())["balances"]}
    told = {
        "BTC": Decimal("0.00123") - Decimal(raw[0]["commission"]) - Decimal(raw[1]["qty"]),
        "USDT": 100_000 - Decimal(raw[0]["quoteQty"]) + Decimal(raw[1]["quoteQty"]) - Decimal(raw[1]["commission"]),
    }
    assert {name: Decimal(balances[name]) for name in told} == told


@BOTH
async def test_ccxt_finds_an_order_by_its_client_order_id_in_every_state(double: ServedDouble, symbol: str) -> None:
    async with binance_client(double) as client:
        order_id = await rest(client, symbol=symbol)
        assert [order["id"] for order in await client.fetch_open_orders(symbol)] == [order_id]
        double.engine.trade(symbol, price="49000", size="0.04")
        found = await client.fetch_order(None, symbol, {"clientOrderId": "a1"})
        assert (found["id"], found["status"], found["filled"], found["remaining"]) == (order_id, "open", 0.04, 0.06)
        await client.cancel_order(None, symbol, {"clientOrderId": "a1"})
        found = await client.fetch_order(order_id, symbol)
        assert (found["status"], found["filled"], found["clientOrderId"]) == ("canceled", 0.04, "a1")
        assert await client.fetch_open_orders(symbol) == []
        assert [order["id"] for order in await client.fetch_canceled_orders(symbol)] == [order_id]
        assert await client.fetch_closed_orders(symbol) == []


async def test_an_open_order_holds_its_cash_back_in_both_wallets(double: ServedDouble) -> None:
    async with binance_client(double) as client:
        await rest(client, "a1")
        await rest(client, "a2", symbol=SWAP)
        assert (await client.fetch_balance())["USDT"] == {"free": 94_500, "used": 5_500, "total": 100_000}
        swap = await client.fetch_balance({"type": "swap"})
        assert (swap["USDT"]["free"], swap["USDT"]["total"]) == (94_500, 100_000)


@pytest.mark.parametrize(
    ("symbol", "params", "price", "status"),
    [
        (SPOT, {"timeInForce": "IOC"}, 50000, "expired"),
        (SPOT, {"timeInForce": "FOK"}, 50000, "expired"),
        (SPOT, {"timeInForce": "IOC"}, 60001, "closed"),
        (SPOT, {"postOnly": True}, 50000, None),
        (SWAP, {"timeInForce": "IOC"}, 50000, "expired"),
        (SWAP, {"timeInForce": "FOK"}, 60001, "closed"),
        (SWAP, {"postOnly": True}, 50000, "open"),
    ],
    ids=str,
)
async def test_ccxt_places_orders_that_may_not_rest_or_not_take(
    double: ServedDouble, symbol: str, params: dict[str, object], price: float, status: str | None
) -> None:
    async with binance_client(double) as client:
        placed = await client.create_order(symbol, "limit", "buy", 0.1, price, params)
        if status is not None:
            assert placed["status"] == status
        order = await client.fetch_order(placed["id"], symbol)
        assert order["status"] == (status or "open")
        assert order["postOnly"] is params.get("postOnly", False)


async def test_ccxt_spends_an_amount_of_quote_currency(double: ServedDouble) -> None:
    async with binance_client(double) as client:
        order = await client.create_market_buy_order_with_cost(SPOT, 600.01)
        assert (order["status"], order["filled"], order["cost"]) == ("closed", 0.01, 600.01)


async def test_ccxt_trades_a_perpetual_from_position_to_funding(double: ServedDouble) -> None:
    async with binance_client(double) as client:
        await client.set_leverage(5, SWAP)
        await client.set_margin_mode("cross", SWAP)
        placed = await client.create_order(SWAP, "market", "sell", 0.02)
        assert (placed["status"], placed["average"]) == ("closed", 60000)
        (position,) = await client.fetch_positions([SWAP])
        assert (position["side"], position["contracts"], position["entryPrice"]) == ("short", 0.02, 60000)
        assert (position["initialMargin"], position["marginMode"], position["hedged"]) == (240, "cross", False)
        assert (await client.fetch_leverages([SWAP]))[SWAP]["longLeverage"] == 5
        double.engine.set_touch(SWAP, bid="59000", ask="59000.1")
        await client.create_order(SWAP, "market", "buy", 0.05, None, {"reduceOnly": True})
        assert await client.fetch_positions([SWAP]) == []
        last = (await client.fetch_my_trades(SWAP))[-1]
        assert (last["amount"], last["fee"]) == (0.02, {"cost": 0.590001, "currency": "USDT"})
        assert last["info"]["realizedPnl"] == "19.99800000"
        await client.create_order(SWAP, "market", "buy", 0.01)
        double.engine.set_mark(SWAP, "60000")
        double.engine.fund(SWAP, "0.0001")
        (funding,) = await client.fetch_funding_history(SWAP)
        assert (funding["amount"], funding["symbol"], funding["code"]) == (-0.06, SWAP, "USDT")


async def test_positions_balances_and_income_agree(double: ServedDouble) -> None:
    async with binance_client(double) as client:
        await client.create_order(SWAP, "market", "buy", 0.5)
        double.engine.set_mark(SWAP, "61001")
        (position,) = await client.fetch_positions()
        assert (position["unrealizedPnl"], position["notional"], position["markPrice"]) == (500, 30500.5, 61001)
        (asset,) = (await client.fapiprivatev3_get_account())["assets"]
        income = await client.fapiprivate_get_income()
        assert sum(Decimal(row["income"]) for row in income) == Decimal(asset["walletBalance"])
        assert Decimal(asset["marginBalance"]) == Decimal(asset["walletBalance"]) + 500
        (same,) = await client.fetch_account_positions([SWAP])
        assert (same["contracts"], same["unrealizedPnl"]) == (0.5, 500)


async def test_the_position_mode_is_one_way(double: ServedDouble) -> None:
    import ccxt

    async with binance_client(double) as client:
        assert (await client.fetch_position_mode(SWAP))["hedged"] is False
        with pytest.raises(ccxt.OperationRejected, match="-4059"):
            await client.set_position_mode(False, SWAP)
        with pytest.raises(ccxt.BadRequest, match="-1020"):
            await client.set_position_mode(True, SWAP)


async def test_a_batch_of_futures_orders_may_go_well_in_part(double: ServedDouble) -> None:
    def wanted(client_order_id: str, amount: float) -> dict[str, object]:
        params = {"clientOrderId": client_order_id}
        return {"symbol": SWAP, "type": "limit", "side": "buy", "amount": amount, "price": 50000, "params": params}

    async with binance_client(double) as client:
        placed = await client.create_orders([wanted("a1", 0.1), wanted("a2", 100), wanted("a3", 0.1)])
        assert {order["clientOrderId"]: order["status"] for order in placed} == {
            "a1": "open",
            None: "rejected",
            "a3": "open",
        }
        gone = await client.cancel_orders([], SWAP, {"clientOrderIds": ["a1", "a2"]})
        assert [(order["clientOrderId"], order["status"]) for order in gone] == [("a1", "canceled")]
        await client.cancel_orders([double.engine.open_orders[0].order_id], SWAP)
        await rest(client, symbol=SWAP)
        await client.cancel_all_orders(SWAP)
    assert double.engine.open_orders == ()


async def test_pages_of_trades_are_walked_by_their_id(double: ServedDouble) -> None:
    async with binance_client(double) as client:
        for _ in range(5):
            await client.create_order(SPOT, "market", "buy", 0.01)
        seen: list[str] = []
        start: dict[str, int] = {"fromId": 0}
        while page := await client.fetch_my_trades(SPOT, None, 2, start):
            seen += [row["id"] for row in page]
            start = {"fromId": int(page[-1]["id"]) + 1}
    assert seen == [fill.trade_id for fill in double.engine.fills]


async def test_a_trade_does_not_carry_the_clients_order_id(double: ServedDouble) -> None:
    async with binance_client(double) as client:
        for symbol in (SPOT, SWAP):
            order = await client.create_order(symbol, "market", "buy", 0.01, None, {"clientOrderId": "needle"})
            (trade,) = await client.fetch_my_trades(symbol)
            assert trade["order"] == order["id"]
            assert "needle" not in json.dumps(trade)
        with_orders = await client.fetch_order_trades(double.engine.orders[0].order_id, SPOT)
        assert len(with_orders) == 1


async def test_ccxt_asks_futures_for_a_week_of_trades_and_no_more(double: ServedDouble) -> None:
    async with binance_client(double) as client:
        since = int(double.now.timestamp() * 1000) - 1000
        await client.create_order(SWAP, "market", "buy", 0.01)
        double.advance(8 * 86_400)
        await client.load_time_difference()
        await client.create_order(SWAP, "market", "buy", 0.01)
        assert len(await client.fetch_my_trades(SWAP)) == 1
        assert len(await client.fetch_my_trades(SWAP, since)) == 1
        until = int(double.now.timestamp() * 1000)
        both = [*await client.fetch_my_trades(SWAP, since), *await client.fetch_my_trades(SWAP, until - 86_400_000)]
        assert [trade["id"] for trade in both] == [fill.trade_id for fill in double.engine.fills]


async def test_ccxt_reads_deposits_withdrawals_and_fees(double: ServedDouble) -> None:
    double.engine.deposit("USDT", "-1000.5")
    async with binance_client(double) as client:
        (deposit,) = await client.fetch_deposits()
        assert (deposit["amount"], deposit["currency"], deposit["status"]) == (100_000, "USDT", "ok")
        (withdrawal,) = await client.fetch_withdrawals("USDT")
        assert (withdrawal["amount"], withdrawal["status"], withdrawal["fee"]["cost"]) == (1000.5, "ok", 0)
        assert abs(withdrawal["timestamp"] - double.now.timestamp() * 1000) < 60_000
        ledger = await client.fetch_ledger("USDT", None, None, {"type": "swap"})
        assert [(entry["type"], entry["direction"], entry["amount"]) for entry in ledger] == [
            ("transfer", "in", 100_000),
            ("transfer", "out", 1000.5),
        ]
        assert (await client.fetch_trading_fee(SPOT))["taker"] == 0.001
        assert (await client.fetch_trading_fee(SWAP))["maker"] == 0.0002
        assert (await client.fetch_trading_fees())[SPOT]["maker"] == 0.001
        assert (await client.fetch_leverage_tiers([SWAP]))[SWAP][0]["maxLeverage"] == 125


@pytest.mark.parametrize("withdraws", [True, False])
async def test_a_key_says_what_it_may_do(withdraws: bool) -> None:
    key = Credentials(permissions=("read_only", "trade", *(("withdraw",) if withdraws else ())))
    with binance_double(credentials=key) as double:
        async with binance_client(double) as client:
            may = await client.sapi_get_account_apirestrictions()
    assert (may["enableReading"], may["enableSpotAndMarginTrading"], may["enableFutures"]) == (True, True, True)
    assert may["enableWithdrawals"] is withdraws


async def test_the_dead_mans_switch_fires_by_the_exchanges_clock(double: ServedDouble) -> None:
    async with binance_client(double) as client:
        await rest(client, "a1")
        await rest(client, "a2", symbol=SWAP)
        await client.fapiprivate_post_countdowncancelall({"symbol": "BTCUSDT", "countdownTime": 10_000})
        double.advance(11)
    assert [order.new.client_order_id for order in double.engine.open_orders] == ["a1"]


# Refusals.


@pytest.mark.parametrize(
    ("symbol", "order", "code", "error"),
    [
        (SPOT, ("market", "buy", 0.00001), "NOTIONAL", "BadRequest"),
        (SPOT, ("limit", "buy", 10, 60000), "-2010|insufficient balance", "InsufficientFunds"),
        (SPOT, ("limit", "buy", 0.1, 50000, {"clientOrderId": "not valid"}), "-1100", "BadRequest"),
        (SPOT, ("limit", "buy", 0.1, 50000, {"clientOrderId": "taken"}), "-2010", "InvalidOrder"),
        (SPOT, ("limit", "buy", 0.1, 60001, {"postOnly": True}), "immediately match", "OrderImmediatelyFillable"),
        (SPOT, ("limit", "buy", 0.1, 50000, {"icebergAmount": 0.01}), "-1104", "BadRequest"),
        (SPOT, ("limit", "buy", 0.1, 50000, {"marginMode": "cross"}), "does not speak", "ExchangeError"),
        (SWAP, ("market", "buy", 0.001), "-4164", "InvalidOrder"),
        (SWAP, ("limit", "buy", 100, 60000), "-2019", "InsufficientFunds"),
        (SWAP, ("limit", "buy", 0.1, 50000, {"clientOrderId": "taken"}), "-4116", "InvalidOrder"),
        (SWAP, ("market", "buy", 0.1, None, {"reduceOnly": True}), "-2022", "InvalidOrder"),
        (SWAP, ("limit", "buy", 0.1, 60001, {"postOnly": True}), "-5022", "OrderNotFillable"),
        (SWAP, ("limit", "buy", 0.1, 50000, {"timeInForce": "FOK"}), "-5021", "OrderNotFillable"),
        (SWAP, ("market", "buy", 0.1, None, {"hedged": True}), "-4061", "OperationRejected"),
    ],
    ids=str,
)
async def test_a_refused_order_is_an_error_that_ccxt_knows(
    double: ServedDouble, symbol: str, order: tuple[object, ...], code: str, error: str
) -> None:
    import ccxt

    async with binance_client(double) as client:
        await rest(client, "taken", symbol=symbol)
        with pytest.raises(getattr(ccxt, error), match=code):
            await client.create_order(symbol, *order)
    assert len(double.engine.orders) == 1


@BOTH
@pytest.mark.parametrize("end", ["fill", "cancel", None])
async def test_cancelling_what_is_not_open_is_an_unknown_order(
    double: ServedDouble, symbol: str, end: str | None
) -> None:
    import ccxt

    async with binance_client(double) as client:
        order_id = await rest(client, symbol=symbol)
        if end:
            getattr(double.engine, end)(order_id)
        with pytest.raises(ccxt.OrderNotFound, match="-2011"):
            await client.cancel_order(order_id if end else "1", symbol)


@pytest.mark.parametrize(("part", "code"), [("secret", "-1022"), ("apiKey", "-2015")])
async def test_a_request_must_be_signed_by_who_it_says(double: ServedDouble, part: str, code: str) -> None:
    import ccxt

    async with binance_client(double) as client:
        setattr(client, part, "wrong")
        with pytest.raises(ccxt.AuthenticationError, match=code):
            await client.fetch_balance()


async def test_ccxt_takes_a_key_that_no_longer_works_for_a_ban(double: ServedDouble) -> None:
    """What a venue must know of ccxt: once a key has worked on spot, -2015 is no authentication error."""
    import ccxt

    async with binance_client(double) as client:
        await client.fetch_balance()
        client.apiKey = "revoked"
        with pytest.raises(ccxt.DDoSProtection, match="-2015"):
            await client.fetch_balance()


async def test_nothing_that_ccxt_may_ask_leaves_this_machine(double: ServedDouble) -> None:
    async with binance_streams(double) as client:
        asked, streams = {}, {}
        for environment in ("api", "test", "demo"):
            addresses = dict(client.urls[environment])
            sockets = addresses.pop("ws")
            asked[environment] = addresses.values()
            streams[environment] = [*sockets.pop("ws-api").values(), *sockets.values()]
    assert [len(urls) for urls in asked.values()] == [22, 12, 12]
    assert [len(urls) for urls in streams.values()] == [8, 8, 8]
    assert [url for urls in asked.values() for url in urls if not url.startswith(double.url)] == []
    at = double.url.replace("http", "ws")
    assert [url for urls in streams.values() for url in urls if not url.startswith(at)] == []


@pytest.mark.parametrize("switch", ["set_sandbox_mode", "enable_demo_trading"])
async def test_a_key_of_the_sandbox_needs_ccxts_switch(switch: str) -> None:
    import ccxt.async_support as ccxt

    with binance_double(credentials=Credentials(sandbox=True)) as double:
        client = ccxt.binance({**double.client_settings(), "enableRateLimit": False, "verify": False})
        client.timeout_on_exit = 0
        try:
            with pytest.raises(ccxt.AuthenticationError, match="-2015"):
                await client.load_markets()
            getattr(client, switch)(True)
            assert (await client.fetch_balance())["total"]["USDT"] == 100_000
            assert (await client.fetch_balance({"type": "swap"}))["total"] == {"USDT": 100_000}
        finally:
            await client.close()


async def test_an_address_that_is_not_spoken_is_not_found_and_is_in_the_journal(double: ServedDouble) -> None:
    import ccxt

    async with binance_client(double) as client:
        with pytest.raises(ccxt.ExchangeError, match="does not speak"):
            await client.fetch_trades(SPOT)
    assert [entry.operation for entry in double.journal][-1] is None


# Faults that end a request.


@BOTH
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Timeout(accepted=True), "RequestTimeout"),
        (Timeout(accepted=False), "RequestTimeout"),
        (Reset(accepted=True), "ExchangeNotAvailable"),
        (Reset(accepted=False), "ExchangeNotAvailable"),
        (RateLimited(), "DDoSProtection"),
        (RateLimited(accepted=True), "DDoSProtection"),
        (ServerError(), "ExchangeNotAvailable"),
        (ServerError(status=504, accepted=True), "RequestTimeout"),
        (ServerError(status=408, accepted=True), "RequestTimeout"),
        (ServerError(status=408), "RequestTimeout"),
        (ServerError(status=500, accepted=True), "OperationFailed"),
        (ServerError(status=503, accepted=True), "OperationFailed"),
        (ServerError(status=418), "DDoSProtection"),
        (Maintenance(), "OnMaintenance"),
    ],
    ids=str,
)
async def test_a_submit_without_an_answer_is_accepted_or_not(
    double: ServedDouble, symbol: str, fault: Ending, error: str
) -> None:
    import ccxt

    async with binance_client(double) as client:
        double.faults.add(fault, on=Operation.PLACE)
        patience = impatient(client) if isinstance(fault, Timeout) else nullcontext()
        with patience, pytest.raises(getattr(ccxt, error)) as raised:
            await rest(client, symbol=symbol)
        assert type(raised.value) is getattr(ccxt, error)
        assert [order["clientOrderId"] for order in await client.fetch_open_orders(symbol)] == ["a1"] * fault.accepted
    (entry,) = double.journal.of(Operation.PLACE)
    assert entry.carried_out is fault.accepted
    assert entry.faults == (type(fault).__name__,)
    assert double.faults.waiting == ()


async def test_a_rate_limit_says_when_to_ask_again(double: ServedDouble) -> None:
    import ccxt

    async with binance_client(double) as client:
        double.faults.add(RateLimited(), on=Operation.BALANCE)
        double.faults.add(ServerError(status=418), on=Operation.BALANCE)
        for status, seconds in (("429", "1"), ("418", "120")):
            with pytest.raises(ccxt.DDoSProtection, match=status):
                await client.fetch_balance()
            assert client.last_response_headers["Retry-After"] == seconds


@BOTH
async def test_ccxt_does_not_know_a_broken_answer_for_one(double: ServedDouble, symbol: str) -> None:
    """What a venue must know of ccxt: it hands on a body that isn't JSON, and its own parsing then raises or not."""
    async with binance_client(double) as client:
        await rest(client, symbol=symbol)
        double.faults.add(Malformed(), on=Operation.OPEN_ORDERS)
        with pytest.raises(AttributeError, match="'str' object has no attribute 'keys'"):
            await client.fetch_open_orders(symbol)
        double.faults.add(Malformed(), on=Operation.PLACE)
        lost = await client.create_order(symbol, "limit", "buy", 0.1, 50000, {"clientOrderId": "a2"})
        assert (lost["id"], lost["status"]) == (None, None)
        double.faults.add(Malformed(), on=Operation.ORDER)
        assert (await client.fetch_order(None, symbol, {"clientOrderId": "a2"}))["status"] is None
        double.faults.add(Malformed(), on=Operation.FILLS)
        (phantom,) = await client.fetch_my_trades(symbol)
        assert (phantom["info"], phantom["id"], phantom["amount"]) == ("[", None, None)
        double.faults.add(Malformed(), on=Operation.BALANCE)
        assert (await client.fetch_balance())["total"] == {}
    assert double.journal.of(Operation.PLACE)[-1].orders == (double.engine.orders[-1].order_id,)


async def test_maintenance_is_announced_for_as_long_as_it_is_scripted(double: ServedDouble) -> None:
    import ccxt

    async with binance_client(double) as client:
        double.faults.add(Maintenance(), on=set(Operation) - {Operation.STATUS}, times=None)
        for _ in range(2):
            with pytest.raises(ccxt.OnMaintenance):
                await client.fetch_balance()
        assert (await client.fetch_status())["status"] == "maintenance"
        double.faults.clear()
        assert (await client.fetch_status())["status"] == "ok"
        await client.fetch_balance()


async def test_a_slow_answer_comes_all_the_same(double: ServedDouble) -> None:
    async with binance_client(double) as client:
        double.faults.add(Slow(seconds=0.05), on=Operation.PLACE)
        await rest(client)
    assert double.journal.of(Operation.PLACE)[0].faults == ("Slow",)


@pytest.mark.parametrize("seconds", [-2, 11, -31, 61], ids=str)
async def test_a_clock_a_second_behind_or_a_window_ahead_refuses_every_signature(
    double: ServedDouble, seconds: int
) -> None:
    import ccxt

    async with binance_client(double) as client:
        double.faults.add(ClockSkew(seconds=seconds), times=None)
        with pytest.raises(ccxt.InvalidNonce, match="-1021"):
            await client.fetch_balance()
        with pytest.raises(ccxt.InvalidNonce, match="-1021"):
            await rest(client)
        await client.load_time_difference()
        await client.fetch_balance()


async def test_a_clock_that_stands_is_soon_too_far_behind_its_client() -> None:
    import ccxt

    with binance_double(clock=TickClock(START)) as double:
        async with binance_client(double) as client:
            client.options["timeDifference"] -= 1_500
            with pytest.raises(ccxt.InvalidNonce, match="1000ms ahead"):
                await client.fetch_balance()


# Faults that bend what is done and shown.


@BOTH
async def test_an_order_can_be_filled_in_part_and_then_expired_by_the_venue(double: ServedDouble, symbol: str) -> None:
    async with binance_client(double) as client:
        double.faults.add(PartialThenCancel(part=Decimal("0.3")), times=2)
        for kind, price in (("market", None), ("limit", 50000)):
            placed = await client.create_order(symbol, kind, "buy", 0.1, price)
            order = await client.fetch_order(placed["id"], symbol)
            assert (order["status"], order["filled"]) == ("expired", 0.03)


@BOTH
async def test_an_order_can_fill_before_its_cancel_arrives(double: ServedDouble, symbol: str) -> None:
    import ccxt

    async with binance_client(double) as client:
        order_id = await rest(client, symbol=symbol)
        double.faults.add(FilledBeforeCancel())
        with pytest.raises(ccxt.OrderNotFound, match="-2011"):
            await client.cancel_order(order_id, symbol)
        assert (await client.fetch_order(order_id, symbol))["status"] == "closed"


@BOTH
async def test_a_client_order_id_is_taken_again_after_a_fill_without_any_fault(
    double: ServedDouble, symbol: str
) -> None:
    async with binance_client(double) as client:
        double.engine.fill(await rest(client, "a1", symbol=symbol))
        again = await rest(client, "a1", symbol=symbol)
        assert (await client.fetch_order(None, symbol, {"clientOrderId": "a1"}))["id"] == again
        double.engine.fill(again)
        double.faults.add(IdReused())
        await rest(client, "a1", symbol=symbol)
    assert double.placed_twice() == ("a1",)
    assert double.faults.waiting == ()


@BOTH
@pytest.mark.parametrize(
    ("hidden", "wait_s"), [(OrderHidden(looks=3), 0), (OrderHidden(looks=0, seconds=5), 5)], ids=["looks", "seconds"]
)
async def test_a_new_order_can_be_hidden_from_every_query(
    double: ServedDouble, hidden: OrderHidden, wait_s: int, symbol: str
) -> None:
    import ccxt

    async with binance_client(double) as client:
        double.faults.add(hidden)
        order_id = await rest(client, symbol=symbol)
        with pytest.raises(ccxt.OrderNotFound, match="-2013"):
            await client.fetch_order(order_id, symbol)
        assert await client.fetch_open_orders(symbol) == []
        assert await client.fetch_orders(symbol) == []
        double.advance(wait_s)
        await client.load_time_difference()
        assert (await client.fetch_order(order_id, symbol))["status"] == "open"


async def test_a_hidden_order_leaves_the_older_one_of_its_client_order_id_to_be_found(double: ServedDouble) -> None:
    async with binance_client(double) as client:
        older = await rest(client)
        double.engine.fill(older)
        double.faults.add(OrderHidden(looks=1))
        newer = await rest(client)
        assert (await client.fetch_order(None, SPOT, {"clientOrderId": "a1"}))["id"] == older
        assert (await client.fetch_order(None, SPOT, {"clientOrderId": "a1"}))["id"] == newer


async def test_balances_and_positions_can_lag_behind_a_fill(double: ServedDouble) -> None:
    async with binance_client(double) as client:
        double.faults.add(BalanceLag(), on=Operation.BALANCE, times=2)
        double.faults.add(BalanceLag(), on=Operation.POSITIONS)
        await client.create_order(SWAP, "market", "buy", 0.1)
        assert (await client.fetch_balance())["total"]["USDT"] == 100_000
        assert (await client.fetch_balance({"type": "swap"}))["total"] == {"USDT": 100_000}
        assert await client.fetch_positions() == []
        assert (await client.fetch_balance())["total"]["USDT"] < 100_000
        assert len(await client.fetch_positions()) == 1


@BOTH
async def test_fills_can_come_twice_late_and_out_of_order(double: ServedDouble, symbol: str) -> None:
    async def seen(client: ccxt.binance) -> list[str]:
        ask = client.private_get_mytrades if symbol == SPOT else client.fapiprivate_get_usertrades
        return [str(row["id"]) for row in await ask({"symbol": "BTCUSDT"})]

    async with binance_client(double) as client:
        for _ in range(4):
            await client.create_order(symbol, "market", "buy", 0.01)
        oldest_first = [fill.trade_id for fill in double.engine.fills]
        for fault, expected in (
            (DuplicateFill(), oldest_first + oldest_first[-1:]),
            (FillsLate(), oldest_first[:-1]),
        ):
            double.faults.add(fault)
            assert await seen(client) == expected
        double.faults.add(FillsOutOfOrder(seed=1))
        shuffled = await seen(client)
        assert shuffled != oldest_first
        assert sorted(shuffled) == oldest_first
        assert await seen(client) == oldest_first


@pytest.mark.parametrize("fault", EVERY_FAULT, ids=str)
async def test_any_fault_anywhere_leaves_the_double_usable(double: ServedDouble, fault: Fault) -> None:
    import ccxt

    def steps(symbol: str) -> list[Callable[[ccxt.binance], Awaitable[object]]]:
        one, two, three = (f"{'spot' if symbol == SPOT else 'swap'}{number}" for number in (1, 2, 3))
        return [
            lambda client: client.create_order(symbol, "market", "buy", 0.1, None, {"clientOrderId": one}),
            lambda client: client.create_order(symbol, "market", "buy", 0.1, None, {"clientOrderId": two}),
            lambda client: rest(client, three, symbol=symbol),
            lambda client: client.fetch_order(None, symbol, {"clientOrderId": three}),
            lambda client: client.fetch_my_trades(symbol),
            lambda client: client.cancel_order(None, symbol, {"clientOrderId": three}),
            lambda client: client.fetch_balance(),
        ]

    async with binance_client(double) as client:
        for symbol in (SPOT, SWAP):
            before = len(double.journal)
            double.faults.add(fault, times=2)
            with impatient(client) if isinstance(fault, Timeout) else nullcontext():
                for step in steps(symbol):
                    try:
                        await step(client)
                    except ccxt.BaseError:
                        continue
            double.faults.clear()
            double.advance(60)
            await client.load_time_difference()
            balance = await client.fetch_balance()
            assert balance["total"]["USDT"] == float(double.engine.funds().balances["USDT"].cash)
            assert any(type(fault).__name__ in entry.faults for entry in list(double.journal)[before:])
    assert double.placed_twice() == ()
