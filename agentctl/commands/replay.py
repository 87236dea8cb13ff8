"""`agentctl replay`: the archive, run again and compared. Exit code 3 when anything differs."""

from __future__ import annotations

import sys
from collections.abc import Callable

from agentctl.archive import reading, run_meant, snapshot_meant, wait
from agentctl.output import print_json, stderr_console
from domain.errors import Refused, UsageError
from graphs.replay import ReplayReport, replay_run
from graphs.snapshots import SnapshotReport, replay_snapshot


def replay_command(snapshot: str | None, *, run: str | None, db: str | None, as_json: bool) -> None:
    if (snapshot is None) == (run is None):
        raise UsageError(
            "replay takes a snapshot or --run RUN", remedy="Name one: agentctl snapshots list, agentctl runs list"
        )
    report: ReplayReport | SnapshotReport
    report = wait(_run(run, db)) if run is not None else wait(_snapshot(snapshot or "", db))
    if as_json:
        print_json(report)
    elif report.identical:
        print(f"identical: {report.steps} steps compared")
    else:
        print(f"different: {report.first_difference}")
    if not report.identical:
        sys.exit(Refused.exit_code)


async def _snapshot(snapshot: str, db: str | None) -> SnapshotReport:
    async with reading(db) as database:
        return await replay_snapshot(await snapshot_meant(database, snapshot), database=database)


async def _run(run: str, db: str | None) -> ReplayReport:
    async with reading(db) as database:
        record = await run_meant(database, run)
        return await replay_run(record.header.run_id, source=database, progress=_progress())


def _progress() -> Callable[[int, int], None]:
    """A line on stderr every twentieth of the way."""
    console = stderr_console()

    def tell(done: int, cycles: int) -> None:
        if done % max(1, cycles // 20) == 0:
            console.print(f"replayed {done} of {cycles} cycles")

    return tell
