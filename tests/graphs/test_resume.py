"""Crashes at every commit: what was cut short and resumed ends exactly like what ran through."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.power_cuts import MortalDatabase, PowerCut, mortal
from builders.runs import NOW, REVIEWED, a_policy, again, archive, busy, drive, go_on, run
from domain.clock import TickClock
from graphs import RunOptions, RunResult, prepare, resume, start
from graphs.runs.replay import replay_run
from graphs.runs.runner import Stop
from graphs.session.session import Session
from memory import Approvals, Archive, Database
from memory.operators.approvals import Approval

ASKED = busy()
CYCLES = ASKED.cycles


async def cut_short(folder: Path, *, at: int, after_commit: bool, asked: RunOptions = ASKED) -> int:
    """Run until the commit numbered `at`; returns how many commits there were."""
    opened = await mortal(folder)
    header, market, model = await prepare(asked, run_id="r1", at=NOW)
    session = await start(header, market, model, database=opened)
    session.wall = TickClock(NOW)
    return await _until_it_dies(session, opened, at=at, after_commit=after_commit, cycles=asked.cycles)


async def cut_short_again(folder: Path, *, at: int, after_commit: bool, cycles: int) -> int:
    """The same for a run that goes on."""
    opened = await mortal(folder)
    session = await resume("r1", database=opened)
    session.wall = TickClock(NOW)
    return await _until_it_dies(session, opened, at=at, after_commit=after_commit, cycles=cycles)


async def _until_it_dies(session: Session, opened: MortalDatabase, *, at: int, after_commit: bool, cycles: int) -> int:
    opened.dies_at, opened.survives_commit, opened.commits = at, after_commit, 0
    try:
        await drive(session, cycles=cycles)
    except PowerCut:
        pass
    finally:
        await opened.close()
    return opened.commits


async def test_a_run_that_is_resumed_ends_like_one_that_was_not_stopped(tmp_path: Path) -> None:
    async with archive(tmp_path / "whole") as database:
        whole = await run(database, ASKED)
    stop = Stop()
    async with archive(tmp_path / "cut") as database:

        def listen(event: object) -> None:
            if getattr(event, "node", "") == "risk" and getattr(event, "cycle", 0) == 3:
                stop.ask()

        cut = await run(database, ASKED, listen=listen, stop=stop)
        assert cut.status == "interrupted"
        resumed = await go_on(database, cycles=CYCLES)
    assert (resumed.status, resumed.seal, resumed.orders) == ("finished", whole.seal, whole.orders)


@pytest.mark.parametrize("after_commit", [False, True])
async def test_a_power_cut_at_any_commit_loses_nothing_and_repeats_nothing(tmp_path: Path, after_commit: bool) -> None:
    async with archive(tmp_path / "whole") as database:
        whole = await run(database, ASKED)
    commits = await cut_short(tmp_path / "count", at=-1, after_commit=False)
    assert [(o.side, o.type) for o in whole.orders] == [("buy", "limit"), ("sell", "stop")] * 2
    assert commits > CYCLES
    for at in range(1, commits):
        folder = tmp_path / f"cut-{at}"
        await cut_short(folder, at=at, after_commit=after_commit)
        async with archive(folder) as database:
            resumed = await go_on(database, cycles=CYCLES)
        assert (at, resumed.seal) == (at, whole.seal)
        assert resumed.orders == whole.orders


REVIEWING = busy(policy=a_policy(**REVIEWED), cycles=2)
"""A person is asked about the entry of the first cycle."""


async def asked_once(database: Database) -> Approval:
    (question,) = await Approvals(database).consents(run_id="r1", cycle=0)
    return question


async def let_stand(database: Database) -> None:
    asked = await asked_once(database)
    await Approvals(database).decide(asked.id, approve=True, by="Ada", reason="I looked at it", at=NOW)


@pytest.mark.slow
@pytest.mark.parametrize("after_commit", [False, True])
async def test_a_power_cut_before_or_after_a_question_asks_it_once_and_sends_the_order_once(
    tmp_path: Path, after_commit: bool
) -> None:
    async with archive(tmp_path / "whole") as database:
        waiting = await run(database, REVIEWING)
        await let_stand(database)
        whole = await go_on(database, cycles=2)
        assert (waiting.status, [o.side for o in whole.orders if o.type != "stop"]) == ("interrupted", ["buy"])
    before = await cut_short(tmp_path / "count", at=-1, after_commit=False, asked=REVIEWING)
    async with archive(tmp_path / "count") as database:
        await let_stand(database)
    after = await cut_short_again(tmp_path / "count", at=-1, after_commit=False, cycles=2)
    for at in range(1, before):
        folder = tmp_path / f"before-{at}"
        await cut_short(folder, at=at, after_commit=after_commit, asked=REVIEWING)
        async with archive(folder) as database:
            await again(database, cycles=2, wall=TickClock(NOW))
            await let_stand(database)
            await as_whole(database, whole, at=at)
    for at in range(1, after):
        folder = tmp_path / f"after-{at}"
        await cut_short(folder, at=-1, after_commit=False, asked=REVIEWING)
        async with archive(folder) as database:
            await let_stand(database)
        await cut_short_again(folder, at=at, after_commit=after_commit, cycles=2)
        async with archive(folder) as database:
            await as_whole(database, whole, at=at)


async def as_whole(database: Database, whole: RunResult, *, at: int) -> None:
    """Gone on with, the run ends as one that was never cut, and replays so."""
    result = await again(database, cycles=2, wall=TickClock(NOW))
    looks = [(v.n, v.outcome) for v in await Archive(database).verdicts("r1", cycle=0)]
    replayed = await replay_run("r1", source=database, progress=lambda done, cycles: None)
    assert (at, result.status, result.orders) == (at, "finished", whole.orders)
    assert (at, looks, replayed.first_difference) == (at, [(0, "review"), (1, "allow")], None)
    assert (await asked_once(database)).requested_at == NOW
