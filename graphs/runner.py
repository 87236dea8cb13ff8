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

from domain.errors import AgentctlError, DatabaseUnavailable, LeaseLost, ServiceUnavailable, UsageError
from domain.venue import LiveMarket
from graphs.cycle import Cycle
from graphs.decisions import decisions
from graphs.events import CycleEnded, CycleStarted, Event, Listener, MarketSaid, NodeEnded, silent
from graphs.opening import reopen
from graphs.reconciling import reconcile
from graphs.retention import Retention
from graphs.session import Session
from graphs.state import CycleState
from graphs.timing import Stopwatch
from graphs.trading import TradingGraph
from memory.records import CycleRecord, Figures
from memory.tape import MOMENT

_INSTANT: Final = TypeAdapter(datetime)

_PAUSES_S: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Before each try to take a run up again: a server that is restarted is back within a minute."""
_OUTAGES: Final = 5
"""After as many in one cycle the run ends: what fails there each time is more than an outage."""

Status = Literal["finished", "interrupted", "waiting"]
"""`waiting`: a person is asked about an order, and the cycle goes on when the question is answered."""


class Waiting(Exception):
    """A cycle that was left because a person is asked."""


class Stop:
    """Asks a run to end after the step it is in. Safe to call from a signal handler."""

    def __init__(self) -> None:
        self.asked = False
        self._control: RunControl | None = None
        self._waiting: asyncio.Future[datetime | None] | None = None

    def ask(self) -> None:
        self.asked = True
        if self._control:
            self._control.request_drain("asked to stop")
        if self._waiting:
            self._waiting.cancel()

    async def unless_asked(self, tick: Awaitable[datetime | None]) -> datetime | None:
        """`tick` when it comes; `None` when the run is asked to stop before: the wait for it ends at once."""
        self._waiting = asyncio.ensure_future(tick)
        try:
            return await self._waiting
        except asyncio.CancelledError:
            running = asyncio.current_task()
            if not self.asked or (running is not None and running.cancelling()):
                raise
            return None
        finally:
            self._waiting = None

    def control(self) -> RunControl:
        """The control of the next pass through the graph."""
        self._control = RunControl()
        if self.asked:
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
        self._outages = 0
        """Since a cycle was last closed."""

    async def run(self, *, cycles: int) -> Status:
        """Go on until `cycles` are sealed in all, the market ends, or a stop is asked for.

        Raises `LedgerBroken` when a finished run's ledger is not what the venue says, and `UsageError` when
        it was left within a cycle that is not to be gone on with.
        """
        try:
            async with self._streaming():
                status = await self._through_outages(cycles=cycles)
        finally:
            await self._hold_if_braked()  # pulled in the last cycle, or while it waited: it must outlast the process
            if self._session.brake.reason and not self._session.braked:
                self._listen(MarketSaid("the halt could not be written down: say it again with agentctl halt"))
        if self._retention:
            closed = (await self._session.archive.run(self._session.header.run_id)).cycles
            await self._retention.prune(self._session.database, self._session.header.run_id, closed=closed)
        return status

    async def _through_outages(self, *, cycles: int) -> Status:
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
            await self._stop.unless_asked(_wait(session.plumbing.sleep(pause_s)))
            if self._stop.asked:
                break
            session.database.forget()
            with suppress(DatabaseUnavailable):
                if session.database.lease is not None:
                    await session.database.lease.regain()
                await reopen(session)
                return
        raise error

    async def _go_on(self, *, cycles: int) -> Status:
        session = self._session
        run_id = session.header.run_id
        record = await session.archive.run(run_id)
        last = await session.archive.last_cycle(run_id)
        number, seal = record.cycles, record.seal
        if number >= cycles:
            if await session.tape.holds(number):
                raise UsageError(
                    f"{run_id} has closed {number} cycles and begun another",
                    remedy=f"Go on to --cycles {number + 1} or more",
                )
            await reconcile(session)
            return "finished"
        async for as_of in self._moments(number, after=last.record.as_of if last else None):
            await self._hold_if_braked()
            try:
                seal = await self.cycle(Cycle(session=session, number=number, as_of=as_of, previous_seal=seal))
            except (GraphDrained, Waiting) as left:
                await session.database.flush()
                return "waiting" if isinstance(left, Waiting) else "interrupted"
            number += 1
            if number >= cycles:
                break
            if self._retention and self._retention.due(closed=number):
                await self._retention.prune(session.database, run_id, closed=number)
        if self._stop.asked and number < cycles:
            return "interrupted"
        await reconcile(session)
        return "finished"

    def _streaming(self) -> AbstractAsyncContextManager[None]:
        market = self._session.market
        return market.streaming() if isinstance(market, LiveMarket) else nullcontext()

    async def _moments(self, number: int, *, after: datetime | None) -> AsyncIterator[datetime]:
        """When the cycles from `number` on run: one that was begun at its own moment, the others as the market ticks.

        Ends with the market, and when a stop is asked for.
        """
        market, begun_at = self._session.market, await self._session.tape.begun_at(number)
        if isinstance(market, LiveMarket):
            market.watch(lambda text: self._listen(MarketSaid(text)))
        if begun_at is not None and not self._stop.asked:
            after = begun_at
            yield begun_at
        elif isinstance(market, LiveMarket) and after is not None and await self._exposed():
            market.look_now()
        ticks, lease = market.ticks(after=after), self._session.database.lease
        while not self._stop.asked:
            tick = anext(ticks, None)
            as_of = await self._stop.unless_asked(lease.unless_lost(tick) if lease else tick)
            if as_of is None:
                return
            yield as_of

    async def _exposed(self) -> bool:
        """Whether a live account holds something, or may come to."""
        session = self._session
        if not session.live:
            return False
        held = await session.ledger.portfolio(marks={}, as_of=session.clock.now())
        return bool(held.positions or await session.ledger.orders(working_only=True))

    async def _hold_if_braked(self) -> None:
        """Write down that trading is halted, where it can be written: it is so in any case."""
        session = self._session
        reason = session.brake.reason
        if reason and not session.braked:
            with suppress(AgentctlError):  # tried again before the next cycle
                await session.controls.halt(
                    scope=session.header.run_id, level="halt", by="brake", reason=reason, at=session.wall.now()
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
        seal = await session.archive.close_cycle(session.header.run_id, record, timings=nodes_ms)
        session.tape.end_cycle()
        self._outages = 0
        if session.live:
            session.last_books = books, await session.ledger.orders(working_only=True)
        fills = await session.ledger.fills(cycle=cycle.number)
        session.remember(state["episodes"])
        cycle.session.step = cycle.step
        cycle.session.last_at = cycle.as_of
        if isinstance(session.market, LiveMarket):
            session.market.watch_prices(cycle.levels(books))
        await self._forget_checkpoint(cycle.number - 1)
        elapsed_ms = (time.perf_counter() - begun) * 1_000
        self.stopwatch.cycle(elapsed_ms, nodes_ms)
        self._listen(CycleEnded(cycle.number, cycle.as_of, made, fills, books, elapsed_ms))
        return seal

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
            control=self._stop.control(),
        )
        async for mode, chunk in cast("AsyncIterator[tuple[str, Any]]", passing):
            if mode == "values":
                if "__interrupt__" in chunk:
                    raise Waiting
                state = chunk
            else:
                self._hear(chunk, nodes_ms)
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
