"""Rows that wait for the next commit."""

from __future__ import annotations

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Refused
from memory.store.rows import Row, insert_new
from memory.store.schema import key_of, with_digest

Key = tuple[object, ...]
Waiting = dict[Key, tuple[Table, Row]]


class Journal:
    """The write-behind of one database: noted rows in order, one per key, until they are committed."""

    def __init__(self) -> None:
        self._waiting: Waiting = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def note(self, table: Table, row: Row) -> Waiting:
        """Add `row`, with its digest, and return what was not waiting before.

        Raises `Refused` when its key waits with other content.
        """
        row = with_digest(table, row)
        key = (table.name, *(row[column.name] for column in table.primary_key))
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = (table, row)
            return {key: self._waiting[key]}
        if waiting[1]["digest"] != row["digest"]:
            raise Refused(f"{table.name} {key_of(table, row)} was noted with other content before")
        return {}

    async def write(self, connection: AsyncConnection, *, but: Waiting | None = None) -> Waiting:
        """Insert all that waits, `but` what was written already, and return it for `forget` after the commit.

        Raises `Refused` for a row that is stored with other content. Such rows are dropped, or no
        later commit could pass.
        """
        done = but or {}
        batch = {key: entry for key, entry in self._waiting.items() if done.get(key) is not entry}
        by_table: dict[Table, list[Row]] = {}
        for table, row in batch.values():
            by_table.setdefault(table, []).append(row)
        for table, rows in by_table.items():
            try:
                await insert_new(connection, table, rows)
            except Refused:
                self.forget({key: entry for key, entry in batch.items() if entry[0] is table})
                raise
        return batch

    def forget(self, batch: Waiting) -> None:
        for key, entry in batch.items():
            if self._waiting.get(key) is entry:
                del self._waiting[key]
