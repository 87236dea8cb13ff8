"""What Binance tells of its spot wallet: what moved it besides trades, and its trades in few questions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from builders.canned_venue import NOW, NOW_MS, Canned, a_canned_venue
from builders.live_venue import SPOT, SWAP, Stage, a_stage
from domain.errors import NotTold, VenueUnavailable
from domain.statement import Transfer
from exchange_double import NewOrder, Operation
from exchange_double.faults import ServerError

DEPOSITS = "GET /sapi/v1/capital/deposit/hisrec"
WITHDRAWALS = "GET /sapi/v1/capital/withdraw/history"
BETWEEN = "GET /sapi/v1/asset/transfer"
INCOME = "GET /fapi/v1/income"
NOTHING: Mapping[str, str] = {DEPOSITS: "[]", WITHDRAWALS: "[]", BETWEEN: '{"total":0}'}

AN_HOUR_AGO = NOW - timedelta(hours=1)
AT = NOW - timedelta(minutes=1)
AT_MS = NOW_MS - 60_000


def a_deposit(**changes: object) -> dict[str, object]:
    return {
        "id": "769800519366885376",
        "amount": "0.5",
        "coin": "BTC",
        "network": "BTC",
        "status": 1,
        "insertTime": AT_MS,
        "completeTime": AT_MS + 30_000,
        "transferType": 0,
        "walletType": 0,
        "travelRuleStatus": 0,
    } | changes


def a_withdrawal(**changes: object) -> dict[str, object]:
    return {
        "id": "b6ae22b3aa844210a7041aee7589627c",
        "amount": "8.91",
        "transactionFee": "0.09",
        "coin": "USDT",
        "status": 6,
        "applyTime": f"{AT:%Y-%m-%d %H:%M:%S}",
        "transferType": 0,
        "walletType": 0,
        "completeTime": f"{NOW:%Y-%m-%d %H:%M:%S}",
    } | changes


def a_move(kind: str, amount: str = "25", **changes: object) -> dict[str, object]:
    return {
        "asset": "USDT",
        "amount": amount,
        "type": kind,
        "status": "CONFIRMED",
        "tranId": 11415955596,
        "timestamp": AT_MS,
    } | changes


def moves(*rows: Mapping[str, object]) -> str:
    return json.dumps({"total": len(rows), "rows": rows})


async def told(
    answers: Mapping[str, Any], *, symbols: tuple[str, ...] = (SPOT,), since: datetime = AN_HOUR_AGO
) -> list[Transfer]:
    async with a_canned_venue("binance", {**NOTHING, **answers}, symbols=symbols) as canned:
        found = await canned.venue.transfers(since=since)
    assert found is not None
    return list(found)


# Deposits and withdrawals.


async def test_a_deposit_is_told_from_when_it_was_first_seen() -> None:
    assert await told({DEPOSITS: json.dumps([a_deposit()])}) == [
        Transfer(id="DEPOSIT-769800519366885376", kind="deposit", currency="BTC", amount=Decimal("0.5"), at=AT)
    ]


async def test_a_withdrawal_takes_its_fee_too_from_when_it_was_asked_for() -> None:
    assert await told({WITHDRAWALS: json.dumps([a_withdrawal()])}) == [
        Transfer(
            id="WITHDRAWAL-b6ae22b3aa844210a7041aee7589627c",
            kind="withdrawal",
            currency="USDT",
            amount=Decimal(-9),
            at=AT,
        )
    ]


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"status": 0}, False),
        ({"status": 2}, False),
        ({"status": 6}, True),
        ({"status": 7}, False),
        ({"status": 8}, False),
        ({"walletType": 1}, False),
        ({"travelRuleStatus": 1}, False),
        ({"transferType": 1}, True),
    ],
    ids=str,
)
async def test_a_deposit_counts_once_it_is_in_the_spot_wallet(changes: dict[str, object], counts: bool) -> None:
    assert bool(await told({DEPOSITS: json.dumps([a_deposit(**changes)])})) is counts


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        *(({"status": status}, False) for status in range(6)),
        ({"walletType": 1}, False),
        ({"transferType": 1}, False),
        ({"transferType": 1, "transactionFee": "0"}, True),
    ],
    ids=str,
)
async def test_a_withdrawal_counts_once_it_can_not_come_back(changes: dict[str, object], counts: bool) -> None:
    assert bool(await told({WITHDRAWALS: json.dumps([a_withdrawal(**changes)])})) is counts


async def test_what_was_asked_for_in_the_second_in_which_the_time_begins_is_left_to_the_balance() -> None:
    withdrawal = {WITHDRAWALS: json.dumps([a_withdrawal()])}
    assert len(await told(withdrawal, since=AT)) == 1
    assert await told(withdrawal, since=AT + timedelta(milliseconds=300)) == []


async def test_what_a_deposit_becomes_has_the_id_and_time_that_it_had() -> None:
    credited = a_deposit(status=6, completeTime=None)
    assert await told({DEPOSITS: json.dumps([credited])}) == await told({DEPOSITS: json.dumps([a_deposit()])})


# Between wallets.


async def test_what_went_between_wallets_is_told_as_spot_saw_it() -> None:
    answers = {
        f"{BETWEEN}?type=MAIN_UMFUTURE": moves(a_move("MAIN_UMFUTURE")),
        f"{BETWEEN}?type=FUNDING_MAIN": moves(a_move("FUNDING_MAIN", "7", asset="BTC")),
        f"{BETWEEN}?type=MARGIN_MAIN": moves(
            a_move("MARGIN_MAIN", status="PENDING"), a_move("MARGIN_MAIN", status="FAILED", tranId=2)
        ),
    }
    assert [(one.id, one.kind, one.currency, one.amount, one.at) for one in await told(answers)] == [
        ("FUNDING_MAIN-11415955596", "deposit", "BTC", 7, AT),
        ("MAIN_UMFUTURE-11415955596", "withdrawal", "USDT", -25, AT),
    ]


async def test_from_spot_to_perpetuals_both_tell_it_and_nothing_is_gained() -> None:
    income = {
        "incomeType": "TRANSFER",
        "income": "25",
        "asset": "USDT",
        "tranId": 11415955596,
        "symbol": "",
        "time": AT_MS,
    }
    answers = {
        f"{BETWEEN}?type=MAIN_UMFUTURE": moves(a_move("MAIN_UMFUTURE")),
        INCOME: json.dumps([income]),
    }
    both = await told(answers, symbols=(SPOT, SWAP))
    assert len({one.id for one in both}) == 2
    assert [one.amount for one in both] == [-25, 25]
    assert [one.amount for one in await told(answers, symbols=(SPOT,))] == [-25]
    assert [one.amount for one in await told(answers, symbols=(SWAP,))] == [25]


async def test_both_directions_of_each_wallet_are_asked_about() -> None:
    async with a_canned_venue("binance", NOTHING, symbols=[SPOT]) as canned:
        assert await canned.venue.transfers(since=AN_HOUR_AGO) == []
        kinds = [query["type"] for query, _ in canned.sent(BETWEEN)]
    assert sorted(kinds) == sorted(
        kind
        for wallet in ("UMFUTURE", "CMFUTURE", "MARGIN", "FUNDING")
        for kind in (f"MAIN_{wallet}", f"{wallet}_MAIN")
    )


# Spans of time, pages, and what can't be read.


def spans(canned: Canned, address: str) -> list[tuple[int, int]]:
    return [(int(query["startTime"]), int(query["endTime"])) for query, _ in canned.sent(address)]


async def test_long_times_are_asked_about_in_spans_that_binance_takes_without_a_gap() -> None:
    since = NOW - timedelta(days=200)
    async with a_canned_venue("binance", NOTHING, symbols=[SPOT]) as canned:
        await canned.venue.transfers(since=since)
        asked = {address: spans(canned, address) for address in (DEPOSITS, WITHDRAWALS)}
        between = sorted(set(spans(canned, BETWEEN)))
    day = 86_400_000
    for each in asked.values():
        assert (each[0][0], each[-1][1]) == (NOW_MS - 200 * day, NOW_MS)
    assert between[0][0] == NOW_MS - 180 * day, "it is kept for half a year"
    for each, longest in ((asked[DEPOSITS], 90), (asked[WITHDRAWALS], 90), (between, 31)):
        assert all(end - start < longest * day for start, end in each)
        assert all(after[0] == before[1] + 1 for before, after in pairwise(each))


async def test_pages_are_read_to_the_last_one_and_a_row_that_moved_on_is_kept_once() -> None:
    first = [a_deposit(id=str(n)) for n in range(1_000)]
    moved = [a_deposit(id=str(n)) for n in range(999, 1_500)]
    rows = [a_move("MAIN_FUNDING", "1", tranId=n) for n in range(150)]
    answers = {
        f"{DEPOSITS}?offset=0": json.dumps(first),
        f"{DEPOSITS}?offset=1000": json.dumps(moved),
        f"{BETWEEN}?type=MAIN_FUNDING": [moves(*rows[:100]), moves(*rows[99:])],
    }
    async with a_canned_venue("binance", {**NOTHING, **answers}, symbols=[SPOT]) as canned:
        found = await canned.venue.transfers(since=AN_HOUR_AGO)
        pages = [query["current"] for query, _ in canned.sent(BETWEEN) if query["type"] == "MAIN_FUNDING"]
    assert found is not None
    assert len(found) == len({one.id for one in found}) == 1_500 + 150
    assert pages == ["1", "2"]


async def test_one_history_that_gives_no_answer_leaves_nothing_told() -> None:
    answers = {DEPOSITS: json.dumps([a_deposit()]), f"{BETWEEN}?type=MARGIN_MAIN": '{"total":1}'}
    with pytest.raises(VenueUnavailable, match="the transfers MARGIN_MAIN") as raised:
        await told(answers)
    assert not isinstance(raised.value, NotTold)


DECLINED = '{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}'


async def test_a_key_that_may_not_read_them_says_so() -> None:
    with pytest.raises(NotTold, match=r"declined the withdrawals.*permissions for action"):
        await told({WITHDRAWALS: DECLINED})


async def test_a_clock_that_is_off_is_no_matter_of_rights() -> None:
    off = '{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}'
    with pytest.raises(VenueUnavailable, match="recvWindow") as raised:
        await told({WITHDRAWALS: off})
    assert not isinstance(raised.value, NotTold)


async def test_perpetuals_are_told_to_a_key_that_may_not_read_spots() -> None:
    income = {"incomeType": "FUNDING_FEE", "income": "-1", "asset": "USDT", "tranId": 1, "symbol": "BTCUSDT"}
    answers = {DEPOSITS: DECLINED, INCOME: json.dumps([income | {"time": AT_MS}])}
    assert [one.kind for one in await told(answers, symbols=(SPOT, SWAP))] == ["funding"]


async def test_the_test_network_is_not_asked() -> None:
    async with a_stage(exchange="binance", symbols=[SPOT], sandbox=True) as stage:
        with pytest.raises(NotTold, match="test network does not tell the deposits"):
            await stage.venue.transfers(since=stage.now())
        assert stage.double.journal.of(Operation.BILLS) == ()


# On an exchange.


async def test_a_deposit_a_withdrawal_and_a_move_are_told_as_the_exchange_has_them() -> None:
    async with a_stage(exchange="binance", symbols=[SPOT]) as stage:
        stage.present.at += timedelta(seconds=1)
        since = stage.now()
        stage.double.engine.deposit("BTC", "0.25")
        stage.double.engine.deposit("USDT", -500)
        stage.double.engine.deposit("USDT", 40, wallet="FUNDING")
        stage.double.engine.deposit("USDT", -3, wallet="UMFUTURE")
        found = await stage.venue.transfers(since=since)
        assert found is not None
        assert sorted((one.kind, one.currency, one.amount) for one in found) == [
            ("deposit", "BTC", Decimal("0.25")),
            ("deposit", "USDT", 40),
            ("withdrawal", "USDT", -500),
            ("withdrawal", "USDT", -3),
        ]
        assert await stage.venue.transfers(since=since) == found
        stage.double.faults.add(ServerError(), on=Operation.BILLS, skip=3)
        with pytest.raises(VenueUnavailable):
            await stage.venue.transfers(since=since)


def trade(stage: Stage, count: int = 1) -> None:
    for _ in range(count):
        stage.double.engine.place(NewOrder(symbol=SPOT, side="buy", type="market", quantity=Decimal("0.001")))


async def test_few_trades_of_a_long_time_are_one_question() -> None:
    async with a_stage(exchange="binance", symbols=[SPOT]) as stage:
        since = stage.now()
        trade(stage)
        stage.present.at += timedelta(days=90)
        trade(stage)
        assert len(await stage.venue.trades(SPOT, since=since)) == 2
        assert len(stage.double.journal.of(Operation.FILLS)) == 1
        assert len(await stage.venue.trades(SPOT, since=since + timedelta(seconds=1))) == 1


async def test_the_trades_of_a_day_are_asked_for_by_their_time() -> None:
    async with a_stage(exchange="binance", symbols=[SPOT]) as stage:
        trade(stage)
        stage.present.at += timedelta(days=1)
        trade(stage)
        assert len(await stage.venue.trades(SPOT, since=stage.now() - timedelta(days=1))) == 2
        assert len(await stage.venue.trades(SPOT, since=stage.now())) == 1
        asked = [entry.request.target for entry in stage.double.journal.of(Operation.FILLS)]
    assert len(asked) == 2
    assert all("startTime=" in target for target in asked), "no more than these are sent"


async def test_more_trades_than_a_page_are_read_from_the_first_one_by_id() -> None:
    async with a_stage(exchange="binance", symbols=[SPOT]) as stage:
        stage.double.engine.set_touch(SPOT, bid="60000", ask="60001", size=1_000)
        trade(stage)
        stage.present.at += timedelta(days=2)
        since = stage.now()
        stage.present.at += timedelta(days=1, hours=1)
        trade(stage, 2)
        stage.present.at += timedelta(days=87)
        trade(stage, 1_009)
        found = await stage.venue.trades(SPOT, since=since)
        assert [one.trade_id for one in found] == [fill.trade_id for fill in stage.double.engine.fills[1:]]
        assert len(stage.double.journal.of(Operation.FILLS)) == 1 + 2 + 2, "the newest, two days, two pages by id"


async def test_a_page_that_reaches_back_far_enough_is_all_there_is_to_read() -> None:
    async with a_stage(exchange="binance", symbols=[SPOT]) as stage:
        stage.double.engine.set_touch(SPOT, bid="60000", ask="60001", size=1_000)
        trade(stage, 5)
        stage.present.at += timedelta(days=1)
        trade(stage, 999)
        since = stage.now()
        stage.present.at += timedelta(days=2)
        assert len(await stage.venue.trades(SPOT, since=since)) == 999
        assert len(stage.double.journal.of(Operation.FILLS)) == 1
