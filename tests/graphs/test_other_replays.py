"""Replays with one thing changed: another policy, another model or prompt, a fork, and two runs side by side."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from builders.runs import NOW, archive, drive, run, timed
from context import DEFAULT_LANES
from domain.errors import NotFound, UsageError
from graphs import policy_in_effect, resume
from graphs.archive.ask_again import ask_again
from graphs.archive.diff import diff_runs, diff_snapshots
from graphs.archive.snapshots import verify_chain
from graphs.archive.what_if import judge_again
from graphs.runs.fork import fork
from graphs.runs.replay import replay_run
from graphs.session.eras import Changes
from memory import Archive, Database
from memory.archive.pruning import prune_snapshots
from policy import Policy

ASKED = timed()


def silent(done: int, cycles: int) -> None:
    pass


def a_tight_policy() -> Policy:
    """The default policy, but no order above a thousandth of equity."""
    policy = policy_in_effect(None)
    assert policy.max_notional is not None
    tight = policy.max_notional.model_copy(update={"share_of_equity": Decimal("0.001")})
    return policy.model_copy(update={"name": "tight", "max_notional": tight})


async def _forked(database: Database, changes: Changes, *, from_cycle: int) -> None:
    child = await fork(
        "r1",
        from_cycle=from_cycle,
        changes=changes,
        run_id="r2",
        at=NOW,
        cycles=None,
        database=database,
        progress=silent,
    )
    await drive(await resume("r2", database=database), cycles=child.planned_cycles)


async def test_another_policy_changes_the_entries_and_says_why(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, ASKED)
        report = await judge_again("r1", a_tight_policy(), database=database)
    assert (report.judged, report.allowed_then, report.allowed_now) == (3, 3, 1)  # leaving stays allowed
    assert [(c.cycle, c.was, c.would_be) for c in report.changes] == [(0, "allow", "deny"), (4, "allow", "deny")]
    assert all(any("MAX_NOTIONAL" in reason for reason in c.because) for c in report.changes)


async def test_the_same_policy_changes_no_verdict(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, ASKED)
        report = await judge_again("r1", policy_in_effect(None), database=database)
    assert (report.changes, report.allowed_now) == ((), report.allowed_then)


async def test_a_context_can_be_asked_again_in_other_words(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        result = await run(database, ASKED)
        same = await ask_again(result.snapshots[0], model=None, prompt=None, database=database)
        other = await ask_again(result.snapshots[0], model=None, prompt="Be brief.", database=database)
    assert (same.same_prompt, same.was) == (True, same.now)
    assert not other.same_prompt


async def test_a_fork_is_its_parent_up_to_the_cycle_and_goes_its_own_way_after(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        parent = await run(database, ASKED)
        await _forked(database, Changes(policy=a_tight_policy()), from_cycle=2)
        records = [await Archive(database).run(run_id) for run_id in ("r1", "r2")]
        cycles = [[c async for c in Archive(database).cycles(r.header.run_id)] for r in records]
        verdicts = await Archive(database).verdicts("r2")
        replayed = await replay_run("r2", source=database, progress=silent)
    assert (records[1].header.parent, records[1].status, records[1].cycles) == ("r1", "finished", parent.cycles)
    assert [c.seal for c in cycles[0][:2]] == [c.seal for c in cycles[1][:2]]
    assert cycles[0][2].seal != cycles[1][2].seal  # another policy decides, and the seal says so
    assert [(v.cycle, v.outcome) for v in verdicts] == [(0, "allow"), (3, "allow"), (4, "deny")]
    assert replayed.first_difference is None


async def test_a_fork_with_other_lanes_shows_the_model_another_context(tmp_path: Path) -> None:
    muted = DEFAULT_LANES.model_copy(
        update={
            "lanes": tuple(
                lane.model_copy(update={"state": "muted"}) if lane.id == "news-sentiment" else lane
                for lane in DEFAULT_LANES.lanes
            )
        }
    )
    async with archive(tmp_path) as database:
        await run(database, ASKED)
        await _forked(database, Changes(lanes=muted), from_cycle=3)
        found = await diff_runs("r1", "r2", database=database)
    changed = {d.cycle for d in found.differences if d.aspect == "context"}
    assert changed
    assert min(cycle for cycle in changed if cycle is not None) >= 3


@pytest.mark.parametrize("from_cycle", [0, 7])
async def test_a_fork_begins_within_its_parent(tmp_path: Path, from_cycle: int) -> None:
    async with archive(tmp_path) as database:
        await run(database, ASKED)
        with pytest.raises(UsageError, match="--from"):
            await _forked(database, Changes(), from_cycle=from_cycle)


async def test_a_run_differs_from_itself_in_nothing_and_from_another_where_they_part(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, ASKED)
        await run(database, ASKED, run_id="twin")
        await run(database, timed(seed=3), run_id="other")
        twin = await diff_runs("r1", "twin", database=database)
        other = await diff_runs("r1", "other", database=database)
    assert twin.same
    assert twin.compared > 6 * 3
    assert {"setting", "context", "equity"} <= {d.aspect for d in other.differences}


async def test_two_contexts_are_compared_item_by_item(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        result = await run(database, ASKED)
        same = await diff_snapshots(result.snapshots[0], result.snapshots[0], database=database)
        found = await diff_snapshots(result.snapshots[0], result.snapshots[1], database=database)
    assert same.same
    assert "indicators:ETH/USDT" in {d.symbol for d in found.differences}


async def test_pruned_contexts_leave_a_chain_that_verifies_and_a_run_that_replays(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        result = await run(database, ASKED)
        gone = await prune_snapshots(database, "r1", before_cycle=4, at=NOW)
        again = await prune_snapshots(database, "r1", before_cycle=4, at=NOW)
        chain = await verify_chain(database, ["r1"])
        replayed = await replay_run("r1", source=database, progress=silent)
        with pytest.raises(NotFound, match="pruned"):
            await ask_again(result.snapshots[0], model=None, prompt=None, database=database)
        kept = await ask_again(result.snapshots[-1], model=None, prompt=None, database=database)
    assert gone.snapshots > 0
    assert gone.texts > 0
    assert (again.snapshots, again.texts) == (0, 0)
    assert (chain.snapshots, chain.pruned, chain.faults) == (len(result.snapshots), gone.snapshots, ())
    assert replayed.first_difference is None
    assert kept.now is not None


async def test_a_fork_reports_what_decides_in_it(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, ASKED)
        await _forked(database, Changes(policy=a_tight_policy()), from_cycle=2)
        found = await diff_runs("r1", "r2", database=database)
    assert "policy" in {d.symbol for d in found.differences if d.aspect == "setting"}
