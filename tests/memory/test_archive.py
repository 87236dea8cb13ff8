"""Runs, cycles and what they came to, kept and found again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import delete, select

from builders.memory import START, a_cycle, a_header, a_small_run, at, some_figures
from domain.digest import digest, sha256
from domain.errors import NotCanonical, NotFound, Refused, UsageError
from memory import Archive, Database
from memory.archive.pruning import prune_snapshots
from memory.store.schema import cycles, runs


async def test_a_run_is_found_again_as_it_was_begun(database: Database) -> None:
    archive, header = Archive(database), a_header()
    await archive.begin_run(header)
    found = await archive.run("r1")
    assert (found.header, found.status, found.cycles, found.seal) == (header, "running", 0, header.config_digest)


async def test_a_run_ends_goes_on_and_ends_again(database: Database) -> None:
    archive = Archive(database)
    await archive.begin_run(a_header())
    await archive.end_run("r1", "interrupted", at=at(7))
    assert (await archive.run("r1")).ended_at == at(7)
    await archive.resume_run("r1")
    resumed = await archive.run("r1")
    assert (resumed.status, resumed.ended_at) == ("running", None)


async def test_a_run_id_is_used_once(database: Database) -> None:
    archive = Archive(database)
    await archive.begin_run(a_header())
    with pytest.raises(UsageError, match="there is a run r1"):
        await archive.begin_run(a_header(seed=8))


async def test_a_run_is_found_by_the_beginning_of_its_id(database: Database) -> None:
    archive = Archive(database)
    for run_id in ("abc1", "abd2", "abd"):
        await archive.begin_run(a_header(run_id=run_id))
    assert (await archive.run("abc")).header.run_id == "abc1"
    assert (await archive.run("abd")).header.run_id == "abd"
    with pytest.raises(UsageError, match="abc1, abd, abd2"):
        await archive.run("ab")
    for unknown in ("x", "", "ABC", "%", "_bc"):
        with pytest.raises(NotFound):
            await archive.run(unknown)


async def test_runs_are_listed_newest_first_down_to_the_microsecond(database: Database) -> None:
    archive = Archive(database)
    ages = {"old": -60_000_000, "whole": 0, "half": 500_000, "next": 1_000_000}
    for run_id, microseconds in ages.items():
        created_at = START + timedelta(microseconds=microseconds)
        await archive.begin_run(a_header(run_id=run_id, created_at=created_at))
    assert [run.header.run_id for run in await archive.runs()] == ["next", "half", "whole", "old"]
    assert [run.header.run_id for run in await archive.runs(limit=1)] == ["next"]


def test_who_and_when_are_not_in_the_configuration_and_all_else_is() -> None:
    header = a_header()
    same = a_header(run_id="r2", created_at=at(1), parent="r1", start_cash=Decimal("10000.00"), planned_cycles=9)
    assert header.config_digest == same.config_digest
    for other in ({"seed": 8}, {"model": "m"}, {"settings": '{"a":1}'}, {"policy_digest": digest("other")}):
        assert header.config_digest != a_header(**other).config_digest


async def test_each_seal_rests_on_the_one_before_it(database: Database) -> None:
    archive = Archive(database)
    await archive.begin_run(a_header())
    seals = [await archive.close_cycle("r1", a_cycle(n), timings={"signal": 0.5}) for n in (1, 2, 3)]
    closed = [cycle async for cycle in archive.cycles("r1")]
    assert [cycle.seal for cycle in closed] == seals
    assert [cycle.previous for cycle in closed] == [a_header().config_digest, *seals[:2]]
    assert [cycle.record for cycle in closed] == [a_cycle(n) for n in (1, 2, 3)]
    assert closed[0].timings == {"signal": 0.5}
    assert [cycle.record.cycle async for cycle in archive.cycles("r1", after=2)] == [3]
    assert await archive.last_cycle("r1") == closed[-1]
    run = await archive.run("r1")
    assert (run.cycles, run.seal) == (3, seals[-1])


async def test_cycles_are_read_in_pages_without_a_gap(database: Database) -> None:
    archive = Archive(database)
    await archive.begin_run(a_header())
    for n in range(1, 204):
        await archive.close_cycle("r1", a_cycle(n), timings={})
    assert [cycle.record.cycle async for cycle in archive.cycles("r1")] == list(range(1, 204))


async def test_timings_are_not_under_the_seal_and_everything_noted_is(database: Database) -> None:
    archive = Archive(database)
    seals = []
    for run_id, timing, value in (("a", 0.1, "x"), ("b", 0.2, "x"), ("c", 0.1, "y")):
        await archive.begin_run(a_header(run_id=run_id))
        archive.note_step(run_id, cycle=1, node="risk", subject="BTC/USDT", value=value)
        seals.append(await archive.close_cycle(run_id, a_cycle(1), timings={"risk": timing}))
    assert seals[0] == seals[1] != seals[2]


async def test_a_closed_cycle_can_be_closed_again_only_as_it_is(database: Database) -> None:
    archive = Archive(database)
    await archive.begin_run(a_header())
    seal = await archive.close_cycle("r1", a_cycle(1), timings={})
    assert await archive.close_cycle("r1", a_cycle(1), timings={"x": 9.0}) == seal
    with pytest.raises(Refused, match="cycle 1"):
        await archive.close_cycle("r1", a_cycle(1, tokens=13), timings={})
    with pytest.raises(Refused):
        await archive.close_cycle("r1", a_cycle(0), timings={})
    assert (await archive.run("r1")).cycles == 1


async def test_a_cycle_of_an_unknown_run_is_not_closed(database: Database) -> None:
    with pytest.raises(NotFound):
        await Archive(database).close_cycle("nobody", a_cycle(1), timings={})


async def test_steps_and_snapshots_and_texts_are_found_again(database: Database) -> None:
    await a_small_run(database)
    archive = Archive(database)
    (step,) = await archive.steps("r1", 1)
    assert (step.node, step.body) == ("research", '{"stance":"buy"}')
    latest, first = await archive.snapshots("r1")
    assert (latest.cycle, first.cycle) == (2, 1)
    assert await archive.snapshot(first.id[:10]) == first
    assert await archive.blobs(first.blobs) == {first.blobs[0]: "an item of cycle 1"}
    assert [verdict.outcome for verdict in await archive.verdicts("r1", cycle=1)].count("deny") == 1
    assert [episode.profit for episode in await archive.episodes("r1")] == [Decimal("19.6")]
    with pytest.raises(NotFound):
        await archive.snapshot("0" * 63 + "x")
    with pytest.raises(NotFound):
        await archive.blobs([sha256("never noted")])


async def test_contexts_of_the_newest_run_come_first(database: Database) -> None:
    archive = Archive(database)
    for run_id, minutes, last in (("new", 9, 1), ("old", 0, 3)):
        await archive.begin_run(a_header(run_id=run_id, created_at=at(minutes)))
        for n in range(1, last + 1):
            archive.note_snapshot(
                run_id, cycle=n, subject="BTC/USDT", id=digest([run_id, n]), previous=None, body={"cycle": n}
            )
            await archive.close_cycle(run_id, a_cycle(n), timings={})
    found = [(one.run_id, one.cycle) for one in await archive.snapshots(limit=3)]
    assert found == [("new", 1), ("old", 3), ("old", 2)]
    assert (await archive.snapshot_count(), await archive.snapshot_count("old")) == (4, 3)


async def test_a_run_is_known_by_any_row_that_it_left(database: Database) -> None:
    for run_id in ("a", "b"):
        await a_small_run(database, run_id=run_id)
    async with database.transaction() as connection:
        await connection.execute(delete(runs).where(runs.c.run_id == "b"))
    assert await Archive(database).run_ids() == ("a", "b")


async def test_equal_runs_share_their_snapshots_ids_and_one_is_given(database: Database) -> None:
    await a_small_run(database, run_id="a")
    await a_small_run(database, run_id="b")
    found = await Archive(database).snapshot(digest(["snapshot", 1]))
    assert found.run_id == "a"


async def test_a_snapshot_that_one_run_pruned_is_given_whole_by_another(database: Database) -> None:
    await a_small_run(database, run_id="a")
    await a_small_run(database, run_id="b")
    await prune_snapshots(database, "a", before_cycle=3, at=START)
    found = await Archive(database).snapshot(digest(["snapshot", 1]))
    assert (found.run_id, found.pruned) == ("b", False)


async def test_an_unfinished_cycle_is_forgotten_and_a_closed_one_is_not(database: Database) -> None:
    archive = Archive(database)
    await archive.begin_run(a_header())
    await archive.close_cycle("r1", a_cycle(1), timings={})
    archive.note_step("r1", cycle=2, node="risk", subject="", value=1)
    await database.flush()
    await archive.discard_open_cycle("r1", cycle=2)
    assert await archive.steps("r1", 2) == ()
    with pytest.raises(Refused, match="is closed"):
        await archive.discard_open_cycle("r1", cycle=1)


async def test_what_has_no_canonical_form_is_refused_when_noted(database: Database) -> None:
    archive = Archive(database)
    for value in (float("nan"), b"bytes", "\ud800"):
        with pytest.raises(NotCanonical):
            archive.note_step("r1", cycle=1, node="risk", subject="", value=value)
    await database.flush()


async def test_money_is_kept_to_the_last_digit(database: Database) -> None:
    archive = Archive(database)
    await archive.begin_run(a_header())
    figures = some_figures(cash=Decimal("-12345678901234567890.123456789"), fees=Decimal("1E-30"))
    await archive.close_cycle("r1", a_cycle(1, figures=figures), timings={})
    (closed,) = [cycle async for cycle in archive.cycles("r1")]
    assert closed.record.figures == figures
    async with database.reading() as connection:
        assert '"fees":"0.000000000000000000000000000001"' in str(await connection.scalar(select(cycles.c.body)))
