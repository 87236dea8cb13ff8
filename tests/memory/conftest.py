"""Every test of what is kept runs on a real SQLite file and on a real PostgreSQL, where there is one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

from builders.servers import EMPTY, tell
from memory import Database
from memory.store.schema import metadata


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
        asyncio.run(tell(make_url(place), *EMPTY))
    return place


@pytest.fixture
async def database(place: str) -> AsyncIterator[Database]:
    """An open database without rows."""
    async with await Database.open(place) as opened:
        async with opened.transaction() as connection:
            for table in metadata.tables.values():
                await connection.execute(table.delete())
        yield opened
