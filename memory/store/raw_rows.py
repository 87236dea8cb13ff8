"""Rows as they are stored, unread: what a verification looks at, and what it can still say of a broken file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Table, Text, and_, select, type_coerce
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeDecorator

from domain.errors import NotCanonical
from memory.store.database import dropped
from memory.store.fault import Fault
from memory.store.records import PRUNED
from memory.store.schema import key_of, row_digest, snapshots

Raw = Mapping[str, object]


def _stored(table: Table) -> list[ColumnElement[Any]]:
    # Decoded, 1.50 and 1.5 would be the same number: the text is what was signed.
    return [
        type_coerce(column, Text).label(column.name) if isinstance(column.type, TypeDecorator) else column
        for column in table.columns
    ]


async def raw_rows(connection: AsyncConnection, table: Table, *, where: ColumnElement[bool]) -> AsyncIterator[Raw]:
    """Every row, decimals and instants as text, in the order of the key."""
    query = select(*_stored(table)).where(where).order_by(*table.primary_key)
    async with connection.stream(query) as result:
        async for row in result.mappings():
            yield dict(row)


async def checked(
    connection: AsyncConnection, table: Table, *, where: ColumnElement[bool], faults: list[Fault]
) -> AsyncIterator[Raw]:
    """Every row that can be read. Those that don't fit their digests, and what can't be read, go to `faults`."""
    try:
        async for row in raw_rows(connection, table, where=where):
            if not _fits(table, row):
                faults.append(Fault(table.name, key_of(table, row), "does not fit its digest"))
            yield row
    except DBAPIError as error:
        if dropped(error):
            raise  # of what is written it says nothing
        key = await _unreadable(connection, table, where=where)
        faults.append(Fault(table.name, key, f"cannot be read: {error.orig}"))


def _fits(table: Table, row: Raw) -> bool:
    if table is snapshots and row["body"] == PRUNED:
        return True  # its digest stays under the seal, and has nothing left to be computed from
    try:
        return row["digest"] == row_digest(table, row)
    except NotCanonical:
        return False


async def _unreadable(connection: AsyncConnection, table: Table, *, where: ColumnElement[bool]) -> str:
    """The key of the first row that can't be read: text that is no UTF-8, or a broken page."""
    try:
        keys = (await connection.execute(select(*table.primary_key).where(where))).mappings().all()
    except DBAPIError as error:
        if dropped(error):
            raise
        return ""
    for key in keys:
        this = and_(*(column == key[column.name] for column in table.primary_key))
        try:
            await connection.execute(select(*_stored(table)).where(this))
        except DBAPIError as error:
            if dropped(error):
                raise
            return key_of(table, dict(key))
    return ""
