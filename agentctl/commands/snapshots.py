"""`agentctl snapshots`: what a model was shown and what it answered."""

from __future__ import annotations

from agentctl.archive import reading, run_meant, snapshot_meant, wait
from agentctl.output import print_json, print_table
from domain.digest import plain
from graphs.snapshots import Replayed, open_snapshot
from memory.archive import Archive
from memory.records import SnapshotRecord


def list_snapshots(run: str | None, *, limit: int, db: str | None, as_json: bool) -> None:
    async def work() -> tuple[SnapshotRecord, ...]:
        async with reading(db) as database:
            run_id = (await run_meant(database, run)).header.run_id if run else None
            return await Archive(database).snapshots(run_id, limit=limit)

    found = wait(work())
    if as_json:
        return print_json([{"id": s.id, "run_id": s.run_id, "cycle": s.cycle, "subject": s.subject} for s in found])
    rows = [(s.id[:12], s.run_id, str(s.cycle), s.subject) for s in found]
    return print_table("snapshots", ("snapshot", "run", "cycle", "subject"), rows, right=("cycle",))


def show_snapshot(snapshot: str, *, db: str | None, as_json: bool) -> None:
    async def work() -> Replayed:
        async with reading(db) as database:
            return await open_snapshot(await snapshot_meant(database, snapshot), database=database)

    seen = wait(work())
    kept, made = seen.snapshot, seen.synthesis
    if as_json:
        return print_json(
            {
                "id": seen.record.id,
                "run_id": seen.record.run_id,
                "snapshot": kept,
                "lanes": made.lanes,
                "messages": made.messages,
                "dropped": made.dropped,
            }
        )
    print(f"snapshot {seen.record.id}")
    print(f"run {seen.record.run_id}, cycle {kept.cycle}, {kept.subject}, as of {kept.as_of:%Y-%m-%d %H:%M} UTC")
    print(f"{kept.tokens} of {kept.budget} tokens by {kept.tokenizer}, asked of {kept.request.model}\n")
    rows = [
        (
            lane.lane,
            lane.state + (", mandatory" if lane.mandatory else ""),
            str(lane.sent),
            str(lane.left_out),
            str(lane.tokens),
            _bar(lane.tokens, kept.budget),
        )
        for lane in made.lanes
    ]
    print_table(
        "lanes",
        ("lane", "state", "sent", "left out", "tokens", "of the budget"),
        rows,
        right=("sent", "left out", "tokens"),
    )
    sent = [(s.item.id, s.lane, plain(s.score), str(s.tokens)) for s in made.selected]
    print_table("sent", ("item", "lane", "score", "tokens"), sent, right=("score", "tokens"))
    if made.dropped:
        left = [(d.item_id, d.lane, d.reason, d.instead) for d in made.dropped]
        print_table("left out", ("item", "lane", "reason", "instead"), left)
    for message in made.messages:
        print(f"--- {message.role}\n{message.content}")
    print(f"--- answer\n{kept.answer.body or kept.answer.failure}")
    return None


def _bar(tokens: int, budget: int, *, width: int = 20) -> str:
    return "█" * round(tokens / budget * width) if budget else ""
