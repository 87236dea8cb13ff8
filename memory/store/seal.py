"""The seal of a cycle: one digest over all its rows and the seal before it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, Table, Text, bindparam, cast, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.digest import canonical, digest, sha256
from memory.store.schema import episodes, equity, external_events, fills, order_events, snapshots, steps, tape, verdicts

SEALED = (tape, steps, snapshots, verdicts, external_events, order_events, fills, equity, episodes)
"""The tables under a cycle's seal, in the order in which a difference is best looked for."""

_OUTSIDE = frozenset({"run_id", "account", "cycle"})
_FIRST = "0"
"""The number of a verdict that is an order's first."""
_KEYS = 3


@dataclass(frozen=True, slots=True, order=True)
class Leaf:
    """One row under a seal: its table, its key within the cycle, its digest."""

    table: str
    key: tuple[str, ...]
    digest: str


def leaf_key(table: Table) -> tuple[str, ...]:
    """The columns that name a row within its cycle."""
    return tuple(column.name for column in table.primary_key if column.name not in _OUTSIDE)


def _leaves_of(table: Table) -> Select[*tuple[str, ...]]:
    keys: list[ColumnElement[str]] = [cast(table.c[name], Text) for name in leaf_key(table)]
    keys += [literal("", Text)] * (_KEYS - len(keys))
    named = [column.label(f"k{n}") for n, column in enumerate(keys)]
    return select(literal(table.name, Text).label("name"), *named, table.c.digest).where(
        table.c.run_id == bindparam("run_id"), table.c.cycle == bindparam("cycle")
    )


_LEAVES = union_all(*(_leaves_of(table) for table in SEALED))
_WIDTH = {table.name: len(leaf_key(table)) for table in SEALED}


async def leaves(connection: AsyncConnection, *, run_id: str, cycle: int) -> tuple[Leaf, ...]:
    """Every row of the cycle that a seal covers, sorted here: databases sort text in their own ways."""
    rows = await connection.execute(_LEAVES, {"run_id": run_id, "cycle": cycle})
    return tuple(sorted(_leaf(*row) for row in rows))


def _leaf(name: str, *columns: str) -> Leaf:
    return Leaf(name, columns[: _WIDTH[name]], columns[-1])


def leaves_text(rows: tuple[Leaf, ...]) -> str:
    """The leaves as a seal covers them.

    An order's first verdict is named by the order alone, as it was before there could be others: so a
    cycle of that time has the seal that it had, also when it is replayed.
    """
    return canonical([[row.table, *_written(row), row.digest] for row in rows])


def _written(row: Leaf) -> tuple[str, ...]:
    return row.key[:-1] if row.table == verdicts.name and row.key[-1] == _FIRST else row.key


def _read(table: str, key: tuple[str, ...]) -> tuple[str, ...]:
    return (*key, _FIRST) if table == verdicts.name and len(key) == _WIDTH[table] - 1 else key


def leaves_from(text: str) -> tuple[Leaf, ...]:
    """What `leaves_text` wrote. Raises `ValueError` for anything else."""
    rows = tuple(Leaf(table, _read(table, tuple(key)), row_digest) for table, *key, row_digest in json.loads(text))
    for row in rows:
        if _WIDTH.get(row.table) != len(row.key) or not all(isinstance(part, str) for part in (*row.key, row.digest)):
            raise ValueError(f"{row} is no row under a seal")
    return rows


def seal(*, previous: str, cycle: int, as_of: datetime | str, body: str, rows: str) -> str:
    """The digest that stands for the cycle and, through `previous`, for all before it."""
    return digest(
        {"previous": previous, "cycle": cycle, "as_of": as_of, "body": sha256(body), "rows": sha256(rows)},
    )
