"""An account with a paper venue behind moods, and the order writers that are at work on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from agents.writer import Live, OrderWriter
from builders.markets import a_venue, bars
from builders.memory import a_proposal, admit, an_admission, at
from builders.venues import Crash, Mood, MoodyVenue
from domain.candle import Quote, Timeframe
from domain.clock import TickClock
from domain.decision import Proposal, Ticket
from domain.effects import Effects
from domain.errors import OrderStateUnknown, VenueUnavailable
from domain.instrument import Instrument
from domain.order import OrderReport, OrderRequest, OrderState
from graphs import policy_in_effect
from graphs.session.trading_halt import Brake
from memory import Controls, Database, Ledger, Tape
from memory.ledger.orders import OrderRecord
from memory.operators.controls import Level
from policy.account import Arming
from venues.files.market import FileMarket
from venues.paper.venue import PaperVenue

BTC = "BTC/USDT"
JUDGED = Quote(symbol=BTC, bid=Decimal("99.98"), ask=Decimal("100.02"), at=at(5))
"""About what the market shows all the time."""
ARMED = Arming(by="Ada", until=at(500))


@dataclass
class Office:
    """One account with a paper venue behind moods, and one writer for each step of each cycle."""

    database: Database
    clock: TickClock
    paper: PaperVenue
    venue: MoodyVenue
    ledger: Ledger
    intents: list[OrderState] = field(default_factory=list)
    """What the ledger said of an order when the venue was asked to take it."""
    brake: Brake = field(default_factory=Brake)
    instruments: Mapping[str, Instrument] = field(default_factory=dict)
    arming: Arming | None = ARMED
    live: bool = False
    batch: int = 1
    looks: int = 0
    """How often it was asked who armed the desk."""
    pauses: list[float] = field(default_factory=list)

    @classmethod
    async def open(
        cls,
        database: Database,
        *,
        submits: Sequence[Mood] = (),
        finds: Sequence[Mood] = (),
        cancels: Sequence[Mood] = (),
        live: bool = False,
        symbols: Sequence[str] = (BTC,),
        batch: int = 1,
    ) -> Office:
        """`live`: at a venue where a request can be late, on a desk that must be armed; `batch` entries share one."""
        clock = TickClock(at(5))
        shown = dict.fromkeys(symbols, bars(*["100"] * 40))
        paper = a_venue(FileMarket("file:memory", shown, timeframe=Timeframe("5m")), clock)
        ledger = Ledger(database, account="r1", run_id="r1")
        await ledger.open(currency="USDT", start_cash=Decimal(10_000))
        intents: list[OrderState] = []

        async def watch(order: OrderRequest) -> None:
            intents.append((await ledger.order(order.client_order_id)).state)

        venue = MoodyVenue(paper, submits=submits, finds=finds, cancels=cancels, watch=watch, resends=not live)
        instruments = await paper.instruments()
        return cls(database, clock, paper, venue, ledger, intents, instruments=instruments, live=live, batch=batch)

    async def approve(self, **over: Any) -> tuple[OrderRequest, Ticket]:
        proposal: Proposal = a_proposal(**over)
        admission = an_admission(proposal)
        assert admission.ticket is not None
        await admit(self.ledger, admission, cycle=proposal.cycle, at=proposal.as_of)
        return proposal.order(), admission.ticket

    async def writer(self, cycle: int = 1, *, node: str = "execution") -> OrderWriter:
        """A writer as a process that has just started has it: the tape says what was done before."""
        await self.database.flush()
        tape = Tape(self.database, run_id="r1")
        await tape.begin_cycle(cycle)
        return self.at_work(tape.effects(cycle=cycle, node=node, subject="", clock=self.clock), cycle=cycle)

    def at_work(self, effects: Effects, *, cycle: int = 1) -> OrderWriter:
        return OrderWriter(
            venue=self.venue,
            ledger=self.ledger,
            effects=effects,
            run_id="r1",
            cycle=cycle,
            policy=policy_in_effect(None),
            instruments=self.instruments,
            brake=lambda: self.brake.reason,
            quote_s=0.01,
            live=Live(armed=self.armed, sleep=self.sleep, batch=self.batch) if self.live else None,
        )

    async def armed(self) -> Arming | None:
        self.looks += 1
        return self.arming

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    async def send(self, order: OrderRequest, ticket: Ticket) -> OrderReport:
        return await (await self.writer()).send(order, ticket, judged=JUDGED)

    async def halt(self, level: Level = "halt") -> None:
        await Controls(self.database).halt(scope="r1", level=level, by="Ada", reason="a doubt", at=at(5))

    async def bought(self) -> None:
        """A position that can be left."""
        order, ticket = await self.approve(rationale="an earlier one")
        await (await self.writer(node="earlier")).send(order, ticket, judged=JUDGED)
        self.clock.set(at(10))
        await self.sync()
        self.venue.calls.clear()
        self.venue.arrived.clear()

    async def sync(self, cycle: int = 2) -> tuple[OrderReport, ...]:
        return await (await self.writer(cycle, node="tick")).sync()

    async def kept(self, order: OrderRequest) -> OrderRecord:
        return await self.ledger.order(order.client_order_id)

    @property
    def calls(self) -> list[str]:
        return [asked for asked, _ in self.venue.calls]


async def until_it_works(step: Callable[[], Awaitable[object]]) -> None:
    """As a process does that is started again whenever it ends."""
    for _ in range(12):
        try:
            await step()
        except (Crash, VenueUnavailable, OrderStateUnknown):
            continue
        return
    raise AssertionError("it never worked")
