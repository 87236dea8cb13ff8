"""Orders: how many durable intents a second, how long from a ticket to the send, and how long a recovery takes.

Run with `python benchmarks/orders.py`; it takes about a minute. All is measured by the clock. The venue is one that
answers at once, so that what is measured is ours: reading, committing, and the look at price and state before the
send; where a row says so it is some milliseconds away. `loop` is a plain loop of ten million additions at that
moment, to compare machines and busy moments by.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from policy_gate import SERVER, a_database_of_its_own, heading, row
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from agents.sending import Approved
from agents.writer import Live, OrderWriter
from domain.candle import Candle, Quote
from domain.clock import TickClock
from domain.decision import Proposal, Ticket
from domain.digest import canonical, digest
from domain.effects import Unrecorded
from domain.instrument import Instrument
from domain.order import Fill, OrderReport, OrderRequest, OrderState
from domain.statement import KeyRights, Statement, Trade, Transfer
from domain.venue import Outcome
from graphs import policy_in_effect
from graphs.account.books import Books
from graphs.account.survey import Look, evidence
from memory import Admission, Database, Ledger
from policy.account import Arming

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
BTC = "BTC/USDT"
SEVERAL = tuple(f"{base}/USDT" for base in ("BTC", "ETH", "SOL", "XRP", "ADA"))
INSTRUMENTS = {
    symbol: Instrument(symbol=symbol, kind="spot", tick_size=Decimal("0.01"), lot_size=Decimal("0.0001"))
    for symbol in SEVERAL
}
QUOTE = Quote(symbol=BTC, bid=Decimal("99.98"), ask=Decimal("100.02"), at=NOW)
SENDS = 300
AT_ONCE = 20
OPEN = 1_000
SEND_MS = 5.0
ROUNDS = 40
AWAY_S = 0.02


@dataclass
class PromptVenue:
    """Takes every order, fills what it is told to, and answers at once, or from `away_s` away."""

    resends: bool = False
    away_s: float = 0
    batch: int = 20
    reached: dict[str, float] = field(default_factory=dict)
    """When each order arrived, by `time.perf_counter`."""
    orders: dict[str, OrderRequest] = field(default_factory=dict)

    async def instruments(self) -> Mapping[str, Instrument]:
        return INSTRUMENTS

    async def candles(self, symbol: str, *, limit: int, until: datetime) -> Sequence[Candle]:
        return ()

    async def quote(self, symbol: str) -> Quote:
        await self._way()
        return QUOTE.model_copy(update={"symbol": symbol})

    async def time(self) -> datetime | None:
        return NOW

    async def _way(self) -> None:
        if self.away_s:
            await asyncio.sleep(self.away_s)

    async def submit_all(self, orders: Sequence[tuple[OrderRequest, Ticket]]) -> Sequence[Outcome]:
        await self._way()
        return [self._take(order) for order, _ in orders]

    async def submit(self, order: OrderRequest, ticket: Ticket) -> OrderReport:
        await self._way()
        return self._take(order)

    def _take(self, order: OrderRequest) -> OrderReport:
        self.reached[order.client_order_id] = time.perf_counter()
        self.orders[order.client_order_id] = order
        return self._report(order, OrderState.WORKING)

    async def find(self, client_order_id: str, symbol: str, sent_at: datetime | None = None) -> OrderReport | None:
        order = self.orders.get(client_order_id)
        return None if order is None else self._report(order, OrderState.FILLED)

    async def open_orders(self) -> Sequence[OrderReport]:
        return ()

    async def trades(self, symbol: str, *, since: datetime) -> Sequence[Trade]:
        fills = [self._fill(order) for order in self.orders.values()]
        return [
            Trade(
                trade_id=f.trade_id,
                venue_order_id=f.client_order_id,
                client_order_id=f.client_order_id,
                symbol=f.symbol,
                side=f.side,
                quantity=f.quantity,
                price=f.price,
                at=f.at,
            )
            for f in fills
        ]

    async def transfers(self, *, since: datetime) -> Sequence[Transfer] | None:
        return ()

    async def statement(self) -> Statement:
        bought = sum((order.quantity for order in self.orders.values()), Decimal(0))
        return Statement(at=NOW, balances={"BTC": bought, "USDT": Decimal(10**9) - bought * 100})

    async def rights(self) -> KeyRights:
        return KeyRights(account="bench", trade=True, withdraw=False)

    def _fill(self, order: OrderRequest) -> Fill:
        return Fill(
            trade_id=f"t{order.client_order_id}",
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            quantity=order.quantity,
            price=Decimal(100),
            at=NOW,
        )

    def _report(self, order: OrderRequest, state: OrderState) -> OrderReport:
        fills = (self._fill(order),) if state is OrderState.FILLED else ()
        return OrderReport(
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            state=state,
            filled=order.quantity if fills else Decimal(0),
            fills=fills,
            at=NOW,
            venue_order_id=f"v{order.client_order_id}",
            evidence="by id",
        )


def a_proposal(n: int, symbol: str = BTC) -> Proposal:
    return Proposal(
        cycle=1,
        as_of=NOW,
        agent="risk",
        symbol=symbol,
        side="buy",
        type="limit",
        quantity=Decimal("0.01"),
        limit_price=Decimal(100),
        stop_price=Decimal(90),
        rationale=f"entry {n}",
    )


def an_admission(n: int, symbol: str = BTC) -> Admission:
    proposal = a_proposal(n, symbol)
    order, verdict = proposal.order(), digest(["verdict", n, symbol])
    ticket = Ticket(
        id=f"t{verdict[:20]}",
        client_order_id=order.client_order_id,
        order_digest=order.digest,
        verdict_digest=verdict,
        issued_at=NOW,
        expires_at=LATER,
        seal="of the benchmark",
    )
    return Admission(
        proposal=proposal,
        verdict_body=canonical({"verdict": n}),
        verdict_digest=verdict,
        outcome="allow",
        facts_body=canonical({"facts": n}),
        ticket=ticket,
    )


async def a_ledger(database: Database, name: str) -> Ledger:
    ledger = Ledger(database, account=name, run_id=name)
    await ledger.open(currency="USDT", start_cash=Decimal(10**9))
    return ledger


async def admitted(ledger: Ledger, admissions: Sequence[Admission]) -> None:
    async with ledger.gate(cycle=1, at=NOW) as books:
        await books.keep(admissions)


def a_writer(ledger: Ledger, venue: PromptVenue, name: str, *, batch: int = 1) -> OrderWriter:
    async def armed() -> Arming | None:
        return Arming(by="bench", until=LATER)

    return OrderWriter(
        venue=venue,  # type: ignore[arg-type]
        ledger=ledger,
        effects=Unrecorded(TickClock(NOW)),
        run_id=name,
        cycle=1,
        policy=policy_in_effect(None),
        instruments=INSTRUMENTS,
        brake=lambda: "",
        live=Live(armed=armed, sleep=asyncio.sleep, batch=batch),
    )


async def intents(database: Database) -> None:
    """Reservation and ticket committed one by one, and twenty in one transaction, as the gate of one cycle does."""
    ledger = await a_ledger(database, "intents")
    began = time.perf_counter()
    for n in range(SENDS):
        await admitted(ledger, [an_admission(n)])
    alone = SENDS / (time.perf_counter() - began)
    began = time.perf_counter()
    for n in range(0, SENDS, AT_ONCE):
        await admitted(ledger, [an_admission(SENDS + n + k) for k in range(AT_ONCE)])
    together = SENDS / (time.perf_counter() - began)
    print(f"  {'durable intents a second, one a commit':52}{alone:8.0f}")
    print(f"  {f'durable intents a second, {AT_ONCE} a commit':52}{together:8.0f}")


async def sends(database: Database) -> None:
    """From the moment that the writer has the ticket to the moment that the venue has the order."""
    ledger, venue = await a_ledger(database, "sends"), PromptVenue()
    spent: list[float] = []
    for n in range(SENDS):
        admission = an_admission(n)
        assert admission.ticket is not None
        await admitted(ledger, [admission])
        order, writer = admission.proposal.order(), a_writer(ledger, venue, "sends")
        began = time.perf_counter()
        await writer.send(order, admission.ticket, judged=QUOTE)
        spent.append((venue.reached[order.client_order_id] - began) * 1_000)
        await ledger.record(venue._report(order, OrderState.FILLED), cycle=1)
    row("from the ticket to the send", spent, unit="ms")
    p99 = statistics.quantiles(spent, n=100)[-1]
    print(f"  {'  p99 against its target':52}{p99 / SEND_MS:8.2f} of {SEND_MS} ms")


async def together(database: Database, *, batch: int) -> None:
    """From the moment that the writer has the tickets of several entries to the moment that the venue has the last."""
    name = f"batches of {batch}"
    ledger, venue = await a_ledger(database, name), PromptVenue(away_s=AWAY_S)
    spent: list[float] = []
    for n in range(ROUNDS):
        admissions = [an_admission(n, symbol) for symbol in SEVERAL]
        await admitted(ledger, admissions)
        given = [(a.proposal.order(), a.ticket) for a in admissions if a.ticket is not None]
        approved = [Approved(order=order, ticket=ticket, judged=QUOTE) for order, ticket in given]
        writer = a_writer(ledger, venue, name, batch=batch)
        began = time.perf_counter()
        reports = await writer.send_all(approved)
        spent.append((max(venue.reached[each.order.client_order_id] for each in approved) - began) * 1_000)
        if any(report.state is not OrderState.WORKING for report in reports):
            raise SystemExit(f"an order was not sent, and the figures mean nothing: {reports}")
        await ledger.record_all([venue._report(each.order, OrderState.FILLED) for each in approved], cycle=1)
    how = "in one request" if batch > 1 else "one by one"
    row(f"{len(SEVERAL)} entries, venue {AWAY_S * 1_000:.0f} ms away, {how}", spent, unit="ms")


async def recovery(database: Database) -> None:
    """A start that finds a thousand orders open, all filled meanwhile: asked about, booked, and proven."""
    ledger, venue = await a_ledger(database, "recovery"), PromptVenue()
    admissions = [an_admission(n) for n in range(OPEN)]
    for n in range(0, OPEN, AT_ONCE):
        await admitted(ledger, admissions[n : n + AT_ONCE])
    writer = a_writer(ledger, venue, "recovery")
    for admission in admissions:
        assert admission.ticket is not None
        await writer.send(admission.proposal.order(), admission.ticket, judged=QUOTE)
    began = time.perf_counter()
    held = await ledger.portfolio(marks={}, as_of=NOW)
    found = await evidence(
        Look(
            venue=venue,  # type: ignore[arg-type]
            known=ledger,
            books=Books(
                currency="USDT",
                cash=held.cash,
                positions=held.positions,
                holdings=await ledger.holdings(),
                instruments=INSTRUMENTS,
            ),
            opened_at=NOW - timedelta(hours=1),
            since=NOW - timedelta(hours=1),
            at=NOW,
            wide=True,
        )
    )
    await ledger.record_all(found.reports, cycle=2)
    await ledger.book_external(found.events, cycle=2)
    took = time.perf_counter() - began
    await ledger.check()
    if not found.proven or len(found.reports) != OPEN or await ledger.orders(working_only=True):
        raise SystemExit(f"the account was not recovered, and the figures mean nothing: {found.differences}")
    print(f"  {f'recovery of {OPEN:,} open orders':52}{took:8.2f} s, our own part")


async def measure(name: str, url: str) -> None:
    heading(f"orders on {name}: by the clock")
    async with await Database.open(url) as database:
        await intents(database)
        await sends(database)
        await together(database, batch=1)
        await together(database, batch=20)
        await recovery(database)


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        await measure("SQLite, a file", f"sqlite:///{Path(folder) / 'agentctl.db'}")
    server = make_url(SERVER)
    try:
        async with a_database_of_its_own(server) as url:
            await measure("PostgreSQL", url)
    except (OSError, SQLAlchemyError) as error:
        print(f"  PostgreSQL: skipped, none at {server.render_as_string()} ({type(error).__name__})")


if __name__ == "__main__":
    asyncio.run(main())
