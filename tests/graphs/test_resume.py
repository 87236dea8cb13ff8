"""Crashes at every commit: what was cut short and resumed ends exactly like what ran through."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from builders.runs import NOW, archive, busy, drive, go_on, run
from graphs import prepare, start
from graphs.runner import Stop
from memory import Database

ASKED = busy()
CYCLES = ASKED.cycles


class PowerCut(BaseException):
    """Not an Exception: nothing in the house may catch it and go on."""


class MortalDatabase(Database):
    """A database whose machine loses power at one of its commits: just before it, or just after."""

    commits = 0
    dies_at = -1
    survives_commit = False

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncConnection]:
        self.commits += 1
        dying = self.commits == self.dies_at
        async with super().transaction() as connection:
            yield connection
            if dying and not self.survives_commit:
                raise PowerCut
        if dying:
            raise PowerCut

    async def close(self) -> None:
        """Without the last flush: a dead process writes nothing."""
        await self._engine.dispose()


async def cut_short(folder: Path, *, at: int, after_commit: bool) -> int:
    """Run until the commit numbered `at`; returns how many commits there were."""
    opened = await MortalDatabase.open(f"sqlite:///{folder / 'agentctl.db'}")
    assert isinstance(opened, MortalDatabase)
    header, market, model = await prepare(ASKED, run_id="r1", at=NOW)
    session = await start(header, market, model, database=opened)
    opened.dies_at, opened.survives_commit, opened.commits = at, after_commit, 0
    try:
        await drive(session, cycles=CYCLES)
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
    assert [o.side for o in whole.orders] == ["buy", "sell", "buy"]
    assert commits > CYCLES
    for at in range(1, commits):
        folder = tmp_path / f"cut-{at}"
        await cut_short(folder, at=at, after_commit=after_commit)
        async with archive(folder) as database:
            resumed = await go_on(database, cycles=CYCLES)
        assert (at, resumed.seal) == (at, whole.seal)
        assert resumed.orders == whole.orders
