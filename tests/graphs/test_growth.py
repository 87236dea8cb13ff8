"""A long run costs per cycle what a short one does: no question of a cycle walks all that was kept before."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import event

from agents.settings import DeskSettings, RiskSettings
from builders.runs import NOW, archive, options
from graphs import Runner, build, prepare, start

BUSY = options(cycles=12, seed=8, desk=DeskSettings(risk=RiskSettings(reenter_after_bars=0)))
PER_CYCLE = 3
"""What is asked at least so often is asked in cycles, not at the beginning or end of a run."""
ONE_ROW = ("LIMIT", "max(")
"""Ends after the first row of its index."""
SMALL = ("accounts", "controls", "latches", "positions", "runs")
"""One row for an account, a symbol, a run, an agent in a symbol. A range of cycles begins where the last one ended."""


async def test_every_question_of_a_cycle_finds_its_rows_by_an_index_of_their_own(tmp_path: Path) -> None:
    asked: dict[str, int] = {}

    def hear(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        asked[statement] = asked.get(statement, 0) + 1

    async with archive(tmp_path) as database:
        event.listen(database._engine.sync_engine, "before_cursor_execute", hear)
        header, market, model = await prepare(BUSY, run_id="r1", at=NOW)
        session = await start(header, market, model, database=database)
        asked.clear()
        await Runner(session, build()).run(cycles=BUSY.cycles)
        assert len(await session.ledger.orders()) > 1
    questions = [text for text, times in asked.items() if text.startswith("SELECT") and times >= PER_CYCLE]
    assert any("FROM fills" in text for text in questions)
    for text in questions:
        if not any(word in text for word in ONE_ROW):
            for step in plan(tmp_path / "agentctl.db", text):
                bounded = step.count("=?") > 1 or "cycle>?" in step
                assert bounded or step.split()[1] in SMALL, (step, text)


def plan(db: Path, statement: str) -> list[str]:
    """How SQLite would find the rows, a table a line."""
    connection = sqlite3.connect(db)
    try:
        steps = connection.execute(f"EXPLAIN QUERY PLAN {statement}", ["x"] * statement.count("?"))
        return [step for *_, step in steps if step.startswith(("SEARCH", "SCAN"))]
    finally:
        connection.close()
