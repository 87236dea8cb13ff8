"""Eras that a resume begins: written into the run's header together with an act that says who changed what to what.

The cycles before stay under their seals, which no era is part of; the cycles after name their era under theirs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.digest import canonical, jsonable
from domain.errors import Refused
from memory.archive.close_cycle import change_run, run_row
from memory.operators.audit_log import append, hold_acts, words
from memory.store.database import Database
from memory.store.fault import Fault
from memory.store.raw_rows import Raw, raw_rows
from memory.store.readers import run_record
from memory.store.records import Era, RunHeader
from memory.store.schema import acts, cycles, runs

CHANGE: Final = "change"
"""The kind of act with which an era begins."""


async def begin_era(database: Database, run_id: str, era: Era) -> RunHeader:
    """Let `era` decide the run from its first cycle on, and return the run's header with it.

    Raises `NotFound`, and `Refused` for an era without a name and a time, and for one that would begin in a cycle
    that is closed, or before the era that was begun last.
    """
    era = era.model_copy(update={"by": words(era.by), "reason": words(era.reason)})
    if era.at is None or not era.by:
        raise Refused("an era that is begun later says when and by whom")
    async with database.transaction() as connection:
        await hold_acts(connection)
        row = await run_row(connection, run_id)
        header = run_record(row).header
        before = header.last_era
        if era.from_cycle < max(row["cycles"], before.from_cycle):
            raise Refused(f"cycle {era.from_cycle} of {run_id} is decided, and stays as it is")
        later = header.model_copy(update={"eras": (*header.eras, era)})
        await change_run(connection, row, {"body": canonical(later)})
        await append(
            connection,
            at=era.at,
            kind=CHANGE,
            scope=run_id,
            by=era.by,
            reason=era.reason,
            body=_change_body(era, was=header.era(era.from_cycle)),
        )
    return later


def _change_body(era: Era, *, was: Era) -> dict[str, object]:
    return {"from_cycle": era.from_cycle, "was": was.digest, "now": era.digest}


async def era_faults(connection: AsyncConnection, header: RunHeader, closed: Sequence[Raw]) -> list[Fault]:
    """Cycles whose seals name another era than the header has for them, and eras that no act began, or another."""
    about = and_(acts.c.kind == CHANGE, acts.c.scope == header.run_id)
    done = [row async for row in raw_rows(connection, acts, where=about)]
    return [*_sealed_otherwise(header, closed), *_begun_otherwise(header, done)]


def _sealed_otherwise(header: RunHeader, closed: Sequence[Raw]) -> Iterator[Fault]:
    for row in closed:
        try:
            cycle, sealed = int(str(row["cycle"])), json.loads(str(row["body"])).get("era")
        except (ValueError, AttributeError):
            continue  # changed, and found so by its digest
        if sealed is not None and sealed != header.era(cycle).digest:
            what = f"has other settings for {cycles.name} cycle={cycle} than were sealed with it"
            yield Fault(runs.name, f"run_id={header.run_id}", what, field="body")
            return


def _begun_otherwise(header: RunHeader, done: Sequence[Raw]) -> Iterator[Fault]:
    later = [(place, era) for place, era in enumerate(header.eras) if era.at is not None]
    due = []
    for place, era in later:
        before = header.model_copy(update={"eras": header.eras[:place]})
        body = canonical(_change_body(era, was=before.era(era.from_cycle)))
        due.append((body, jsonable(era.at), era.by, era.reason))
    there = [(row["body"], row["at"], row["by"], row["reason"]) for row in done]
    if due != there:
        what = f"says of {len(due)} changes what {len(there)} acts on it do not"
        yield Fault(runs.name, f"run_id={header.run_id}", what, field="body")
