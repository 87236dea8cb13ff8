"""Protection at an exchange: a stop is never taken away for an exit that then does not happen, and a halt keeps it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agents.protection import seconds_bare
from agents.reports import stated
from agents.settings import DeskSettings, RiskSettings, SignalSettings
from builders.desks import out
from builders.exchanges import START
from builders.live import BTC, Guarded, LiveStage, a_live_stage, faults_of_books, stops_waiting, unproven_ends
from builders.runs import archive, drive
from domain.decision import Proposal, Ticket
from domain.money import floor_to
from domain.order import OrderReport, OrderRequest, OrderState
from exchange_double.faults import ExitRefused
from exchange_double.wire import Operation
from graphs import Stop
from graphs.runs.replay import replay_run
from graphs.session.session import Session
from graphs.session.trading_halt import Brake
from graphs.trading.events import CycleEnded, Event, MarketSaid, NodeStarted
from graphs.trading.protection import refused_in_a_row
from memory import Archive, Database, Ledger
from memory.ledger.orders import OrderRecord
from memory.operators.controls import Level
from policy import Facts, PolicyEngine
from policy.tickets import GateResult

SHORTS = DeskSettings(
    signal=SignalSettings(threshold="0.1"),
    risk=RiskSettings(reenter_after_bars=9, min_conviction="0.2", max_hold_bars=1, allow_short=True),
)
"""Enters at once, and is to leave in every cycle after that."""

TRAILS = DeskSettings(
    signal=SignalSettings(threshold="0.1"),
    risk=RiskSettings(reenter_after_bars=9, min_conviction="0.2", max_hold_bars=1_000, trailing=True),
)
"""Enters at once, and moves its stop with the market, which climbs."""

everywhere = pytest.mark.parametrize("exchange", ["okx", "binance", "bybit"])
on_each_market = pytest.mark.parametrize("symbol", ["BTC/USDT", "BTC/USDT:USDT"])


async def a_run(
    live: LiveStage,
    database: Database,
    *,
    cycles: int,
    meanwhile: Callable[[int, Session], None] = lambda cycle, session: None,
) -> tuple[list[str], list[str]]:
    """Drive a new run; `meanwhile` is told of the cycle that ended. What is wrong after it, and what it told."""
    told: list[str] = []
    guarded = Guarded(live)
    async with live.opened() as desk:
        session = await live.begin(database, desk)

        def hear(event: Event) -> None:
            guarded(event)
            if isinstance(event, MarketSaid):
                told.append(event.text)
            if isinstance(event, CycleEnded):
                meanwhile(event.cycle, session)

        await drive(session, cycles=cycles, listen=hear)
    wrong = [*await faults_of_books(live, database), *await unproven_ends(database), *await guarded.wrong(database)]
    return wrong, told


async def sent(database: Database) -> list[OrderRecord]:
    """The orders of the run, as they were sent."""
    orders = await Ledger(database, account="r1", run_id="r1").orders()
    return sorted((o for o in orders if o.submitted_at), key=lambda order: str(order.submitted_at))


@everywhere
@on_each_market
async def test_a_stop_is_at_the_exchange_in_the_cycle_in_which_its_position_was_opened(
    exchange: str, symbol: str
) -> None:
    with a_live_stage((symbol,), exchange=exchange, agents=SHORTS) as live:
        async with await Database.in_memory() as database:
            wrong, _ = await a_run(live, database, cycles=1)
            (waiting,) = stops_waiting(live).values()
            orders = await sent(database)
            last = await Archive(database).last_cycle("r1")
            held = await Ledger(database, account="r1", run_id="r1").portfolio(marks={}, as_of=START)
    entry, stop = orders
    assert wrong == []
    assert last is not None
    assert last.record.unprotected == ()
    assert (entry.request.type, stop.request.type, stop.state) == ("limit", "stop", OrderState.WORKING)
    assert waiting == stop.request.quantity
    assert seconds_bare(held.positions[symbol], orders, until=last.record.as_of + timedelta(minutes=1)) < 5


@everywhere
@on_each_market
async def test_an_exit_that_the_exchange_refuses_costs_no_position_its_stop(
    tmp_path: Path, exchange: str, symbol: str
) -> None:
    def refuse(cycle: int, session: Session) -> None:
        if cycle == 0:
            live.stage.double.faults.add(ExitRefused(), on=Operation.PLACE, times=None)

    async with archive(tmp_path) as database:
        with a_live_stage((symbol,), exchange=exchange, agents=SHORTS) as live:
            wrong, told = await a_run(live, database, cycles=6, meanwhile=refuse)
            orders = await sent(database)
            records = [closed.record async for closed in Archive(database).cycles("r1")]
            waiting = stops_waiting(live)
        report = await replay_run("r1", source=database, progress=lambda done, planned: None)
    refused = [o for o in orders if o.request.type == "market" and o.state is OrderState.REJECTED]
    assert wrong == []
    assert len(refused) >= 4
    assert {record.unprotected for record in records} == {()}
    assert list(waiting) == [symbol]
    assert [text for text in told if text.startswith(f"ALERT: {symbol}: 2 exits and stops in a row were refused")]
    assert (report.identical, report.first_difference) == (True, None)


@pytest.mark.parametrize("level", ["halt", "reduce"])
@on_each_market
async def test_a_halt_leaves_stops_at_the_exchange(level: Level, symbol: str) -> None:
    with a_live_stage((symbol,), agents=SHORTS) as live:
        async with await Database.in_memory() as database:
            async with live.opened() as desk:
                session = await live.begin(database, desk)
                guarded = Guarded(live)
                await drive(session, cycles=1, listen=guarded)
                before = stops_waiting(live)
                await session.controls.halt(scope="r1", level=level, by="Ada", reason="", at=live.stage.wall.now())
                if level == "reduce":
                    live.stage.double.faults.add(ExitRefused(), on=Operation.PLACE, times=None)
                await drive(session, cycles=4, listen=guarded)
            wrong = [*await faults_of_books(live, database), *await guarded.wrong(database)]
            assert stops_waiting(live) == before
            cancelled = [s for s in live.stage.double.engine.stops if s.status.value == "cancelled"]
    assert wrong == []
    if level == "halt":
        assert cancelled == []


async def test_the_kill_switch_leaves_stops_at_the_exchange_and_places_the_one_that_is_missing() -> None:
    with a_live_stage((BTC,), agents=SHORTS) as live:
        async with await Database.in_memory() as database:
            async with live.opened() as desk:
                session = await live.begin(database, desk)
                guarded = Guarded(live)
                session.brake = Brake()

                def pull(event: Event) -> None:
                    guarded(event)
                    if live.stage.double.engine.fills:
                        session.brake.pull("smoke")

                await drive(session, cycles=3, listen=pull)
            wrong = [*await faults_of_books(live, database), *await guarded.wrong(database)]
            orders = await sent(database)
            waiting = stops_waiting(live)
    assert wrong == []
    assert list(waiting) == [BTC]
    assert [order.request.type for order in orders] == ["limit", "stop"]


async def test_of_a_position_that_was_filled_when_nobody_looked_the_stop_is_placed_before_anything_else() -> None:
    """A run that goes on looks at once, and asks nobody for an opinion before every stop stands."""
    with a_live_stage((BTC,), agents=SHORTS) as live:
        async with await Database.in_memory() as database:
            async with live.opened() as desk:
                session = await live.begin(database, desk)
                guarded = Guarded(live)
                await drive(session, cycles=1, listen=guarded)
                (stop,) = [s for s in live.stage.double.engine.stops if s.status.value == "waiting"]
            live.stage.double.engine.cancel_stop(stop.stop_id)  # by hand, while nobody looks
            nodes: list[str] = []

            def hear(event: Event) -> None:
                guarded(event)
                nodes.append(getattr(event, "node", ""))

            before = live.stage.wall.now()
            async with live.opened() as desk:
                session = await live.go_on(database, desk)
                await drive(session, cycles=2, listen=hear)
            assert live.stage.wall.now() - before < timedelta(seconds=30)
            wrong = [*await faults_of_books(live, database), *await guarded.wrong(database)]
    assert wrong == []
    begun = [node for node in dict.fromkeys(nodes) if node]
    assert begun[:2] == ["tick", "protection_first"]


@pytest.mark.parametrize("node", ["tick", "gate", "execution", "protection"])
async def test_a_run_that_is_asked_to_stop_ends_with_the_stop_of_what_it_just_entered(node: str) -> None:
    with a_live_stage((BTC,), agents=SHORTS) as live:
        async with await Database.in_memory() as database:
            stop = Stop()

            def hear(event: Event) -> None:
                if isinstance(event, NodeStarted) and event.node == node:
                    stop.ask()

            async with live.opened() as desk:
                result = await drive(await live.begin(database, desk), cycles=3, listen=hear, stop=stop)
            held = await Ledger(database, account="r1", run_id="r1").portfolio(marks={}, as_of=START)
    assert result.status == "interrupted"
    assert bool(held.positions) == (node in ("execution", "protection"))
    assert stops_waiting(live).keys() == held.positions.keys()


async def test_a_run_that_is_asked_to_stop_while_an_exit_is_refused_ends_with_the_stop_back() -> None:
    with a_live_stage((BTC,), agents=SHORTS) as live:
        async with await Database.in_memory() as database:
            stop = Stop()

            def hear(event: Event) -> None:
                if isinstance(event, CycleEnded):
                    live.stage.double.faults.add(ExitRefused(), on=Operation.PLACE, times=None)
                if isinstance(event, NodeStarted) and event.node == "execution" and event.cycle > 0:
                    stop.ask()

            async with live.opened() as desk:
                result = await drive(await live.begin(database, desk), cycles=6, listen=hear, stop=stop)
            orders = await sent(database)
    exits = [order.state for order in orders if order.request.type == "market"]
    assert (result.status, exits) == ("interrupted", [OrderState.REJECTED])
    assert list(stops_waiting(live)) == [BTC]


class Refusing:
    """Counts the cycles that ended; from one on, the venue or the gate refuses stops that are moved."""

    def __init__(self, session: Session, *, parts: bool, by_gate: bool = False) -> None:
        """`parts`: from the first cycle on a stop is for six tenths of the position at most, and of two only the
        smaller is refused."""
        self._session = session
        self._parts = parts
        self._ended = 0
        self._first: Decimal | None = None
        self.refused: list[Decimal] = []
        self._venue_submit, self._gate_judge = session.venue.submit, session.office.judge
        if by_gate:
            session.office.judge = self._judge  # type: ignore[method-assign]
        else:
            session.venue.submit = self._submit  # type: ignore[method-assign]

    def hear(self, event: Event) -> None:
        if not isinstance(event, CycleEnded):
            return
        self._ended += 1
        if event.cycle > 0:
            return
        ((symbol, position),) = event.portfolio.positions.items()
        self._first = position.stop_price
        if self._parts:
            most = floor_to(abs(position.quantity) * Decimal("0.6"), Decimal("0.0001"))
            one = self._session.settings.instruments[symbol].model_copy(update={"stop_max_quantity": most})
            object.__setattr__(self._session.settings, "instruments", {symbol: one})
            self._most = most

    def _refuses(self, order: OrderRequest | Proposal) -> bool:
        if order.type != "stop" or order.trigger_price is None:
            return False
        moved = self._ended > 2 and self._first is not None and order.trigger_price > self._first + 100
        refuses = moved and (not self._parts or order.quantity < self._most)
        if refuses:
            self.refused.append(order.quantity)
        return refuses

    async def _submit(self, order: OrderRequest, ticket: Ticket) -> OrderReport:
        if not self._refuses(order):
            return await self._venue_submit(order, ticket)
        report = stated(order, OrderState.REJECTED, reason="no", at=self._session.wall.now())
        return report.model_copy(update={"evidence": "51000"})

    def _judge(self, proposal: Proposal, facts: Facts, *, engine: PolicyEngine) -> GateResult:
        result = self._gate_judge(proposal, facts, engine=engine)
        verdict = result.verdict
        first, *others = verdict.findings
        denied = (replace(first, outcome="deny", message="no"), *others)
        refused = verdict.model_copy(update={"outcome": "deny", "findings": denied})
        return GateResult(refused, None) if self._refuses(proposal) else result


@pytest.mark.parametrize("refuser", ["venue", "gate"])
@pytest.mark.parametrize("parts", [False, True])
@on_each_market
async def test_a_stop_that_is_refused_costs_no_part_of_the_one_that_it_was_to_replace(
    tmp_path: Path, symbol: str, parts: bool, refuser: str
) -> None:
    guarded: Guarded
    async with archive(tmp_path) as database:
        with a_live_stage((symbol,), agents=TRAILS) as live:
            guarded = Guarded(live)
            async with live.opened() as desk:
                session = await live.begin(database, desk)
                refusing = Refusing(session, parts=parts, by_gate=refuser == "gate")

                def hear(event: Event) -> None:
                    guarded(event)
                    refusing.hear(event)

                await drive(session, cycles=8, listen=hear)
            wrong = [*await faults_of_books(live, database), *await guarded.wrong(database)]
        report = await replay_run("r1", source=database, progress=lambda done, planned: None)
    assert wrong == []
    assert refusing.refused
    assert [cycle for cycle, lacking in guarded.seen.items() if lacking] == []
    if refuser == "venue" and not parts:
        assert (report.identical, report.first_difference) == (True, None)


# Refusals in a row


def an_exit_record(
    state: OrderState, minute: int, *, sent: bool = True, stop: bool = False, why: str = "", **over: Any
) -> OrderRecord:
    moment = START + timedelta(minutes=minute)
    request = {
        "client_order_id": f"acexit{minute}",
        "symbol": BTC,
        "side": "sell",
        "type": "stop" if stop else "market",
        "quantity": "5",
        "trigger_price": "90" if stop else None,
        "reduce_only": True,
    }
    given = {"state": state, "submitted_at": moment if sent else None, "updated_at": moment, "reason": why}
    return out(request=request | over, **given)


REJECTED, CANCELLED, FILLED = OrderState.REJECTED, OrderState.CANCELLED, OrderState.FILLED


@pytest.mark.parametrize(
    ("orders", "counted"),
    [
        ([], []),
        ([an_exit_record(REJECTED, 1), an_exit_record(REJECTED, 2)], [2, 1]),
        ([an_exit_record(REJECTED, 1, sent=False), an_exit_record(REJECTED, 2, sent=False)], []),
        ([an_exit_record(REJECTED, 1, why="not sent: the ticket has expired"), an_exit_record(REJECTED, 2)], [2]),
        ([an_exit_record(REJECTED, 1), an_exit_record(CANCELLED, 2, sent=False), an_exit_record(REJECTED, 3)], [3, 1]),
        ([an_exit_record(REJECTED, 1), an_exit_record(FILLED, 2), an_exit_record(REJECTED, 3)], [3]),
        ([an_exit_record(REJECTED, 1), an_exit_record(CANCELLED, 2), an_exit_record(REJECTED, 3)], [3]),
        ([an_exit_record(REJECTED, 1), an_exit_record(CANCELLED, 2, stop=True), an_exit_record(REJECTED, 3)], [3, 1]),
        ([an_exit_record(REJECTED, 1, reduce_only=False), an_exit_record(REJECTED, 2)], [2]),
    ],
)
def test_only_what_the_venue_was_asked_for_is_a_refusal_in_a_row(
    orders: Sequence[OrderRecord], counted: list[int]
) -> None:
    refused = refused_in_a_row(list(reversed(orders)))
    assert [order.client_order_id for order in refused] == [f"acexit{minute}" for minute in counted]
