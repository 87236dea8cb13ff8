"""The run loop: one tick of the market, one pass of the graph, one sealed cycle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from datetime import datetime
from typing import Any, Final, Literal, cast

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl
from pydantic import TypeAdapter

from domain.errors import (
    AgentctlError,
    DatabaseUnavailable,
    LeaseLost,
    ServiceUnavailable,
    UsageError,
    VenueUnavailable,
)
from domain.venue import LiveMarket
from graphs.runs.open import reopen
from graphs.runs.retention import Retention
from graphs.runs.timing import CYCLE, Stopwatch
from graphs.session.ending import CLOSING, OnExit, open_positions
from graphs.session.perpetuals import depleted
from graphs.session.session import Session
from graphs.session.trading_halt import BRAKE
from graphs.trading.cycle import Cycle
from graphs.trading.decisions import decisions
from graphs.trading.events import ControlRead, CycleEnded, CycleStarted, Event, Listener, MarketSaid, NodeEnded, silent
from graphs.trading.graph import TradingGraph
from graphs.trading.reconciliation import reconcile
from graphs.trading.state import CycleState
from memory.archive.tape import MOMENT
from memory.store.records import CycleRecord, Figures

_INSTANT: Final = TypeAdapter(datetime)
_CLOSING_CYCLES: Final = 6
"""In which a run that ends may close its positions: sent, filled, proven, and some that were refused at first."""
_CLOSING_PATIENCE_S: Final = 60.0

_BRING_UP_S: Final = 30.0

_PAUSES_S: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Before each try to take a run up again: a server that is restarted is back within a minute."""
_OUTAGES: Final = 5
"""After as many in one cycle the run ends: what fails there each time is more than an outage."""

Status = Literal["finished", "interrupted", "waiting"]
"""`waiting`: a person is asked about an order, and the cycle goes on when the question is answered."""


class Waiting(Exception):
    """A cycle that was left because a person is asked."""


class Stop:
    """Asks a run to end. Safe to call from a signal handler."""

    def __init__(self, *, on_exit: OnExit = "keep") -> None:
        """A run that keeps its positions ends after the step that it is in, or at an exchange once what that step sent
        has its stops; one that closes them after the cycle."""
        self.on_exit = on_exit
        self.requested = False
        self._control: RunControl | None = None
        self._cycle: Cycle | None = None
        self._waiting: asyncio.Future[datetime | None] | None = None

    def ask(self) -> None:
        self.requested = True
        self.drain()
        if self._waiting:
            self._waiting.cancel()

    def drain(self) -> None:
        """End the pass after the step that it is in, where that is asked for and leaves no position bare."""
        safe = self._cycle is None or not self._cycle.unguarded
        if self.requested and self._control and self.on_exit == "keep" and safe:
            self._control.request_drain("asked to stop")

    async def unless_stopped(self, tick: Awaitable[datetime | None]) -> datetime | None:
        """`tick` when it comes; `None` when the run is asked to stop before: the wait for it ends at once."""
        self._waiting = asyncio.ensure_future(tick)
        try:
            return await self._waiting
        except asyncio.CancelledError:
            running = asyncio.current_task()
            if not self.requested or (running is not None and running.cancelling()):
                raise
            return None
        finally:
            self._waiting = None

    def control(self, cycle: Cycle) -> RunControl:
        """The control of the next pass through the graph."""
        self._control, self._cycle = RunControl(), cycle
        if self.requested:
            self.ask()
        return self._control


class Runner:
    """Drives a session through its cycles. A cycle that was left unfinished runs again, from its tape."""

    def __init__(
        self,
        session: Session,
        graph: TradingGraph,
        *,
        listen: Listener = silent,
        stop: Stop | None = None,
        retention: Retention | None = None,
    ) -> None:
        """Without `retention` every context is kept."""
        self._session = session
        self._graph = graph
        self._listen = listen
        self._stop = stop or Stop()
        self._retention = retention
        saver = graph.checkpointer
        self._saver = saver if isinstance(saver, BaseCheckpointSaver) else None
        self.stopwatch = Stopwatch()
        self._free = 0
        self._restricted = 0
        self.tried_to_close = False
        """Whether a cycle that was to close the positions came to its end."""
        self._outages = 0
        """Since a cycle was last closed."""
        self.depleted = False
        """Whether the run ended because its account was liquidated, and can open nothing any more."""

    @property
    def halted_throughout(self) -> bool:
        """Whether trading was restricted in every cycle that ran here, of which there were some."""
        return self._restricted > 0 and not self._free

    async def run(self, *, cycles: int | None) -> Status:
        """Go on until `cycles` are sealed in all, the market ends, or a stop is asked for; then close what is to be.

        Raises `LedgerBroken` when a finished run's ledger is not what the venue says, and `UsageError` when
        it was left within a cycle that is not to be gone on with.
        """
        try:
            async with self._streaming():
                status = await self._through_outages(cycles=cycles)
        finally:
            await self._hold_if_braked()  # pulled in the last cycle, or while it waited: it must outlast the process
            if self._session.brake.reason and not self._session.braked:
                self._listen(MarketSaid("The halt was not saved. Run agentctl halt again"))
        if self._retention:
            closed = (await self._session.archive.run(self._session.header.run_id)).cycles
            await self._retention.prune(self._session.database, self._session.header.run_id, closed=closed)
        return status

    async def _through_outages(self, *, cycles: int | None) -> Status:
        """`_go_on`, taken up again where the lease ran out, or the database was away for a while."""
        while True:
            try:
                return await self._go_on(cycles=cycles)
            except (LeaseLost, DatabaseUnavailable) as error:
                self._outages += 1
                if self._outages > _OUTAGES:
                    raise
                self._listen(MarketSaid(f"{error.message}: nothing is sent until the run has taken it up again"))
                await self._take_up_again(error)

    async def _take_up_again(self, error: ServiceUnavailable) -> None:
        """As a new process would, from what is committed.

        Raises `LeaseLost` when somebody had the lease in between, and `error` when the database stays away, or a stop
        is asked for.
        """
        session = self._session
        for pause_s in _PAUSES_S:
            await self._stop.unless_stopped(_wait(session.plumbing.sleep(pause_s)))
            if self._stop.requested:
                break
            session.database.forget()
            with suppress(DatabaseUnavailable):
                if session.database.lease is not None:
                    await session.database.lease.regain()
                await reopen(session)
                return
        raise error

    async def _go_on(self, *, cycles: int | None) -> Status:
        session = self._session
        record = await session.archive.run(session.header.run_id)
        done = cycles is not None and record.cycles >= cycles
        if done and await session.tape.holds(record.cycles):
            raise UsageError(
                f"{record.header.run_id} has closed {record.cycles} cycles and begun another",
                remedy=f"Go on to --cycles {record.cycles + 1} or more",
            )
        number, seal = record.cycles, record.seal
        try:
            if not done:
                number, seal = await self._cycles(number, seal, cycles=cycles)
            if self._stop.on_exit == "flatten":
                await self._close_positions(number, seal)
        except (GraphDrained, Waiting) as left:
            await session.database.flush()
            return "waiting" if isinstance(left, Waiting) else "interrupted"
        if self._stop.requested and (cycles is None or number < cycles):
            return "interrupted"
        await reconcile(session)
        return "finished"

    async def _cycles(self, number: int, seal: str, *, cycles: int | None) -> tuple[int, str]:
        """Run the cycles from `number` on until there is no other; the number and seal that the next one would have."""
        session = self._session
        async for as_of in self._moments(number, after=session.last_at):
            await self._hold_if_braked()
            session.enter(number)
            cycle = Cycle(session=session, number=number, as_of=as_of, previous_seal=seal)
            seal = await self.cycle(cycle)
            number += 1
            await self._heed_model(cycle)
            if number == cycles or self.depleted:
                break
            if self._retention and self._retention.due(closed=number):
                await self._retention.prune(session.database, session.header.run_id, closed=number)
        return number, seal

    async def _close_positions(self, number: int, seal: str) -> None:
        """Close what is open in cycles of its own, through the gate: a few, and none once nothing more can be done."""
        session = self._session
        session.closing = True
        market = session.market
        ticks = market.ticks(after=session.last_at)
        hurried = isinstance(market, LiveMarket)
        for _ in range(_CLOSING_CYCLES):
            control = session.in_force(await session.controls.state(session.header.run_id))
            if control.state == "halted" or not await self._session.ledger.exposed():
                return
            if hurried and isinstance(market, LiveMarket):
                market.look_now()
            try:
                as_of = await asyncio.wait_for(anext(ticks, None), self._closing_patience_s)
            except TimeoutError:
                return
            if as_of is None:
                return
            session.enter(number)
            cycle = Cycle(session=session, number=number, as_of=as_of, previous_seal=seal)
            seal = await self.cycle(cycle)
            number += 1
            if cycle.flat:
                return
            hurried = session.live  # on paper an order fills with the next bar, and not before

    @property
    def _closing_patience_s(self) -> float:
        """For one tick of the closing: a live desk need not wait for a bar, and paper must."""
        bar_s = 0.0 if self._session.live else self._session.timeframe.length.total_seconds()
        return bar_s + _CLOSING_PATIENCE_S

    async def _heed_model(self, cycle: Cycle) -> None:
        """Raise `ModelUnavailable` when the model is dead, unless a live account holds something: then exits go on."""
        session, health = self._session, self._session.health
        dead = health.dead
        health.close_cycle(cycle.questions, now=session.clock.now())
        if dead and not health.dead:
            self._listen(MarketSaid(f"{session.model.name} answers again: new positions are possible"))
        if not health.dead:
            return
        if not (session.live and await self._session.ledger.exposed()):
            raise health.error(session.model.name)
        if not dead:
            self._listen(MarketSaid(health.alert(session.model.name)))

    def _streaming(self) -> AbstractAsyncContextManager[None]:
        market = self._session.market
        return market.streaming() if isinstance(market, LiveMarket) else nullcontext()

    async def _moments(self, number: int, *, after: datetime | None) -> AsyncIterator[datetime]:
        """When the cycles from `number` on run: one that was begun at its own moment, the others as the market ticks.

        Ends with the market, and when a stop is asked for.
        """
        session = self._session
        market, begun_at = session.market, await session.tape.begun_at(number)
        if isinstance(market, LiveMarket):
            market.watch(lambda text: self._listen(MarketSaid(text)))
        if begun_at is not None and not self._stop.requested:
            after = begun_at
            if isinstance(market, LiveMarket):
                await self._bring_up(market, until=begun_at)
            yield begun_at
        elif isinstance(market, LiveMarket) and session.live and after is not None and await session.ledger.exposed():
            market.look_now()
        ticks, lease = market.ticks(after=after), self._session.database.lease
        while not self._stop.requested:
            tick = anext(ticks, None)
            as_of = await self._stop.unless_stopped(lease.unless_lost(tick) if lease else tick)
            if as_of is None:
                return
            yield as_of

    async def _bring_up(self, market: LiveMarket, *, until: datetime) -> None:
        """Have a market that was just opened read its bars before a cycle that was begun goes on: a cycle has little
        time to read, and expects what a tick brought."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_BRING_UP_S):
                for symbol in self._session.universe:
                    with suppress(VenueUnavailable):
                        await market.candles(symbol, limit=1, until=until)

    async def _hold_if_braked(self) -> None:
        """Write down that trading is halted, where it can be written: it is so in any case."""
        session = self._session
        reason = session.brake.reason
        if reason and not session.braked:
            with suppress(AgentctlError):  # tried again before the next cycle
                await session.controls.halt(
                    scope=session.header.run_id, level="halt", by=BRAKE, reason=reason, at=session.wall.now()
                )
                session.braked = True

    async def cycle(self, cycle: Cycle) -> str:
        """Run and seal one cycle; returns its seal. Raises `GraphDrained` or `Waiting` when it was left unfinished."""
        session = self._session
        begun = time.perf_counter()
        session.clock.set(cycle.as_of)
        await session.tape.begin_cycle(cycle.number)
        await _keep_moment(cycle)
        self._listen(CycleStarted(cycle.number, cycle.as_of))
        nodes_ms: dict[str, float] = {}
        state = await self._pass(cycle, nodes_ms)
        if cycle.control == CLOSING:
            self.tried_to_close = True
        else:
            self._free += cycle.control.state == "active"
            self._restricted += cycle.control.state != "active"
        made = decisions(state, cycle=cycle.number, universe=session.universe)
        books = await session.ledger.portfolio(marks=cycle.marks, as_of=cycle.as_of)
        record = CycleRecord(
            cycle=cycle.number,
            as_of=cycle.as_of,
            era=cycle.session.era.digest,
            decisions=made,
            figures=Figures.of(books) if books.priced else None,
            tokens=cycle.tokens,
            usd=cycle.usd,
            step=cycle.step,
            unprotected=state["protection"].unprotected if "protection" in state else (),
        )
        spent_ms = (time.perf_counter() - begun) * 1_000  # but for the writing of it
        seal = await session.archive.close_cycle(session.header.run_id, record, timings=nodes_ms | {CYCLE: spent_ms})
        session.tape.end_cycle()
        self._outages = 0
        fills = await session.ledger.fills(cycle=cycle.number)
        met = await session.ledger.met(fills)
        session.remember(state["episodes"])
        cycle.session.step = cycle.step
        cycle.session.last_at = cycle.as_of
        working = await session.ledger.orders(working_only=True) if session.live else cycle.working
        session.out = tuple(working) if session.live else ()
        session.positions = open_positions(books, working, instruments=session.settings.instruments, stops=cycle.stops)
        if isinstance(session.market, LiveMarket):
            session.market.watch_prices(cycle.levels(books))
        await self._forget_checkpoint(cycle.number - 1)
        self.depleted = depleted(books, session.settings, marks=cycle.marks) and await self._was_liquidated()
        elapsed_ms = (time.perf_counter() - begun) * 1_000
        self.stopwatch.cycle(elapsed_ms, nodes_ms)
        self._listen(CycleEnded(cycle.number, cycle.as_of, made, fills, books, elapsed_ms, met))
        return seal

    async def _was_liquidated(self) -> bool:
        return any(event.kind == "liquidation" for event in await self._session.ledger.external())

    async def _pass(self, cycle: Cycle, nodes_ms: dict[str, float]) -> CycleState:
        """One pass through the graph, from its first node: what a crashed pass did is on the tape."""
        await self._forget_checkpoint(cycle.number)
        state: CycleState = {}
        passing = self._graph.astream(
            {},
            {
                "configurable": {"thread_id": self._thread(cycle.number)},
                "max_concurrency": cycle.session.settings.desk.signal.max_candidates,
            },
            context=cycle,
            stream_mode=["custom", "values"],
            durability="exit" if self._saver else None,
            control=self._stop.control(cycle),
        )
        async for mode, chunk in cast("AsyncIterator[tuple[str, Any]]", passing):
            if mode == "values":
                if "__interrupt__" in chunk:
                    raise Waiting
                state = chunk
            else:
                self._hear(chunk, nodes_ms)
                self._stop.drain()
                if isinstance(chunk, NodeEnded) and chunk.node == "tick":
                    self._listen(ControlRead(cycle.number, cycle.control))
        return state

    def _hear(self, event: Event, nodes_ms: dict[str, float]) -> None:
        if isinstance(event, NodeEnded):
            nodes_ms[event.node] = nodes_ms.get(event.node, 0) + event.elapsed_ms
        self._listen(event)

    def _thread(self, number: int) -> str:
        return f"{self._session.header.run_id}:{number}"

    async def _forget_checkpoint(self, number: int) -> None:
        """Only the last cycle's checkpoint is kept: runs are resumed from the tape."""
        if self._saver and number >= 0:
            await self._saver.adelete_thread(self._thread(number))


async def _keep_moment(cycle: Cycle) -> None:
    """Commit when a live cycle is before anything is done in it: run again, it must be the same to the microsecond.

    Everything that it decides has the moment in it, down to the ids of its orders.
    """
    if not cycle.session.live:
        return

    async def moment() -> datetime:
        return cycle.as_of

    await cycle.effects("cycle").once(MOMENT, None, returns=_INSTANT, perform=moment, durable=True)


async def _wait(pause: Awaitable[None]) -> None:
    await pause
