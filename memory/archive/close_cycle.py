"""The end of a cycle: its rows counted, sealed and chained to the run, within one transaction."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import RowMapping, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.digest import canonical
from domain.errors import NotFound, Refused
from memory.archive.high_water import high_water
from memory.store.records import CycleRecord, RunHeader
from memory.store.rows import Row, insert_new, put
from memory.store.schema import cycles, equity, runs, with_digest
from memory.store.seal import leaves, leaves_text, seal

# Built once: building a statement costs more than running it.
_RUN = select(runs).where(runs.c.run_id == bindparam("run_id")).with_for_update()
_LAST = select(cycles).where(cycles.c.run_id == bindparam("run_id")).order_by(cycles.c.cycle.desc()).limit(1)


async def run_row(connection: AsyncConnection, run_id: str) -> RowMapping:
    """The run's row, held until the transaction ends. Raises `NotFound`."""
    row = (await connection.execute(_RUN, {"run_id": run_id})).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no run {run_id!r}", remedy="agentctl runs list shows those there are")
    return row


async def change_run(connection: AsyncConnection, run: RowMapping, changes: Row) -> None:
    await put(connection, runs, [with_digest(runs, {**run, **changes})])


async def close_cycle(
    connection: AsyncConnection, run_id: str, *, record: CycleRecord, timings: Mapping[str, float]
) -> str:
    """Seal the cycle's rows and return the seal. See `Archive.close_cycle`."""
    run = await run_row(connection, run_id)
    await _keep_figures(connection, run, record=record)
    body = canonical(record)
    rows = leaves_text(await leaves(connection, run_id=run_id, cycle=record.cycle))
    before = (await connection.execute(_LAST, {"run_id": run_id})).mappings().one_or_none()
    if before is not None and before["cycle"] >= record.cycle:
        if (before["cycle"], before["body"], before["rows"]) == (record.cycle, body, rows):
            return str(before["seal"])
        raise Refused(f"cycle {record.cycle} cannot be closed: cycle {before['cycle']} is, with other content")
    previous = run["seal"]
    sealed = seal(previous=previous, cycle=record.cycle, as_of=record.as_of, body=body, rows=rows)
    row = {
        "run_id": run_id,
        "cycle": record.cycle,
        "as_of": record.as_of,
        "body": body,
        "timings": canonical(timings),
        "previous": previous,
        "rows": rows,
        "seal": sealed,
    }
    await insert_new(connection, cycles, [with_digest(cycles, row)])
    await change_run(connection, run, {"cycles": run["cycles"] + 1, "seal": sealed})
    return sealed


async def _keep_figures(connection: AsyncConnection, run: RowMapping, *, record: CycleRecord) -> None:
    figures = record.figures
    if figures is None:
        return
    high = await high_water(connection, run["run_id"], before=record.cycle)
    if high is None:
        high = RunHeader.model_validate_json(run["body"]).start_cash
    place = {"run_id": run["run_id"], "cycle": record.cycle, "as_of": record.as_of}
    row = {**place, "contributed": None, **figures.model_dump(), "high": max(high, figures.own)}
    await insert_new(connection, equity, [with_digest(equity, row)])
