"""SQLite for SQLAlchemy's async engine on the event loop's own thread.

aiosqlite gives each connection a thread and changes threads four times a statement: on a busy machine
that is five to ten times the cost of the statement itself, which runs in microseconds. Here it runs
in place. What could block is a lock held by another process: `memory.store.database` waits for that
outside, so the loop goes on meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Self

_LOCK_S = 0.05
"""How long the loop may stand still for another process's lock."""


class InlineCursor:
    """A cursor with awaitable methods that never wait."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        self.arraysize = cursor.arraysize

    async def __aenter__(self) -> Self:
        return self

    @property
    def description(self) -> Any:
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._cursor.lastrowid

    async def execute(self, operation: str, parameters: Sequence[Any] = ()) -> Self:
        self._cursor.execute(operation, parameters)
        return self

    async def executemany(self, operation: str, parameters: Sequence[Sequence[Any]]) -> Self:
        self._cursor.executemany(operation, parameters)
        return self

    async def fetchone(self) -> Any:
        return self._cursor.fetchone()

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        return self._cursor.fetchmany(self.arraysize if size is None else size)

    async def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    async def close(self) -> None:
        self._cursor.close()


class InlineConnection:
    """The part of `aiosqlite.Connection` that SQLAlchemy's dialect uses."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection: sqlite3.Connection | None = connection
        self.isolation_level = connection.isolation_level

    @property
    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.ProgrammingError("the connection is closed")
        return self._connection

    def cursor(self) -> InlineCursor:
        return InlineCursor(self._open.cursor())

    async def create_function(self, *args: Any, **named: Any) -> None:
        self._open.create_function(*args, **named)

    async def commit(self) -> None:
        self._open.commit()

    async def rollback(self) -> None:
        self._open.rollback()

    async def close(self) -> None:
        self.stop()

    def stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


async def connect(path: str, **_: Any) -> InlineConnection:
    """Open `path`, with transactions begun by the caller: Python would begin them late, and never around DDL."""
    connection = sqlite3.connect(path, timeout=_LOCK_S, isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")
    return InlineConnection(connection)
