"""Exits that go with the entry: at an exchange they are there with the fill, whoever looks or does not look."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from agents.protection import seconds_bare
from agents.settings import DeskSettings, RiskSettings, SignalSettings
from builders.exchanges import START
from builders.live import BTC, Guarded, a_live_stage, faults_of_books, stops_waiting, unproven_ends
from builders.mortal import Mortal, Point, a_mortal_desk
from builders.runs import archive, drive
from domain.order import OrderState
from exchange_double.faults import FillsLate, OrderHidden, PartialThenCancel
from exchange_double.wire import Operation
from graphs.runs.replay import replay_run
from graphs.trading.events import CycleEnded, Event
from memory import Archive, Database, Ledger
from memory.ledger.orders import OrderRecord

SWAP = "BTC/USDT:USDT"
HOLDS = DeskSettings(
    signal=SignalSettings(threshold="0.1"),
    risk=RiskSettings(reenter_after_bars=9, min_conviction="0.2", max_hold_bars=1_000),
)
"""Enters at once, and leaves at its stop and its target alone."""
TRAILS = HOLDS.model_copy(update={"risk": HOLDS.risk.model_copy(update={"trailing": True})})

on_each_market = pytest.mark.parametrize("symbol", [BTC, SWAP])


async def orders_of(database: Database) -> list[OrderRecord]:
    found = await Ledger(database, account="r1", run_id="r1").orders()
    return sorted(found, key=lambda order: (order.cycle, order.request.attached_to is not None, order.updated_at))


@on_each_market
async def test_stop_and_target_are_at_the_exchange_with_the_fill_and_nothing_else_was_sent(
    tmp_path: Path, symbol: str
) -> None:
    async with archive(tmp_path) as database:
        with a_live_stage((symbol,), agents=HOLDS) as live:
            guarded = Guarded(live)
            async with live.opened() as desk:
                session = await live.begin(database, desk)
                await drive(session, cycles=2, listen=guarded)
            wrong = [*await faults_of_books(live, database), *await unproven_ends(database)]
            wrong += await guarded.wrong(database)
            placed = live.stage.double.journal.of(Operation.PLACE)
            (waiting,) = live.stage.double.engine.waiting_stops
        entry, exit = await orders_of(database)
        held = (await Ledger(database, account="r1", run_id="r1").portfolio(marks={}, as_of=START)).positions[symbol]
        records = [closed.record async for closed in Archive(database).cycles("r1")]
        report = await replay_run("r1", source=database, progress=lambda done, planned: None)
    assert wrong == []
    assert len(placed) == 1, "the entry, and no stop of its own"
    assert (entry.state, exit.state) == (OrderState.FILLED, OrderState.WORKING)
    assert (
        exit.request.attached_to
        == entry.client_order_id
        == waiting.client_order_id.replace(exit.client_order_id, entry.client_order_id)
    )
    assert (exit.request.trigger_price, exit.request.target_price) == (held.stop_price, held.target_price)
    assert (waiting.trigger.price, waiting.target and waiting.target.price) == (held.stop_price, held.target_price)
    assert seconds_bare(held, [entry, exit], until=records[-1].as_of) == 0
    assert [record.unprotected for record in records] == [(), ()]
    assert (report.identical, report.first_difference) == (True, None)


@pytest.mark.parametrize(("move", "cause"), [("-0.05", "stop"), ("0.05", "target")])
@on_each_market
async def test_what_the_exchange_exits_is_booked_with_its_cause(
    tmp_path: Path, symbol: str, move: str, cause: str
) -> None:
    async with archive(tmp_path) as database:
        with a_live_stage((symbol,), agents=HOLDS) as live:

            def hear(event: Event) -> None:
                if isinstance(event, CycleEnded) and event.cycle == 0:
                    live.stage.bases[symbol] *= 1 + Decimal(move)
                    live.stage.touch()

            async with live.opened() as desk:
                await drive(await live.begin(database, desk), cycles=3, listen=hear)
            wrong = [*await faults_of_books(live, database), *await unproven_ends(database)]
        entry, exit, *_ = await orders_of(database)
        episodes = await Archive(database).episodes("r1")
        report = await replay_run("r1", source=database, progress=lambda done, planned: None)
    assert wrong == []
    assert (exit.request.attached_to, exit.state) == (entry.client_order_id, OrderState.FILLED)
    assert [episode.cause for episode in episodes] == [cause]
    assert (report.identical, report.first_difference) == (True, None)


@on_each_market
async def test_of_an_entry_that_fills_in_part_the_stop_is_for_that_part(symbol: str) -> None:
    with a_live_stage((symbol,), agents=HOLDS) as live:
        live.stage.double.faults.add(PartialThenCancel(part=Decimal("0.4")), on=Operation.PLACE)
        async with await Database.in_memory() as database:
            await live.run(database, cycles=2)
            wrong = [*await faults_of_books(live, database), *await unproven_ends(database)]
            entry, exit = await orders_of(database)
            held = (await Ledger(database, account="r1", run_id="r1").portfolio(marks={}, as_of=START)).quantity(symbol)
    assert wrong == []
    assert (entry.state, entry.filled < entry.request.quantity) == (OrderState.CANCELLED, True)
    assert held - Decimal("0.00001") < exit.request.quantity <= held
    assert exit.state is OrderState.WORKING


@pytest.mark.parametrize("fault", [OrderHidden(looks=9, seconds=20), FillsLate()])
@on_each_market
async def test_a_stop_that_the_exchange_does_not_show_yet_is_in_doubt_and_no_second_one_is_sent(
    symbol: str, fault: OrderHidden | FillsLate
) -> None:
    with a_live_stage((symbol,), agents=HOLDS) as live:
        on = Operation.PLACE if isinstance(fault, OrderHidden) else Operation.FILLS
        live.stage.double.faults.add(fault, on=on, times=1 if isinstance(fault, OrderHidden) else 3)
        async with await Database.in_memory() as database:
            guarded = Guarded(live)
            async with live.opened() as desk:
                await drive(await live.begin(database, desk), cycles=4, listen=guarded)
            wrong = [*await faults_of_books(live, database), *await unproven_ends(database)]
            wrong += await guarded.wrong(database)
            found = await orders_of(database)
            last = await Archive(database).last_cycle("r1")
        assert len(live.stage.double.engine.waiting_stops) == 1
    assert wrong == []
    assert [order.state for order in found] == [OrderState.FILLED, OrderState.WORKING]
    assert last is not None
    assert last.record.unprotected == ()


@on_each_market
async def test_a_stop_that_trails_is_replaced_and_takes_its_target_with_it(symbol: str) -> None:
    with a_live_stage((symbol,), agents=TRAILS) as live:
        async with await Database.in_memory() as database:
            guarded = Guarded(live)
            async with live.opened() as desk:
                await drive(await live.begin(database, desk), cycles=6, listen=guarded)
            wrong = [*await faults_of_books(live, database), *await guarded.wrong(database)]
            entry, *stops = await orders_of(database)
            assert [waiting > 0 for waiting in stops_waiting(live).values()] == [True]
    assert wrong == []
    assert len(stops) > 1
    assert [stop.request.attached_to is not None for stop in stops] == [True] + [False] * (len(stops) - 1)
    assert {stop.request.target_price for stop in stops} == {entry.target_price}
    triggers = [stop.request.trigger_price for stop in stops]
    assert triggers == sorted(triggers, key=str)


@pytest.mark.parametrize("symbol", [BTC])
def test_a_process_that_dies_with_the_fill_leaves_a_position_with_its_stop(tmp_path: Path, symbol: str) -> None:
    """Killed when the answer to the entry is under way: nobody has heard of the fill, and the exits are there."""
    url = f"sqlite:///{tmp_path / 'killed.db'}"

    async def work(database: Database) -> None:
        await mortal.live.run(database, cycles=3)

    with a_mortal_desk((symbol,)) as mortal:
        number = _first_order(symbol, tmp_path)
        assert mortal.run(work, url=url, dies=Point("answer lost", number)) == -9
        (stop,) = mortal.live.stage.double.engine.waiting_stops
        mortal.wall.rest(40)
        assert mortal.run(work, url=url) == 0, mortal.errors
        found = _read(url)
        assert mortal.live.stage.double.placed_twice() == ()
    assert stop.client_order_id in {order.client_order_id for order in found}
    assert [o.request.attached_to is not None for o in found[:2]] == [False, True]


def _first_order(symbol: str, folder: Path) -> int:
    """The number of the request that carries the entry, found by a run that is left alone."""

    async def work(database: Database) -> None:
        await alone.live.run(database, cycles=3)

    alone: Mortal
    with a_mortal_desk((symbol,)) as alone:
        assert alone.run(work, url=f"sqlite:///{folder / 'alone.db'}") == 0, alone.errors
        return next(entry.number for entry in alone.live.stage.double.journal if entry.orders)


def _read(url: str) -> list[OrderRecord]:
    import asyncio

    async def read() -> list[OrderRecord]:
        async with await Database.open(url) as database:
            assert await Ledger(database, account="r1", run_id="r1").check() is None
            return await orders_of(database)

    return asyncio.run(read())
