"""A live desk on an exchange of this machine: one clock for both, a market that moves with it, both books."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from agents.settings import DeskSettings, ReadingSettings, RiskSettings, SignalSettings
from builders.exchanges import START, Stage, a_stage
from builders.hearing import Alarm
from builders.runs import a_policy, drive, options
from domain.candle import Timeframe
from domain.clearance import Check
from domain.clock import Clock
from domain.errors import LedgerBroken
from domain.money import floor_to
from domain.order import OrderState
from domain.portfolio import Portfolio
from exchange_double.served import ServedDouble
from exchange_double.stops import StopStatus
from exchange_double.wire import Operation
from graphs import RunResult, prepare, resume, start
from graphs.account.survey import Evidence
from graphs.runs.open import OpenMarket
from graphs.runs.open_live import LiveDesk, went_live
from graphs.session.session import RunSettings, Session
from graphs.trading.events import CycleEnded, Event, Listener, silent
from graphs.trading.reconciliation import survey
from memory import Archive, Database, Ledger
from memory.operators.armings import Armings
from tools.resilience import Plumbing
from venues.exchange.account import ExchangeKeys, ExchangeVenue
from venues.exchange.market import ExchangeMarket

BTC, ETH = "BTC/USDT", "ETH/USDT"


@cache
def _tls() -> ssl.SSLContext:
    """ccxt makes one for each client, which takes as long as ten requests."""
    return ssl.create_default_context()


EAGER = DeskSettings(
    signal=SignalSettings(threshold="0.1"),
    risk=RiskSettings(reenter_after_bars=0, min_conviction="0.2", max_hold_bars=2),
)
"""Enters whenever it can and leaves after two bars: orders in every cycle."""

THIN = a_policy(depth={"share_of_touch": 1_000})
"""The packaged policy for a book that shows less than the desk enters, so that orders fill in part."""

UNHURRIED = ReadingSettings(cycle_s=600, read_s=600)
"""A machine that is busy is no fault."""

CYCLES = 5
_PATIENT_MS = 20_000
"""Of real time, after which an answer that does not come is given up: long, for a machine that is busy is no fault."""


@dataclass
class LiveStage:
    """The exchange, the wall that its time follows, and how a desk is opened on them."""

    stage: Stage
    symbols: tuple[str, ...] = (BTC,)
    exchange: str = "okx"
    agents: DeskSettings = EAGER
    patience_s: float = 30.0
    reading: ReadingSettings = UNHURRIED
    alarm: Alarm | None = None
    """What calls for looks between bars."""
    calm: timedelta = timedelta(minutes=2)
    """Longer than any doubt of the venue lasts."""

    def venue(
        self,
        spec: str,
        *,
        symbols: Sequence[str],
        currency: str,
        check: Check,
        clock: Clock,
    ) -> ExchangeVenue:
        given = self.stage.double.client_settings()
        return ExchangeVenue(
            spec,
            keys=ExchangeKeys.model_validate(
                {"api_key": given["apiKey"], "secret": given["secret"], "password": given.get("password", "")}
            ),
            symbols=symbols,
            currency=currency,
            check=check,
            wall=clock,
            sleep=self.stage.wall.sleep,
            base_url=self.stage.double.url,
            patience_s=self.patience_s,
            settings={"rateLimit": 1, "timeout_on_exit": 0, "timeout": _PATIENT_MS, "ssl_context": _tls()},
        )

    def desk(self) -> LiveDesk:
        return LiveDesk.at(
            self.exchange, symbols=self.symbols, currency="USDT", opener=self.venue, wall=self.stage.wall
        )

    async def begin(self, database: Database, desk: LiveDesk, *, adopt: Sequence[str] = (), **over: Any) -> Session:
        """A new live run, armed for a day by Ada."""
        agents = self.agents.model_copy(update={"reading": self.reading})
        given = {"market": self.exchange, "symbols": self.symbols, "cycles": CYCLES, "desk": agents}
        given |= {"policy": THIN} | over
        now = self.stage.wall.now()
        header, market, model = await prepare(options(**given), run_id="r1", at=now, opener=self.market_of(desk))
        await Armings(database).arm(self.exchange, until=now + timedelta(days=1), by="Ada", reason="a trial", at=now)
        header = await went_live(header, desk, database=database, adopt=adopt, at=now)
        return self.at_work(await start(header, market, model, database=database, desk=desk))

    async def go_on(self, database: Database, desk: LiveDesk) -> Session:
        return self.at_work(await resume("r1", database=database, opener=self.market_of(desk), desk=desk))

    def market_of(self, desk: LiveDesk) -> OpenMarket:
        """The exchange's market over the connection of the desk, as the command line has it."""

        def opened(
            spec: str, *, symbols: Sequence[str] | None, timeframe: Timeframe | None, seed: int, wall: Clock
        ) -> ExchangeMarket:
            assert isinstance(desk.venue, ExchangeVenue)
            market = self.alarm.market if self.alarm else self.stage.market
            return market(desk.venue.market_data, symbols=symbols)

        return opened

    def at_work(self, session: Session) -> Session:
        session.wall = self.stage.wall
        session.plumbing = Plumbing(session.clock, sleep=self.stage.wall.sleep)
        return session

    async def run(
        self, database: Database, *, cycles: int = CYCLES, listen: Listener = silent, **over: Any
    ) -> RunResult:
        """A new run to its end, or one that is there already, gone on with."""
        async with self.opened() as desk:
            there = await Archive(database).runs(limit=1)
            session = await (self.go_on(database, desk) if there else self.begin(database, desk, **over))
            return await drive(session, cycles=cycles, listen=listen)

    def hurry(self, desk: LiveDesk, *, ms: int) -> None:
        """From now on give an answer up that does not come within `ms`."""
        assert isinstance(desk.venue, ExchangeVenue)
        desk.venue.market_data._ccxt.timeout = ms

    @asynccontextmanager
    async def opened(self) -> Any:
        desk = self.desk()
        try:
            yield desk
        finally:
            await desk.venue.aclose()

    async def looked_at(self, database: Database) -> Evidence:
        """The account as `agentctl reconcile` finds it."""
        header = (await Archive(database).run("r1")).header
        ledger = Ledger(database, account="r1", run_id="r1")
        async with self.opened() as desk:
            instruments = RunSettings.model_validate_json(header.settings).instruments
            return await survey(header, desk.venue, ledger, instruments=instruments, at=self.stage.wall.now())


@contextmanager
def a_live_stage(symbols: Sequence[str] = (BTC,), **over: Any) -> Iterator[LiveStage]:
    with a_stage(symbols, at=over.pop("at", START), exchange=over.get("exchange", "okx")) as stage:
        yield LiveStage(stage, symbols=tuple(symbols), **over)


async def faults_of_books(live: LiveStage, database: Database) -> list[str]:
    """What is wrong with a run once all is told: an order twice or missing, an amount that differs, a word without
    proof. Empty where ledger and exchange are one."""
    double = live.stage.double
    ledger = Ledger(database, account="r1", run_id="r1")
    wrong = [f"sent twice: {client_order_id}" for client_order_id in double.placed_twice()]
    try:
        await ledger.check()
    except LedgerBroken as error:
        wrong.append(str(error))
    ours = {order.client_order_id: order for order in await ledger.orders()}
    theirs = _theirs(double)
    wrong += [
        f"not in the ledger: {key}" for key in sorted(theirs.keys() - ours.keys()) if key.startswith(("ac", "ax"))
    ]
    for key, order in ours.items():
        if key not in theirs:
            if order.filled or order.state in (OrderState.FILLED, OrderState.WORKING, OrderState.PARTIAL):
                wrong.append(f"{key} is {order.state} with {order.filled}, and the exchange never had it")
        elif (order.filled, order.state.terminal) != theirs[key]:
            wrong.append(f"{key} is {order.state} with {order.filled}, and there {theirs[key]}")
    wrong += await unprotected(live, database)
    evidence = await live.looked_at(database)
    if not evidence.proven:
        wrong.append(f"not proven: {evidence.differences} {evidence.unread}")
    # What the last sale left over is given up in the next cycle.
    others = [event for event in evidence.events if not event.id.startswith("dust:")]
    if others or any(ours[r.client_order_id].state is not r.state for r in evidence.reports):
        wrong.append(f"a second look finds more: {others} {evidence.reports}")
    return wrong


def stops_waiting(live: LiveStage) -> dict[str, Decimal]:
    """By symbol, how much of the base the stops sell or buy that wait at the exchange."""
    found: dict[str, Decimal] = {}
    for stop in live.stage.double.engine.stops:
        if stop.status is StopStatus.WAITING:
            size = stop.new.quantity * live.stage.double.engine.listings[stop.new.symbol].contract_size
            found[stop.new.symbol] = found.get(stop.new.symbol, Decimal(0)) + size
    return found


def lacking(live: LiveStage, portfolio: Portfolio, waiting: Mapping[str, Decimal]) -> list[str]:
    """Positions for all of which no stop waits."""
    lots = {s: each.lot_size * each.contract_size for s, each in live.stage.double.engine.listings.items()}
    return [
        symbol
        for symbol, position in portfolio.positions.items()
        if waiting.get(symbol, Decimal(0)) < floor_to(abs(position.quantity), lots[symbol])
    ]


async def unprotected(live: LiveStage, database: Database) -> list[str]:
    """Positions without a stop at the exchange of which the last cycle's record says nothing."""
    last = await Archive(database).last_cycle("r1")
    if last is None:
        return []
    said = dict(last.record.unprotected)
    held = await Ledger(database, account="r1", run_id="r1").portfolio(marks={}, as_of=last.record.as_of)
    missing = lacking(live, held, stops_waiting(live))
    return [f"{symbol} has no stop, and no reason" for symbol in missing if symbol not in said]


class Guarded:
    """Listens to a run, and sees at the end of each of its cycles what is held and which stops wait."""

    def __init__(self, live: LiveStage) -> None:
        self._live = live
        self.seen: dict[int, tuple[str, ...]] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, CycleEnded):
            self.seen[event.cycle] = tuple(lacking(self._live, event.portfolio, stops_waiting(self._live)))

    async def wrong(self, database: Database) -> list[str]:
        """Positions that some cycle left without a stop and without a reason in its record."""
        said = {closed.record.cycle: dict(closed.record.unprotected) async for closed in Archive(database).cycles("r1")}
        return [
            f"cycle {cycle} left {symbol} without a stop, and says nothing of it"
            for cycle, symbols in self.seen.items()
            for symbol in symbols
            if symbol not in said[cycle]
        ]


def batches_of(live: LiveStage) -> list[int]:
    """How many orders each request carried in which the exchange took several."""
    placed = live.stage.double.journal.of(Operation.PLACE)
    orders = {order.order_id for order in live.stage.double.engine.orders}
    sizes = [sum(id in orders for id in entry.orders) for entry in placed]
    return [size for size in sizes if size > 1]


def _theirs(double: ServedDouble) -> dict[str, tuple[Decimal, bool]]:
    """By client order id: how much of each order was filled, in the base, and whether it has ended."""
    listings = double.engine.listings
    orders = {
        order.order_id: (order.new.client_order_id, order.filled * listings[order.new.symbol].contract_size, order.open)
        for order in double.engine.orders
    }
    found = {key: (filled, not still_open) for key, filled, still_open in orders.values() if key}
    for stop in double.engine.stops:
        waiting = stop.status is StopStatus.WAITING
        _, filled, still_open = orders.get(stop.order_id, ("", Decimal(0), waiting))
        found[stop.client_order_id] = (filled, not still_open)
    return found


_TERMINAL = {"filled", "cancelled", "rejected", "expired"}


async def unproven_ends(database: Database) -> list[str]:
    """Orders that were sent and then said to have ended, without the venue's word or a proof that they never left."""
    async with database.reading() as connection:
        rows = await connection.exec_driver_sql(
            "SELECT client_order_id, n, state, body FROM order_events ORDER BY 1, 2"
        )
        events = [(key, n, state, json.loads(body)) for key, n, state, body in rows]
    sent = {key for key, _, state, _ in events if state == "submitting"}
    return [
        f"{key} became {state} at {n} without evidence: {body}"
        for key, n, state, body in events
        if key in sent and state in _TERMINAL and not body.get("evidence") and not body.get("trades")
    ]
