"""The archive: runs, and what each of their cycles thought, saw and came to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import LargeBinary, cast, delete, func, select, union

from domain.decision import Episode
from domain.digest import canonical, sha256
from domain.errors import NotFound, Refused, UsageError
from memory.archive.close_cycle import change_run, close_cycle, run_row
from memory.store.blobs import texts_at, texts_under
from memory.store.database import Database
from memory.store.readers import closed_cycle, episode, full_id, run_record, snapshot_record, step, verdict_record
from memory.store.records import (
    PRUNED,
    ClosedCycle,
    CycleRecord,
    EndStatus,
    RunHeader,
    RunRecord,
    RunStatus,
    SnapshotRecord,
    Step,
    VerdictRecord,
)
from memory.store.rows import insert_new
from memory.store.schema import blobs as texts
from memory.store.schema import cycles, episodes, equity, metadata, runs, snapshots, steps, verdicts, with_digest

_PAGE = 200
_NEWEST = func.replace(runs.c.created_at, "Z", "").desc()
"""Runs by age: without the Z, a whole second sorts before its fractions."""


class Archive:
    """Everything kept of runs, apart from money and orders (`memory.ledger`) and effects (`memory.archive.tape`).

    `note_…` is written with the next commit, the last of which is `close_cycle`. What is read is what
    is committed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin_run(self, header: RunHeader) -> None:
        """Raises `UsageError` when there is a run with that id."""
        row = {
            "run_id": header.run_id,
            "body": canonical(header),
            "status": "running",
            "created_at": header.created_at,
            "ended_at": None,
            "parent": header.parent,
            "cycles": 0,
            "seal": header.config_digest,
        }
        try:
            async with self._database.transaction() as connection:
                await insert_new(connection, runs, [with_digest(runs, row)])
        except Refused as error:
            raise UsageError(f"there is a run {header.run_id} already", remedy="Resume it, or name another") from error

    async def end_run(self, run_id: str, status: EndStatus, *, at: datetime) -> None:
        """Raises `NotFound`."""
        await self._set_status(run_id, status, at=at)

    async def resume_run(self, run_id: str) -> None:
        """Say that the run goes on. Raises `NotFound`."""
        await self._set_status(run_id, "running", at=None)

    async def _set_status(self, run_id: str, status: RunStatus, *, at: datetime | None) -> None:
        async with self._database.transaction() as connection:
            run = await run_row(connection, run_id)
            await change_run(connection, run, {"status": status, "ended_at": at})

    async def run(self, run_id: str) -> RunRecord:
        """One run by its id or the beginning of it.

        Raises `NotFound`, and `UsageError` when several begin so.
        """
        async with self._database.reading() as connection:
            full = await full_id(connection, runs.c.run_id, prefix=run_id, noun="run")
            result = await connection.execute(select(runs).where(runs.c.run_id == full))
            return run_record(result.mappings().one())

    async def run_id(self, prefix: str) -> str:
        """The whole id of a run by the beginning of it; raises as `run` does. Reads nothing else of its row."""
        async with self._database.reading() as connection:
            return await full_id(connection, runs.c.run_id, prefix=prefix, noun="run")

    async def runs(self, *, limit: int | None = 50) -> tuple[RunRecord, ...]:
        """The newest first."""
        async with self._database.reading() as connection:
            rows = await connection.execute(select(runs).order_by(_NEWEST, runs.c.run_id).limit(limit))
            return tuple(run_record(row) for row in rows.mappings())

    async def run_ids(self) -> tuple[str, ...]:
        """Every run that left a row anywhere, also one whose own row is gone. Reads nothing else.

        What is no text any more is no run's name: the run that it was lacks a row, which verification names.
        """
        # As bytes: SQLite's driver would give up at the first text that is none.
        queries = [
            select(cast(table.c.run_id, LargeBinary)) for table in metadata.tables.values() if "run_id" in table.c
        ]
        async with self._database.reading() as connection:
            names = (await connection.scalars(union(*queries))).all()
        return tuple(sorted(name.decode() for name in names if _is_text(name)))

    def note_blob(self, text: str) -> str:
        """Keep `text` once, and return its digest."""
        key = sha256(text)
        self._database.note(texts, {"digest": key, "body": text})
        return key

    def note_step(self, run_id: str, *, cycle: int, node: str, subject: str, value: object) -> None:
        """What a node gave for a subject."""
        row = {"run_id": run_id, "cycle": cycle, "node": node, "subject": subject, "body": canonical(value)}
        self._database.note(steps, row)

    def note_snapshot(
        self,
        run_id: str,
        *,
        cycle: int,
        subject: str,
        id: str,
        previous: str | None,
        body: object,
        blobs: Sequence[str] = (),
    ) -> None:
        """The context of one model call. `blobs` are the digests of what it points at, noted by `note_blob`.

        What a list among them names is not to be repeated: it stays as long as the list does.
        """
        row = {
            "run_id": run_id,
            "id": id,
            "cycle": cycle,
            "subject": subject,
            "previous": previous,
            "blobs": canonical(sorted(set(blobs))),
            "body": canonical(body),
        }
        self._database.note(snapshots, row)

    def note_episode(self, run_id: str, *, cycle: int, n: int, episode: Episode) -> None:
        self._database.note(episodes, {"run_id": run_id, "cycle": cycle, "n": n, "body": canonical(episode)})

    async def close_cycle(self, run_id: str, record: CycleRecord, *, timings: Mapping[str, float]) -> str:
        """Commit everything noted with the cycle's figures, seal it, and return the seal.

        Closing the last cycle again with the same content returns its seal. Raises `NotFound` for an
        unknown run and `Refused` for one that was closed with other content, or lies before the last closed.
        """
        async with self._database.transaction() as connection:
            return await close_cycle(connection, run_id, record=record, timings=timings)

    async def discard_open_cycle(self, run_id: str, *, cycle: int) -> None:
        """Forget what an unfinished `cycle` came to, before it is run again. Effects and orders stay.

        Raises `Refused` for a cycle that is closed.
        """
        closed = select(cycles.c.seal).where(cycles.c.run_id == run_id, cycles.c.cycle == cycle)
        async with self._database.transaction() as connection:
            if await connection.scalar(closed) is not None:
                raise Refused(f"cycle {cycle} of {run_id} is closed, and stays as it is")
            for table in (steps, snapshots, equity, episodes):
                await connection.execute(delete(table).where(table.c.run_id == run_id, table.c.cycle == cycle))

    async def cycles(self, run_id: str, *, after: int = -1) -> AsyncIterator[ClosedCycle]:
        """The closed cycles with numbers above `after`, in order."""
        query = select(cycles).where(cycles.c.run_id == run_id).order_by(cycles.c.cycle).limit(_PAGE)
        while True:
            async with self._database.reading() as connection:
                rows = (await connection.execute(query.where(cycles.c.cycle > after))).mappings().all()
            for row in rows:
                yield closed_cycle(row)
                after = row["cycle"]
            if len(rows) < _PAGE:
                return

    async def last_cycle(self, run_id: str) -> ClosedCycle | None:
        query = select(cycles).where(cycles.c.run_id == run_id).order_by(cycles.c.cycle.desc()).limit(1)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return None if row is None else closed_cycle(row)

    async def steps(self, run_id: str, cycle: int) -> tuple[Step, ...]:
        """What each node gave in `cycle`, by node and subject."""
        query = select(steps).where(steps.c.run_id == run_id, steps.c.cycle == cycle)
        async with self._database.reading() as connection:
            records = [step(row) for row in (await connection.execute(query)).mappings()]
        return tuple(sorted(records, key=lambda s: (s.node, s.subject)))

    async def model_failures(self, run_id: str) -> Mapping[str, int]:
        """How many theses failed, by the kind that each failure begins with. Asked of runs that ask a model."""
        query = select(steps.c.body).where(
            steps.c.run_id == run_id, steps.c.node == "research", ~steps.c.body.contains('"failure":""')
        )
        failures: Counter[str] = Counter()
        async with self._database.reading() as connection, connection.stream(query) as rows:
            async for (body,) in rows:
                theses = json.loads(body).get("theses", ())
                failures.update(each["failure"].partition(":")[0] for each in theses if each.get("failure"))
        return dict(sorted(failures.items()))

    async def snapshot(self, id: str) -> SnapshotRecord:
        """One snapshot by its id or the beginning of it.

        Raises `NotFound`, and `UsageError` when several begin so.
        """
        async with self._database.reading() as connection:
            full = await full_id(connection, snapshots.c.id, prefix=id, noun="snapshot")
            # Runs on equal data have equal snapshots, under one id; one of them may have let go of the body.
            whole_first = (snapshots.c.body == PRUNED, snapshots.c.run_id)
            query = select(snapshots).where(snapshots.c.id == full).order_by(*whole_first).limit(1)
            return snapshot_record((await connection.execute(query)).mappings().one())

    async def snapshots(self, run_id: str | None = None, *, limit: int | None = 50) -> tuple[SnapshotRecord, ...]:
        """Those of the newest run first, of one run or of all, and of its latest cycle before the others."""
        within = (snapshots.c.run_id, snapshots.c.cycle.desc(), snapshots.c.id)
        if run_id is not None:
            query = select(snapshots).where(snapshots.c.run_id == run_id).order_by(*within)
        else:
            of_run = runs.c.run_id == snapshots.c.run_id
            query = select(snapshots).outerjoin(runs, of_run).order_by(_NEWEST.nulls_last(), *within)
        async with self._database.reading() as connection:
            return tuple(snapshot_record(row) for row in (await connection.execute(query.limit(limit))).mappings())

    async def snapshot_count(self, run_id: str | None = None) -> int:
        """How many there are, of one run or of all."""
        query = select(func.count()).select_from(snapshots)
        if run_id is not None:
            query = query.where(snapshots.c.run_id == run_id)
        async with self._database.reading() as connection:
            return await connection.scalar(query) or 0

    async def stored_contexts(self, run_id: str) -> AsyncIterator[tuple[str, str]]:
        """Id and body of every snapshot of a run, as they are stored, in the order of the ids."""
        query = select(snapshots.c.id, snapshots.c.body).where(snapshots.c.run_id == run_id).order_by(snapshots.c.id)
        async with self._database.reading() as connection, connection.stream(query) as rows:
            async for id, body in rows:
                yield id, body

    async def snapshot_ids(self, run_id: str) -> tuple[str, ...]:
        """All snapshots of a run, in the order of its cycles."""
        query = select(snapshots.c.id).where(snapshots.c.run_id == run_id)
        async with self._database.reading() as connection:
            return tuple(await connection.scalars(query.order_by(snapshots.c.cycle, snapshots.c.subject)))

    async def blobs(self, digests: Sequence[str]) -> Mapping[str, str]:
        """The texts under `digests`. Raises `NotFound` naming one that is missing."""
        async with self._database.reading() as connection:
            bodies = await texts_at(connection, set(digests))
        if missing := sorted(set(digests) - set(bodies)):
            raise NotFound(f"the archive holds no text with digest {missing[0]}")
        return bodies

    async def blobs_under(self, digests: Sequence[str]) -> Mapping[str, str]:
        """The texts under `digests` and all that lists among them name, without those that are missing."""
        async with self._database.reading() as connection:
            return await texts_under(connection, digests)

    async def verdicts(self, run_id: str, *, cycle: int | None = None) -> tuple[VerdictRecord, ...]:
        query = select(verdicts).where(verdicts.c.run_id == run_id)
        if cycle is not None:
            query = query.where(verdicts.c.cycle == cycle)
        async with self._database.reading() as connection:
            records = [verdict_record(row) for row in (await connection.execute(query)).mappings()]
        return tuple(sorted(records, key=lambda v: (v.cycle, v.client_order_id, v.n)))

    async def episodes(self, run_id: str) -> tuple[Episode, ...]:
        query = select(episodes).where(episodes.c.run_id == run_id).order_by(episodes.c.cycle, episodes.c.n)
        async with self._database.reading() as connection:
            return tuple(episode(row) for row in (await connection.execute(query)).mappings())


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
