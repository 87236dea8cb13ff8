"""Retention: bodies of old contexts are let go, and the chain that they were part of stays verifiable."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.database import Database
from memory.schema import blobs, snapshots, verdicts

PRUNED = ""
"""Stands where a pruned snapshot's body was. Its row, id and digest stay, and so do the seals over them."""

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went: contexts, texts that nothing else rests on, and their characters."""

    snapshots: int
    texts: int
    characters: int


async def prune_snapshots(database: Database, run_id: str, *, before_cycle: int) -> Pruned:
    """Let go of the bodies of a run's snapshots from cycles before `before_cycle`, in one transaction.

    Doing it again changes nothing. What is gone can't be shown, forked or diffed; the run itself still
    replays to the byte, since its tape, steps and verdicts stay.
    """
    aged = (snapshots.c.run_id == run_id, snapshots.c.cycle < before_cycle, snapshots.c.body != PRUNED)
    size = func.coalesce(func.sum(func.length(snapshots.c.body)), 0)
    async with database.transaction() as connection:
        count, characters = (await connection.execute(select(func.count(), size).where(*aged))).one()
        await connection.execute(update(snapshots).where(*aged).values(body=PRUNED, blobs="[]"))
        texts, freed = await _drop_unused(connection)
    return Pruned(snapshots=count, texts=texts, characters=characters + freed)


async def _drop_unused(connection: AsyncConnection) -> tuple[int, int]:
    """Delete the texts that no snapshot and no verdict rests on any more."""
    used = set(await connection.scalars(select(verdicts.c.facts)))
    for listed in await connection.scalars(select(snapshots.c.blobs)):
        used.update(json.loads(listed))
    stored = (await connection.execute(select(blobs.c.digest, func.length(blobs.c.body)))).all()
    idle = [(digest, length) for digest, length in stored if digest not in used]
    for start in range(0, len(idle), _AT_ONCE):
        chunk = [digest for digest, _ in idle[start : start + _AT_ONCE]]
        await connection.execute(delete(blobs).where(blobs.c.digest.in_(chunk)))
    return len(idle), sum(length for _, length in idle)
