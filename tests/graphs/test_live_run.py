"""A live run on an exchange double: it trades, its books are the exchange's, and it replays without it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from agents.settings import DeskSettings, RiskSettings, SignalSettings
from builders.live import BTC, CYCLES, ETH, a_live_stage, batches_of, faults_of_books, unproven_ends
from builders.memory import a_cycle, a_header, some_figures
from builders.runs import archive, drive
from domain.order import OrderState
from graphs.runs.open_live import account_of
from graphs.runs.replay import replay_run
from graphs.trading.events import silent
from memory import Archive, Database, Ledger
from memory.operators.armings import Armings


async def test_a_live_run_trades_and_ends_with_the_exchanges_own_books(tmp_path: Path) -> None:
    with a_live_stage() as live:
        async with archive(tmp_path) as database:
            result = await live.run(database)
            wrong = [*await faults_of_books(live, database), *await unproven_ends(database)]
            orders = await Ledger(database, account="r1", run_id="r1").orders()
    assert wrong == []
    assert (result.status, result.mode, result.cycles) == ("finished", "live", CYCLES)
    assert sum(order.state is OrderState.FILLED for order in orders) >= 2
    assert {order.request.type for order in orders} == {"limit", "market", "stop"}


async def test_a_live_run_replays_to_the_byte_without_the_exchange(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        with a_live_stage() as live:
            await live.run(database)
        report = await replay_run("r1", source=database, progress=lambda done, planned: None)
    assert (report.identical, report.first_difference, report.cycles) == (True, None, CYCLES)


async def test_what_is_held_is_protected_and_closed_when_nobody_arms_the_exchange_any_more(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        with a_live_stage() as live:
            await live.run(database, cycles=1)
            await Armings(database).disarm("okx", by="Ada", reason="enough", at=live.stage.wall.now())
            await live.run(database)
            orders = await Ledger(database, account="r1", run_id="r1").orders()
        verdicts = await Archive(database).verdicts("r1")
    assert [(v.outcome, v.proposal.cause) for v in verdicts if v.outcome != "allow"] == []
    assert [order.state for order in orders if order.request.side == "sell" and order.request.type == "market"] == [
        OrderState.FILLED
    ]
    assert sum(order.request.side == "buy" for order in orders) == 1, "and nothing is entered"


async def test_a_new_run_on_a_day_that_an_earlier_one_lost_halts_itself(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        with a_live_stage() as live:
            async with live.opened() as desk:
                account = await account_of(desk, exchange="okx")
                await a_losing_run(database, account, at=live.stage.wall.now())
                session = await live.begin(database, desk)
                await drive(session, cycles=CYCLES, listen=silent)
            control = await session.ledger.control()
            assert len(live.stage.double.engine.orders) == 0
        assert (control.state, control.by) == ("halted", "agentctl")
        assert "of the limit of DAILY_LOSS is used up" in control.reason
        report = await replay_run("r1", source=database, progress=lambda done, planned: None)
    assert (report.identical, report.first_difference, report.cycles) == (True, None, CYCLES)


async def a_losing_run(database: Database, account: str, *, at: datetime) -> None:
    """One of this account and day that ended with half of what it began with."""
    ledger = Archive(database)
    await ledger.begin_run(a_header(run_id="r0", mode="live", account=account, created_at=at))
    await ledger.close_cycle("r0", a_cycle(1, as_of=at, figures=some_figures(equity=Decimal(5_000))), timings={})


at_each_exchange = pytest.mark.parametrize("exchange", ["okx", "binance", "bybit"])
on_each_market = pytest.mark.parametrize("symbol", ["BTC/USDT", "BTC/USDT:USDT"])


@at_each_exchange
@on_each_market
async def test_what_is_deposited_and_withdrawn_during_a_run_is_booked_and_its_account_stays_proven(
    exchange: str, symbol: str
) -> None:
    with a_live_stage((symbol,), exchange=exchange) as live:
        async with await Database.in_memory() as database:
            await live.run(database, cycles=2)
            live.stage.double.engine.deposit("USDT", "1000.5")
            live.stage.double.engine.deposit("USDT", "-400")
            await live.run(database)
            wrong = [*await faults_of_books(live, database), *await unproven_ends(database)]
            events = await Ledger(database, account="r1", run_id="r1").external()
    assert wrong == []
    assert sorted((e.note, e.cash) for e in events if e.kind == "transfer") == [
        ("deposit", Decimal("1000.5")),
        ("withdrawal", Decimal(-400)),
    ]


SHORTS = DeskSettings(
    signal=SignalSettings(threshold="0.1"),
    risk=RiskSettings(reenter_after_bars=0, min_conviction="0.2", max_hold_bars=2, allow_short=True),
)


@at_each_exchange
@on_each_market
async def test_it_does_so_at_each_exchange_on_spot_and_on_perpetuals(exchange: str, symbol: str) -> None:
    with a_live_stage((symbol,), exchange=exchange, agents=SHORTS) as live:
        async with await Database.in_memory() as database:
            result = await live.run(database)
            wrong = [*await faults_of_books(live, database), *await unproven_ends(database)]
            orders = await Ledger(database, account="r1", run_id="r1").orders()
    assert wrong == []
    assert result.status == "finished"
    assert sum(order.state is OrderState.FILLED for order in orders) >= 2
    assert {order.request.type for order in orders} == {"limit", "market", "stop"}


PERPETUALS = (f"{BTC}:USDT", f"{ETH}:USDT")


@pytest.mark.parametrize(
    ("exchange", "symbols", "batches"),
    [
        ("okx", (BTC, ETH), [2, 2]),
        ("okx", PERPETUALS, [2]),
        ("binance", PERPETUALS, [2]),
        ("bybit", (BTC, ETH), [2, 2]),
        ("bybit", PERPETUALS, [2]),
    ],
)
async def test_entries_of_one_cycle_share_a_request_and_replay_to_the_byte(
    tmp_path: Path, exchange: str, symbols: tuple[str, ...], batches: list[int]
) -> None:
    async with archive(tmp_path) as database:
        with a_live_stage(symbols, exchange=exchange) as live:
            result = await live.run(database)
            wrong = [*await faults_of_books(live, database), *await unproven_ends(database)]
            together = batches_of(live)
        report = await replay_run("r1", source=database, progress=lambda done, planned: None)
    assert wrong == []
    assert (result.status, together) == ("finished", batches)
    assert (report.identical, report.first_difference, report.cycles) == (True, None, CYCLES)
