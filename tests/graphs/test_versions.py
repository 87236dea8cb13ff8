"""Runs that several versions of agentctl decided: what is held is looked after, and each version answers for itself.

`archives/0.1.0.json.gz` is what version 0.1.0 left of a run that was killed with two open positions, in the middle of
a cycle, with a third entry claimed and nobody knowing whether it is out: see `builders.killed_run`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from builders.old_archives import put_back
from builders.power_cuts import PowerCut, mortal
from builders.runs import NOW, archive, busy, drive
from domain.order import OrderState
from graphs import prepare, resume, start
from graphs.runs.fork import fork
from graphs.runs.replay import ReplayReport, replay_run
from graphs.session.eras import Changes, era_lines, this_version
from memory import Archive, Database, Ledger
from memory.verify import verify

OLD = "0.1.0"
BEGUN, CYCLES = 6, 12
"""The cycle in which it was killed, and how many it has in the end."""


@asynccontextmanager
async def upgraded(folder: Path) -> AsyncGenerator[Database]:
    url = f"sqlite:///{folder / 'agentctl.db'}"
    await put_back(OLD, url)
    async with await Database.open(url) as database:
        yield database


async def replayed(database: Database) -> ReplayReport:
    return await replay_run("r1", source=database, progress=lambda done, cycles: None)


async def stops(database: Database) -> dict[str, Decimal | None]:
    books = await Ledger(database, account="r1", run_id="r1").portfolio(marks={}, as_of=NOW)
    return {symbol: position.stop_price for symbol, position in books.positions.items()}


async def test_an_archive_of_the_version_before_verifies_when_it_is_upgraded(tmp_path: Path) -> None:
    async with upgraded(tmp_path) as database:
        assert await verify(database, "r1") == ()
        assert len(await stops(database)) == 2


async def test_positions_of_the_version_before_are_managed_with_their_stops_unchanged(tmp_path: Path) -> None:
    async with upgraded(tmp_path) as database:
        before = await stops(database)
        session = await resume("r1", database=database, cycles=CYCLES)
        assert await stops(database) == before
        await drive(session, cycles=BEGUN + 2)
        after = await stops(database)
        assert {symbol: stop for symbol, stop in after.items() if symbol in before} == before
        result = await drive(await resume("r1", database=database, cycles=CYCLES), cycles=CYCLES)
        closed = [c async for c in Archive(database).cycles("r1", after=BEGUN)]
        faults = await verify(database, "r1")
    assert (result.status, result.cycles, faults) == ("finished", CYCLES, ())
    assert result.equity.reconciled
    assert all({d.symbol for d in c.record.decisions} >= set(before) for c in closed)


async def test_an_order_that_may_be_out_is_asked_for_and_not_decided_again(tmp_path: Path) -> None:
    async with upgraded(tmp_path) as database:
        ledger = Ledger(database, account="r1", run_id="r1")
        (doubted,) = await ledger.orders(working_only=True)
        assert (doubted.state, doubted.cycle) == (OrderState.SUBMITTING, BEGUN)
        await drive(await resume("r1", database=database, cycles=CYCLES), cycles=BEGUN + 2)
        cut = await anext(Archive(database).cycles("r1", after=BEGUN - 1))
        became = await ledger.order(doubted.client_order_id)
        sent = [o for o in await ledger.orders() if o.cycle == BEGUN]
    assert OLD in cut.record.cut_short
    assert this_version() in cut.record.cut_short
    assert (became.state, became.filled, len(sent)) == (OrderState.EXPIRED, 0, 1)


async def test_each_version_answers_for_the_cycles_that_it_decided(tmp_path: Path) -> None:
    async with upgraded(tmp_path) as database:
        await drive(await resume("r1", database=database, cycles=CYCLES), cycles=CYCLES)
        report = await replayed(database)
        lines = era_lines((await Archive(database).run("r1")).header)
    theirs, cut, ours = report.parts
    assert [(p.first, p.last, p.version) for p in report.parts] == [
        (0, BEGUN - 1, OLD),
        (BEGUN, BEGUN, OLD),
        (BEGUN + 1, CYCLES - 1, this_version()),
    ]
    assert (ours.identical, ours.replayed, ours.first_difference) == (True, CYCLES - BEGUN - 1, None)
    assert cut.cut_short
    assert report.identical == theirs.identical
    if not theirs.identical:
        assert theirs.first_difference is not None
        assert theirs.first_difference.startswith(f"written by version {OLD}, which decided differently: cycle ")
    assert [(line.from_cycle, line.version) for line in lines] == [(0, OLD), (BEGUN + 1, this_version())]
    assert [(str(change)) for change in lines[1].changes] == [f"version: {OLD} -> {this_version()}"]


async def test_a_run_that_an_older_version_decided_otherwise_says_so_and_verifies(tmp_path: Path) -> None:
    asked = busy()
    async with archive(tmp_path) as database:
        header, market, model = await prepare(asked, run_id="r1", at=NOW)
        session = await start(header.model_copy(update={"version": "0.0.9"}), market, model, database=database)
        desk = asked.desk.model_copy(update={"risk": asked.desk.risk.model_copy(update={"stop_atr": Decimal(3)})})
        session.settings = session.settings.model_copy(update={"desk": desk})
        await drive(session, cycles=asked.cycles)
        assert await verify(database, "r1") == ()
        report = await replayed(database)
    assert not report.identical
    assert report.first_difference is not None
    assert report.first_difference.startswith("written by version 0.0.9, which decided differently: cycle 0: ")


async def test_a_run_that_an_older_version_decided_alike_is_identical(tmp_path: Path) -> None:
    asked = busy()
    async with archive(tmp_path) as database:
        header, market, model = await prepare(asked, run_id="r1", at=NOW)
        session = await start(header.model_copy(update={"version": "0.0.9"}), market, model, database=database)
        await drive(session, cycles=4)
        result = await drive(await resume("r1", database=database, cycles=asked.cycles), cycles=asked.cycles)
        report = await replayed(database)
        record = await Archive(database).run("r1")
    assert (report.identical, report.cycles, report.first_difference) == (True, asked.cycles, None)
    assert [(p.first, p.last, p.version) for p in report.parts] == [(0, 3, "0.0.9"), (4, 5, this_version())]
    assert [(o.side, o.type) for o in result.orders] == [("buy", "market"), ("sell", "stop")] * 2
    assert (record.header.version_at(3), record.header.version_at(4)) == ("0.0.9", this_version())


async def test_a_fork_of_what_another_version_decided_is_taken_over_as_it_was(tmp_path: Path) -> None:
    async with upgraded(tmp_path) as database:
        await drive(await resume("r1", database=database, cycles=CYCLES), cycles=CYCLES)
        await fork(
            "r1",
            from_cycle=BEGUN + 3,
            changes=Changes(),
            run_id="r2",
            at=NOW,
            cycles=None,
            database=database,
            progress=lambda done, cycles: None,
        )
        result = await drive(await resume("r2", database=database), cycles=CYCLES)
        parent, faults = await Archive(database).run("r1"), await verify(database, "r2")
        report = await replay_run("r2", source=database, progress=lambda done, cycles: None)
    assert (faults, result.seal) == ((), parent.seal)
    assert (report.parts[-1].version, report.parts[-1].identical) == (this_version(), True)


async def begun_by_another(folder: Path, *, dies_at: int, after_commit: bool) -> int:
    """A run of version 0.0.9 until the commit numbered `dies_at`; returns how many commits there were."""
    asked, opened = busy(), await mortal(folder)
    header, market, model = await prepare(asked, run_id="r1", at=NOW)
    older = header.model_copy(update={"version": "0.0.9"})
    session = await start(older, market, model, database=opened)
    opened.dies_at, opened.survives_commit, opened.commits = dies_at, after_commit, 0
    try:
        await drive(session, cycles=asked.cycles)
    except PowerCut:
        pass
    finally:
        await opened.close()
    return opened.commits


async def goes_on_whole(folder: Path, *, at: int) -> None:
    """This version goes on with the run: nothing is sent twice, the books add up, and what it decides replays."""
    asked = busy()
    async with archive(folder) as database:
        ledger = Ledger(database, account="r1", run_id="r1")
        before = {order.client_order_id: order for order in await ledger.orders()}
        result = await drive(await resume("r1", database=database, cycles=asked.cycles), cycles=asked.cycles)
        after = {order.client_order_id: order for order in await ledger.orders()}
        faults, report = await verify(database, "r1"), await replayed(database)
    assert (at, result.status, faults, result.equity.reconciled) == (at, "finished", (), True)
    assert (at, report.identical, report.first_difference) == (at, True, None)
    assert all(after[key].request == order.request for key, order in before.items())
    open_still = [o for o in after.values() if o.state.working and o.cycle < asked.cycles - 1]
    assert all(order.request.protects for order in open_still)
    assert all(len(order.fills) <= 1 for order in after.values())


async def test_a_cycle_that_another_version_began_is_not_decided_again_wherever_it_was_cut(tmp_path: Path) -> None:
    commits = await begun_by_another(tmp_path / "count", dies_at=-1, after_commit=False)
    for at in range(1, commits, 4):
        folder = tmp_path / f"cut-{at}"
        await begun_by_another(folder, dies_at=at, after_commit=bool(at % 8 == 1))
        await goes_on_whole(folder, at=at)


@pytest.mark.slow
@pytest.mark.parametrize("after_commit", [False, True])
async def test_a_cycle_of_another_version_that_was_cut_at_any_commit_is_not_decided_again(
    tmp_path: Path, after_commit: bool
) -> None:
    commits = await begun_by_another(tmp_path / "count", dies_at=-1, after_commit=False)
    for at in range(1, commits):
        folder = tmp_path / f"cut-{at}"
        await begun_by_another(folder, dies_at=at, after_commit=after_commit)
        await goes_on_whole(folder, at=at)
