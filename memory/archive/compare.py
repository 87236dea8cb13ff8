"""Two archives of one run, compared cycle by cycle: what a replay is judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Table, Text, and_, cast, select

from memory.store.database import Database
from memory.store.fault import Fault
from memory.store.raw_rows import Raw, raw_rows
from memory.store.schema import accounts, cycles, holdings, key_of, orders, positions, tickets
from memory.store.seal import SEALED, Leaf, leaf_key, leaves_from

_ORDER = {table.name: place for place, table in enumerate(SEALED)}
_TABLES: Mapping[str, Table] = {table.name: table for table in SEALED}
_LENGTH = 80


async def compare(ours: Database, theirs: Database, *, run_id: str, cycle: int) -> Fault | None:
    """The first row of a closed cycle that differs, with the first field; `None` when the seals are equal.

    Effects come before steps, and those before what they led to, so that a cause is named before its
    consequences.
    """
    mine, other = [await _cycle(database, run_id, cycle=cycle) for database in (ours, theirs)]
    key = f"cycle={cycle}"
    if mine is None or other is None:
        return None if mine is other else Fault("cycles", key, f"is not closed {_where(mine)}")
    if mine["seal"] == other["seal"]:
        return None
    first, second = set(leaves_from(str(mine["rows"]))), set(leaves_from(str(other["rows"])))
    differing = min(first ^ second, key=lambda leaf: (_ORDER[leaf.table], leaf), default=None)
    if differing is None:
        return _difference("cycles", key, mine, other, fields=("previous", "as_of", "body"))
    table = _TABLES[differing.table]
    rows = [await _row(database, run_id, cycle=cycle, leaf=differing) for database in (ours, theirs)]
    columns = " ".join(f"{name}={part}" for name, part in zip(leaf_key(table), differing.key, strict=True))
    key = f"{key} {columns}".strip()
    if rows[0] is None or rows[1] is None:
        return Fault(table.name, key, f"is not {_where(rows[0])}")
    fields = [column.name for column in table.columns if column.name not in ("run_id", "account")]
    return _difference(table.name, key, rows[0], rows[1], fields=fields)


async def compare_books(ours: Database, theirs: Database, *, account: str) -> Fault | None:
    """The first row of an account's books that differs: what no cycle's seal covers, for it changes."""
    for table in (accounts, positions, holdings, orders, tickets):
        mine, other = [await _rows(database, table, account=account) for database in (ours, theirs)]
        for key in sorted(mine.keys() | other.keys()):
            if mine.get(key) != other.get(key):
                return Fault(table.name, key, "is not the same here and there")
    return None


async def _rows(database: Database, table: Table, *, account: str) -> dict[str, object]:
    query = select(table).where(table.c.account == account)
    async with database.reading() as connection:
        rows = (await connection.execute(query)).mappings()
        return {key_of(table, dict(row)): row["digest"] for row in rows}


async def sealed_rows(database: Database, *, run_id: str, cycle: int) -> int:
    """How many rows the seal of a closed cycle covers."""
    row = await _cycle(database, run_id, cycle=cycle)
    return len(leaves_from(str(row["rows"]))) if row else 0


def _where(mine: Raw | None) -> str:
    return "here" if mine is None else "there"


def _difference(table: str, key: str, mine: Raw, other: Raw, *, fields: Sequence[str]) -> Fault:
    for name in fields:
        if mine[name] != other[name]:
            here, there = _excerpts(str(mine[name]), str(other[name]))
            return Fault(table, key, f"is {here} here and {there} there", field=name)
    return Fault(table, key, "does not fit its seal, and reads the same in both")


def _excerpts(here: str, there: str) -> tuple[str, str]:
    """Both texts from shortly before they part."""
    parted = next((n for n, (a, b) in enumerate(zip(here, there, strict=False)) if a != b), min(len(here), len(there)))
    start = max(0, parted - _LENGTH // 2)
    return repr(here[start : start + _LENGTH]), repr(there[start : start + _LENGTH])


async def _cycle(database: Database, run_id: str, *, cycle: int) -> Raw | None:
    return await _one(database, cycles, where=and_(cycles.c.run_id == run_id, cycles.c.cycle == cycle))


async def _row(database: Database, run_id: str, *, cycle: int, leaf: Leaf) -> Raw | None:
    table = _TABLES[leaf.table]
    named = [cast(table.c[name], Text) == part for name, part in zip(leaf_key(table), leaf.key, strict=True)]
    return await _one(database, table, where=and_(table.c.run_id == run_id, table.c.cycle == cycle, *named))


async def _one(database: Database, table: Table, *, where: ColumnElement[bool]) -> Raw | None:
    async with database.reading() as connection:
        return next(iter([row async for row in raw_rows(connection, table, where=where)]), None)
