"""Runs on an exchange's real market: as long as it answers, while it doesn't, stopped, slept through and replayed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agents.settings import DeskSettings, ReadingSettings, RiskSettings, SignalSettings
from builders.exchanges import START, Stage, a_stage
from builders.live import THIN
from builders.policy import finding
from builders.processes import agentctl
from builders.runs import NOW, a_policy, archive, drive, options
from domain.errors import VenueUnavailable
from domain.order import OrderState
from exchange_double.faults import Maintenance
from graphs import RunResult, Stop, prepare, resume, start
from graphs.runs.replay import replay_run
from graphs.session.session import Session
from graphs.trading.events import CycleEnded, Event, MarketSaid, NodeEnded
from memory import Archive, Database, Ledger
from policy import Verdict

DESK = DeskSettings(
    signal=SignalSettings(threshold="0.1"), risk=RiskSettings(reenter_after_bars=0, min_conviction="0.2")
)
CYCLES = 6


@pytest.fixture
def stage() -> Iterator[Stage]:
    with a_stage() as stage:
        yield stage


def asked(**over: Any) -> Any:
    given = {"market": "okx", "symbols": ("BTC/USDT", "ETH/USDT"), "cycles": CYCLES, "desk": DESK, "policy": THIN}
    return options(**given | over)


async def begun(stage: Stage, database: Database, **over: Any) -> Session:
    header, market, model = await prepare(asked(**over), run_id="r1", at=NOW, opener=stage.opener)
    return await start(header, market, model, database=database)


async def gone_on(stage: Stage, database: Database, *, cycles: int) -> RunResult:
    return await drive(await resume("r1", database=database, cycles=cycles, opener=stage.opener), cycles=cycles)


async def test_a_run_on_an_exchange_trades_on_paper_and_replays_without_it(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        with a_stage() as stage:
            result = await drive(await begun(stage, database), cycles=CYCLES)
        fills = await Ledger(database, account="r1", run_id="r1").fills()
        report = await replay_run("r1", source=database, progress=lambda done, planned: None)
    assert (result.status, result.cycles, result.market) == ("finished", CYCLES, "okx")
    assert result.equity.reconciled
    assert {(fill.symbol, fill.at) for fill in fills} == {
        ("BTC/USDT", START + timedelta(minutes=4, seconds=30)),
        ("ETH/USDT", START + timedelta(minutes=4, seconds=30)),
    }  # at the open of the first bar after the orders
    assert (report.identical, report.cycles, report.first_difference) == (True, CYCLES, None)


@pytest.mark.parametrize(
    ("symbol", "exchange", "share", "outcomes"),
    [
        ("BTC/USDT", "okx", "0.01", {"deny"}),
        ("BTC/USDT", "okx", "1000", {"pass"}),
        ("BTC/USDT:USDT", "okx", "0.01", {"deny"}),
        ("BTC/USDT:USDT", "bybit", "1000", {"pass"}),
        ("BTC/USDT", "binance", "0.01", {"deny"}),
    ],
)
async def test_the_sizes_that_an_exchange_shows_are_judged(
    tmp_path: Path, symbol: str, exchange: str, share: str, outcomes: set[str]
) -> None:
    """The stage's touch holds 3.5 of the base currency, in contracts where they trade in contracts."""
    policy = a_policy(depth={"share_of_touch": share, "allow_unknown": ["paper"]})
    async with archive(tmp_path) as database:
        with a_stage((symbol,)) as stage:
            session = await begun(stage, database, symbols=(symbol,), policy=policy)
            await drive(session, cycles=3)
        verdicts = [v for n in range(3) for v in await Archive(database).verdicts("r1", cycle=n)]
    found = [finding(Verdict.model_validate_json(v.verdict), "DEPTH") for v in verdicts]
    entries = [each for each in found if each.observed is not None]
    assert {each.outcome for each in entries} == outcomes
    assert {each.limit for each in entries} == {Decimal(share) * Decimal("3.5")}


async def test_what_the_market_waits_for_is_told_to_who_listens(stage: Stage) -> None:
    heard: list[Event] = []
    async with await Database.in_memory() as database:
        await drive(await begun(stage, database), cycles=2, listen=heard.append)
    said = [event.text for event in heard if isinstance(event, MarketSaid)]
    assert said == ["waiting for the bar that closes at 12:05 UTC, in 4 min 32 s"]


class Forever:
    """A sleep that nobody wakes from, and a run that is asked to stop in the midst of it."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self.ended_early = False

    async def __call__(self, seconds: float) -> None:
        asyncio.get_running_loop().call_soon(self._stop.ask)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.ended_early = True
            raise


async def test_a_stop_ends_the_wait_for_the_next_bar_at_once(stage: Stage) -> None:
    stop = Stop()
    forever = Forever(stop)
    async with await Database.in_memory() as database:
        session = await begun(stage, database)
        session.market = session.venue._market = stage.market(sleep=forever)
        result = await drive(session, cycles=CYCLES, stop=stop)
    assert (result.status, result.cycles, forever.ended_early) == ("interrupted", 1, True)


async def test_a_run_that_is_cancelled_while_it_waits_is_cancelled() -> None:
    stop = Stop()
    waiting = asyncio.ensure_future(stop.unless_stopped(asyncio.Event().wait()))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    stop.ask()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_bars_that_passed_while_a_run_was_away_fill_its_orders_in_their_time(
    stage: Stage, tmp_path: Path
) -> None:
    async with archive(tmp_path) as database:
        await drive(await begun(stage, database), cycles=1)
        stage.wall.at += timedelta(hours=3)
        stage.touch()
        result = await gone_on(stage, database, cycles=2)
        last = await Archive(database).last_cycle("r1")
        fills = await Ledger(database, account="r1", run_id="r1").fills()
        report = await replay_run("r1", source=database, progress=lambda done, planned: None)
    assert last is not None
    assert last.record.as_of == START + timedelta(hours=3)
    assert {fill.at for fill in fills if fill.side == "buy"} == {START + timedelta(minutes=4, seconds=30)}
    assert (result.equity.reconciled, report.identical) == (True, True)


async def test_a_cycle_that_was_cut_short_goes_on_at_its_own_moment(stage: Stage, tmp_path: Path) -> None:
    stop = Stop()

    def listen(event: Event) -> None:
        if isinstance(event, NodeEnded) and (event.cycle, event.node) == (1, "signal"):
            stop.ask()

    async with archive(tmp_path) as database:
        cut = await drive(await begun(stage, database), cycles=CYCLES, listen=listen, stop=stop)
        stage.wall.at += timedelta(hours=2)
        stage.touch()
        result = await gone_on(stage, database, cycles=3)
        moments = [closed.record.as_of async for closed in Archive(database).cycles("r1")]
        report = await replay_run("r1", source=database, progress=lambda done, planned: None)
    assert (cut.status, cut.cycles) == ("interrupted", 1)
    second = START + timedelta(minutes=4, seconds=32)
    assert moments == [START, second, second + timedelta(hours=2)]
    assert (result.equity.reconciled, report.identical) == (True, True)


async def test_a_cycle_that_goes_on_reads_what_its_tick_brought_before_its_time_counts(
    stage: Stage, tmp_path: Path
) -> None:
    """A market that was just opened reads hundreds of bars first: no part of the time that a cycle has."""
    hurried = DESK.model_copy(update={"reading": ReadingSettings(cycle_s="0.001", read_s="0.001")})
    stop, heard = Stop(), list[Event]()

    def listen(event: Event) -> None:
        if isinstance(event, NodeEnded) and (event.cycle, event.node) == (1, "tick"):
            stop.ask()

    async with archive(tmp_path) as database:
        cut = await drive(await begun(stage, database, desk=hurried), cycles=2, listen=listen, stop=stop)
        session = await resume("r1", database=database, cycles=2, opener=stage.opener)
        await drive(session, cycles=2, listen=heard.append)
    assert (cut.status, cut.cycles) == ("interrupted", 1)
    (second,) = [event for event in heard if isinstance(event, CycleEnded)]
    reasons = [reason for decision in second.decisions for reason in decision.reasons]
    assert [reason for reason in reasons if "no answer" in reason] == []


async def test_a_process_that_goes_on_knows_the_last_quotes(stage: Stage, tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        first = await begun(stage, database)
        await drive(first, cycles=2)
        again = await resume("r1", database=database, cycles=3, opener=stage.opener)
        assert again.quotes == first.quotes
        assert again.quotes.keys() == {"BTC/USDT", "ETH/USDT"}


async def test_while_an_exchange_is_down_nothing_is_decided_and_then_the_run_goes_on(stage: Stage) -> None:
    heard: list[Event] = []

    def listen(event: Event) -> None:
        heard.append(event)
        if isinstance(event, CycleEnded) and event.cycle == 0:
            stage.double.faults.add(Maintenance(), times=None)
            stage.wall.woken = mend

    def mend() -> None:
        stage.touch()
        if stage.wall.at > START + timedelta(minutes=12):
            stage.double.faults.clear()

    async with await Database.in_memory() as database:
        result = await drive(await begun(stage, database), cycles=2, listen=listen)
        fills = await Ledger(database, account="r1", run_id="r1").fills()
    ended = [event.as_of for event in heard if isinstance(event, CycleEnded)]
    assert ended[1] > START + timedelta(minutes=12)
    assert [e for e in heard if isinstance(e, MarketSaid) and "okx does not answer" in e.text]
    assert {fill.at for fill in fills} == {START + timedelta(minutes=4, seconds=30)}
    assert result.equity.reconciled


async def test_a_symbol_that_is_not_shown_keeps_its_order_open_and_the_others_trade(stage: Stage) -> None:
    def listen(event: Event) -> None:
        if isinstance(event, CycleEnded) and event.cycle == 0:
            stage.hide("BTC/USDT")
        if isinstance(event, CycleEnded) and event.cycle == 2:
            stage.show()

    async with await Database.in_memory() as database:
        states: list[dict[str, OrderState]] = []
        ledger = Ledger(database, account="r1", run_id="r1")
        session = await begun(stage, database)
        for cycles in (1, 3, 4):
            result = await drive(session, cycles=cycles, listen=listen)
            entries = [order for order in await ledger.orders() if order.request.attached_to is None]
            states.append({order.request.symbol: order.state for order in entries})
        fills = await ledger.fills()
    assert states[1]["BTC/USDT"].working
    assert states[1]["ETH/USDT"] is OrderState.FILLED
    assert states[2]["BTC/USDT"] is OrderState.FILLED
    assert {fill.at for fill in fills} == {START + timedelta(minutes=4, seconds=30)}
    assert result.equity.reconciled


@pytest.mark.parametrize("ahead_s", [-30, 30])
async def test_nothing_is_entered_while_the_clocks_disagree(stage: Stage, ahead_s: int) -> None:
    stage.theirs.ahead = timedelta(seconds=ahead_s)
    async with await Database.in_memory() as database:
        result = await drive(await begun(stage, database), cycles=3)
    assert result.orders == ()
    assert {decision.outcome for decision in result.decisions} <= {"hold", "deny", "abstain"}


async def test_an_exchange_that_is_down_at_the_start_writes_nothing(stage: Stage, tmp_path: Path) -> None:
    stage.double.faults.add(Maintenance(), times=None)
    with pytest.raises(VenueUnavailable, match="okx did not give its markets"):
        await prepare(asked(), run_id="r1", at=NOW, opener=stage.opener)


def test_without_a_network_a_run_on_an_exchange_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    nowhere = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), "http://127.0.0.1:9")
    ended = agentctl("run", "--market", "okx", "--symbols", "BTC/USDT", folder=tmp_path, env=nowhere)
    assert ended.code == 5
    assert "okx did not give its markets" in ended.err
    assert "status page" in ended.err
    assert "Traceback" not in ended.err
    assert "nclosed" not in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_run_on_the_simulation_does_without_ccxt(tmp_path: Path) -> None:
    refuse = "import sys\nsys.modules['ccxt'] = sys.modules['ccxt.async_support'] = None"
    ended = agentctl("run", "--cycles", "1", folder=tmp_path, prelude=refuse)
    assert (ended.code, ended.err.count("Traceback")) == (0, 0)
