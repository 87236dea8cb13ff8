"""kill -9 at any moment, then resume: nothing is sent twice, nothing is lost, and the run ends as if left alone."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from agents.settings import DeskSettings, RiskSettings
from builders.processes import Agentctl, agentctl
from builders.runs import archive, options, run
from graphs import RunResult, replay_run
from memory import Archive

CYCLES = 80
KILLS = 4
"""For each of three seeds."""
BUSY = DeskSettings(risk=RiskSettings(reenter_after_bars=0))
"""No rest between trades: there is an order in most cycles."""
SETTINGS = 'seed = 8\nsymbols = ["ETH/USDT"]\n[desk.risk]\nreenter_after_bars = 0\n'
OPEN = "SELECT count(*) FROM {table} JOIN runs USING (run_id) WHERE cycle >= runs.cycles"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_a_run_killed_at_random_moments_ends_like_one_left_alone(
    tmp_path: Path, seed: int, record_property: Any
) -> None:
    moments = random.Random(seed)
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    whole = await left_alone(alone)
    killed.mkdir()
    (killed / "agentctl.toml").write_text(SETTINGS)
    argv = ["run", "--cycles", str(CYCLES), "--json"]
    in_a_cycle = 0
    for _ in range(KILLS):
        process = Agentctl(*argv, folder=killed)
        # Half of them at any time, half shortly after the gate's word, when an order is on its way.
        words, longest_s = moments.choice([("equity", 0.25), ("gate", 0.03)])
        process.wait_for(words)
        await asyncio.sleep(moments.uniform(0, longest_s))
        process.send(signal.SIGKILL)
        assert process.end().code == -signal.SIGKILL
        in_a_cycle += left_open(killed)
        argv = ["run", "--resume", "last", "--json"]
    assert in_a_cycle > 0
    record_property("kills in an open cycle", f"{in_a_cycle} of {KILLS}")
    async with archive(killed / ".agentctl") as database:
        (unfinished,) = await Archive(database).runs()
        report = await replay_run(unfinished.header.run_id, source=database, progress=lambda done, cycles: None)
    assert (unfinished.status, report.first_difference, report.cycles) == ("running", None, unfinished.cycles)
    ended = agentctl(*argv, folder=killed)
    result = json.loads(ended.out)
    assert (ended.code, result["status"], result["cycles"]) == (0, "finished", CYCLES)
    assert result["equity"]["reconciled"] is True
    assert result["orders"] == json.loads(whole.model_dump_json())["orders"]
    assert fills(killed / ".agentctl") == fills(alone)
    assert len(fills(alone)) > KILLS
    assert result["seal"] == whole.seal


async def left_alone(folder: Path) -> RunResult:
    async with archive(folder) as database:
        return await run(database, options(cycles=CYCLES, seed=8, symbols=("ETH/USDT",), desk=BUSY))


def left_open(folder: Path) -> bool:
    """Whether the archive holds rows of a cycle that was never closed."""
    connection = sqlite3.connect(folder / ".agentctl/agentctl.db")
    try:
        return any(
            connection.execute(OPEN.format(table=table)).fetchone()[0] for table in ("tape", "order_events", "verdicts")
        )
    finally:
        connection.close()


def fills(folder: Path) -> list[tuple[object, ...]]:
    """Every fill as it was booked."""
    connection = sqlite3.connect(folder / "agentctl.db")
    try:
        found = connection.execute(
            "SELECT n, cycle, client_order_id, trade_id, side, quantity, price, fee, at, held FROM fills ORDER BY n"
        )
        return found.fetchall()
    finally:
        connection.close()
