"""`agentctl runs`: what ran, and how it went."""

from __future__ import annotations

from agentctl.archive import find_run, reading, wait
from agentctl.output import print_json, print_table
from agentctl.show import show_result
from graphs.archive.result import RunResult
from graphs.archive.summary import summary
from graphs.runs.timing import recorded_timings
from memory.archive.archive import Archive
from memory.store.records import RunRecord


def list_runs(*, limit: int, db: str | None, as_json: bool) -> None:
    async def work() -> tuple[RunRecord, ...]:
        async with reading(db) as database:
            return await Archive(database).runs(limit=limit)

    runs = wait(work())
    if as_json:
        return print_json([_line(run) for run in runs])
    rows = [[str(cell) for cell in _line(run).values()] for run in runs]
    return print_table(
        "runs",
        ("run", "status", "cycles", "graph", "market", "model", "mode", "seed", "started"),
        rows,
        right=("cycles",),
    )


def _line(run: RunRecord) -> dict[str, object]:
    header = run.header
    return {
        "run_id": header.run_id,
        "status": run.status,
        "cycles": run.cycles,
        "graph": header.graph,
        "market": header.market,
        "model": run.era.model,
        "mode": header.mode,
        "seed": header.seed,
        "created_at": f"{header.created_at:%Y-%m-%dT%H:%M:%SZ}",
    }


def show_run(run: str, *, db: str | None, as_json: bool) -> None:
    async def work() -> RunResult:
        async with reading(db) as database:
            record = await find_run(database, run)
            timings = await recorded_timings(Archive(database), record.header.run_id)
            return await summary(record, database=database, timings=timings)

    result = wait(work())
    if as_json:
        print_json(result)
    else:
        show_result(result)
