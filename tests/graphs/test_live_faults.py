"""Every fault an exchange can have, alone and in pairs: the books end as the exchange's, and no end lacks its proof."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from builders.live import BTC, ETH, Guarded, LiveStage, a_live_stage, faults_of_books, unproven_ends
from builders.runs import drive
from exchange_double.faults import (
    EVERY_CONTRADICTION,
    EVERY_FAULT,
    BalanceLag,
    DuplicateFill,
    Emptied,
    ExitRefused,
    Fault,
    FilledBeforeCancel,
    FillsLate,
    FillsOutOfOrder,
    IdCutShort,
    OrderHidden,
    PartialThenCancel,
    Timeout,
)
from exchange_double.wire import Operation, Request
from graphs.trading.events import Event, MarketSaid
from memory import Database
from memory.operators.controls import Level

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

EVERY = (*EVERY_FAULT, *EVERY_CONTRADICTION)

SEEDS = 20
PAIRS = 500
CHUNK = 10
"""Small, so that both cores are busy to the end."""
LATE_MS = 1_000
"""After which an answer is given up while the exchange is faulty. Before and after that a slow machine has time."""
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


async def survived(
    *faults: Fault, seed: int, symbols: Sequence[str] = (BTC,), level: Level | None = None
) -> tuple[list[str], int]:
    """What is wrong after a run with `faults`, halted in the middle of it, and a calm cycle; and how many requests
    met one."""
    moments = random.Random(seed)
    with a_live_stage(symbols) as live:
        said, wrong = await troubled(
            live, lambda: "; ".join([script(live, fault, moments) for fault in faults]), level=level
        )
        met = sum(bool(entry.faults) for entry in live.stage.double.journal)
    return [f"seed {seed}, {said}, {level}: {each}" for each in wrong], met


async def troubled(live: LiveStage, trouble: Callable[[], str], *, level: Level | None = None) -> tuple[str, list[str]]:
    """What `trouble` says that it did to a run as it begins; and what is wrong with the run after a calm cycle.

    With a `level` it is halted once it holds something, and stays so.
    """
    async with await Database.in_memory() as database:
        async with live.opened() as desk:
            session = await live.begin(database, desk)
            said = trouble()
            live.hurry(desk, ms=LATE_MS)
            guarded = Guarded(live)
            if level is not None:
                await drive(session, cycles=2, listen=guarded)
                await session.controls.halt(scope="r1", level=level, by="Ada", reason="", at=live.stage.wall.now())
            await drive(session, cycles=CYCLES, listen=guarded)
        live.stage.double.faults.clear()
        live.stage.double.bystander = None
        live.stage.wall.at += live.calm
        live.stage.touch()
        await live.run(database, cycles=CYCLES + 1, listen=guarded)
        return said, [
            *await faults_of_books(live, database),
            *await unproven_ends(database),
            *await guarded.wrong(database),
        ]


@pytest.mark.slow
@pytest.mark.parametrize("fault", EVERY, ids=lambda fault: f"{type(fault).__name__}-{fault}"[:60])
async def test_a_run_survives_a_fault(fault: Fault) -> None:
    met = 0
    for seed in range(SEEDS):  # until it has happened twice
        wrong, times = await survived(fault, seed=seed)
        assert wrong == []
        met += times
        if met > 1:
            return
    assert met > 0


LEVELS: tuple[Level, ...] = ("reduce", "flatten", "halt")
AROUND_STOPS: tuple[Fault, ...] = (
    ExitRefused(),
    FilledBeforeCancel(),
    PartialThenCancel(),
    OrderHidden(looks=3),
    Timeout(accepted=True),
    Timeout(accepted=False),
)


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("fault", AROUND_STOPS, ids=lambda fault: f"{type(fault).__name__}-{fault}"[:60])
async def test_a_run_that_is_halted_survives_a_fault_with_its_stops(fault: Fault, level: Level) -> None:
    for seed in range(3):
        wrong, _ = await survived(fault, seed=seed, level=level)
        assert wrong == []


WHERE_ORDERS_ARE_PLACED = [
    fault
    for fault in (*EVERY_FAULT, IdCutShort(), Emptied())
    if not isinstance(fault, (FilledBeforeCancel, ExitRefused, BalanceLag, DuplicateFill, FillsOutOfOrder, FillsLate))
]


@pytest.mark.slow
@pytest.mark.parametrize("fault", WHERE_ORDERS_ARE_PLACED, ids=lambda fault: f"{type(fault).__name__}-{fault}"[:60])
async def test_a_run_survives_a_fault_of_the_request_that_carries_several_orders(fault: Fault) -> None:
    def at_once() -> str:
        live.stage.double.faults.add(fault, on=Operation.PLACE)
        return str(fault)

    with a_live_stage((BTC, ETH)) as live:
        said, wrong = await troubled(live, at_once)
        first = live.stage.double.journal.of(Operation.PLACE)[0]
    assert wrong == [], said
    assert (len(json.loads(first.request.body)), first.faults) == (2, (type(fault).__name__,))


@dataclass
class Delisting:
    """One symbol is gone from the exchange while it takes the first order, or the first several."""

    live: LiveStage
    symbol: str
    _before: bool = True

    def arrived(self, request: Request) -> bool:
        double = self.live.stage.double
        if self._before and double.wire.operation(request) is Operation.PLACE:
            self._before, self._listed = False, double.engine.listings
            double.engine.listings = {s: each for s, each in self._listed.items() if s != self.symbol}
        return True

    def answered(self, request: Request) -> None:
        if not self._before:
            self.live.stage.double.engine.listings = self._listed


@pytest.mark.slow
@pytest.mark.parametrize("refused", [BTC, ETH])
async def test_a_run_survives_a_request_of_which_a_part_is_refused(refused: str) -> None:
    def delisted() -> str:
        live.stage.double.bystander = Delisting(live, refused)
        return refused

    with a_live_stage((BTC, ETH)) as live:
        _, wrong = await troubled(live, delisted)
        first = live.stage.double.journal.of(Operation.PLACE)[0]
        taken = [order for order in live.stage.double.engine.orders if order.order_id in first.orders]
    assert wrong == []
    assert len(json.loads(first.request.body)) == 2
    assert [order.new.symbol for order in taken] == [ETH if refused == BTC else BTC]


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, PAIRS, CHUNK))
async def test_a_run_survives_any_two_faults(first: int) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def pair(seed: int) -> list[str]:
        moments = random.Random(f"pair {seed}")
        symbols = (BTC, ETH) if seed == first else (BTC,)  # the entries of two share a request
        two = moments.choice(EVERY), moments.choice(EVERY)
        level = moments.choice((*LEVELS, *[None] * 12))
        async with turns:
            wrong, _ = await survived(*two, seed=seed, symbols=symbols, level=level)
        return wrong

    found = await asyncio.gather(*map(pair, range(first, first + CHUNK)))
    assert [fault for faults in found for fault in faults] == []


async def test_a_truncated_id_leaves_its_order_in_doubt_and_the_run_goes_on() -> None:
    said: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, MarketSaid):
            said.append(event.text)

    with a_live_stage() as live:
        async with await Database.in_memory() as database:
            async with live.opened() as desk:
                session = await live.begin(database, desk)
                live.stage.double.faults.add(IdCutShort(), on=Operation.PLACE)
                live.stage.double.faults.add(Emptied(), on=Operation.ORDER)  # so that it is not found at once
                await drive(session, cycles=2, listen=hear)
            live.stage.wall.at += live.calm
            live.stage.touch()
            await live.run(database, cycles=CYCLES, listen=hear)  # gone on with
            assert [*await faults_of_books(live, database), *await unproven_ends(database)] == []
        stops = live.stage.double.engine.stops
    assert stops, "what was bought has its stop"
    assert any("is in doubt: " in text and "nothing is entered in BTC/USDT" in text for text in said), said
