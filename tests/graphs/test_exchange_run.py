"""Runs on an exchange's real market: as long as it answers, while it doesn't, stopped, slept through and replayed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agents.settings import DeskSettings, RiskSettings, SignalSettings
from builders.exchanges import Stage, a_stage
from builders.processes import agentctl
from builders.runs import NOW, a_policy, archive, drive, options
from domain.errors import VenueUnavailable
from domain.order import OrderState
from graphs import Runner, RunResult, Stop, build, prepare, resume, start
from graphs.events import CycleEnded, Event, MarketSaid, NodeEnded
from graphs.replay import replay_run
from graphs.session import Session
from memory import Archive, Database, Ledger
from tools.exchange_double.faults import Maintenance
from tools.exchange_double.wire import Operation

DESK = DeskSettings(
    signal=SignalSettings(threshold="0.1"), risk=RiskSettings(reenter_after_bars=0, min_conviction="0.2")
)
CYCLES = 6


@pytest.fixture
def stage() -> Iterator[Stage]:
    with a_stage() as stage:
        yield stage


def asked(**over: Any) -> Any:
    return options(**{"market": "okx", "symbols": ("BTC/USDT", "ETH/USDT"), "cycles": CYCLES, "desk": DESK} | over)


async def begun(stage: Stage, database: Database, **over: Any) -> Session:
    header, market, model = await prepare(asked(**over), run_id="r1", at=NOW, opener=stage.opener)
    return await start(header, market, model, database=database)


async def gone_on(stage: Stage, database: Database, *, cycles: int) -> RunResult:
    return await drive(await resume("r1", database=database, cycles=cycles, opener=stage.opener), cycles=cycles)


async def test_a_run_on_an_exchange_trades_on_paper_and_its_books_agree(stage: Stage, tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        result = await drive(await begun(stage, database), cycles=CYCLES)
        print(result)
        for d in [c async for c in Archive(database).cycles("r1")]: print(d.record.as_of, d.record.decisions)
        print(await Ledger(database, account="r1", run_id="r1").orders())
    assert 0
