"""Perpetuals on paper through a whole run: funded, liquidated, recorded, resumed and replayed to the byte."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from agents.settings import DeskSettings, RiskSettings, SignalSettings
from builders.exchanges import START, a_stage
from builders.live import THIN
from builders.perpetuals import FIRST_CYCLE, SWAP, a_perpetual, costs, on
from builders.power_cuts import PowerCut, mortal
from builders.runs import NOW, archive, drive, go_on, options, run
from domain.digest import canonical
from domain.errors import UsageError
from domain.statement import ExternalEvent
from exchange_double.faults import Maintenance
from exchange_double.wire import Operation
from graphs import RunOptions, RunResult, prepare, resume, start
from graphs.runs.replay import replay_run
from graphs.session.perpetuals import depleted, margins_now, outlook
from graphs.session.session import RunSettings
from graphs.trading.events import Event, Liquidated
from memory import Archive, Database, Ledger

FIVE = timedelta(minutes=5)
OFTEN = "0.001"


def rate_of(bar: int) -> str:
    """Small ones that both sides pay, and from the eighth bar on such as no account stands for long."""
    return "0.1" if bar > 7 else OFTEN if bar % 3 else "-0.0004"


async def books(database: Database) -> tuple[ExternalEvent, ...]:
    return await Ledger(database, account="r1", run_id="r1").external()


async def replayed(database: Database) -> tuple[bool, str | None]:
    report = await replay_run("r1", source=database, progress=lambda done, planned: None)
    return report.identical, report.first_difference


async def test_a_run_pays_funding_at_each_of_its_times_and_counts_it_as_its_own(tmp_path: Path) -> None:
    market = a_perpetual(tmp_path / "market", lambda bar: OFTEN if bar % 2 else None)
    async with archive(tmp_path) as database:
        result = await run(database, on(market, cycles=10))
        events = await books(database)
        (entry, _) = await Ledger(database, account="r1", run_id="r1").orders()
        (fill,) = entry.fills
        assert [event.at for event in events] == [FIRST_CYCLE + n * FIVE for n in (1, 3, 5, 7, 9)]
        assert {event.kind for event in events} == {"funding"}
        assert all(-fill.notional / 900 < event.cash < -fill.notional / 1_100 for event in events)
        money = result.equity
        assert money.funding == sum(event.cash for event in events)
        assert (money.realized, money.contributed, money.reconciled) == (money.funding, 0, True)
        assert money.end == money.start + money.realized + money.unrealized - money.fees
        assert await replayed(database) == (True, None)


async def test_a_run_without_rates_pays_the_set_one_and_says_which(tmp_path: Path) -> None:
    market = a_perpetual(tmp_path / "market")
    asked = on(market, cycles=10, costs=costs(funding_rate="-0.0002", leverage="3"))
    async with archive(tmp_path) as database:
        header, opened, model = await prepare(asked, run_id="r1", at=NOW)
        session = await start(header, opened, model, database=database)
        assert outlook(session) == (
            f"{SWAP} on paper: funding -2 bps every 8 hours ([paper] funding_bps), for {market} tells no rates; "
            "leverage up to 3, maintenance margin of 0.5 %, liquidation at the mark for 1.25 %",
        )
        await drive(session, cycles=10)
        events = await books(database)
    assert [event.at.hour for event in events] == [0]
    assert events[0].cash > 0  # longs are paid


async def test_what_a_run_holds_them_by_stands_in_its_header_and_nothing_of_it_on_spot(tmp_path: Path) -> None:
    market = a_perpetual(tmp_path / "market", lambda bar: OFTEN)
    header, _, _ = await prepare(on(market), run_id="r1", at=NOW)
    terms = RunSettings.model_validate_json(header.settings).costs.perpetuals
    assert terms is not None
    assert terms.funding_from == {SWAP: "ETH-USDT-USDT_funding.csv"}
    spot, _, _ = await prepare(options(), run_id="r1", at=NOW)
    assert '"perpetuals"' not in spot.settings


async def of_before(database: Database, asked: RunOptions) -> RunResult:
    """A run whose header is from a version that knew no terms."""
    header, opened, model = await prepare(asked, run_id="r1", at=NOW)
    settings = RunSettings.model_validate_json(header.settings)
    bare = settings.model_copy(update={"costs": settings.costs.model_copy(update={"perpetuals": None})})
    header = header.model_copy(update={"settings": canonical(bare)})
    return await drive(await start(header, opened, model, database=database), cycles=5)


async def test_a_run_of_before_goes_on_as_it_did(tmp_path: Path) -> None:
    market = a_perpetual(tmp_path / "market", rate_of)
    async with archive(tmp_path) as database:
        await of_before(database, on(market))
        result = await go_on(database, cycles=14)
        assert await books(database) == ()
        assert (result.cycles, result.equity.funding) == (14, 0)
        assert [position.symbol for position in result.open_positions] == [SWAP]
        assert await replayed(database) == (True, None)


async def test_a_run_whose_rates_are_gone_does_not_go_on(tmp_path: Path) -> None:
    market = a_perpetual(tmp_path / "market", rate_of)
    async with archive(tmp_path) as database:
        await run(database, on(market, cycles=3))
        (tmp_path / "market" / "ETH-USDT-USDT_funding.csv").unlink()
        with pytest.raises(UsageError, match=r"takes the funding of .* from ETH-USDT-USDT_funding.csv"):
            await go_on(database, cycles=5)


async def test_a_liquidation_is_told_learned_from_and_outlived(tmp_path: Path) -> None:
    market = a_perpetual(tmp_path / "market", rate_of)
    heard: list[Event] = []
    async with archive(tmp_path) as database:
        result = await run(database, on(market, cycles=20, costs=costs(maintenance="0.8")), listen=heard.append)
        (told,) = [event for event in heard if isinstance(event, Liquidated)]
        (event,) = [event for event in await books(database) if event.kind == "liquidation"]
        assert told.event == event
        (episode, *_) = await Archive(database).episodes("r1")
        paid = [each.cash for each in await books(database) if each.kind == "funding" and each.at <= event.at]
        assert (episode.cause, episode.closed_at, episode.funding) == ("liquidation", event.at, sum(paid))
        entry, exit, *later = result.orders
        assert entry.price is not None
        assert event.price is not None
        gained = entry.filled * (event.price - entry.price)
        assert episode.profit == gained + episode.funding - entry.fee - event.fee
        assert (exit.type, exit.state.value) == ("stop", "cancelled")
        assert later  # it trades on with what is left
        assert (result.status, result.cycles, result.equity.reconciled) == ("finished", 20, True)
        assert await replayed(database) == (True, None)


async def test_a_run_with_nothing_left_ends(tmp_path: Path) -> None:
    market = a_perpetual(tmp_path / "market", rate_of)
    asked = on(market, cycles=20, costs=costs(maintenance="0.8", liquidation_fee="1"))
    async with archive(tmp_path) as database:
        result = await run(database, asked)
        assert (result.status, result.cycles) == ("finished", 13)
        assert 0 <= result.equity.end < Decimal("0.01")
        again = await go_on(database, cycles=20)
        assert (again.status, again.cycles) == ("finished", 14)
        assert await replayed(database) == (True, None)


async def test_nothing_is_left_only_where_not_even_the_least_order_is(tmp_path: Path) -> None:
    market = a_perpetual(tmp_path / "market")
    async with archive(tmp_path) as database:
        header, opened, model = await prepare(on(market), run_id="r1", at=NOW)
        session = await start(header, opened, model, database=database)
        empty = await session.ledger.portfolio(marks={}, as_of=NOW)
        marks = {SWAP: Decimal(3_000)}
        for cash, gone in (("100000", False), ("1", False), ("0.00001", True), ("0", True), ("-5", True)):
            poor = empty.model_copy(update={"cash": Decimal(cash)})
            assert depleted(poor, session.settings, marks=marks) is gone
            assert depleted(poor, session.settings, marks={}) is False


ASKED_CYCLES = 14


async def cut_short(folder: Path, asked: RunOptions, *, at: int, after_commit: bool) -> int:
    opened = await mortal(folder)
    header, market, model = await prepare(asked, run_id="r1", at=NOW)
    session = await start(header, market, model, database=opened)
    opened.dies_at, opened.survives_commit, opened.commits = at, after_commit, 0
    try:
        await drive(session, cycles=asked.cycles)
    except PowerCut:
        pass
    finally:
        await opened.close()
    return opened.commits


@pytest.mark.slow
@pytest.mark.parametrize("after_commit", [False, True])
async def test_a_power_cut_at_any_commit_charges_nothing_twice_and_forgets_nothing(
    tmp_path: Path, after_commit: bool
) -> None:
    market = a_perpetual(tmp_path / "market", rate_of)
    asked = on(market, cycles=ASKED_CYCLES, costs=costs(maintenance="0.8"))
    async with archive(tmp_path / "whole") as database:
        whole = await run(database, asked)
        events = await books(database)
    assert {event.kind for event in events} == {"funding", "liquidation"}
    commits = await cut_short(tmp_path / "count", asked, at=-1, after_commit=False)
    for at in range(1, commits):
        folder = tmp_path / f"cut-{at}"
        await cut_short(folder, asked, at=at, after_commit=after_commit)
        async with archive(folder) as database:
            resumed = await go_on(database, cycles=ASKED_CYCLES)
            assert await books(database) == events
        assert (at, resumed.seal, resumed.equity) == (at, whole.seal, whole.equity)


@pytest.mark.parametrize("cuts", [(3,), (9,), (11,), (12,), tuple(range(1, 14))])
async def test_a_run_that_is_resumed_ends_like_one_that_was_not_stopped(tmp_path: Path, cuts: Sequence[int]) -> None:
    market = a_perpetual(tmp_path / "market", rate_of)
    asked = on(market, cycles=ASKED_CYCLES, costs=costs(maintenance="0.8"))
    async with archive(tmp_path / "whole") as database:
        whole = await run(database, asked)
        events = await books(database)
    first, *others = (*cuts, ASKED_CYCLES)
    async with archive(tmp_path / "cut") as database:
        result = await run(database, on(market, cycles=first, costs=asked.costs))
        for cycles in others:
            result = await go_on(database, cycles=cycles)
        assert await books(database) == events
    assert (result.seal, result.orders, result.equity) == (whole.seal, whole.orders, whole.equity)


async def test_positions_show_what_a_perpetual_ties_up_and_where_it_ends(tmp_path: Path) -> None:
    market = a_perpetual(tmp_path / "market", lambda bar: OFTEN)
    async with archive(tmp_path) as database:
        await run(database, on(market, cycles=6, costs=costs(leverage="2", maintenance="0.4")))
        ledger = Ledger(database, account="r1", run_id="r1")
        record = await Archive(database).run("r1")
        settings = RunSettings.model_validate_json(record.era.settings)
        held = await ledger.portfolio(marks={}, as_of=NOW)
        mark = Decimal(3_300)
        found = (await margins_now(ledger, held, settings, {SWAP: mark}))[SWAP]
        position = held.positions[SWAP]
        assert (found.leverage, found.mark_price) == (2, mark)
        assert found.initial_margin == position.quantity * mark / 2
        assert found.maintenance_margin == position.quantity * mark * Decimal("0.4")
        assert found.funding == position.funding == sum(event.cash for event in await books(database))
        assert found.liquidation_price is None  # at no price above nothing: it is paid for
        poor = held.model_copy(update={"cash": held.cash - 50_000})
        price = (await margins_now(ledger, poor, settings, {SWAP: mark}))[SWAP].liquidation_price
        assert price is not None
        kept = position.quantity * price * Decimal("0.4")
        assert abs(poor.cash + position.quantity * price - kept) < Decimal("1e-9")


DESK = DeskSettings(
    signal=SignalSettings(threshold=Decimal("0.1")),
    risk=RiskSettings(reenter_after_bars=0, min_conviction=Decimal("0.2")),
)
BTC = "BTC/USDT:USDT"
HOUR = timedelta(hours=1)


async def test_a_run_at_an_exchange_pays_its_rates_and_keeps_its_tiers(tmp_path: Path) -> None:
    asked = options(market="okx", symbols=(BTC,), cycles=6, desk=DESK, policy=THIN, timeframe="1h")
    noon = START.replace(second=0)
    rates = {noon + n * HOUR + timedelta(milliseconds=9): Decimal("0.0001") for n in range(8)}
    async with archive(tmp_path) as database:
        with a_stage([BTC], timeframe="1h") as stage:
            stage.double.engine.set_funding(BTC, rates)
            header, market, model = await prepare(asked, run_id="r1", at=NOW, opener=stage.opener)
            settings = RunSettings.model_validate_json(header.settings)
            assert [tier.rate for tier in settings.instruments[BTC].margin_tiers] == [Decimal("0.005")]
            session = await start(header, market, model, database=database)
            assert outlook(session) == (
                f"{BTC} on paper: funding at the rates of okx; leverage up to 1, maintenance margin by the tiers of "
                "okx, liquidation at the mark for 1.25 %",
            )
            await drive(session, cycles=3)
            (entry, *_) = await session.ledger.orders()
            assert entry.filled
            # For two hours the exchange tells no rates; what was due then is charged when it does.
            stage.double.faults.add(Maintenance(), on=Operation.PERPETUALS, times=None)
            before = await books(database)
            await drive(await resume("r1", database=database, cycles=5, opener=stage.opener), cycles=5)
            assert await books(database) == before
            stage.double.faults.clear()
            result = await drive(await resume("r1", database=database, cycles=6, opener=stage.opener), cycles=6)
        events = await books(database)
        first = entry.fills[0].at
        # The last cycle is soon after the close of a bar, at 17:00.
        assert [event.at for event in events] == [
            at for n in range(8) if first < (at := noon + n * HOUR) <= noon + 5 * HOUR
        ]
        assert len(events) >= 3
        assert (result.equity.funding, result.equity.reconciled) == (sum(event.cash for event in events), True)
        assert await replayed(database) == (True, None)


async def test_an_exchange_that_tells_no_tiers_is_none_to_fail_on(tmp_path: Path) -> None:
    asked = options(market="okx", symbols=(BTC,), cycles=1, desk=DESK, policy=THIN, timeframe="1h")
    with a_stage([BTC], timeframe="1h") as stage:
        stage.double.faults.add(Maintenance(), on=Operation.PERPETUALS, times=None)
        header, market, model = await prepare(asked, run_id="r1", at=NOW, opener=stage.opener)
        assert RunSettings.model_validate_json(header.settings).instruments[BTC].margin_tiers == ()
        async with archive(tmp_path) as database:
            (said,) = outlook(await start(header, market, model, database=database))
            assert "maintenance margin of 0.5 %" in said


async def test_the_archive_holds_a_liquidation_as_an_event_and_not_as_an_order(tmp_path: Path) -> None:
    market = a_perpetual(tmp_path / "market", rate_of)
    async with archive(tmp_path) as database:
        await run(database, on(market, cycles=14, costs=costs(maintenance="0.8")))
        (tick,) = [s for s in await Archive(database).steps("r1", 12) if s.node == "tick"]
        assert [event["kind"] for event in json.loads(tick.body)["settled"]] == ["liquidation"]
