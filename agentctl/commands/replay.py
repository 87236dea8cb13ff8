"""`agentctl replay`: the archive run again, exactly, or with one thing changed.

Exit code 3 when an exact replay differs, or when the archive was changed. What would be otherwise with one thing
changed is what was asked for, and no fault.
"""

from __future__ import annotations

import sys
from pathlib import Path

from agentctl.archive import LAST, PARENT, find_run, reading, snapshot_id_of, wait
from agentctl.changes import prompt_text
from agentctl.output import print_json, print_table, steadily
from domain.digest import plain
from domain.errors import Refused
from graphs.archive.ask_again import ForkReport, ask_again
from graphs.archive.snapshots import SnapshotReport, replay_snapshot
from graphs.archive.what_if import WhatIfReport, judge_again
from graphs.runs.replay import ReplayReport, replay_run
from graphs.session.profiles import policy_in_effect

_MOST_ROWS = 40


def exact(snapshot: str | None, *, run: str | None, db: str | None, as_json: bool) -> None:
    """The same bytes again, from the archive alone."""
    report: ReplayReport | SnapshotReport
    report = wait(_run(run, db)) if run is not None else wait(_snapshot(snapshot or "", db))
    if as_json:
        print_json(report)
    else:
        if isinstance(report, ReplayReport):
            _show_parts(report)
        if report.identical:
            print(f"identical: {report.steps} steps compared")
        else:
            print(f"different: {report.first_difference}")
    if not report.identical:
        sys.exit(Refused.exit_code)


def _show_parts(report: ReplayReport) -> None:
    """Of a run that several versions decided, or another one: which cycles each did, and what became of them."""
    rows = [
        (
            str(part.first) if part.first == part.last else f"{part.first} to {part.last}",
            part.version,
            "identical" if part.identical and not part.cut_short else part.cut_short or "different",
        )
        for part in report.parts
    ]
    if rows:
        print_table("decided by", ("cycles", "version", "decided again"), rows)


def what_if(run: str, *, policy: Path, db: str | None, as_json: bool) -> None:
    """Every archived proposal judged again by another policy."""

    async def work() -> WhatIfReport:
        other = policy_in_effect(policy)
        async with reading(db) as database:
            return await judge_again((await find_run(database, run)).header.run_id, other, database=database)

    report = wait(work())
    if as_json:
        return print_json(report)
    print(
        f"{report.policy} on {report.run_id}: {report.judged} proposals judged again, {report.allowed_then} were "
        f"allowed, {report.allowed_now} would be; {len(report.changes)} verdicts change"
    )
    rows = [(str(c.cycle), c.symbol, c.was, c.would_be, "; ".join(c.because)) for c in report.changes]
    if rows:
        print_table("verdicts that change", ("cycle", "symbol", "was", "would be", "because"), rows[:_MOST_ROWS])
        if len(rows) > _MOST_ROWS:
            print(f"{len(rows) - _MOST_ROWS} more: --json shows all")
    return None


def fork_snapshot(snapshot: str, *, model: str | None, prompt: Path | None, db: str | None, as_json: bool) -> None:
    """Another model, or other words, on the very same context."""
    words = None if prompt is None else prompt_text(prompt)

    async def work() -> ForkReport:
        async with reading(db) as database:
            snapshot_id = await snapshot_id_of(database, snapshot)
            return await ask_again(snapshot_id, model=model, prompt=words, database=database)

    report = wait(work())
    if as_json:
        return print_json(report)
    opinions = [(report.model, report.was, report.was_failure), (report.asked, report.now, report.now_failure)]
    rows = [
        (name, opinion.stance, plain(opinion.conviction), opinion.rationale)
        if opinion
        else (name, "abstain", "0", failure)
        for name, opinion, failure in opinions
    ]
    prompt_note = (
        "the same bytes" if report.same_prompt else "the same evidence, packed for another prompt or tokenizer"
    )
    print(f"{report.subject}, snapshot {report.snapshot[:12]}: {prompt_note}, {report.tokens} tokens")
    if prompt is not None and not report.reads_prompt:
        print(f"{report.asked} reads no prompt, only readings: --model NAME asks one that does")
    return print_table("opinions", ("model", "stance", "conviction", "rationale"), rows, right=("conviction",))


async def _snapshot(snapshot: str, db: str | None) -> SnapshotReport:
    async with reading(db) as database:
        return await replay_snapshot(await snapshot_id_of(database, snapshot), database=database)


async def _run(run: str, db: str | None) -> ReplayReport:
    async with reading(db) as database:
        run_id = run if run not in (LAST, PARENT) else (await find_run(database, run)).header.run_id
        return await replay_run(run_id, source=database, progress=steadily("replayed"))
