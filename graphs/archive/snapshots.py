"""Archived contexts, opened again: synthesised from their stored parts and compared with what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.rules import RulesModel
from context import Snapshot, Synthesis, resynthesize
from domain.decision import Opinion
from domain.digest import canonical, sha256
from domain.errors import NotFound, Refused
from domain.value import Value
from graphs.session.eras import this_version
from memory.archive.archive import Archive
from memory.store.database import Database
from memory.store.records import PRUNED, SnapshotRecord
from memory.verify import verify
from tools.tokenizers import tokenizer_named


@dataclass(frozen=True, slots=True)
class Replayed:
    """An archived context and its synthesis again. `texts` counts the bodies that were read and checked for it."""

    record: SnapshotRecord
    snapshot: Snapshot
    synthesis: Synthesis
    texts: int


class SnapshotReport(Value):
    """The outcome of replaying one snapshot. `steps` counts what was compared."""

    snapshot: str
    identical: bool
    steps: int
    first_difference: str | None


async def open_snapshot(snapshot_id: str, *, database: Database) -> Replayed:
    """A snapshot with its context synthesised again, byte for byte.

    Raises `NotFound` for an unknown id, and `Refused` naming what was changed or is gone since it was archived.
    """
    archive = Archive(database)
    record = await archive.snapshot(snapshot_id)
    if record.pruned:
        raise NotFound(
            f"the snapshot {record.id} was pruned", remedy="Its run still replays: agentctl replay --run RUN"
        )
    if (actual := sha256(record.body)) != record.id:
        raise Refused(f"the snapshot {record.id} was changed: its content has the digest {actual}")
    try:
        snapshot = Snapshot.model_validate_json(record.body)
    except ValueError:
        raise Refused(
            f"the snapshot {record.id} is as it was written, and not in the form of this version",
            remedy="Use the version of agentctl that wrote it",
        ) from None
    bodies = await archive.blobs_under(snapshot.references)
    tokenizer = tokenizer_named(snapshot.tokenizer)
    try:
        synthesis = resynthesize(snapshot, bodies, tokenizer=tokenizer)
    except NotFound as error:  # what it rests on is gone: that is no unknown id
        raise Refused(f"the snapshot {record.id} is not whole: {error.message}") from None
    return Replayed(record, snapshot, synthesis, texts=len(bodies))


async def replay_snapshot(snapshot_id: str, *, database: Database) -> SnapshotReport:
    """Synthesise again and compare; where the model is the rules analyst, ask it again and compare too.

    A provider's answer can't be asked for offline: it is what the archive holds, under its digest.
    Raises `NotFound`.
    """
    try:
        again = await open_snapshot(snapshot_id, database=database)
    except Refused as error:
        difference = await _by_whom(snapshot_id, error.message, database=database)
        return SnapshotReport(snapshot=snapshot_id, identical=False, steps=0, first_difference=difference)
    snapshot = again.snapshot
    steps = 2 + again.texts
    if snapshot.request.model == RulesModel.name:
        answer = (await RulesModel().ask(again.synthesis, Opinion)).answer
        if canonical(answer) != snapshot.answer.body:
            difference = await _by_whom(again.record.id, "answer", database=database)
            return SnapshotReport(snapshot=again.record.id, identical=False, steps=steps, first_difference=difference)
        steps += 1
    return SnapshotReport(snapshot=again.record.id, identical=True, steps=steps, first_difference=None)


async def _by_whom(snapshot_id: str, difference: str, *, database: Database) -> str:
    """`difference`, and whether it is one between versions: of what another version wrote and nobody changed since."""
    archive = Archive(database)
    snapshot = await archive.snapshot(snapshot_id)
    try:
        version = (await archive.run(snapshot.run_id)).header.version_at(snapshot.cycle)
    except (NotFound, Refused):
        return difference
    if version == this_version() or await verify(database, snapshot.run_id):
        return difference
    return f"written by version {version}, which decided differently: {difference}"


class ChainReport(Value):
    """Whether archived contexts are whole, each and as a chain."""

    runs: int
    snapshots: int
    pruned: int
    faults: tuple[str, ...]


async def verify_chain(database: Database, run_ids: Sequence[str]) -> ChainReport:
    """Every snapshot of these runs against its id, and the runs' rows and seals that hold them in their places.

    What can't be read is a fault, and the other runs are looked at all the same. Raises `NotFound` for a
    run that left no trace.
    """
    archive = Archive(database)
    count = pruned = 0
    faults: list[str] = []
    for run_id in run_ids:
        run_faults = [str(fault) for fault in await verify(database, run_id)]
        try:
            async for id, body in archive.stored_contexts(run_id):
                count += 1
                pruned += body == PRUNED
                if body != PRUNED and sha256(body) != id:
                    run_faults.append(f"snapshots id={id}: does not fit its id")
        except Refused:  # a text that is none any more: verification has named its row
            if not run_faults:
                raise
        faults += [f"{run_id}: {fault}" for fault in run_faults]
    return ChainReport(runs=len(run_ids), snapshots=count, pruned=pruned, faults=tuple(faults))
