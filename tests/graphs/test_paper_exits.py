"""Paper takes the path of live runs: exits go with the entry, are held by the venue, and are looked after."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from agents.reports import stated
from agents.settings import DeskSettings, RiskSettings
from builders.runs import NOW, archive, busy, drive, options, run, timed
from domain.candle import Candle, Timeframe, last_close
from domain.decision import Ticket
from domain.order import OrderReport, OrderRequest, OrderState
from graphs import RunResult, prepare, resume, start
from graphs.runs.replay import replay_run
from graphs.session.session import Session
from graphs.trading.events import CycleEnded, Event, MarketSaid, NodeEnded
from memory import Archive, Database, Ledger
from memory.ledger.orders import OrderRecord
from memory.store.records import CycleRecord
from memory.verify import verify
from venues.files.market import FileMarket

LENGTH = Timeframe("5m").length


def rising(*after: tuple[str, str, str, str], quiet: int = 3) -> Sequence[Candle]:
    """A market that climbs from 80 to 100 and stands; then, each as open, high, low and close, the bars `after`."""
    first = last_close(NOW, Timeframe("5m")) - 300 * LENGTH
    closes = [Decimal(80) + Decimal(n) / 15 for n in range(300)]
    found: list[Candle] = []
    for n, close in enumerate(closes):
        opened = closes[n - 1] if n else close
        at = first + n * LENGTH
        low, high = min(opened, close) - Decimal("0.1"), max(opened, close) + Decimal("0.1")
        found.append(Candle(at, at + LENGTH, opened, high, low, close, Decimal(100_000)))
    for bar in [*[("100", "100.1", "99.9", "100")] * quiet, *after, *[("100", "100.1", "99.9", "100")] * 10]:
        at = found[-1].closed_at
        opened, high, low, close = (Decimal(part) for part in bar)
        found.append(Candle(at, at + LENGTH, opened, high, low, close, Decimal(100_000)))
    return found


async def orders_of(database: Database) -> Sequence[OrderRecord]:
    return await Ledger(database, account="r1", run_id="r1").orders()


async def records_of(database: Database) -> Sequence[CycleRecord]:
    return [closed.record async for closed in Archive(database).cycles("r1")]


async def whole(database: Database) -> None:
    report = await replay_run("r1", source=database, progress=lambda done, planned: None)
    assert (report.identical, report.first_difference) == (True, None)
    assert await verify(database, "r1") == ()


FAR = DeskSettings(risk=RiskSettings(reenter_after_bars=99, max_hold_bars=1_000, min_stop="0.05", target_atr="200"))
"""A stop 5 % away, whatever the market does."""


async def test_a_bar_that_dips_below_the_stop_and_recovers_stops_out_at_the_stop(tmp_path: Path) -> None:
    """No quote that a cycle sees is anywhere near: only the bar's low is."""
    market = FileMarket("file:memory", {"ETH/USDT": rising(("100", "100.1", "80", "100"))}, timeframe=Timeframe("5m"))
    asked = options(market="file:memory", symbols=("ETH/USDT",), desk=FAR, cycles=30)
    async with archive(tmp_path) as database:
        header, opened, model = await prepare(asked, run_id="r1", at=NOW, opener=lambda spec, **given: market)
        result = await drive(await start(header, opened, model, database=database), cycles=None)
        entry, exit, *_ = await orders_of(database)
        episodes, records = await Archive(database).episodes("r1"), await records_of(database)
        await whole(database)
    stop = exit.request.trigger_price
    assert stop is not None
    assert exit.request.attached_to == entry.client_order_id
    assert 80 < stop < (entry.average_price or 0) * Decimal("0.96")
    assert exit.average_price is not None
    assert stop * Decimal("0.998") < exit.average_price < stop
    assert [episode.cause for episode in episodes] == ["stop"]
    assert {record.unprotected for record in records} == {()}
    assert result.equity.reconciled


async def test_a_cycle_in_which_nothing_changed_does_not_look_at_stops(tmp_path: Path) -> None:
    nodes: dict[int, set[str]] = {}

    def hear(event: Event) -> None:
        if isinstance(event, NodeEnded):
            nodes.setdefault(event.cycle, set()).add(event.node)

    async with archive(tmp_path) as database:
        await run(database, timed(cycles=3), listen=hear)
    assert "risk" in nodes[2], "a position is held"
    assert not any(node.startswith("protection") for seen in nodes.values() for node in seen)


async def test_an_exit_takes_the_place_of_the_stop_and_the_record_says_so(tmp_path: Path) -> None:
    heard: list[str] = []
    async with archive(tmp_path) as database:
        await run(database, timed(), listen=lambda e: heard.append(e.text) if isinstance(e, MarketSaid) else None)
        entry, stop, exit, *_ = await orders_of(database)
        records = await records_of(database)
        await whole(database)
    assert (stop.state, stop.reason, exit.state) == (OrderState.CANCELLED, "cancelled on request", OrderState.FILLED)
    assert (entry.filled, stop.filled) == (exit.filled, 0)
    said = {record.cycle: record.unprotected for record in records if record.unprotected}
    assert said == {3: (("ETH/USDT", f"its exit {exit.client_order_id} is working"),)}
    assert heard == [], "nobody need look at a position that is about to be closed"


class Refusing:
    """A venue that refuses some orders of a session, as an exchange would."""

    def __init__(self, session: Session, *, exits: bool) -> None:
        """`exits`, or else stops anywhere but where the first one was."""
        self.cycle, self._exits = 0, exits
        self._submit, self._session = session.venue.submit, session
        self._first: Decimal | None = None
        self.refused: list[tuple[int, OrderRequest]] = []
        session.venue.submit = self.submit  # type: ignore[method-assign]

    def hear(self, event: Event) -> None:
        if isinstance(event, CycleEnded):
            self.cycle = event.cycle + 1

    async def submit(self, order: OrderRequest, ticket: Ticket) -> OrderReport:
        self._first = order.stop_price or self._first
        moved = order.type == "stop" and order.trigger_price != self._first
        exits = order.type == "market" and order.reduce_only
        if not (exits if self._exits else moved):
            return await self._submit(order, ticket)
        self.refused.append((self.cycle, order))
        return stated(order, OrderState.REJECTED, reason="no", at=self._session.clock.now())


async def refused(database: Database, asked: Any, *, exits: bool) -> tuple[Refusing, RunResult]:
    header, market, model = await prepare(asked, run_id="r1", at=NOW)
    session = await start(header, market, model, database=database)
    refusing = Refusing(session, exits=exits)
    return refusing, await drive(session, cycles=asked.cycles, listen=refusing.hear)


async def test_an_exit_that_the_venue_refuses_costs_no_position_its_stop(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        refusing, _ = await refused(database, timed(), exits=True)
        orders, records = await orders_of(database), await records_of(database)
        held = await Ledger(database, account="r1", run_id="r1").portfolio(marks={}, as_of=NOW)
    waiting = [order for order in orders if order.request.protects and order.state is OrderState.WORKING]
    assert len(refusing.refused) >= 2
    assert {record.unprotected for record in records} == {()}
    assert [order.remaining for order in waiting] == [held.quantity("ETH/USDT")]
    assert {order.request.target_price for order in orders if order.request.protects} == {
        waiting[0].request.target_price
    }


TRAILS = DeskSettings(
    risk=RiskSettings(reenter_after_bars=99, max_hold_bars=1_000, stop_atr="6", target_atr="90", trailing=True)
)


async def test_a_move_that_the_venue_refuses_is_not_tried_again_before_the_stop_has_moved_on(tmp_path: Path) -> None:
    cycles = 40
    async with archive(tmp_path) as database:
        refusing, _ = await refused(database, busy(desk=TRAILS, cycles=cycles, seed=42), exits=False)
        orders = await orders_of(database)
    entry = orders[0]
    assert entry.average_price is not None
    assert entry.stop_price is not None
    moves = [(cycle, order.trigger_price or Decimal(0)) for cycle, order in refusing.refused]
    assert len(moves) > 1
    for (before, from_), (after, to) in pairwise(moves):
        near = abs(entry.average_price - to) / 10
        assert abs(to - from_) > near or after - before >= 12
    assert len(moves) < cycles / 2


async def test_a_run_that_was_begun_without_stops_at_the_venue_goes_on_watching_them_itself(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        header, market, model = await prepare(timed(), run_id="r1", at=NOW)
        older = header.model_copy(update={"venue_stops": (), "attaches": ()})
        await drive(await start(older, market, model, database=database), cycles=3)
        result = await drive(await resume("r1", database=database, cycles=6), cycles=6)
        orders = await orders_of(database)
        await whole(database)
    assert [order.request.side for order in orders] == ["buy", "sell", "buy"]
    assert not any(order.request.protects or order.request.stop_price for order in orders)
    assert [position.guarded for position in result.open_positions] == [False]
