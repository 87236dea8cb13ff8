"""Forking a run: up to a cycle it is its parent to the byte; from there on another model, policy or lanes decide."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from agents.models import open_model
from domain.errors import Refused, ReplayDiverged, UsageError
from graphs.cycle import Cycle
from graphs.eras import Changes
from graphs.opening import playback
from graphs.runner import Runner
from graphs.trading import build
from memory.archive import Archive
from memory.database import Database
from memory.records import RunHeader
from memory.verify import verify


async def fork(
    parent: str,
    *,
    from_cycle: int,
    changes: Changes,
    run_id: str,
    at: datetime,
    cycles: int | None,
    database: Database,
    progress: Callable[[int, int], None],
) -> RunHeader:
    """A new run that has played its parent's first `from_cycle` cycles from the tape, ready to be resumed.

    `progress` is told (cycles played, cycles to play). Raises `NotFound` for an unknown parent, `UsageError`
    for a cycle that it has not closed or a model without a key, `Refused` for an archive that was changed.
    """
    archive = Archive(database)
    record = await archive.run(parent)
    header = record.header
    if not 0 < from_cycle <= record.cycles:
        raise UsageError(
            f"--from {from_cycle}: {header.run_id} has closed {record.cycles} cycles",
            remedy=f"Choose a cycle from 1 to {record.cycles}",
        )
    if header.mode == "live":
        raise UsageError(f"{header.run_id} trades with money, and a fork would send again", remedy="Replay it instead")
    open_model(changes.model or header.era(from_cycle - 1).model, asking=True)
    faults = await verify(database, header.run_id)
    if faults:
        raise Refused(f"the archive of {header.run_id} was changed: {faults[0]}", remedy="It can't be forked")
    written_by = header.version_at(from_cycle - 1)
    # Who changed the parent, and when, stands with the parent.
    unsigned = {"at": None, "by": "", "reason": ""}
    kept = tuple(era.model_copy(update=unsigned) for era in header.eras if era.from_cycle < from_cycle)
    child = header.model_copy(
        update={
            "run_id": run_id,
            "created_at": at,
            "parent": header.run_id,
            "planned_cycles": cycles or max(header.planned_cycles, from_cycle),
            "eras": (*kept, changes.applied(header.era(from_cycle - 1), from_cycle=from_cycle, written_by=written_by)),
        }
    )
    await _play(child, parent=header.run_id, cycles=from_cycle, database=database, progress=progress)
    return child


async def _play(
    child: RunHeader, *, parent: str, cycles: int, database: Database, progress: Callable[[int, int], None]
) -> None:
    session = await playback(child, source=database, into=database, parent=parent)
    runner = Runner(session, build())
    seal = child.config_digest
    async for closed in Archive(database).cycles(parent):
        number = closed.record.cycle
        if number == cycles:
            break
        session.enter(number)
        seal = await runner.cycle(Cycle(session=session, number=number, as_of=closed.record.as_of, previous_seal=seal))
        if seal != closed.seal:
            raise ReplayDiverged(f"cycle {number} of {parent} does not play again as it was")
        progress(number + 1, cycles)
    await session.archive.end_run(child.run_id, "interrupted", at=child.created_at)
