"""The archive as commands read it: opened without making one, and the run that an option names."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

from agentctl.settings import Settings, load
from domain.errors import NotFound
from memory.archive.archive import Archive
from memory.store.database import Database
from memory.store.records import RunRecord

T = TypeVar("T")

LAST = "last"
"""Names the newest run or snapshot wherever an id is taken."""

PARENT = "parent"
"""Names the run that the newest one was forked from."""


def wait(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work to its end."""
    return asyncio.run(work)


@asynccontextmanager
async def reading(db: str | None, *, settings: Settings | None = None) -> AsyncGenerator[Database]:
    """The database of `settings`, else of those in effect. Raises `NotFound` when there is none: reading makes none."""
    async with await Database.open((settings or load(db=db)).database_url, create=False) as database:
        yield database


async def find_run(database: Database, run: str | None) -> RunRecord:
    """The run whose id begins with `run`; the newest for `last`, or when none is named. Raises `NotFound`.

    `parent` is the run that the newest one was forked from.
    """
    archive = Archive(database)
    if run is not None and run not in (LAST, PARENT):
        return await archive.run(run)
    newest = await archive.runs(limit=1)
    if not newest:
        raise NotFound("there is no run yet", remedy="agentctl run makes one")
    if run != PARENT:
        return newest[0]
    parent = newest[0].header.parent
    if parent is None:
        raise NotFound(f"{newest[0].header.run_id} is no fork", remedy="Name a run: agentctl runs list")
    return await archive.run(parent)


def new_run_id(now: datetime) -> str:
    """Sorts by time, is short enough to type, and is never given twice."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


async def snapshot_id_of(database: Database, snapshot: str) -> str:
    """The id of a snapshot, or its beginning, as given; for `last` that which a list begins with. Raises `NotFound`."""
    if snapshot != LAST:
        return snapshot
    newest = await Archive(database).snapshots(limit=1)
    if not newest:
        raise NotFound("no run has archived a context yet", remedy="agentctl run makes some")
    return newest[0].id
