"""Runs on real database files, whole or cut short, for tests of the graph."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from agents.settings import DeskSettings, RiskSettings
from domain.clock import Clock
from graphs import Runner, RunOptions, RunResult, Stop, build, policy_in_effect, prepare, resume, start
from graphs.archive.summary import summary
from graphs.trading.events import Listener, silent
from graphs.trading.graph import TradingGraph
from memory import Database
from memory.store.records import EndStatus
from policy import Policy

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def options(**over: Any) -> RunOptions:
    return RunOptions(**{"policy": policy_in_effect(None), "cycles": 8} | over)


def busy(**over: Any) -> RunOptions:
    """Six cycles on one symbol, and in them an entry (cycle 0), its exit at its target (3) and another entry (4).

    Of bars that move so far that stop and target have room for their costs within two of them.
    """
    risk = RiskSettings(reenter_after_bars=0, stop_atr=Decimal(1), target_atr=Decimal(2))
    given = {"cycles": 6, "seed": 42, "symbols": ("ETH/USDT",), "timeframe": "1h", "desk": DeskSettings(risk=risk)}
    return options(**given | over)


def timed(**over: Any) -> RunOptions:
    """Six cycles on one symbol with exits far away: an entry (cycle 0), its exit by time (3) and another entry (4)."""
    risk = RiskSettings(reenter_after_bars=0, max_hold_bars=3, stop_atr=Decimal(6), target_atr=Decimal(9))
    return busy(**{"seed": 2, "desk": DeskSettings(risk=risk)} | over)


TIMED = """seed = 2
symbols = ["ETH/USDT"]
[desk.risk]
reenter_after_bars = 0
max_hold_bars = 3
stop_atr = 6
target_atr = 9
"""
"""An agentctl.toml: an entry in cycle 0, its exit by time in cycle 3 and another entry in cycle 4."""


async def run(
    database: Database,
    asked: RunOptions,
    *,
    run_id: str = "r1",
    listen: Listener = silent,
    stop: Stop | None = None,
) -> RunResult:
    """A new run, driven to its end."""
    header, market, model = await prepare(asked, run_id=run_id, at=NOW)
    session = await start(header, market, model, database=database)
    return await drive(session, cycles=asked.planned_cycles, listen=listen, stop=stop)


REVIEWED = {"conviction": {"minimum": "0.5", "review_below": "1"}}
"""A section of a policy with which a person is asked about every entry."""


def a_policy(**over: Any) -> Policy:
    """The packaged policy with sections of its own."""
    return Policy.model_validate(policy_in_effect(None).model_dump() | over)


async def go_on(database: Database, *, run_id: str = "r1", cycles: int) -> RunResult:
    """A run that was cut short, driven to its end."""
    return await drive(await resume(run_id, database=database), cycles=cycles)


async def again(database: Database, *, cycles: int, run_id: str = "r1", wall: Clock | None = None) -> RunResult:
    """A run that waits or was cut short, gone on with at a moment of the wall."""
    session = await resume(run_id, database=database, cycles=cycles)
    if wall is not None:
        session.wall = wall
    return await drive(session, cycles=cycles)


@cache
def _graph() -> TradingGraph:
    """It holds nothing of a run, and takes longer to compile than a short one takes."""
    return build()


async def drive(session: Any, *, cycles: int | None, listen: Listener = silent, stop: Stop | None = None) -> RunResult:
    runner = Runner(session, _graph(), listen=listen, stop=stop)
    status = await runner.run(cycles=cycles)
    kept: EndStatus = "interrupted" if status == "waiting" else status
    await session.archive.end_run(session.header.run_id, kept, at=NOW)
    record = await session.archive.run(session.header.run_id)
    return await summary(record, database=session.database, timings=runner.stopwatch.timings())


@asynccontextmanager
async def archive(folder: Path) -> AsyncGenerator[Database]:
    """The SQLite archive in a folder, made where it is missing."""
    async with await Database.open(f"sqlite:///{folder / 'agentctl.db'}") as database:
        yield database
