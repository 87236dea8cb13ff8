"""Every test of what is kept runs on a real SQLite file and on a real PostgreSQL, where there is one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from memory import Database
from memory.schema import metadata

SERVER = os.environ.get("AGENTCTL_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")


async def _run(url: URL, *statements: str) -> None:
    engine = create_async_engine(url.set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))
    finally:
        await engine.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[URL]:
    """A database of this test run's own on the server, dropped at the end."""
    server = make_url(SERVER)
    name = f"agentctl_test_{os.getpid()}"
    try:
        asyncio.run(_run(server, f"CREATE DATABASE {name}"))
    except (OSError, SQLAlchemyError) as error:
        reason = f"no PostgreSQL at {server.render_as_string()} (set AGENTCTL_TEST_POSTGRES): {type(error).__name__}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    yield server.set(database=name)
    asyncio.run(_run(server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(params=["sqlite", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The address of a database on this kind of server."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'data' / 'agentctl.db'}"
    server: URL = request.getfixturevalue("postgres")
    return server.render_as_string(hide_password=False)


@pytest.fixture
def url(kind: str, place: str) -> str:
    """Where there is no database yet, or an empty one."""
    if kind == "postgres":
        asyncio.run(_run(make_url(place), "DROP SCHEMA public CASCADE", "CREATE SCHEMA public"))
    return place


@pytest.fixture
async def database(place: str) -> AsyncIterator[Database]:
    """An open database without rows."""
    async with await Database.open(place) as opened:
        async with opened.transaction() as connection:
            for table in metadata.tables.values():
                await connection.execute(table.delete())
        yield opened
