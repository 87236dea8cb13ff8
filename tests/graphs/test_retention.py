"""A run that lets go of its own old contexts decides the same, and its chain stays verifiable."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from builders.runs import NOW, archive, busy
from graphs import Runner, Stop, build, prepare, replay_run, resume, start
from graphs.archive.snapshots import verify_chain
from graphs.runs.retention import Retention
from graphs.session.session import Session
from graphs.trading.events import CycleEnded, CycleStarted, Event
from memory import Database

ASKED = busy()


async def begun(database: Database) -> Session:
    header, market, model = await prepare(ASKED, run_id="r1", at=NOW)
    return await start(header, market, model, database=database)


async def seal(session: Session) -> str:
    return (await session.archive.run("r1")).seal


async def whole(session: Session) -> list[int]:
    """The cycles whose contexts are there."""
    kept = await session.archive.snapshots("r1", limit=None)
    return sorted({record.cycle for record in kept if not record.pruned})


async def test_a_run_keeps_its_last_contexts_and_the_chain_over_all(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        session = await begun(database)
        retention = Retention(keep_cycles=2)
        assert await Runner(session, build(), retention=retention).run(cycles=6) == "finished"
        chain = await verify_chain(database, ["r1"])
        replayed = await replay_run("r1", source=database, progress=lambda done, of: None)
        assert await whole(session) == [4, 5]
    assert (chain.faults, chain.pruned) == ((), chain.snapshots - 2)
    assert replayed.first_difference is None


async def test_it_decides_the_same_as_a_run_that_keeps_everything(tmp_path: Path) -> None:
    seals = []
    for name, retention in (("some", Retention(keep_cycles=1, every_cycles=1)), ("all", None)):
        (tmp_path / name).mkdir()
        async with archive(tmp_path / name) as database:
            session = await begun(database)
            await Runner(session, build(), retention=retention).run(cycles=6)
            seals.append(await seal(session))
    assert seals[0] == seals[1]


async def test_it_lets_go_while_it_goes_on(tmp_path: Path) -> None:
    kept: list[int] = []

    def hear(event: Event) -> None:
        if isinstance(event, CycleStarted):
            with sqlite3.connect(tmp_path / "agentctl.db") as connection:
                (count,) = connection.execute("SELECT count(DISTINCT cycle) FROM snapshots WHERE body != ''").fetchone()
            connection.close()
            kept.append(count)

    async with archive(tmp_path) as database:
        retention = Retention(keep_cycles=1, every_cycles=2)
        await Runner(await begun(database), build(), listen=hear, retention=retention).run(cycles=6)
    assert kept == [0, 1, 1, 2, 1, 2]


async def test_a_run_that_was_stopped_has_let_go_and_goes_on(tmp_path: Path) -> None:
    stop = Stop()

    def hear(event: Event) -> None:
        if isinstance(event, CycleEnded) and event.cycle == 3:
            stop.ask()

    retention = Retention(keep_cycles=2)
    async with archive(tmp_path) as database:
        session = await begun(database)
        assert (
            await Runner(session, build(), listen=hear, stop=stop, retention=retention).run(cycles=6) == "interrupted"
        )
        assert await whole(session) == [2, 3]
        session = await resume("r1", database=database)
        assert await Runner(session, build(), retention=retention).run(cycles=6) == "finished"
        assert await whole(session) == [4, 5]
        assert (await verify_chain(database, ["r1"])).faults == ()


@pytest.mark.parametrize(("closed", "due"), [(99, False), (100, True), (150, False), (200, True)])
def test_it_waits_until_there_is_something_to_let_go_of(closed: int, due: bool) -> None:
    assert Retention(keep_cycles=10).due(closed=closed) is due
    assert not Retention(keep_cycles=200).due(closed=closed)
