"""The archive as it grows: snapshots of a 500-item book, of which 10 items change each time, in an SQLite file.

Run with `python benchmarks/archive_growth.py`; `--snapshots 10000` takes some minutes. Every snapshot closes a cycle
of its own, so that the chain of seals is as in a run. A line for each quarter of the way: equal bytes a snapshot
are linear growth. `file` is the database's pages, `lists` and `items` the texts that were written once and are shared.
CPU times are those of archiving alone, without the synthesis. Then the whole archive is verified, and pruned to its
last tenth.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import tempfile
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from context_engine import BRIEF, BUDGET, NOON, an_item, items

from context import ContextBook, ModelAnswer, ModelRequest, Pieces, Snapshot, Synthesis, blobs
from context.manifest import listing
from domain.digest import canonical
from graphs.archive.snapshots import verify_chain
from memory import Archive, CycleRecord, Database, Ledger, RunHeader
from memory.archive.pruning import prune_snapshots

RUN = "growth"
ITEMS = 500
CHANGED = 10
QUARTERS = 4
HEADER = RunHeader(
    run_id=RUN,
    graph="trading",
    market="sim",
    model="rules",
    mode="paper",
    seed=1,
    symbols=("BTC/USDT",),
    timeframe="5m",
    currency="USDT",
    start_cash=Decimal(10_000),
    policy_digest="0" * 64,
    settings="{}",
    planned_cycles=1,
    version="benchmark",
    created_at=NOON,
)


class Book:
    """A book of which a few items say something else in every cycle."""

    def __init__(self) -> None:
        self._book = ContextBook(items=items(ITEMS))
        self._rng = random.Random(3)

    def synthesis(self, cycle: int) -> Synthesis:
        as_of = NOON + timedelta(minutes=5 * cycle)
        for number in self._rng.sample(range(ITEMS), CHANGED):
            known = self._book.get(f"item-{number}")
            assert known is not None
            fresh = an_item(number, self._rng).text
            self._book.upsert(known.model_copy(update={"text": fresh, "available_at": as_of}))
        return self._book.synthesize(budget=BUDGET, tokenizer=Pieces(), as_of=as_of, brief=BRIEF)


async def keep(archive: Archive, synthesis: Synthesis, *, cycle: int, previous: str) -> str:
    """Archive one context in a cycle of its own, and return the cycle's seal."""
    request = ModelRequest(model="rules", settings=canonical({"schema": "Opinion"}))
    answer = ModelAnswer(body=canonical({"stance": "hold"}))
    snapshot = Snapshot.of(synthesis, cycle=cycle, request=request, answer=answer)
    for body in blobs(synthesis).values():
        archive.note_blob(body)
    archive.note_snapshot(
        RUN,
        cycle=cycle,
        subject=BRIEF.subject,
        id=snapshot.id,
        previous=previous,
        body=snapshot,
        blobs=snapshot.references,
    )
    record = CycleRecord(cycle=cycle, as_of=synthesis.as_of, decisions=(), figures=None)
    return await archive.close_cycle(RUN, record, timings={})


def figures(path: Path) -> tuple[int, int, int]:
    """Bytes of the database, of the lists of its manifests, and of its other texts, as of the last commit."""
    with sqlite3.connect(path) as database:
        (pages,), (size,) = (database.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
        bodies = [body for (body,) in database.execute("SELECT body FROM blobs")]
    database.close()
    lists = sum(len(body) for body in bodies if listing(body))
    return pages * size, lists, sum(len(body) for body in bodies) - lists


async def grow(path: Path, *, snapshots: int) -> None:
    """Fill the archive and print how it grew."""
    async with await Database.open(f"sqlite:///{path}") as database:
        archive, book = Archive(database), Book()
        await archive.begin_run(HEADER)
        await Ledger(database, account=RUN, run_id=RUN).open(currency=HEADER.currency, start_cash=HEADER.start_cash)
        previous, before, done = HEADER.config_digest, figures(path), 0
        print("snapshots   file MB   bytes a snapshot   of them lists   items   CPU ms a snapshot")
        for quarter in range(1, QUARTERS + 1):
            upto, spent_s = snapshots * quarter // QUARTERS, 0.0
            count = upto - done
            for cycle in range(done, upto):
                synthesis = book.synthesis(cycle)
                begun = time.process_time()
                previous = await keep(archive, synthesis, cycle=cycle, previous=previous)
                spent_s += time.process_time() - begun
            now, done = figures(path), upto
            whole, lists, texts = ((after - earlier) / count for after, earlier in zip(now, before, strict=True))
            print(
                f"{upto:9,} {now[0] / 1e6:9.1f} {whole:18,.0f} {lists:15,.0f} {texts:7,.0f} "
                f"{spent_s * 1_000 / count:19.1f}",
                flush=True,
            )
            before = now
        await check(database, "whole")
        begun = time.process_time()
        gone = await prune_snapshots(database, RUN, before_cycle=snapshots - snapshots // 10, at=HEADER.created_at)
        print(
            f"pruned {gone.snapshots:,} snapshots and {gone.texts:,} texts, {gone.characters / 1e6:,.1f} M characters: "
            f"{time.process_time() - begun:.1f} s CPU"
        )
        await check(database, "pruned")


async def check(database: Database, name: str) -> None:
    begun = time.process_time()
    report = await verify_chain(database, [RUN])
    print(
        f"verified {name}: {report.snapshots:,} snapshots, {report.pruned:,} of them pruned, "
        f"{len(report.faults)} faults: {time.process_time() - begun:.1f} s CPU"
    )


def main() -> None:
    options = argparse.ArgumentParser(description="How the archive grows.")
    options.add_argument("--snapshots", type=int, default=2_000, metavar="N")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(grow(Path(folder) / "archive.db", snapshots=options.parse_args().snapshots))


if __name__ == "__main__":
    main()
