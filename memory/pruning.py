"""Retention: bodies of old contexts are let go, and the chain that they were part of stays verifiable."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.database import Database
from memory.schema import blobs, snapshots, verdicts
from memory.texts import in_parts, named_under

PRUNED = ""
"""Stands where a pruned snapshot's body was. Its row, id and digest stay, and so do the seals over them."""


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
        await _keep_writers_out(connection)
        count, characters = (await connection.execute(select(func.count(), size).where(*aged))).one()
        await connection.execute(update(snapshots).where(*aged).values(body=PRUNED, blobs="[]"))
        texts, freed = await _drop_unused(connection)
    return Pruned(snapshots=count, texts=texts, characters=characters + freed)


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
