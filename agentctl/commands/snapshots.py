"""`agentctl snapshots`: what a model was shown and what it answered."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import UTC, datetime

from agentctl.archive import LAST, PARENT, find_run, reading, snapshot_id_of, wait
from agentctl.output import print_json, print_table, warn
from agentctl.person import named
from agentctl.snapshot_view import snapshot_page, tables
from domain.errors import NotFound, Refused
from domain.text import reveal
from graphs.archive.snapshots import ChainReport, Replayed, open_snapshot, verify_chain
from memory.archive.archive import Archive
from memory.archive.pruning import Pruned, prune_snapshots
from memory.store.database import Database
from memory.store.leases import hold_lease
from memory.store.records import SnapshotRecord


def list_snapshots(run: str | None, *, limit: int, db: str | None, as_json: bool) -> None:
    async def work() -> tuple[tuple[SnapshotRecord, ...], int]:
        async with reading(db) as database:
            run_id = (await find_run(database, run)).header.run_id if run else None
            archive = Archive(database)
            return await archive.snapshots(run_id, limit=limit), await archive.snapshot_count(run_id)

    snapshots, count = wait(work())
    if as_json:
        return print_json(
            [
                {"id": s.id, "run_id": s.run_id, "cycle": s.cycle, "subject": s.subject, "pruned": s.pruned}
                for s in snapshots
            ]
        )
    rows = [(s.id[:12], s.run_id, str(s.cycle), s.subject, "pruned" if s.pruned else "kept") for s in snapshots]
    print_table("snapshots", ("snapshot", "run", "cycle", "subject", "context"), rows, right=("cycle",))
    if count > len(snapshots):
        print(f"{count - len(snapshots):,} more: --limit shows them")
    return None


def show_snapshot(snapshot: str, *, form: str, db: str | None) -> None:
    """Print one context as text, as JSON, or as an HTML page."""

    async def work() -> Replayed:
        async with reading(db) as database:
            return await open_snapshot(await snapshot_id_of(database, snapshot), database=database)

    replayed = wait(work())
    if form == "json":
        print_json(
            {
                "id": replayed.record.id,
                "run_id": replayed.record.run_id,
                "snapshot": replayed.snapshot,
                "lanes": replayed.synthesis.lanes,
                "selected": [
                    {
                        "item": s.item.id,
                        "lane": s.lane,
                        "score": s.score,
                        "tokens": s.tokens,
                        "trust": s.item.trust,
                        "shortened": s.shortened,
                    }
                    for s in replayed.synthesis.selected
                ],
                "messages": replayed.synthesis.messages,
                "dropped": replayed.synthesis.dropped,
            }
        )
    elif form == "html":
        print(snapshot_page(replayed), end="")
    else:
        _show(replayed)


def _show(replayed: Replayed) -> None:
    snapshot, made = replayed.snapshot, replayed.synthesis
    print(f"snapshot {replayed.record.id}")
    print(
        f"run {replayed.record.run_id}, cycle {snapshot.cycle}, {snapshot.subject}, "
        f"as of {snapshot.as_of:%Y-%m-%d %H:%M} UTC"
    )
    print(f"{snapshot.tokens} of {snapshot.budget} tokens by {snapshot.tokenizer}, asked of {snapshot.request.model}\n")
    for title, columns, rows, right in tables(replayed):
        if rows:
            print_table(title, columns, rows, right=right)
    for message in made.messages:
        print(f"--- {message.role}\n{reveal(message.content)}")
    print(f"--- answer\n{reveal(snapshot.answer.body or snapshot.answer.failure)}")
    for note in snapshot.answer.notes:
        print(f"note: {note}")


def verify_snapshots(run: str | None, *, db: str | None, as_json: bool) -> None:
    """Exit code 0 for whole, 3 for broken."""

    async def work() -> ChainReport:
        async with reading(db) as database:
            return await verify_chain(database, await _runs(database, run))

    report = wait(work())
    if as_json:
        print_json(report)
    else:
        pruned = f", {report.pruned:,} of them pruned" if report.pruned else ""
        runs = "1 run" if report.runs == 1 else f"{report.runs:,} runs"
        print(f"{report.snapshots:,} snapshots in {runs}{pruned}: {'broken' if report.faults else 'whole'}")
        for fault in report.faults:
            print(fault)
    if report.faults:
        sys.exit(Refused.exit_code)


def prune(run: str, *, keep: int, db: str | None, as_json: bool) -> None:
    """Let go of what is older than the last `keep` cycles of one run, which nobody may be running."""

    async def work() -> Pruned:
        async with reading(db) as database:
            record = await find_run(database, run)
            async with hold_lease(database, record.header.run_id, tell=warn):
                before = max(0, record.cycles - keep)
                now = datetime.now(UTC)
                return await prune_snapshots(
                    database, record.header.run_id, before_cycle=before, at=now, by=named(None)
                )

    gone = wait(work())
    if as_json:
        print_json(gone)
    else:
        print(f"pruned {gone.snapshots:,} snapshots and {gone.texts:,} texts, {gone.characters:,} characters")


async def _runs(database: Database, run: str | None) -> tuple[str, ...]:
    """What is verified: nothing of a run but its id is read before, for it may be what was changed."""
    archive = Archive(database)
    if run is None:
        return await archive.run_ids()
    if run in (LAST, PARENT):
        return ((await find_run(database, run)).header.run_id,)
    with suppress(NotFound):  # the run's own row may be what is gone
        run = await archive.run_id(run)
    return (run,)
