"""Forking a run: up to a cycle it is its parent to the byte; from there on another model, policy or lanes decide."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from agents.models import open_model
from domain.errors import Refused, ReplayDiverged, UsageError
from graphs.runs.open import playback
from graphs.runs.runner import Runner
from graphs.session.eras import Changes, this_version
from graphs.trading.cycle import Cycle
from graphs.trading.graph import build
from memory.archive.archive import Archive
from memory.ledger.state_at import stand_at
from memory.store.database import Database
from memory.store.records import RunHeader
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
    eras = tuple(era.model_copy(update=unsigned) for era in header.eras if era.from_cycle < from_cycle)
    child = header.model_copy(
        update={
            "run_id": run_id,
            "created_at": at,
            "parent": header.run_id,
            "planned_cycles": cycles or (header.planned_cycles and max(header.planned_cycles, from_cycle)),
            "eras": (*eras, changes.applied(header.era(from_cycle - 1), from_cycle=from_cycle, written_by=written_by)),
        }
    )
    if await _ours(header, from_cycle, database=database):
        await _play(child, parent=header.run_id, cycles=from_cycle, database=database, progress=progress)
    else:
        await _copy(child, parent=header.run_id, cycles=from_cycle, database=database)
    return child


async def _ours(header: RunHeader, cycles: int, *, database: Database) -> bool:
    """Whether this version decided the first `cycles` of a run, so that they must play again as they were."""
    if any(header.version_at(number) != this_version() for number in range(cycles)):
        return False
    first = Archive(database).cycles(header.run_id)
    return not any([closed.record.cut_short async for closed in first if closed.record.cycle < cycles])


async def _copy(child: RunHeader, *, parent: str, cycles: int, database: Database) -> None:
    """What another version decided may not play again: it is taken over as it was archived, and was verified.

    Raises `Refused` where contexts of it were pruned: they would be missing in the child, and nobody pruned them there.
    """
    archive = Archive(database)
    if any(snapshot.pruned and snapshot.cycle < cycles for snapshot in await archive.snapshots(parent, limit=None)):
        raise Refused(
            f"another version decided {parent}, and contexts of it were pruned", remedy="Fork a run that has them all"
        )
    await stand_at(database, database, child, recorded=parent, cycle=cycles)
    await archive.end_run(child.run_id, "interrupted", at=child.created_at)


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
