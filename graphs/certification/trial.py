"""The cycles of a certification: opened, gated, sent and sealed as those of any live run, one a group of steps."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from pydantic import TypeAdapter

from agents.execution import ExecutionAgent
from agents.protection import cover, unprotected
from domain.decision import Proposal
from domain.errors import AgentctlError, Refused
from domain.order import OrderReport
from graphs.account.survey import Evidence
from graphs.certification.market import VenueMarket
from graphs.certification.rules import AGENT
from graphs.session.session import Session
from graphs.trading.cycle import Cycle
from graphs.trading.gate import gate
from graphs.trading.graph import tick
from memory.archive.tape import MOMENT
from memory.ledger.orders import OrderRecord
from memory.store.records import CycleRecord, Figures
from policy.market import VenueSignal

_INSTANT: Final = TypeAdapter(datetime)


class StepFailed(Refused):
    """What came of a step is not what must come of it."""


@dataclass(kw_only=True)
class Trial:
    """One run of kind `certify`, at work in one symbol."""

    session: Session
    market: VenueMarket
    symbol: str
    number: int
    """Of the next cycle."""
    seal: str
    account: Evidence | None = None
    """What the account showed as the last cycle began."""

    @asynccontextmanager
    async def cycle(self) -> AsyncGenerator[Cycle]:
        """A cycle at this moment, with the account held against the ledger first. Sealed at its end, also where what
        was done in it failed."""
        session = self.session
        as_of = await self.market.look()
        session.clock.set(as_of)
        await session.tape.begin_cycle(self.number)
        cycle = Cycle(session=session, number=self.number, as_of=as_of, previous_seal=self.seal)
        await _keep_moment(cycle)
        self.account = None
        try:
            update = await tick({}, cycle)
            cycle.keep("tick", "", update)
            self.account = update.get("account")
            cycle.venue_signals[self.symbol] = _support(self.market)
            yield cycle
        except AgentctlError as error:
            with suppress(AgentctlError):  # what failed may be the database, or the right to write to it
                await self._close(cycle, why=error.message)
            raise
        await self._close(cycle)

    async def send(self, cycle: Cycle, proposal: Proposal, *, node: str) -> OrderReport:
        """One order through the gate to the venue, and what became of it. Raises `StepFailed` for a refusal."""
        judged = await gate([proposal], cycle, node=f"gate:{node}")
        (verdict,) = judged.verdicts
        if not judged.approved:
            raise StepFailed(f"the gate refused it, and nothing was sent: {'; '.join(verdict.reasons)}")
        reports = await ExecutionAgent()(judged.approved, cycle.desk(f"execution:{node}"))
        await cycle.look_again(cycle.effects(f"stock:{node}"))
        return [report for report in reports if report.client_order_id == proposal.client_order_id][-1]

    async def cancel(self, cycle: Cycle, order: OrderRecord, *, node: str) -> OrderReport:
        report = await cycle.desk(f"cancel:{node}").orders.cancel(order)
        await cycle.look_again(cycle.effects(f"stock:cancel:{node}"))
        return report

    async def order(self, client_order_id: str) -> OrderRecord:
        return await self.session.ledger.order(client_order_id)

    def propose(self, cycle: Cycle, **order: Any) -> Proposal:
        """An order of this certification."""
        return Proposal(cycle=cycle.number, as_of=cycle.as_of, agent=AGENT, symbol=self.symbol, **order)

    def position(self, cycle: Cycle) -> Decimal:
        return Decimal(0) if cycle.portfolio is None else cycle.portfolio.quantity(self.symbol)

    async def _close(self, cycle: Cycle, *, why: str = "") -> None:
        session = self.session
        books = await session.ledger.portfolio(marks=cycle.marks, as_of=cycle.as_of)
        working = await session.ledger.orders(working_only=True)
        for n, episode in enumerate(await session.ledger.closed_trades(cycle=cycle.number)):
            session.archive.note_episode(session.header.run_id, cycle=cycle.number, n=n, episode=episode)
        lots = session.settings.instruments
        bare = {
            symbol: unprotected(
                cover(position, working, lot_size=lots[symbol].lot_size), why="a certification is under way"
            )
            for symbol, position in sorted(books.positions.items())
        }
        record = CycleRecord(
            cycle=cycle.number,
            as_of=cycle.as_of,
            era=session.era.digest,
            decisions=(),
            figures=Figures.of(books) if books.priced else None,
            usd=Decimal(0),
            step=cycle.step,
            unprotected=tuple((symbol, reason) for symbol, reason in bare.items() if reason),
            cut_short=why,
        )
        self.seal = await session.archive.close_cycle(session.header.run_id, record, timings={})
        session.tape.end_cycle()
        session.step, session.last_at = cycle.step, cycle.as_of
        self.number += 1


def _support(market: VenueMarket) -> tuple[VenueSignal, ...]:
    """The gate lets no order in that no venue data supports: here it is that the venue shows a market at all.

    No text and no model has any part in a certification. What it buys is fixed before it begins.
    """
    return (VenueSignal(detector=AGENT, side="buy", strength=Decimal(1)),) if market.quoted else ()


async def _keep_moment(cycle: Cycle) -> None:
    async def moment() -> datetime:
        return cycle.as_of

    await cycle.effects("cycle").once(MOMENT, None, returns=_INSTANT, perform=moment, durable=True)
