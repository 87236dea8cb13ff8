"""Rows turned back into records."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Column, RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.decision import Episode, Proposal
from domain.errors import NotFound, UsageError
from memory.store.fault import as_written
from memory.store.records import ClosedCycle, CycleRecord, RunHeader, RunRecord, SnapshotRecord, Step, VerdictRecord
from memory.store.schema import cycles, episodes, runs, snapshots, verdicts

_LIST_LIMIT = 5


def _fields(row: RowMapping, *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}


def run_record(row: RowMapping) -> RunRecord:
    with as_written(runs, row):
        header = RunHeader.model_validate_json(row["body"])
        return RunRecord(header=header, **_fields(row, "status", "ended_at", "cycles", "seal"))


def closed_cycle(row: RowMapping) -> ClosedCycle:
    with as_written(cycles, row):
        record = CycleRecord.model_validate_json(row["body"])
        return ClosedCycle(record=record, timings=json.loads(row["timings"]), **_fields(row, "previous", "seal"))


def step(row: RowMapping) -> Step:
    return Step(**_fields(row, "cycle", "node", "subject", "body", "digest"))


def episode(row: RowMapping) -> Episode:
    with as_written(episodes, row):
        return Episode.model_validate_json(row["body"])


def snapshot_record(row: RowMapping) -> SnapshotRecord:
    rest = _fields(row, "run_id", "cycle", "subject", "id", "previous", "body")
    with as_written(snapshots, row):
        return SnapshotRecord(blobs=tuple(json.loads(row["blobs"])), **rest)


def verdict_record(row: RowMapping) -> VerdictRecord:
    rest = _fields(row, "run_id", "cycle", "client_order_id", "n", "id", "symbol", "outcome", "verdict", "facts")
    with as_written(verdicts, row):
        return VerdictRecord(proposal=Proposal.model_validate_json(row["proposal"]), **rest)


async def full_id(connection: AsyncConnection, column: Column[str], *, prefix: str, noun: str) -> str:
    """The id that is `prefix`, or the only one that begins so.

    Raises `NotFound`, and `UsageError` when several do.
    """
    # Not LIKE, which in SQLite takes R for r.
    begins = func.substr(column, 1, len(prefix)) == prefix
    known = (
        await connection.scalars(select(column).where(begins).distinct().order_by(column).limit(_LIST_LIMIT))
    ).all()
    if prefix in known:
        return prefix
    if not prefix or not known:
        raise NotFound(f"there is no {noun} {prefix!r}", remedy=f"agentctl {noun}s list shows those there are")
    if len(known) > 1:
        raise UsageError(f"{prefix!r} begins several {noun}s: {', '.join(known)}", remedy="Write more of it")
    return known[0]
