"""Runs that may be read and relied on: verified first, since what was changed can't be read, or says something else."""

from __future__ import annotations

from contextlib import suppress

from domain.errors import NotFound, Refused
from memory.archive.archive import Archive
from memory.store.database import Database
from memory.store.records import RunRecord
from memory.verify import verify


async def whole_run(run: str, *, database: Database) -> RunRecord:
    """The run whose id begins with `run`, every row of it verified.

    Raises `NotFound`, `UsageError` when several begin so, and `Refused` naming the first thing that was changed.
    """
    archive = Archive(database)
    with suppress(NotFound):  # the run's own row may be what is gone
        run = await archive.run_id(run)
    if faults := await verify(database, run):
        raise Refused(
            f"the archive of {run} was changed: {faults[0]}", remedy="agentctl snapshots verify names all that was"
        )
    return await archive.run(run)
