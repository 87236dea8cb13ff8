"""Acts: what a person, or the house itself, did to the desk. Append-only, each chained to the one before it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from sqlalchemy import RowMapping, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.digest import GENESIS, canonical
from domain.errors import UsageError
from domain.text import visible
from domain.value import Digest, Instant, Value
from memory.operators.faults import oversight_faults
from memory.store.database import Database
from memory.store.fault import Fault, as_written, genuine
from memory.store.rows import insert_new
from memory.store.schema import acts, with_digest

ActKind = Literal[
    "halt", "flattened", "resume", "approve", "reject", "rearm", "latch", "prune", "arm", "disarm", "change"
]

HOUSE = "agentctl"
"""Who acted, where no person did."""

EVERYWHERE = "*"
"""The scope of what concerns every account of the database."""

_LOCK = 7_226_400_202
"""Any number that is ours, beside that of `memory.store.migrate`."""
_WORDS = 200


class Act(Value):
    """One act. `scope` is an account, or `*` for every account of the database; `body` is canonical JSON."""

    n: int
    at: Instant
    kind: ActKind
    scope: str
    by: str
    reason: str
    body: str
    previous: Digest
    digest: Digest


class Acts:
    """The acts of a database, for reading. They are written by what they are about, with it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self, *, limit: int | None = 50) -> tuple[Act, ...]:
        """The newest first, without prunes: those are about the archive and not about the desk."""
        query = select(acts).where(acts.c.kind != "prune").order_by(acts.c.n.desc()).limit(limit)
        async with self._database.reading() as connection:
            rows = await connection.execute(query)
            return tuple(_act(row) for row in rows.mappings())

    async def faults(self) -> tuple[Fault, ...]:
        """What is wrong with the acts and with what they are about: see `memory.operators.faults`."""
        async with self._database.reading() as connection:
            return tuple(await oversight_faults(connection))


async def hold_acts(connection: AsyncConnection, *, shared: bool = False) -> None:
    """Let nobody act until this transaction ends; `shared`: others may hold them so too, to rely on what stands.

    SQLite has one writer anyway. Taken after an account's row where both are, and before any other row.
    """
    if connection.dialect.name == "postgresql":
        lock = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        await connection.execute(text(f"SELECT {lock}(:lock)"), {"lock": _LOCK})


async def append(
    connection: AsyncConnection,
    *,
    at: datetime,
    kind: ActKind,
    scope: str,
    by: str,
    reason: str,
    body: Mapping[str, object],
) -> Act:
    """Add an act to the chain. Raises `Refused` when the last one was changed since it was written."""
    await hold_acts(connection)
    last = (await connection.execute(select(acts).order_by(acts.c.n.desc()).limit(1))).mappings().one_or_none()
    if last is not None:
        genuine(acts, last)
    row = with_digest(
        acts,
        {
            "n": 0 if last is None else last["n"] + 1,
            "at": at,
            "kind": kind,
            "scope": scope,
            "by": words(by),
            "reason": words(reason),
            "body": canonical(body),
            "previous": GENESIS if last is None else last["digest"],
        },
    )
    await insert_new(connection, acts, [row])
    return Act(**row)


def words(value: str) -> str:
    """A name or a reason as it is kept: in one line, without characters that hide others, at most 200 long."""
    return visible(value, limit=_WORDS)


def required(value: str, *, name: str) -> str:
    """`words`, of which there must be some. Raises `UsageError`."""
    if line := words(value):
        return line
    raise UsageError(f"{name} is empty", remedy=f"Say it with --{name}: it is kept for good")


def _act(row: RowMapping) -> Act:
    genuine(acts, row)
    with as_written(acts, row):
        return Act(**row)
