"""The exchange double as a client sees it: the real ccxt trades on it, and every fault shows."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from builders.okx_double import SPOT, SWAP, impatient, okx_client
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
from exchange_double.served import START, ServedDouble, okx_double

if TYPE_CHECKING:
    import ccxt.async_support as ccxt


@pytest.fixture
def double(exchange_double: ServedDouble) -> ServedDouble:
    """60,000 to 60,001 for two on either side of both BTC markets."""
    for symbol in (SPOT, SWAP):
        exchange_double.engine.set_touch(symbol, bid="60000", ask="60001", size=2)
    return exchange_double


async def rest(client: ccxt.okx, client_order_id: str = "a1", *, price: str = "50000", amount: float = 0.1) -> str:
    """A limit buy that waits below the market. Returns the exchange's id."""
    order = await client.create_order(SPOT, "limit", "buy", amount, price, {"clientOrderId": client_order_id})
    return str(order["id"])


# Reading the market.


async def test_ccxt_loads_the_markets_with_their_grids(double: ServedDouble) -> None:
    async with okx_client(double) as client:
        assert set(client.markets) == set(double.engine.listings)
        assert client.markets[SPOT]["precision"] == {"amount": 1e-08, "price": 0.1}
        assert client.markets[SPOT]["limits"]["amount"]["min"] == 0.00001
        assert client.markets[SWAP]["contractSize"] == 0.01
        assert client.markets[SWAP]["linear"]


async def test_ccxt_reads_time_ticker_book_and_status(double: ServedDouble) -> None:
    async with okx_client(double) as client:
        assert await client.fetch_time() == START.timestamp() * 1000
        ticker = await client.fetch_ticker(SPOT)
        assert (ticker["bid"], ticker["ask"], ticker["askVolume"]) == (60000, 60001, 2)
        await rest(client, price="60000.5")
        book = await client.fetch_order_book(SPOT)
        assert [level[:2] for level in book["bids"]] == [[60000.5, 0.1], [60000, 2]]
        assert (await client.fetch_status())["status"] == "ok"


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
        for minute in range(-5, 2)
    ]
    double.engine.set_bars(SPOT, 60, bars)
    async with okx_client(double) as client:
        shown = await client.fetch_ohlcv(SPOT, "1m")
        assert [row[1] for row in shown] == [60_000 + minute for minute in range(-5, 1)]
        since = int((START - timedelta(minutes=4)).timestamp() * 1000)
        assert [row[1] for row in await client.fetch_ohlcv(SPOT, "1m", since=since, limit=2)] == [59_996, 59_997]
        raw = await client.public_get_market_candles({"instId": "BTC-USDT", "bar": "1m"})
        assert [row[8] for row in raw["data"][:2]] == ["0", "1"]


# Trading.


async def test_ccxt_trades_spot_from_order_to_balance(double: ServedDouble) -> None:
    async with okx_client(double) as client:
        placed = await client.create_order(SPOT, "market", "buy", 0.5, None, {"clientOrderId": "a1"})
        assert (placed["status"], placed["filled"]) == (None, None)
        order = await client.fetch_order(placed["id"], SPOT)
        assert (order["status"], order["filled"], order["average"]) == ("closed", 0.5, 60001)
        assert order["fee"] == {"cost": 0.0005, "currency": "BTC"}
        (trade,) = await client.fetch_my_trades(SPOT)
        assert (trade["order"], trade["amount"], trade["price"], trade["takerOrMaker"]) == (
            order["id"],
            0.5,
            60001,
            "taker",
        )
        balance = await client.fetch_balance()
        assert balance["total"] == {"BTC": 0.4995, "USDT": 100_000 - 0.5 * 60001}


async def test_ccxt_finds_an_order_by_its_client_order_id_in_every_state(double: ServedDouble) -> None:
    async with okx_client(double) as client:
        order_id = await rest(client)
        assert [order["id"] for order in await client.fetch_open_orders(SPOT)] == [order_id]
        assert (await client.fetch_balance())["used"]["USDT"] == 5000
        double.engine.trade(SPOT, price="49000", size="0.04")
        found = await client.fetch_order(None, SPOT, {"clientOrderId": "a1"})
        assert (found["status"], found["filled"], found["remaining"]) == ("open", 0.04, 0.06)
        await client.cancel_order(None, SPOT, {"clientOrderId": "a1"})
        found = await client.fetch_order(order_id, SPOT)
        assert (found["status"], found["filled"]) == ("canceled", 0.04)
        assert await client.fetch_open_orders(SPOT) == []
        assert [order["id"] for order in await client.fetch_canceled_orders(SPOT)] == [order_id]
        assert await client.fetch_closed_orders(SPOT) == []


async def test_ccxt_trades_a_perpetual_from_position_to_funding(double: ServedDouble) -> None:
    async with okx_client(double) as client:
        await client.set_leverage(5, SWAP, {"mgnMode": "cross"})
        await client.create_order(SWAP, "market", "sell", 2)
        (position,) = await client.fetch_positions([SWAP])
        assert (position["side"], position["contracts"], position["entryPrice"]) == ("short", 2, 60000)
        assert (position["leverage"], position["initialMargin"]) == (5, 240)
        double.engine.set_touch(SWAP, bid="59000", ask="59000.1")
        await client.create_order(SWAP, "market", "buy", 5, None, {"reduceOnly": True})
        assert await client.fetch_positions([SWAP]) == []
        last = (await client.fetch_my_trades(SWAP))[-1]
        assert last["amount"] == 2
        assert last["info"]["fillPnl"] == "19.998"
        await client.create_order(SWAP, "market", "buy", 1)
        double.engine.set_mark(SWAP, "60000")
        double.engine.fund(SWAP, "0.0001")
        (funding,) = await client.fetch_funding_history(SWAP)
        assert funding["amount"] == -0.06


async def test_a_batch_may_go_well_in_part(double: ServedDouble) -> None:
    def wanted(client_order_id: str, amount: float) -> dict[str, object]:
        params = {"clientOrderId": client_order_id}
        return {"symbol": SPOT, "type": "limit", "side": "buy", "amount": amount, "price": 50000, "params": params}

    async with okx_client(double) as client:
        placed = await client.create_orders([wanted("a1", 0.1), wanted("a2", 100), wanted("a3", 0.1)])
        assert [order["status"] for order in placed] == [None, "rejected", None]
        await client.cancel_orders([], SPOT, {"clientOrderId": ["a1", "a3"]})
    assert double.engine.open_orders == ()


async def test_pages_of_fills_are_walked_by_their_bill_id(double: ServedDouble) -> None:
    async with okx_client(double) as client:
        for _ in range(5):
            await client.create_order(SPOT, "market", "buy", 0.01)
        seen: list[str] = []
        after: dict[str, str] = {}
        while page := (await client.private_get_trade_fills_history({"instType": "SPOT", "limit": "2", **after}))[
            "data"
        ]:
            seen += [row["tradeId"] for row in page]
            after = {"after": page[-1]["billId"]}
    assert seen == [fill.trade_id for fill in reversed(double.engine.fills)]


async def test_the_dead_mans_switch_fires_by_the_exchanges_clock(double: ServedDouble) -> None:
    async with okx_client(double) as client:
        await rest(client)
        await client.cancel_all_orders_after(10_000)
        double.advance(9)
        assert len(double.engine.open_orders) == 1
        double.advance(1)
        assert double.engine.open_orders == ()


# Refusals.


@pytest.mark.parametrize(
    ("order", "code", "error"),
    [
        (("market", "buy", 0.000001), "51020", "InvalidOrder"),
        (("limit", "buy", 10, 60000), "51008", "InsufficientFunds"),
        (("limit", "buy", 0.1, 50000, {"clientOrderId": "not valid"}), "51000", "BadRequest"),
        (("limit", "buy", 0.1, 50000, {"clientOrderId": "taken"}), "51016", "InvalidOrder"),
        (("limit", "buy", 0.1, 50000, {"stpMode": "cancel_taker"}), "51000", "BadRequest"),
        (("limit", "buy", 0.1, 50000, {"marginMode": "cross"}), "51000", "BadRequest"),
    ],
    ids=["too small", "no funds", "bad id", "id taken", "not spoken", "no margin on spot"],
)
async def test_a_refused_order_is_a_row_with_a_code_of_its_own(
    double: ServedDouble, order: tuple[object, ...], code: str, error: str
) -> None:
    import ccxt

    async with okx_client(double) as client:
        client.markets[SPOT]["limits"]["amount"]["min"] = 0
        await rest(client, "taken")
        with pytest.raises(getattr(ccxt, error), match=f'"sCode": "{code}"'):
            await client.create_order(SPOT, *order)
    assert len(double.engine.orders) == 1
    assert double.journal.of(Operation.PLACE)[-1].status == 200


@pytest.mark.parametrize(("end", "code"), [("fill", "51402"), ("cancel", "51401"), (None, "51400")])
async def test_cancelling_what_is_not_open_says_why(double: ServedDouble, end: str | None, code: str) -> None:
    import ccxt

    async with okx_client(double) as client:
        order_id = await rest(client)
        if end:
            getattr(double.engine, end)(order_id)
        with pytest.raises(ccxt.OrderNotFound, match=code):
            await client.cancel_order(order_id if end else "1", SPOT)


async def test_a_cancelled_order_that_never_traded_is_forgotten_after_two_hours(double: ServedDouble) -> None:
    import ccxt

    async with okx_client(double) as client:
        untouched, partly = await rest(client, "a1"), await rest(client, "a2", price="51000")
        double.engine.fill(partly, "0.01")
        for order_id in (untouched, partly):
            double.engine.cancel(order_id)
        double.advance(7200)
        await client.load_time_difference()
        with pytest.raises(ccxt.OrderNotFound, match="51603"):
            await client.fetch_order(untouched, SPOT)
        assert [order["id"] for order in await client.fetch_canceled_orders(SPOT)] == [partly]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"secret": "wrong"}, "50113"),
        ({"password": "wrong"}, "50105"),
        ({"apiKey": "wrong"}, "50111"),
        ({"headers": {"x-simulated-trading": "1"}}, "50101"),
    ],
    ids=["secret", "passphrase", "key", "environment"],
)
async def test_a_request_must_be_signed_by_who_it_says(
    double: ServedDouble, settings: dict[str, object], code: str
) -> None:
    import ccxt

    async with okx_client(double, has={"fetchCurrencies": False}, **settings) as client:
        with pytest.raises(ccxt.AuthenticationError, match=code):
            await client.fetch_balance()


async def test_a_key_says_what_it_may_do() -> None:
    key = Credentials(permissions=("read_only", "trade", "withdraw"))
    with okx_double(credentials=key) as double:
        async with okx_client(double) as client:
            (account,) = (await client.private_get_account_config())["data"]
    assert account["perm"] == "read_only,trade,withdraw"


async def test_ccxts_sandbox_switch_stays_on_this_machine() -> None:
    with okx_double(credentials=Credentials(sandbox=True)) as double:
        async with okx_client(double, has={"fetchCurrencies": False}) as client:
            client.set_sandbox_mode(True)
            assert (await client.fetch_balance())["total"] == {"USDT": 100_000}


async def test_an_address_that_is_not_spoken_is_not_found_and_is_in_the_journal(double: ServedDouble) -> None:
    import ccxt

    async with okx_client(double) as client:
        with pytest.raises(ccxt.ExchangeError, match="does not speak"):
            await client.fetch_funding_rate(SWAP)
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
        (Maintenance(), "OnMaintenance"),
    ],
    ids=str,
)
async def test_a_submit_without_an_answer_is_accepted_or_not(double: ServedDouble, fault: Ending, error: str) -> None:
    import ccxt

    async with okx_client(double) as client:
        double.faults.add(fault, on=Operation.PLACE)
        patience = impatient(client) if isinstance(fault, Timeout) else nullcontext()
        with patience, pytest.raises(getattr(ccxt, error)):
            await rest(client)
        assert [order["clientOrderId"] for order in await client.fetch_open_orders(SPOT)] == ["a1"] * fault.accepted
    (entry,) = double.journal.of(Operation.PLACE)
    assert entry.carried_out is fault.accepted
    assert entry.faults == (type(fault).__name__,)
    assert double.faults.waiting == ()


async def test_ccxt_reads_a_broken_answer_as_no_open_orders(double: ServedDouble) -> None:
    """What a venue must know of ccxt: its `fetch` hands on a body that isn't JSON without raising."""
    async with okx_client(double) as client:
        await rest(client)
        double.faults.add(Malformed(), on=Operation.OPEN_ORDERS)
        assert await client.fetch_open_orders(SPOT) == []
        assert len(await client.fetch_open_orders(SPOT)) == 1
        double.faults.add(Malformed(), on=Operation.PLACE)
        lost = await client.create_order(SPOT, "limit", "buy", 0.1, 50000, {"clientOrderId": "a2"})
        assert lost["id"] is None
    assert double.journal.of(Operation.PLACE)[-1].orders == (double.engine.orders[-1].order_id,)


async def test_a_reset_read_is_asked_again_by_aiohttp_itself(double: ServedDouble) -> None:
    async with okx_client(double) as client:
        double.faults.add(Reset(accepted=True), on=Operation.OPEN_ORDERS)
        assert await client.fetch_open_orders(SPOT) == []
    assert [entry.outcome for entry in double.journal.of(Operation.OPEN_ORDERS)] == ["reset", "answered"]


async def test_maintenance_is_announced_for_as_long_as_it_is_scripted(double: ServedDouble) -> None:
    import ccxt

    async with okx_client(double) as client:
        double.faults.add(Maintenance(), on=set(Operation) - {Operation.STATUS}, times=None)
        for _ in range(3):
            with pytest.raises(ccxt.OnMaintenance):
                await client.fetch_balance()
        assert (await client.fetch_status())["status"] == "maintenance"
        double.faults.clear()
        assert (await client.fetch_status())["status"] == "ok"
        await client.fetch_balance()


async def test_a_slow_answer_comes_all_the_same(double: ServedDouble) -> None:
    async with okx_client(double) as client:
        double.faults.add(Slow(seconds=0.05), on=Operation.PLACE)
        await rest(client)
    assert double.journal.of(Operation.PLACE)[0].faults == ("Slow",)


async def test_an_answer_slower_than_the_client_is_a_timeout(double: ServedDouble) -> None:
    import ccxt

    async with okx_client(double) as client:
        double.faults.add(Slow(seconds=30), on=Operation.PLACE)
        with impatient(client), pytest.raises(ccxt.RequestTimeout):
            await rest(client)
        assert len(double.engine.open_orders) == 1


@pytest.mark.parametrize("seconds", [-31, 61], ids=["behind", "ahead"])
async def test_a_clock_off_by_more_than_thirty_seconds_refuses_every_signature(
    double: ServedDouble, seconds: int
) -> None:
    import ccxt

    async with okx_client(double) as client:
        double.faults.add(ClockSkew(seconds=seconds), times=None)
        with pytest.raises(ccxt.InvalidNonce, match="50102"):
            await client.fetch_balance()
        assert await client.fetch_time() == (START + timedelta(seconds=seconds)).timestamp() * 1000
        await client.load_time_difference()
        await client.fetch_balance()


# Faults that bend what is done and shown.


async def test_an_order_can_be_filled_in_part_and_then_cancelled_by_the_venue(double: ServedDouble) -> None:
    async with okx_client(double) as client:
        double.faults.add(PartialThenCancel(part=Decimal("0.3")), times=2)
        for kind, price in (("market", None), ("limit", 50000)):
            placed = await client.create_order(SPOT, kind, "buy", 0.1, price)
            order = await client.fetch_order(placed["id"], SPOT)
            assert (order["status"], order["filled"]) == ("canceled", 0.03)


async def test_an_order_can_fill_before_its_cancel_arrives(double: ServedDouble) -> None:
    import ccxt

    async with okx_client(double) as client:
        order_id = await rest(client)
        double.faults.add(FilledBeforeCancel())
        with pytest.raises(ccxt.OrderNotFound, match="51402"):
            await client.cancel_order(order_id, SPOT)
        assert (await client.fetch_order(order_id, SPOT))["status"] == "closed"


async def test_a_client_order_id_can_be_taken_again_after_a_fill(double: ServedDouble) -> None:
    async with okx_client(double) as client:
        double.engine.fill(await rest(client, "a1"))
        double.faults.add(IdReused())
        again = await rest(client, "a1")
        assert (await client.fetch_order(None, SPOT, {"clientOrderId": "a1"}))["id"] == again
    assert double.placed_twice() == ("a1",)


@pytest.mark.parametrize(
    ("hidden", "wait_s"), [(OrderHidden(looks=2), 0), (OrderHidden(looks=0, seconds=5), 5)], ids=["looks", "seconds"]
)
async def test_a_new_order_can_be_hidden_from_every_query(
    double: ServedDouble, hidden: OrderHidden, wait_s: int
) -> None:
    import ccxt

    async with okx_client(double) as client:
        double.faults.add(hidden)
        order_id = await rest(client)
        with pytest.raises(ccxt.OrderNotFound, match="51603"):
            await client.fetch_order(order_id, SPOT)
        assert await client.fetch_open_orders(SPOT) == []
        double.advance(wait_s)
        assert (await client.fetch_order(order_id, SPOT))["status"] == "open"


async def test_balances_and_positions_can_lag_behind_a_fill(double: ServedDouble) -> None:
    async with okx_client(double) as client:
        double.faults.add(BalanceLag(), on=Operation.BALANCE)
        double.faults.add(BalanceLag(), on=Operation.POSITIONS)
        assert (await client.fetch_balance())["total"] == {"USDT": 100_000}
        await client.create_order(SWAP, "market", "buy", 1)
        assert (await client.fetch_balance())["total"] == {"USDT": 100_000}
        assert await client.fetch_positions() == []
        assert (await client.fetch_balance())["total"]["USDT"] < 100_000
        assert len(await client.fetch_positions()) == 1


async def test_fills_can_come_twice_late_and_out_of_order(double: ServedDouble) -> None:
    async def seen(client: ccxt.okx) -> list[str]:
        rows = (await client.private_get_trade_fills_history({"instType": "SPOT"}))["data"]
        return [row["tradeId"] for row in rows]

    async with okx_client(double) as client:
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


# The script.


async def test_faults_wait_for_one_another_on_the_same_request(double: ServedDouble) -> None:
    import ccxt

    async with okx_client(double) as client:
        double.faults.add(RateLimited(), on=Operation.PLACE)
        double.faults.add(Timeout(accepted=True), on=Operation.PLACE)
        double.faults.add(OrderHidden(looks=1))
        with pytest.raises(ccxt.RateLimitExceeded):
            await rest(client)
        with impatient(client), pytest.raises(ccxt.RequestTimeout):
            await rest(client)
        with pytest.raises(ccxt.OrderNotFound):
            await client.fetch_order(None, SPOT, {"clientOrderId": "a1"})
        with pytest.raises(ccxt.InvalidOrder, match="51016"):
            await rest(client)
        assert (await client.fetch_order(None, SPOT, {"clientOrderId": "a1"}))["status"] == "open"
    assert [entry.faults for entry in double.journal.of(Operation.PLACE)] == [
        ("RateLimited",),
        ("Timeout", "OrderHidden"),
        (),
    ]
    assert len(double.journal.mentioning('"a1"')) == 3
    assert double.placed_twice() == ()


async def test_a_fault_can_skip_requests_and_come_several_times(double: ServedDouble) -> None:
    import ccxt

    async with okx_client(double) as client:
        double.faults.add(RateLimited(), on=Operation.BALANCE, skip=1, times=2)
        await client.fetch_balance()
        for _ in range(2):
            with pytest.raises(ccxt.RateLimitExceeded):
                await client.fetch_balance()
        await client.fetch_balance()


def test_a_fault_where_it_means_nothing_is_refused(double: ServedDouble) -> None:
    with pytest.raises(ValueError, match="IdReused means nothing on balance"):
        double.faults.add(IdReused(), on=Operation.BALANCE)


@pytest.mark.parametrize("fault", EVERY_FAULT, ids=str)
async def test_any_fault_anywhere_leaves_the_double_usable(double: ServedDouble, fault: Fault) -> None:
    import ccxt

    steps: list[Callable[[ccxt.okx], Awaitable[object]]] = [
        lambda client: client.create_order(SPOT, "market", "buy", 0.1, None, {"clientOrderId": "a1"}),
        lambda client: client.create_order(SPOT, "market", "buy", 0.1, None, {"clientOrderId": "a3"}),
        lambda client: rest(client, "a2"),
        lambda client: client.fetch_order(None, SPOT, {"clientOrderId": "a2"}),
        lambda client: client.fetch_my_trades(SPOT),
        lambda client: client.cancel_order(None, SPOT, {"clientOrderId": "a2"}),
        lambda client: client.fetch_balance(),
    ]
    async with okx_client(double) as client:
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


def test_a_double_goes_and_takes_its_port_with_it() -> None:
    with okx_double() as double:
        port = int(double.url.rsplit(":", 1)[1])
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
