"""Retention: bodies of old contexts are let go, and the chain that they were part of stays verifiable."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.digest import digest
from memory.operators.audit_log import HOUSE, append
from memory.store.blobs import in_parts, named_under
from memory.store.database import Database
from memory.store.fault import Fault
from memory.store.raw_rows import Raw
from memory.store.records import PRUNED
from memory.store.schema import acts, blobs, snapshots, verdicts

_STAYS = ("cycle", "id", "subject", "previous", "digest")
"""The columns of a pruned row that stay as they were."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went: contexts, texts that nothing else rests on, and their characters."""

    snapshots: int
    texts: int
    characters: int


async def prune_snapshots(
    database: Database, run_id: str, *, before_cycle: int, at: datetime, by: str = HOUSE
) -> Pruned:
    """Let go of the bodies of a run's snapshots from cycles before `before_cycle`, in one transaction.

    That it happens is an act, committed first: an empty body that no act speaks of is a fault.
    Doing it again changes nothing. What is gone can't be shown, forked or diffed; the run itself still
    replays to the byte, since its tape, steps and verdicts stay.
    """
    aged = (snapshots.c.run_id == run_id, snapshots.c.cycle < before_cycle, snapshots.c.body != PRUNED)
    size = func.coalesce(func.sum(func.length(snapshots.c.body)), 0)
    async with database.transaction() as connection:
        if await connection.scalar(select(func.count()).where(*aged)):
            await _record(connection, run_id, before_cycle=before_cycle, at=at, by=by)
    # A transaction of its own: whoever holds the acts may be waiting to write the texts that are locked here.
    async with database.transaction() as connection:
        await _keep_writers_out(connection)
        count, characters = (await connection.execute(select(func.count(), size).where(*aged))).one()
        await connection.execute(update(snapshots).where(*aged).values(body=PRUNED, blobs="[]"))
        texts, freed = await _drop_unused(connection)
    return Pruned(snapshots=count, texts=texts, characters=characters + freed)


async def _record(connection: AsyncConnection, run_id: str, *, before_cycle: int, at: datetime, by: str) -> None:
    aged = select(*(snapshots.c[name] for name in _STAYS)).where(
        snapshots.c.run_id == run_id, snapshots.c.cycle < before_cycle
    )
    if recorded := await _recorded(connection, run_id):
        aged = aged.where(snapshots.c.cycle >= recorded[-1][0])
    rows = (await connection.execute(aged)).mappings()
    body = {"before_cycle": before_cycle, "left": _retained_digest([dict(row) for row in rows])}
    reason = f"contexts of cycles before {before_cycle} were let go"
    await append(connection, at=at, kind="prune", scope=run_id, by=by, reason=reason, body=body)


async def _recorded(connection: AsyncConnection, run_id: str) -> list[tuple[int, str]]:
    """Every prune of a run, the oldest first: the cycle that it went up to, and what its rows left."""
    query = select(acts.c.body).where(acts.c.kind == "prune", acts.c.scope == run_id).order_by(acts.c.n)
    bodies = [json.loads(body) for body in await connection.scalars(query)]
    return [(body["before_cycle"], body["left"]) for body in bodies]


def _retained_digest(rows: Iterable[Raw]) -> str:
    """The digest of what stays of the rows that one prune took: their own can't be computed any more."""
    return digest(sorted(([row[name] for name in _STAYS] for row in rows), key=str))


async def prune_faults(connection: AsyncConnection, run_id: str, rows: Sequence[Raw]) -> list[Fault]:
    """Snapshots of a run that are empty and were not pruned, or that are not what a prune left.

    `rows` are all snapshots of the run as they are stored.
    """
    try:
        recorded = await _recorded(connection, run_id)
        ages = [(int(str(row["cycle"])), row) for row in rows]
    except (ValueError, TypeError, KeyError):
        return []  # changed, and found so by its digest
    before = recorded[-1][0] if recorded else None
    faults: list[Fault] = []
    for cycle, row in ages:
        if row["body"] != PRUNED:
            continue
        key = f"cycle={cycle} id={row['id']}"
        if before is None or cycle >= before:
            faults.append(Fault(snapshots.name, key, "is empty, and nobody pruned it"))
        elif row["blobs"] != "[]":
            faults.append(Fault(snapshots.name, key, "is empty, and points at texts all the same"))
    since: int | None = None
    for upto, retained in recorded:
        if (
            _retained_digest(row for cycle, row in ages if cycle < upto and (since is None or cycle >= since))
            != retained
        ):
            faults.append(Fault(snapshots.name, f"cycle<{upto}", "are not what pruning left"))
        since = upto
    return faults


async def _keep_writers_out(connection: AsyncConnection) -> None:
    """SQLite has one writer. In PostgreSQL another run could come to rest on a text that is just being dropped."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("LOCK TABLE blobs IN SHARE ROW EXCLUSIVE MODE"))


async def _drop_unused(connection: AsyncConnection) -> tuple[int, int]:
    """Delete the texts that no snapshot and no verdict rests on any more, neither directly nor by a list."""
    pointed: set[str] = set()
    for listed in await connection.scalars(select(snapshots.c.blobs).distinct()):
        pointed.update(json.loads(listed))
    used = await named_under(connection, pointed)
    used.update(await connection.scalars(select(verdicts.c.facts)))
    stored = (await connection.execute(select(blobs.c.digest, func.length(blobs.c.body)))).all()
    idle = {digest: length for digest, length in stored if digest not in used}
    for part in in_parts(idle):
        await connection.execute(delete(blobs).where(blobs.c.digest.in_(part)))
    return len(idle), sum(idle.values())
