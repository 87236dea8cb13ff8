"""The double's Bybit as a client sees it: the real ccxt trades on it, and every fault shows."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from builders.bybit_double import SPOT, SWAP, bybit_client, impatient
from exchange_double import Bar, Credentials, NewOrder, Operation
from exchange_double.bybit.wire import SPOKEN
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
from exchange_double.served import START, RunningClock, ServedDouble, bybit_double

pytestmark = pytest.mark.slow  # the real ccxt on real sockets, for all that the dialect speaks

if TYPE_CHECKING:
    import ccxt.async_support as ccxt

PAGE = Path(__file__).parents[1] / "README.md"


@pytest.fixture
def double(bybit_double: ServedDouble) -> ServedDouble:
    """60,000 to 60,001 for two on either side of both BTC markets."""
    for symbol in (SPOT, SWAP):
        bybit_double.engine.set_touch(symbol, bid="60000", ask="60001", size=2)
    return bybit_double


async def rest(client: ccxt.bybit, client_order_id: str = "a1", *, price: float = 50_000, symbol: str = SPOT) -> str:
    """A limit buy of 0.1 that waits below the market. Returns the exchange's id."""
    order = await client.create_order(symbol, "limit", "buy", 0.1, price, {"clientOrderId": client_order_id})
    return str(order["id"])


async def named(client: ccxt.bybit, client_order_id: str = "a1", symbol: str = SPOT) -> ccxt.base.types.Order:
    """The order under a client's id, open or not. ccxt would send `None` as an id, which goes before the other."""
    return await client.fetch_order("", symbol, {"orderLinkId": client_order_id})


# Reading the market.


async def test_ccxt_loads_the_markets_with_their_grids(double: ServedDouble) -> None:
    import ccxt.async_support as ccxt

    client = ccxt.bybit(double.client_settings())
    client.timeout_on_exit = 0
    try:
        await client.load_markets()
    finally:
        await client.close()
    assert set(client.markets) == set(double.engine.listings)
    assert client.markets[SPOT]["precision"] == {"amount": 0.000001, "price": 0.1}
    assert client.markets[SPOT]["limits"]["cost"]["min"] == 5
    assert client.markets[SWAP]["contractSize"] == 1
    assert client.markets[SWAP]["linear"]
    assert set(client.currencies) >= {"BTC", "ETH", "USDT"}
    assert {entry.status for entry in double.journal} == {200}


async def test_ccxt_reads_time_ticker_book_and_status(double: ServedDouble) -> None:
    async with bybit_client(double) as client:
        assert 0 <= await client.fetch_time() - START.timestamp() * 1000 < 60_000
        ticker = await client.fetch_ticker(SPOT)
        assert (ticker["bid"], ticker["ask"], ticker["askVolume"]) == (60000, 60001, 2)
        assert (await client.fetch_ticker(SWAP))["markPrice"] == 60000.5
        await rest(client, price=60000.5)
        book = await client.fetch_order_book(SPOT)
        assert [level[:2] for level in book["bids"]] == [[60000.5, 0.1], [60000, 2]]
        assert (await client.fetch_status())["status"] == "ok"
        fee = await client.fetch_trading_fee(SWAP)
        assert (fee["symbol"], fee["maker"], fee["taker"]) == (SWAP, 0.0002, 0.00055)


async def test_ccxt_reads_candles_page_by_page(double: ServedDouble) -> None:
    bars = [
        Bar(
            opened_at=START + timedelta(minutes=minute),
            open=Decimal(60_000 + minute),
            high=Decimal(60_010),
            low=Decimal(59_990),
            close=Decimal(60_000),
            volume=Decimal(3),
        )
        for minute in range(-5, 5)
    ]
    double.engine.set_bars(SPOT, 60, bars)
    async with bybit_client(double) as client:
        shown = await client.fetch_ohlcv(SPOT, "1m")
        assert [row[1] for row in shown] == [60_000 + minute for minute in range(-5, 1)]
        since = int((START - timedelta(minutes=4)).timestamp() * 1000)
        assert [row[1] for row in await client.fetch_ohlcv(SPOT, "1m", since=since, limit=2)] == [59_996, 59_997]
        assert [row[1] for row in await client.fetch_ohlcv(SPOT, "1m", limit=2)] == [59_999, 60_000]
        until = {"until": since}
        assert [row[1] for row in await client.fetch_ohlcv(SPOT, "1m", params=until)] == [59_995, 59_996]


# Trading.


async def test_ccxt_trades_spot_from_order_to_balance(double: ServedDouble) -> None:
    async with bybit_client(double) as client:
        placed = await client.create_order(SPOT, "market", "buy", 0.5, None, {"clientOrderId": "a1"})
        assert (placed["status"], placed["filled"], placed["clientOrderId"]) == (None, None, "a1")
        order = await client.fetch_order(placed["id"], SPOT)
        assert (order["status"], order["filled"], order["average"]) == ("closed", 0.5, 60001)
        assert order["fee"] == {"cost": 0.0005, "currency": "BTC"}
        (trade,) = await client.fetch_my_trades(SPOT)
        assert (trade["order"], trade["amount"], trade["price"]) == (order["id"], 0.5, 60001)
        assert (trade["takerOrMaker"], trade["info"]["orderLinkId"]) == ("taker", "a1")
        assert trade["fee"] == {"cost": 0.0005, "currency": "BTC", "rate": 0.001}
        balance = await client.fetch_balance()
        assert balance["total"] == {"BTC": 0.4995, "USDT": 100_000 - 0.5 * 60001}
        await client.create_order(SPOT, "market", "sell", 0.4)
        (_, sold) = await client.fetch_my_trades(SPOT)
        assert sold["fee"] == {"cost": 24, "currency": "USDT", "rate": 0.001}
        assert (await client.fetch_balance())["total"] == {"BTC": 0.0995, "USDT": 69_999.5 + 24_000 - 24}


async def test_fills_and_fees_are_told_to_the_last_digit(double: ServedDouble) -> None:
    double.engine.set_touch(SPOT, bid="60000", ask="60001.3", size="0.123457")
    async with bybit_client(double) as client:
        await client.create_order(SPOT, "limit", "buy", 0.333333, 60_001.3, {"clientOrderId": "a1"})
        double.engine.trade(SPOT, price="60001.3")
        trades = [trade["info"] for trade in await client.fetch_my_trades(SPOT)]
        order = (await named(client))["info"]
        (wallet,) = (await client.fetch_balance())["info"]["result"]["list"]
    assert [(row["execQty"], row["execFee"]) for row in trades] == [
        ("0.123457", "0.000123457"),
        ("0.209876", "0.000209876"),
    ]
    assert (order["cumExecQty"], order["cumExecFee"], order["cumExecValue"]) == (
        "0.333333",
        "0.000333333",
        "20000.4133329",
    )
    held = {coin["coin"]: Decimal(coin["walletBalance"]) for coin in wallet["coin"]}
    assert held == {"BTC": Decimal("0.332999667"), "USDT": 100_000 - Decimal("20000.4133329")}


@pytest.mark.parametrize("symbol", [SPOT, SWAP], ids=["spot", "linear"])
async def test_ccxt_finds_an_order_by_its_client_order_id_in_every_state(double: ServedDouble, symbol: str) -> None:
    async with bybit_client(double) as client:
        order_id = await rest(client, symbol=symbol)
        assert [order["id"] for order in await client.fetch_open_orders(symbol)] == [order_id]
        held = 5_000 if symbol == SPOT else 500
        assert (await client.fetch_balance())["used"]["USDT"] == held
        double.engine.trade(symbol, price="49000", size="0.04")
        found = await named(client, symbol=symbol)
        assert (found["status"], found["filled"], found["remaining"]) == ("open", 0.04, 0.06)
        await client.cancel_order(None, symbol, {"orderLinkId": "a1"})
        found = await client.fetch_order(order_id, symbol)
        assert (found["status"], found["filled"]) == ("closed" if symbol == SPOT else "canceled", 0.04)
        assert (await named(client, symbol=symbol))["id"] == order_id
        assert await client.fetch_open_orders(symbol) == []
        assert [order["id"] for order in await client.fetch_canceled_and_closed_orders(symbol)] == [order_id]
        assert await client.fetch_closed_orders(symbol) == []


async def test_ccxt_sends_a_missing_id_as_one_that_nobody_has(double: ServedDouble) -> None:
    """What a venue must know: `fetch_order(None, ...)` asks for the order `None`, and the other id is passed over."""
    import ccxt

    async with bybit_client(double) as client:
        await rest(client)
        with pytest.raises(ccxt.OrderNotFound):
            await client.fetch_order(None, SPOT, {"orderLinkId": "a1"})
        (found,) = await client.fetch_open_orders(SPOT, params={"orderLinkId": "a1"})
    assert "orderId=None&" in double.journal.of(Operation.ORDER)[0].request.target
    assert found["clientOrderId"] == "a1"


@pytest.mark.parametrize(
    ("order", "status", "filled", "time_in_force"),
    [
        (("limit", "buy", 0.1, 60_001), "closed", 0.1, "GTC"),
        (("limit", "buy", 3, 50_000, {"timeInForce": "IOC"}), "canceled", 0, "IOC"),
        (("limit", "buy", 1.6, 60_001, {"timeInForce": "FOK"}), "closed", 1.6, "FOK"),
        (("limit", "buy", 0.1, 60_001, {"postOnly": True}), "canceled", 0, "PO"),
        (("limit", "buy", 0.1, 50_000, {"postOnly": True}), "open", 0, "PO"),
        (("market", "buy", 0.1), "closed", 0.1, "IOC"),
    ],
    ids=["limit", "ioc", "fok", "post-only takes", "post-only rests", "market"],
)
@pytest.mark.parametrize("symbol", [SPOT, SWAP], ids=["spot", "linear"])
async def test_ccxt_places_orders_of_every_type(
    double: ServedDouble, symbol: str, order: tuple[object, ...], status: str, filled: float, time_in_force: str
) -> None:
    double.engine.deposit("USDT", 100_000)
    async with bybit_client(double) as client:
        placed = await client.create_order(symbol, *order)
        found = await client.fetch_order(placed["id"], symbol)
    assert (found["status"], found["filled"], found["timeInForce"]) == (status, filled, time_in_force)
    assert (found["type"], found["side"]) == order[:2]


async def test_a_market_buy_on_spot_can_spend_a_sum(double: ServedDouble) -> None:
    async with bybit_client(double) as client:
        await client.create_market_buy_order_with_cost(SPOT, 6000.1, {"clientOrderId": "a1"})
        order = await named(client)
        assert (order["status"], order["filled"], order["cost"], order["amount"]) == ("closed", 0.1, 6000.1, 0.1)
        assert order["info"]["marketUnit"] == "quoteCoin"


async def test_ccxt_trades_a_perpetual_from_position_to_funding(double: ServedDouble) -> None:
    async with bybit_client(double) as client:
        await client.set_leverage(5, SWAP)
        await client.create_order(SWAP, "market", "sell", 0.2)
        (position,) = await client.fetch_positions([SWAP])
        assert (position["side"], position["contracts"], position["entryPrice"]) == ("short", 0.2, 60000)
        assert (position["leverage"], position["initialMargin"], position["hedged"]) == (5, 2400, False)
        double.engine.set_touch(SWAP, bid="59000", ask="59000.1")
        await client.create_order(SWAP, "market", "buy", 0.5, None, {"reduceOnly": True})
        assert await client.fetch_positions() == []
        assert [flat["contracts"] for flat in await client.fetch_positions([SWAP])] == [0]
        last = (await client.fetch_my_trades(SWAP))[-1]
        assert (last["amount"], last["info"]["execPnl"], last["info"]["closedSize"]) == (0.2, "199.98", "0.2")
        await client.create_order(SWAP, "market", "buy", 0.1)
        double.engine.set_mark(SWAP, "60000")
        double.engine.fund(SWAP, "0.0001")
        (funding,) = await client.fetch_ledger("USDT", params={"type": "SETTLEMENT"})
        assert (funding["direction"], funding["amount"], funding["info"]["funding"]) == ("out", 0.6, "-0.6")
        (paid,) = await client.fetch_funding_history(SWAP)
        assert paid["amount"] == 0.6


async def test_a_batch_may_go_well_in_part(double: ServedDouble) -> None:
    def wanted(client_order_id: str, amount: float) -> dict[str, object]:
        params = {"clientOrderId": client_order_id}
        return {"symbol": SPOT, "type": "limit", "side": "buy", "amount": amount, "price": 50000, "params": params}

    async with bybit_client(double) as client:
        placed = await client.create_orders([wanted("a1", 0.1), wanted("a2", 100), wanted("a3", 0.1)])
        assert [order["status"] for order in placed] == [None, "rejected", None]
        await client.cancel_orders([], SPOT, {"clientOrderIds": ["a1"]})
        await client.cancel_orders([placed[2]["id"]], SPOT)
    assert double.engine.open_orders == ()


async def test_ccxt_cancels_all_orders_of_a_market(double: ServedDouble) -> None:
    async with bybit_client(double) as client:
        for name, symbol in (("a1", SPOT), ("a2", SWAP)):
            await rest(client, name, symbol=symbol)
            (cancelled,) = await client.cancel_all_orders(symbol)
            assert cancelled["clientOrderId"] == name
    assert double.engine.open_orders == ()


async def test_ccxt_walks_the_pages_of_trades_by_their_cursor(double: ServedDouble) -> None:
    for _ in range(120):
        double.engine.place(NewOrder(symbol=SPOT, side="buy", type="market", quantity=Decimal("0.001")))
    async with bybit_client(double) as client:
        trades = await client.fetch_my_trades(SPOT, params={"paginate": True})
    assert sorted(trade["id"] for trade in trades) == [fill.trade_id for fill in double.engine.fills]
    cursors = ["cursor=" in entry.request.target for entry in double.journal.of(Operation.FILLS)]
    assert cursors == [False, True, True]


async def test_the_dead_mans_switch_alone_cancels_nothing(double: ServedDouble) -> None:
    async with bybit_client(double) as client:
        await rest(client)
        await client.cancel_all_orders_after(10_000, {"type": "spot"})
        double.advance(60)
    assert len(double.engine.open_orders) == 1


# Refusals.


@pytest.mark.parametrize(
    ("order", "code", "error"),
    [
        ((SPOT, "market", "buy", 0.00001), 170140, "InvalidOrder"),
        ((SPOT, "limit", "buy", 10, 60000), 170131, "InsufficientFunds"),
        ((SWAP, "limit", "buy", 100, 60000), 110007, "InsufficientFunds"),
        ((SPOT, "limit", "buy", 0.1, 50000, {"clientOrderId": "not valid"}), 10001, "BadRequest"),
        ((SPOT, "limit", "buy", 0.1, 50000, {"clientOrderId": "taken"}), 170141, "InvalidOrder"),
        ((SWAP, "limit", "buy", 0.1, 50000, {"clientOrderId": "taken"}), 110072, "InvalidOrder"),
        ((SWAP, "market", "sell", 0.1, None, {"reduceOnly": True}), 110017, "InvalidOrder"),
        ((SWAP, "limit", "buy", 0.1, 50000, {"stopLoss": {"triggerPrice": 40000}}), 10001, "BadRequest"),
    ],
    ids=[
        "too small",
        "no funds",
        "no margin",
        "bad id",
        "id taken",
        "id taken elsewhere",
        "nothing to reduce",
        "stop loss",
    ],
)
async def test_a_refused_order_is_an_answer_with_status_200(
    double: ServedDouble, order: tuple[object, ...], code: int, error: str
) -> None:
    import ccxt

    async with bybit_client(double) as client:
        await rest(client, "taken")
        with pytest.raises(getattr(ccxt, error), match=f'"retCode": {code},'):
            await client.create_order(*order)
    assert len(double.engine.orders) == 1
    assert double.journal.of(Operation.PLACE)[-1].status == 200


@pytest.mark.parametrize(("symbol", "code"), [(SPOT, "170213"), (SWAP, "110001")])
async def test_cancelling_what_is_not_open_does_not_say_why(double: ServedDouble, symbol: str, code: str) -> None:
    import ccxt

    async with bybit_client(double) as client:
        double.engine.fill(filled := await rest(client, symbol=symbol))
        for order_id in (filled, "1"):
            with pytest.raises(ccxt.OrderNotFound, match=code):
                await client.cancel_order(order_id, symbol)


@pytest.mark.parametrize(
    ("settings", "code"), [({"secret": "wrong"}, "10004"), ({"apiKey": "wrong"}, "10003")], ids=["secret", "key"]
)
async def test_a_request_must_be_signed_by_who_it_says(
    double: ServedDouble, settings: dict[str, object], code: str
) -> None:
    import ccxt

    async with bybit_client(double, has={"fetchCurrencies": False}, **settings) as client:
        with pytest.raises(ccxt.AuthenticationError, match=code):
            await client.fetch_balance()


async def test_a_key_says_what_it_may_do() -> None:
    with bybit_double(credentials=Credentials(permissions=("read_only", "trade", "withdraw"))) as double:
        async with bybit_client(double) as client:
            told = (await client.private_get_v5_user_query_api())["result"]
    assert (told["readOnly"], told["permissions"]["Wallet"]) == (0, ["AccountTransfer", "Withdraw"])


async def test_ccxts_sandbox_switch_stays_on_this_machine() -> None:
    import ccxt

    with bybit_double(credentials=Credentials(sandbox=True)) as double:
        async with bybit_client(double, has={"fetchCurrencies": False}) as client:
            with pytest.raises(ccxt.AuthenticationError, match="10003"):
                await client.fetch_balance()
            client.set_sandbox_mode(True)
            assert (await client.fetch_balance())["total"] == {"USDT": 100_000}


async def test_ccxts_demo_environment_is_not_spoken_and_stays_on_this_machine(double: ServedDouble) -> None:
    import ccxt

    async with bybit_client(double) as client:
        client.enable_demo_trading(True)
        with pytest.raises(ccxt.BadRequest, match="does not speak GET /demo/v5"):
            await client.fetch_balance()
    assert [entry.operation for entry in double.journal][-1] is None


# Faults that end a request.


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Timeout(accepted=True), "RequestTimeout"),
        (Timeout(accepted=False), "RequestTimeout"),
        (Reset(accepted=True), "ExchangeNotAvailable"),
        (Reset(accepted=False), "ExchangeNotAvailable"),
        (RateLimited(), "RateLimitExceeded"),
        (RateLimited(accepted=True), "RateLimitExceeded"),
        (ServerError(), "ExchangeNotAvailable"),
        (ServerError(status=504, accepted=True), "RequestTimeout"),
        (ServerError(status=403), "RateLimitExceeded"),
        (ServerError(status=200), "ExchangeError"),
        (ServerError(status=200, accepted=True), "ExchangeError"),
        (Maintenance(), "ExchangeError"),
        (Maintenance(accepted=True), "ExchangeError"),
    ],
    ids=str,
)
async def test_a_submit_without_an_answer_is_accepted_or_not(double: ServedDouble, fault: Ending, error: str) -> None:
    import ccxt

    async with bybit_client(double) as client:
        await client.fetch_balance()
        double.faults.add(fault, on=Operation.PLACE)
        patience = impatient(client) if isinstance(fault, Timeout) else nullcontext()
        with patience, pytest.raises(getattr(ccxt, error)):
            await rest(client)
        assert [order["clientOrderId"] for order in await client.fetch_open_orders(SPOT)] == ["a1"] * fault.accepted
    (entry,) = double.journal.of(Operation.PLACE)
    assert entry.carried_out is fault.accepted
    assert entry.faults == (type(fault).__name__,)
    assert double.faults.waiting == ()


@pytest.mark.parametrize(
    ("fault", "code"), [(Maintenance(accepted=True), "10016"), (ServerError(status=200, accepted=True), "10000")]
)
async def test_ccxt_takes_an_error_inside_the_exchange_for_a_refusal(
    double: ServedDouble, fault: Ending, code: str
) -> None:
    """What a venue must know of ccxt: these are no `NetworkError`, and yet they say nothing about the order."""
    import ccxt

    async with bybit_client(double) as client:
        await client.fetch_balance()
        double.faults.add(fault, on=Operation.PLACE)
        with pytest.raises(ccxt.ExchangeError, match=code) as raised:
            await rest(client)
        assert not isinstance(raised.value, ccxt.NetworkError)
        assert (await named(client))["status"] == "open"
    assert double.journal.of(Operation.PLACE)[0].status == 200


async def test_a_rate_limit_of_the_account_is_an_answer_with_status_200(double: ServedDouble) -> None:
    import ccxt

    async with bybit_client(double) as client:
        double.faults.add(RateLimited(), on=Operation.TICKER)
        with pytest.raises(ccxt.RateLimitExceeded, match="10006"):
            await client.fetch_ticker(SPOT)
    assert double.journal.of(Operation.TICKER)[0].status == 200


async def test_ccxt_reads_a_broken_answer_as_no_open_orders(double: ServedDouble) -> None:
    """What a venue must know of ccxt: its `fetch` hands on a body that isn't JSON without raising."""
    async with bybit_client(double) as client:
        await rest(client)
        double.faults.add(Malformed(), on=Operation.OPEN_ORDERS)
        assert await client.fetch_open_orders(SPOT) == []
        assert len(await client.fetch_open_orders(SPOT)) == 1
        double.faults.add(Malformed(), on=Operation.PLACE)
        lost = await client.create_order(SPOT, "limit", "buy", 0.1, 50000, {"clientOrderId": "a2"})
        assert lost["id"] is None
    assert double.journal.of(Operation.PLACE)[-1].orders == (double.engine.orders[-1].order_id,)


async def test_a_reset_read_is_asked_again_by_aiohttp_itself(double: ServedDouble) -> None:
    async with bybit_client(double) as client:
        double.faults.add(Reset(accepted=True), on=Operation.OPEN_ORDERS)
        assert await client.fetch_open_orders(SPOT) == []
    assert [entry.outcome for entry in double.journal.of(Operation.OPEN_ORDERS)] == ["reset", "answered"]


async def test_maintenance_is_announced_for_as_long_as_it_is_scripted(double: ServedDouble) -> None:
    import ccxt

    async with bybit_client(double) as client:
        await client.fetch_balance()
        double.faults.add(Maintenance(), on=set(Operation) - {Operation.STATUS}, times=None)
        for _ in range(3):
            with pytest.raises(ccxt.ExchangeError, match="10016"):
                await client.fetch_balance()
        assert (await client.fetch_status())["status"] == "maintenance"
        double.faults.clear()
        assert (await client.fetch_status())["status"] == "ok"
        await client.fetch_balance()


async def test_an_answer_slower_than_the_client_is_a_timeout(double: ServedDouble) -> None:
    import ccxt

    async with bybit_client(double) as client:
        await client.fetch_balance()
        double.faults.add(Slow(seconds=30), on=Operation.PLACE)
        with impatient(client), pytest.raises(ccxt.RequestTimeout):
            await rest(client)
        assert len(double.engine.open_orders) == 1


@pytest.mark.parametrize("seconds", [-31, 61], ids=["behind", "ahead"])
async def test_a_clock_off_by_more_than_its_window_refuses_every_signature(double: ServedDouble, seconds: int) -> None:
    import ccxt

    async with bybit_client(double) as client:
        await client.fetch_balance()
        double.faults.add(ClockSkew(seconds=seconds), times=None)
        with pytest.raises(ccxt.InvalidNonce, match="10002"):
            await client.fetch_balance()
        await client.load_time_difference()
        await client.fetch_balance()


def test_a_running_clock_goes_on_by_itself() -> None:
    clock = RunningClock()
    first = clock.now()
    while clock.now() == first:
        continue
    assert START <= first < clock.now() < START + timedelta(minutes=1)


# Faults that bend what is done and shown.


async def test_an_order_can_be_filled_in_part_and_then_cancelled_by_the_venue(double: ServedDouble) -> None:
    async with bybit_client(double) as client:
        double.faults.add(PartialThenCancel(part=Decimal("0.3")), times=2)
        for kind, price in (("market", None), ("limit", 50000)):
            placed = await client.create_order(SWAP, kind, "buy", 0.1, price)
            order = await client.fetch_order(placed["id"], SWAP)
            assert (order["status"], order["filled"]) == ("canceled", 0.03)


async def test_an_order_can_fill_before_its_cancel_arrives(double: ServedDouble) -> None:
    import ccxt

    async with bybit_client(double) as client:
        order_id = await rest(client)
        double.faults.add(FilledBeforeCancel())
        with pytest.raises(ccxt.OrderNotFound, match="170213"):
            await client.cancel_order(order_id, SPOT)
        assert (await client.fetch_order(order_id, SPOT))["status"] == "closed"


async def test_orders_can_fill_before_all_are_cancelled(double: ServedDouble) -> None:
    async with bybit_client(double) as client:
        order_id = await rest(client)
        double.faults.add(FilledBeforeCancel())
        assert await client.cancel_all_orders(SPOT) == []
        assert (await client.fetch_order(order_id, SPOT))["status"] == "closed"


async def test_a_client_order_id_can_be_taken_again_after_a_fill(double: ServedDouble) -> None:
    async with bybit_client(double) as client:
        double.engine.fill(await rest(client, "a1"))
        double.faults.add(IdReused())
        again = await rest(client, "a1")
        assert (await named(client))["id"] == again
    assert double.placed_twice() == ("a1",)


@pytest.mark.parametrize(
    ("hidden", "wait_s"), [(OrderHidden(looks=2), 0), (OrderHidden(looks=0, seconds=30), 30)], ids=["looks", "seconds"]
)
async def test_a_new_order_can_be_hidden_from_every_query(
    double: ServedDouble, hidden: OrderHidden, wait_s: int
) -> None:
    import ccxt

    async with bybit_client(double) as client:
        double.faults.add(hidden)
        order_id = await rest(client)
        with pytest.raises(ccxt.OrderNotFound):
            await client.fetch_order(order_id, SPOT)
        assert await client.fetch_open_orders(SPOT) == []
        double.advance(wait_s)
        await client.load_time_difference()
        assert (await client.fetch_order(order_id, SPOT))["status"] == "open"


async def test_balances_and_positions_can_lag_behind_a_fill(double: ServedDouble) -> None:
    async with bybit_client(double) as client:
        double.faults.add(BalanceLag(), on=Operation.BALANCE)
        double.faults.add(BalanceLag(), on=Operation.POSITIONS)
        assert (await client.fetch_balance())["total"] == {"USDT": 100_000}
        await client.create_order(SWAP, "market", "buy", 0.1)
        assert (await client.fetch_balance())["total"] == {"USDT": 100_000}
        assert await client.fetch_positions() == []
        assert (await client.fetch_balance())["total"]["USDT"] < 100_000
        assert len(await client.fetch_positions()) == 1


async def test_fills_can_come_twice_late_and_out_of_order(double: ServedDouble) -> None:
    async def seen(client: ccxt.bybit) -> list[str]:
        rows = (await client.private_get_v5_execution_list({"category": "spot"}))["result"]["list"]
        return [row["execId"] for row in rows]

    async with bybit_client(double) as client:
        for _ in range(4):
            await client.create_order(SPOT, "market", "buy", 0.01)
        newest_first = [fill.trade_id for fill in reversed(double.engine.fills)]
        for fault, expected in (
            (DuplicateFill(), newest_first[:1] + newest_first),
            (FillsLate(), newest_first[1:]),
        ):
            double.faults.add(fault)
            assert await seen(client) == expected
        double.faults.add(FillsOutOfOrder(seed=1))
        shuffled = await seen(client)
        assert shuffled != newest_first
        assert sorted(shuffled, reverse=True) == newest_first
        assert await seen(client) == newest_first


@pytest.mark.parametrize("fault", EVERY_FAULT, ids=str)
async def test_any_fault_anywhere_leaves_the_double_usable(double: ServedDouble, fault: Fault) -> None:
    import ccxt

    steps: list[Callable[[ccxt.bybit], Awaitable[object]]] = [
        lambda client: client.create_order(SPOT, "market", "buy", 0.1, None, {"clientOrderId": "a1"}),
        lambda client: client.create_order(SPOT, "market", "buy", 0.1, None, {"clientOrderId": "a3"}),
        lambda client: rest(client, "a2"),
        lambda client: named(client, "a2"),
        lambda client: client.fetch_my_trades(SPOT),
        lambda client: client.cancel_order(None, SPOT, {"orderLinkId": "a2"}),
        lambda client: client.fetch_balance(),
    ]
    async with bybit_client(double) as client:
        await client.is_unified_enabled()
        double.faults.add(fault, times=2)
        patience = impatient(client) if isinstance(fault, Timeout) else nullcontext()
        with patience:
            for step in steps:
                try:
                    await step(client)
                except ccxt.BaseError:
                    continue
        double.faults.clear()
        double.advance(60)
        await client.load_time_difference()
        balance = await client.fetch_balance()
        assert balance["total"]["USDT"] == float(double.engine.funds().balances["USDT"].cash)
    assert double.placed_twice() == ()
    assert any(type(fault).__name__ in entry.faults for entry in double.journal)


def test_the_page_names_every_address() -> None:
    section = PAGE.read_text("utf-8").partition("## Bybit")[2].partition("\n## ")[0]
    named = re.findall(r"`(GET|POST) /v5/([a-z/-]+)`", section)
    assert [f"{method} {path}" for method, path in named] == list(SPOKEN)
