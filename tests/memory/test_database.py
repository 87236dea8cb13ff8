"""Opening, migrating, refusing; transactions and the write-behind."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from domain.errors import DatabaseVersionError, NotFound, Refused, ServiceUnavailable, UsageError
from memory import Database
from memory.store.migrate import SCRIPTS
from memory.store.schema import REVISION, VERSION_TABLE, blobs, metadata, steps


def a_step(**over: object) -> dict[str, object]:
    return {"run_id": "r1", "cycle": 1, "node": "risk", "subject": "BTC/USDT", "body": "{}"} | over


async def count(database: Database) -> int:
    async with database.reading() as connection:
        return len((await connection.execute(select(steps))).all())


def listing(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def emptied(url: str) -> None:
    """Leave a database without tables."""
    async with await Database.open(url) as database, database.transaction() as connection:
        for name in (*metadata.tables, VERSION_TABLE):
            await connection.execute(text(f"DROP TABLE {name}"))


async def test_an_empty_place_becomes_a_database_of_the_newest_version(url: str) -> None:
    async with await Database.open(url) as database, database.reading() as connection:
        assert await connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}")) == REVISION


async def test_the_migrations_lead_to_exactly_the_tables_of_the_schema(url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return list(compare_metadata(context, metadata))

    async with await Database.open(url) as database, database.reading() as connection:
        assert await connection.run_sync(differences) == []


def test_the_revision_in_the_schema_is_the_head_of_the_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def test_alembic_is_not_imported_to_open_a_database_that_is_up_to_date(tmp_path: Path) -> None:
    code = f"""
import asyncio, sys
from memory import Database
async def main():
    await (await Database.open("sqlite:///{tmp_path}/x.db")).close()
asyncio.run(main())
print("alembic" in sys.modules)
"""
    outputs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    assert outputs == ["True", "False"]


async def test_a_database_that_is_opened_again_keeps_its_rows(url: str) -> None:
    async with await Database.open(url) as database:
        database.note(steps, a_step())
    async with await Database.open(url, create=False) as database:
        assert await count(database) == 1


async def test_two_that_open_an_empty_place_at_once_both_get_a_database(url: str) -> None:
    first, second = await asyncio.gather(Database.open(url), Database.open(url))
    first.note(steps, a_step())
    await first.close()
    assert await count(second) == 1
    await second.close()


async def test_a_database_of_a_newer_version_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    await (await Database.open(f"sqlite:///{path}")).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseVersionError, match="9999"):
        await Database.open(f"sqlite:///{path}")
    assert path.read_bytes() == before


async def test_a_newer_version_is_refused_on_any_database(url: str) -> None:
    async with await Database.open(url) as database, database.transaction() as connection:
        await connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(DatabaseVersionError):
        await Database.open(url)


async def test_without_leave_to_create_a_missing_file_stays_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"x\.db"):
        await Database.open(f"sqlite:///{tmp_path}/deep/x.db", create=False)
    assert listing(tmp_path) == []


async def test_without_leave_to_create_an_empty_database_stays_empty(url: str) -> None:
    await emptied(url)
    for _ in range(2):
        with pytest.raises(NotFound, match="holds no archive"):
            await Database.open(url, create=False)


async def test_a_file_of_something_else_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, by any means" * 100)
    with pytest.raises(UsageError, match="not an SQLite database"):
        await Database.open(f"sqlite:///{path}")
    assert path.read_text() == "not a database, by any means" * 100


async def test_another_programs_database_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(UsageError, match="orders"):
        await Database.open(f"sqlite:///{path}")
    assert path.read_bytes() == before


async def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        await Database.open(f"sqlite:///{tmp_path}")


@pytest.mark.parametrize("url", ["", "agentctl.db", "mysql://u:secret@host/x", "postgresql+psycopg://u:secret@h/x"])
async def test_an_address_of_another_kind_is_refused_without_repeating_a_password(url: str) -> None:
    with pytest.raises(UsageError) as error:
        await Database.open(url)
    assert "secret" not in str(error.value)
    assert "sqlite:///" in str(error.value)


@pytest.mark.parametrize("place", ["127.0.0.1:1/test", "127.0.0.1:5432/no_such_database_anywhere"])
async def test_a_server_that_cannot_be_reached_is_named_without_its_password(place: str) -> None:
    with pytest.raises(ServiceUnavailable) as error:
        await Database.open(f"postgresql://someone:secret@{place}")
    assert place in str(error.value)
    assert "secret" not in str(error.value)


def test_without_its_driver_postgresql_says_what_to_install() -> None:
    code = """
import asyncio, sys
sys.modules["asyncpg"] = None
from domain.errors import UsageError
from memory import Database
try:
    asyncio.run(Database.open("postgresql://127.0.0.1/x"))
except UsageError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install agentctl[postgres]" in run.stdout


async def test_a_transaction_that_fails_writes_nothing_and_keeps_what_was_noted(database: Database) -> None:
    database.note(steps, a_step())
    with pytest.raises(RuntimeError):
        async with database.transaction():
            raise RuntimeError("stop")
    assert await count(database) == 0
    await database.flush()
    assert await count(database) == 1


async def test_what_was_noted_before_a_commit_is_in_it(database: Database) -> None:
    for n in range(450):
        database.note(steps, a_step(subject=str(n)))
    async with database.transaction() as connection:
        assert len((await connection.execute(select(steps))).all()) == 450


async def test_what_is_noted_inside_a_transaction_is_in_its_commit(database: Database) -> None:
    async with database.transaction():
        database.note(steps, a_step())
    assert await count(database) == 1


async def test_what_a_failed_transaction_noted_is_forgotten_and_what_others_noted_is_kept(database: Database) -> None:
    undone = []

    async def other() -> None:
        database.note(steps, a_step(subject="other"))

    async def fail() -> None:
        async with database.transaction():
            database.note(steps, a_step(subject="own"), undo=lambda: undone.append("own"))
            await asyncio.create_task(other())
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        await fail()
    database.note(steps, a_step(subject="own", body="[]"))
    await database.flush()
    assert undone == ["own"]
    async with database.reading() as connection:
        assert set(await connection.scalars(select(steps.c.subject))) == {"own", "other"}


async def test_a_transaction_in_a_transaction_is_a_mistake_and_not_a_deadlock(database: Database) -> None:
    async with database.transaction():
        with pytest.raises(RuntimeError, match="transaction is open"):
            async with database.transaction():
                pass
        with pytest.raises(RuntimeError, match="transaction is open"):
            await count(database)


async def test_the_same_row_twice_is_one_row(database: Database) -> None:
    database.note(steps, a_step())
    database.note(steps, a_step())
    await database.flush()
    database.note(steps, a_step())
    database.note(steps, a_step(node="signal"))
    await database.flush()
    assert await count(database) == 2


async def test_another_row_under_a_noted_key_is_refused_by_name(database: Database) -> None:
    database.note(steps, a_step())
    with pytest.raises(Refused, match="steps cycle=1 node=risk subject=BTC/USDT"):
        database.note(steps, a_step(body="[]"))


async def test_another_row_under_a_stored_key_is_refused_once_and_by_name(database: Database) -> None:
    database.note(steps, a_step())
    await database.flush()
    database.note(steps, a_step(body="[]"))
    database.note(blobs, {"digest": "", "body": "text"})
    with pytest.raises(Refused, match="steps cycle=1 node=risk subject=BTC/USDT"):
        await database.flush()
    await database.flush()
    assert await count(database) == 1


async def test_writers_take_turns(database: Database) -> None:
    async def write(n: int) -> None:
        async with database.transaction() as connection:
            found = len((await connection.execute(select(steps))).all())
            await asyncio.sleep(0)
            database.note(steps, a_step(cycle=found, subject=str(n)))

    await asyncio.gather(*(write(n) for n in range(5)))
    await database.flush()
    async with database.reading() as connection:
        assert sorted(await connection.scalars(select(steps.c.cycle))) == [0, 1, 2, 3, 4]


async def test_two_processes_worth_of_writers_wait_for_each_other(url: str) -> None:
    first, second = await Database.open(url), await Database.open(url)

    async def write(database: Database, name: str) -> None:
        for n in range(10):
            async with database.transaction():
                database.note(steps, a_step(node=name, cycle=n))
                await asyncio.sleep(0)

    await asyncio.gather(write(first, "a"), write(second, "b"))
    await first.close()
    await second.flush()
    assert await count(second) == 20
    await second.close()


async def test_a_cancelled_writer_leaves_the_database_usable(database: Database) -> None:
    entered = asyncio.Event()

    async def write() -> None:
        async with database.transaction() as connection:
            await connection.execute(steps.insert(), {**a_step(), "digest": "x"})
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    database.note(steps, a_step())
    await database.flush()
    assert await count(database) == 1


async def test_a_reader_in_memory_does_not_see_half_a_transaction() -> None:
    async with await Database.in_memory() as database:

        async def write() -> None:
            async with database.transaction() as connection:
                await connection.execute(steps.insert(), {**a_step(), "digest": "x"})
                await asyncio.sleep(0)
                await connection.execute(steps.insert(), {**a_step(cycle=2), "digest": "x"})

        _, seen = await asyncio.gather(write(), count(database))
        assert seen in (0, 2)
        assert await count(database) == 2


async def test_a_connection_that_the_server_has_closed_is_replaced_before_it_is_used(postgres: URL) -> None:
    """As all are when the server restarts between two transactions."""
    async with await Database.open(postgres.render_as_string(hide_password=False)) as database:
        for _ in range(2):
            async with database.reading() as connection:
                mine = await connection.scalar(text("SELECT pg_backend_pid()"))
            await close_connections(postgres)
            async with database.transaction() as connection:
                assert await connection.scalar(text("SELECT pg_backend_pid()")) != mine


async def close_connections(server: URL) -> None:
    engine = create_async_engine(server.set(drivername="postgresql+asyncpg"))
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    async with engine.connect() as connection:
        await connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    await engine.dispose()
