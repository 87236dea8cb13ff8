"""A database that goes away for a while costs a run nothing: it takes itself up again, and ends as one left alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from agentctl.cli import main
from builders.processes import Agentctl
from builders.runs import NOW, busy, drive, run
from builders.servers import EMPTY, tell
from domain.errors import DatabaseUnavailable, LeaseLost
from graphs import RunResult, prepare, start
from graphs.trading.events import Event, NodeEnded
from memory import Database
from memory.store.leases import hold_lease
from tools.resilience import Plumbing

TERMINATED = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
EVERY = 4
"""Every so-manieth commit is torn: a node that lost one waits half a second before it runs again."""


class TornDatabase(Database):
    """Loses all its connections at one of its commits: just before it, or just after, when nobody is told of it."""

    server: URL | None = None
    commits = 0
    torn_at = -1
    after = False

    @asynccontextmanager
    async def transaction(self, *, sends: bool = False) -> AsyncGenerator[AsyncConnection]:
        n, self.commits = self.commits, self.commits + 1
        async with super().transaction(sends=sends) as connection:
            yield connection
            if n == self.torn_at and not self.after:
                await self._tear()
        if n == self.torn_at and self.after:
            raise DatabaseUnavailable("the server closed the connection")

    async def _tear(self) -> None:
        if self.server is None:
            raise DatabaseUnavailable("disk I/O error")
        await tell(self.server, TERMINATED)


async def torn(url: str, server: URL | None, *, at: int = -1, after: bool = False) -> tuple[RunResult, int]:
    async with await TornDatabase.open(url) as database:
        assert isinstance(database, TornDatabase)
        database.server, database.torn_at, database.after = server, -1, after
        asked = busy()
        header, market, model = await prepare(asked, run_id="r1", at=NOW)
        async with hold_lease(database, "r1"):
            session = await start(header, market, model, database=database)
            database.commits, database.torn_at = 0, at
            return await drive(session, cycles=asked.cycles), database.commits


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after it"])
async def test_a_run_whose_database_fails_at_any_commit_ends_as_one_left_alone(tmp_path: Path, after: bool) -> None:
    whole, commits = await torn(f"sqlite:///{tmp_path / 'alone.db'}", None)
    assert commits > 15
    for at in range(1, commits, EVERY):
        cut, _ = await torn(f"sqlite:///{tmp_path / f'{at}.db'}", None, at=at, after=after)
        assert (at, cut.seal, cut.orders) == (at, whole.seal, whole.orders)


async def test_a_run_whose_backends_are_all_terminated_ends_as_one_left_alone(postgres: URL, tmp_path: Path) -> None:
    url = postgres.render_as_string(hide_password=False)
    whole, commits = await torn(f"sqlite:///{tmp_path / 'alone.db'}", None)
    for at in range(2, commits - 1, 2 * EVERY):
        await tell(postgres, *EMPTY)
        cut, _ = await torn(url, postgres, at=at)
        assert (at, cut.seal, cut.orders) == (at, whole.seal, whole.orders)


@pytest.mark.parametrize("pauses", [4, None], ids=["comes back", "stays away"])
async def test_a_server_that_lets_nobody_in_is_waited_for(postgres: URL, tmp_path: Path, pauses: int | None) -> None:
    """A minute: then the run ends, as one that can go on when it is resumed."""
    admin, name = postgres.set(database="postgres"), postgres.database
    slept: list[float] = []

    def shut(event: Event) -> None:
        if isinstance(event, NodeEnded) and (event.cycle, event.node) == (2, "signal") and not slept:
            slept.append(0)
            closing = (f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", _of(name))
            with ThreadPoolExecutor(1) as beside:
                beside.submit(asyncio.run, tell(admin, *closing)).result()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if pauses is not None and len(slept) > pauses:
            await tell(admin, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    await tell(postgres, *EMPTY)
    asked = busy()
    async with await Database.open(f"sqlite:///{tmp_path / 'alone.db'}") as file:
        whole = await run(file, asked)
    try:
        async with await Database.open(postgres.render_as_string(hide_password=False)) as database:
            header, market, model = await prepare(asked, run_id="r1", at=NOW)
            async with hold_lease(database, "r1", ttl_s=600):
                session = await start(header, market, model, database=database)
                session.plumbing = Plumbing(session.clock, sleep=sleep)
                if pauses is None:
                    with pytest.raises(DatabaseUnavailable, match="See that the server runs"):
                        await drive(session, cycles=asked.cycles, listen=shut)
                    assert 45 < sum(slept) < 90
                else:
                    assert (await drive(session, cycles=asked.cycles, listen=shut)).seal == whole.seal
    finally:
        await tell(admin, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def _of(name: str | None) -> str:
    return f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"


async def test_a_lease_that_ran_out_with_nobody_after_it_is_taken_again(tmp_path: Path) -> None:
    """As when the lid of the laptop was closed in the middle of a cycle."""
    asked = busy()
    async with await Database.open(f"sqlite:///{tmp_path / 'alone.db'}") as database:
        whole = await run(database, asked)
    async with await Database.open(f"sqlite:///{tmp_path / 'slept.db'}") as database:
        header, market, model = await prepare(asked, run_id="r1", at=NOW)
        async with hold_lease(database, "r1") as lease:
            session = await start(header, market, model, database=database)
            engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'slept.db'}")
            moments = [(0, "risk"), (3, "gate"), (4, "tick")]

            def sleep(event: Event) -> None:
                if isinstance(event, NodeEnded) and (event.cycle, event.node) in moments:
                    moments.remove((event.cycle, event.node))
                    with ThreadPoolExecutor(1) as beside:
                        beside.submit(asyncio.run, passes()).result()

            async def passes() -> None:
                async with engine.begin() as connection:
                    await connection.execute(text("UPDATE leases SET expires_at_ms = 1"))
                await engine.dispose()

            slept = await drive(session, cycles=asked.cycles, listen=sleep)
            assert (moments, lease.tokens) == ([], {"r1": 4})
            assert (slept.seal, slept.orders) == (whole.seal, whole.orders)


async def test_a_run_that_somebody_else_has_taken_ends_and_leaves_its_archive_alone(tmp_path: Path) -> None:
    asked, url = busy(), f"sqlite:///{tmp_path / 'a.db'}"
    async with await Database.open(url) as database, await Database.open(url) as other:
        header, market, model = await prepare(asked, run_id="r1", at=NOW)
        async with hold_lease(database, "r1"):
            session = await start(header, market, model, database=database)
            async with other.beside() as connection:
                await connection.execute(text("UPDATE leases SET expires_at_ms = 1"))
            async with hold_lease(other, "r1"):
                with pytest.raises(LeaseLost, match="r1 was taken over by process"):
                    await drive(session, cycles=asked.cycles)
        async with other.reading() as connection:
            for table in ("tape", "steps", "orders", "cycles"):
                assert await connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0


# The commands


@pytest.fixture
def server(postgres: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> URL:
    """An archive with one run, in effect for the commands."""
    asyncio.run(tell(postgres, *EMPTY))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTCTL_DB", postgres.render_as_string(hide_password=False))
    with pytest.raises(SystemExit) as ended:
        main(["run", "--cycles", "2", "--seed", "8"])
    assert not ended.value.code
    return postgres


class Later(Agentctl):
    """A process that is started when it is told to."""

    def __init__(self, *argv: str, folder: Path, env: dict[str, str]) -> None:
        self._start = (argv, folder, env)

    def begin(self) -> None:
        argv, folder, env = self._start
        super().__init__(*argv, folder=folder, env=env)


async def torn_in(server: URL, table: str, process: Later) -> None:
    """Terminate the backend of a process that reads or writes `table`, while it does."""
    engine = create_async_engine(server.set(drivername="postgresql+asyncpg"))
    waiting = (
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'agentctl' AND wait_event_type = 'Lock'"
    )
    async with engine.connect() as keeping, engine.connect() as looking:
        await keeping.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        process.begin()
        for _ in range(2_000):
            await asyncio.sleep(0.05)
            if pids := list(await looking.scalars(text(waiting))):
                await looking.execute(text(f"SELECT pg_terminate_backend({pids[0]})"))
                break
            await looking.rollback()
        else:
            pytest.fail(f"it never came to {table}")
    await engine.dispose()


@pytest.mark.parametrize(
    ("argv", "table"),
    [(("runs", "list"), "runs"), (("orders",), "orders"), (("status",), "acts"), (("replay", "--run", "last"), "tape")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_command_whose_backend_is_terminated_says_so_with_exit_code_5(
    server: URL, tmp_path: Path, argv: tuple[str, ...], table: str
) -> None:
    process = Later(*argv, folder=tmp_path, env={"AGENTCTL_DB": server.render_as_string(hide_password=False)})
    asyncio.run(torn_in(server, table, process))
    ended = process.end()
    assert (ended.code, ended.out) == (5, "")
    assert "failed: " in ended.err
    assert "See that the server runs and lets this user in, then do it again: what was committed is there" in ended.err


@pytest.mark.parametrize("table", ["verdicts", "leases"])
def test_a_run_whose_backend_is_terminated_in_a_transaction_goes_on(server: URL, tmp_path: Path, table: str) -> None:
    env = {"AGENTCTL_DB": server.render_as_string(hide_password=False)}
    argv = ("run", "--resume", "last", "--cycles", "6", "--json")
    process = Later(*argv, folder=tmp_path, env=env)
    asyncio.run(torn_in(server, table, process))
    ended = process.end()
    if table == "leases":  # nothing was begun yet
        assert (ended.code, "See that the server runs" in ended.err) == (5, True)
    else:
        assert (ended.code, ended.err.count("Traceback")) == (0, 0), ended.err
        assert json.loads(ended.out)["cycles"] == 6
