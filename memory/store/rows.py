"""Writing rows on both databases: insert what is new, put what may change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from sqlalchemy import Insert, Table, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from domain.errors import Refused
from memory.store.schema import blobs, key_of

Row = Mapping[str, object]

_AT_ONCE = 200
"""Keys in one question: far below SQLite's bound on parameters."""


def _insert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


# Built once a table: building a statement costs as much as running it.
@cache
def _new(dialect: str, table: Table) -> ReturningInsert[str]:
    return _insert(dialect, table).on_conflict_do_nothing().returning(table.c.digest)


@cache
def _put(dialect: str, table: Table) -> Insert:
    statement = _insert(dialect, table)
    keys = set(table.primary_key.columns.keys())
    changed = {name: column for name, column in statement.excluded.items() if name not in keys}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)


async def insert_new(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert `rows`; one that is there already with the same digest is left alone.

    Raises `Refused`, naming the row, when the stored one has another digest.
    """
    if not rows:
        return
    inserted = len((await connection.execute(_new(connection.dialect.name, table), list(rows))).all())
    if inserted == len(rows) or table is blobs:
        return
    names = [column.name for column in table.primary_key]
    for start in range(0, len(rows), _AT_ONCE):
        by_key = {tuple(row[name] for name in names): row for row in rows[start : start + _AT_ONCE]}
        key = tuple_(*table.primary_key)
        existing = await connection.execute(select(*table.primary_key, table.c.digest).where(key.in_(by_key)))
        for *stored, digest in existing:
            row = by_key[tuple(stored)]
            if row["digest"] != digest:
                raise Refused(f"{table.name} {key_of(table, row)} is already recorded with other content")


async def insert_absent(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> list[Row]:
    """Insert those of `rows` whose keys are not there, and return them; the others are left alone."""
    if not rows:
        return []
    inserted = set(await connection.scalars(_new(connection.dialect.name, table), list(rows)))
    return [row for row in rows if row["digest"] in inserted]


async def put(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert `rows`, or replace those with their keys."""
    if rows:
        await connection.execute(_put(connection.dialect.name, table), list(rows))
