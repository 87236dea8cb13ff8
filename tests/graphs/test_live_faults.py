"""Every fault an exchange can have, alone and in pairs: the books end as the exchange's, and no end lacks its proof."""

from __future__ import annotations

import asyncio
import random

import pytest

from builders.live import LiveStage, a_live_stage, faults_of_books, unproven_ends
from builders.runs import drive
from memory import Database
from tools.exchange_double.faults import EVERY_FAULT, Fault
from tools.exchange_double.wire import Operation

BUSY = (
    Operation.PLACE,
    Operation.PLACE,
    Operation.ORDER,
    Operation.FILLS,
    Operation.BALANCE,
    Operation.OPEN_ORDERS,
    Operation.CANCEL,
    Operation.BOOK,
    Operation.TIME,
    Operation.CANDLES,
)
"""Where faults hurt, placing most of all."""

CYCLES = 4
"""An entry, its stop at the venue, and the exit that takes the stop back."""

SEEDS = 20
PAIRS = 500
CHUNK = 10
"""Small, so that both cores are busy to the end."""
AT_ONCE = 4
"""While one run waits for an answer that does not come, others work."""


def script(live: LiveStage, fault: Fault, moments: random.Random) -> str:
    """Let `fault` happen once or twice at some request of the run. Returns it in words."""
    faults = live.stage.double.faults
    skip, times, operation = moments.randrange(3), moments.choice((1, 1, 2)), moments.choice(BUSY)
    try:
        faults.add(fault, on=operation, times=times, skip=skip)
    except ValueError:  # it means something elsewhere only
        faults.add(fault, times=times, skip=skip)
    return f"{fault} on {operation} after {skip}, {times} times"


async def survived(*faults: Fault, seed: int) -> tuple[list[str], int]:
    """What is wrong after a run with `faults` and a calm cycle; and how many requests met one."""
    moments = random.Random(seed)
    with a_live_stage(timeout_ms=1_000) as live:
        async with await Database.in_memory() as database:
            said = ""
            async with live.opened() as desk:
                session = await live.begin(database, desk)
                said = "; ".join([script(live, fault, moments) for fault in faults])
                await drive(session, cycles=CYCLES)
            live.stage.double.faults.clear()
            live.stage.wall.at += live.calm
            live.stage.touch()
            await live.run(database, cycles=CYCLES + 1)
            wrong = [*await faults_of_books(live, database), *await unproven_ends(database)]
        met = sum(bool(entry.faults) for entry in live.stage.double.journal)
    return [f"seed {seed}, {said}: {each}" for each in wrong], met


@pytest.mark.slow
@pytest.mark.parametrize("fault", EVERY_FAULT, ids=lambda fault: f"{type(fault).__name__}-{fault}"[:60])
async def test_a_run_survives_a_fault(fault: Fault) -> None:
    met = 0
    for seed in range(SEEDS):  # until it has happened twice
        wrong, times = await survived(fault, seed=seed)
        assert wrong == []
        met += times
        if met > 1:
            return
    assert met > 0


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, PAIRS, CHUNK))
async def test_a_run_survives_any_two_faults(first: int) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def pair(seed: int) -> list[str]:
        moments = random.Random(f"pair {seed}")
        async with turns:
            wrong, _ = await survived(moments.choice(EVERY_FAULT), moments.choice(EVERY_FAULT), seed=seed)
        return wrong

    found = await asyncio.gather(*map(pair, range(first, first + CHUNK)))
    assert [fault for faults in found for fault in faults] == []
