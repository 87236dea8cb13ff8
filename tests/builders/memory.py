"""Runs, proposals, tickets and reports with good defaults, for tests of what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.decision import Decision, Proposal, Ticket
from domain.digest import canonical, digest
from domain.effects import Unrecorded
from domain.errors import TicketRefused
from domain.money import ZERO
from domain.order import Fill, OrderReport, OrderRequest, OrderState
from domain.statement import ExternalEvent, adoption
from memory import (
    Admission,
    Approval,
    Approvals,
    Archive,
    Controls,
    CycleRecord,
    Database,
    Figures,
    Ledger,
    RunHeader,
    Tape,
)
from memory.operators.approvals import approval_id

START = datetime(2025, 1, 1, tzinfo=UTC)


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


FIRST = at(5)
"""When the first cycle judges and sends."""


def a_header(**over: Any) -> RunHeader:
    return RunHeader(
        **{
            "run_id": "r1",
            "graph": "trading",
            "market": "sim",
            "model": "rules",
            "mode": "paper",
            "seed": 7,
            "symbols": ("BTC/USDT",),
            "timeframe": "5m",
            "currency": "USDT",
            "start_cash": Decimal(10_000),
            "policy_digest": digest("policy"),
            "settings": "{}",
            "version": "0.1.0",
            "planned_cycles": 2,
            "created_at": START,
        }
        | over
    )


def some_figures(**over: Any) -> Figures:
    base = {"cash": Decimal(10_000), "equity": Decimal(10_000), "realized": ZERO, "unrealized": ZERO, "fees": ZERO}
    return Figures(**base | over)


def a_cycle(cycle: int = 1, **over: Any) -> CycleRecord:
    return CycleRecord(
        **{
            "cycle": cycle,
            "as_of": at(5 * cycle),
            "decisions": (
                Decision(
                    cycle=cycle,
                    symbol="BTC/USDT",
                    stance="hold",
                    conviction=Decimal("0.5"),
                    outcome="hold",
                    reasons=("no trend",),
                ),
            ),
            "figures": some_figures(),
            "tokens": 12,
        }
        | over
    )


def a_proposal(**over: Any) -> Proposal:
    return Proposal(
        **{
            "cycle": 1,
            "as_of": at(5),
            "agent": "risk",
            "symbol": "BTC/USDT",
            "side": "buy",
            "type": "market",
            "quantity": Decimal(2),
            "stop_price": Decimal(90),
            "target_price": Decimal(120),
        }
        | over
    )


def a_ticket(proposal: Proposal, *, verdict_digest: str, **over: Any) -> Ticket:
    order = proposal.order()
    return Ticket(
        **{
            "id": "t" + verdict_digest[:20],
            "client_order_id": order.client_order_id,
            "order_digest": order.digest,
            "verdict_digest": verdict_digest,
            "issued_at": proposal.as_of,
            "expires_at": proposal.as_of + timedelta(minutes=5),
            "seal": "seal",
        }
        | over
    )


def an_admission(proposal: Proposal | None = None, *, outcome: str = "allow", **over: Any) -> Admission:
    proposal = proposal or a_proposal()
    verdict = {"outcome": outcome, "proposal": proposal.digest}
    verdict_digest = digest(verdict)
    return Admission(
        **{
            "proposal": proposal,
            "verdict_body": canonical(verdict),
            "verdict_digest": verdict_digest,
            "outcome": outcome,
            "facts_body": canonical({"as_of": proposal.as_of}),
            "ticket": a_ticket(proposal, verdict_digest=verdict_digest) if outcome == "allow" else None,
        }
        | over
    )


def a_fill(proposal: Proposal, **over: Any) -> Fill:
    order = proposal.order()
    return Fill(
        **{
            "trade_id": f"{order.client_order_id}-1",
            "client_order_id": order.client_order_id,
            "symbol": order.symbol,
            "side": order.side,
            "quantity": order.quantity,
            "price": Decimal(100),
            "fee": Decimal("0.2"),
            "at": proposal.as_of + timedelta(minutes=1),
        }
        | over
    )


def a_report(
    proposal: Proposal, *, state: OrderState = OrderState.WORKING, fills: Sequence[Fill] = (), **over: Any
) -> OrderReport:
    return OrderReport(
        **{
            "client_order_id": proposal.client_order_id,
            "symbol": proposal.symbol,
            "state": state,
            "filled": sum((fill.quantity for fill in fills), ZERO),
            "fills": tuple(fills),
            "at": proposal.as_of + timedelta(minutes=1),
        }
        | over
    )


async def admit(ledger: Ledger, *admissions: Admission, cycle: int = 1, at: datetime = FIRST) -> None:
    """What the gate decided, written as the gate does."""
    async with ledger.gate(cycle=cycle, at=at) as held:
        await held.keep(admissions)


async def claim(
    ledger: Ledger,
    ticket: Ticket | None,
    *,
    order: OrderRequest | None = None,
    cycle: int = 1,
    at: datetime = FIRST,
    reducing: bool = False,
) -> bool:
    """Take the right to send, as the order writer does. Raises `TicketRefused` with the ledger's reason.

    The order is the one that the ledger has, unless it is given.
    """
    assert ticket is not None
    order = order or (await ledger.order(ticket.client_order_id)).request
    effects = Unrecorded(Watch())
    (said,) = await ledger.claim([(order, ticket)], cycle=cycle, at=at, reducing=reducing, effects=effects)
    if isinstance(said, str):
        raise TicketRefused(said)
    return said


def a_question(admission: Admission, **over: Any) -> Approval:
    order = admission.proposal.order()
    return Approval(
        **{
            "id": approval_id(admission.verdict_digest, run_id="r1"),
            "account": "r1",
            "run_id": "r1",
            "cycle": admission.proposal.cycle,
            "client_order_id": order.client_order_id,
            "order_digest": order.digest,
            "verdict": admission.verdict_digest,
            "codes": ("CONVICTION",),
            "requested_at": START,
            "expires_at": at(15),
        }
        | over
    )


def an_event(id: str = "transfer:1", **over: Any) -> ExternalEvent:
    """A deposit of coins, unless it is said otherwise."""
    return ExternalEvent(
        **{"id": id, "kind": "transfer", "asset": "ETH", "quantity": Decimal(3), "at": at(4)} | over,
    )


async def trade(ledger: Ledger, proposal: Proposal, *, price: str = "100", fee: str = "0.2") -> Fill:
    """One order from the gate to its whole fill, in the proposal's cycle."""
    admission = an_admission(proposal)
    assert admission.ticket is not None
    fill = a_fill(proposal, price=Decimal(price), fee=Decimal(fee))
    await admit(ledger, admission, cycle=proposal.cycle, at=proposal.as_of)
    assert await claim(ledger, admission.ticket, cycle=proposal.cycle, at=proposal.as_of)
    await ledger.record(a_report(proposal, state=OrderState.FILLED, fills=[fill]), cycle=proposal.cycle)
    return fill


TAKEN_OVER: dict[str, Any] = {"quantity": Decimal(1), "price": Decimal(2_000), "id": "adoption:1", "at": at(4)}


class Watch:
    """A clock for tests: five minutes a cycle."""

    def __init__(self, cycle: int = 1) -> None:
        self.cycle = cycle

    def now(self) -> datetime:
        return at(5 * self.cycle)


async def a_small_run(database: Database, *, run_id: str = "r1") -> None:
    """Two cycles that leave a row in every table: a trade that opens and closes, and one that is refused.

    A person deposited coins, had the desk take some over, answered a question and halted the account, and an agent
    was stopped.
    """
    from pydantic import TypeAdapter

    archive, tape = Archive(database), Tape(database, run_id=run_id)
    ledger = Ledger(database, account=run_id, run_id=run_id)
    await archive.begin_run(a_header(run_id=run_id))
    await ledger.open(currency="USDT", start_cash=Decimal(10_000))
    await ledger.book_external([an_event(), adoption("ETH", **TAKEN_OVER)], cycle=1)
    for cycle, side in ((1, "buy"), (2, "sell")):

        async def quote() -> dict[str, str]:
            return {"bid": "99", "ask": "101"}

        await tape.begin_cycle(cycle)
        effects = tape.effects(cycle=cycle, node="research", subject="BTC/USDT", clock=Watch(cycle))
        effects.now()
        await effects.once("tool:quote", {"symbol": "BTC/USDT"}, returns=TypeAdapter(dict[str, str]), perform=quote)
        text = archive.note_blob(f"an item of cycle {cycle}")
        archive.note_snapshot(
            run_id,
            cycle=cycle,
            subject="BTC/USDT",
            id=digest(["snapshot", cycle]),
            previous=None,
            body={"cycle": cycle, "items": [text]},
            blobs=[text],
        )
        archive.note_step(run_id, cycle=cycle, node="research", subject="BTC/USDT", value={"stance": side})
        await trade(
            ledger, a_proposal(cycle=cycle, as_of=at(5 * cycle), side=side), price="100" if cycle == 1 else "110"
        )
        refused = a_proposal(cycle=cycle, as_of=at(5 * cycle), quantity=Decimal(50))
        await admit(ledger, an_admission(refused, outcome="deny"), cycle=cycle, at=at(5 * cycle))
        for n, episode in enumerate(await ledger.closed_trades(cycle=cycle)):
            archive.note_episode(run_id, cycle=cycle, n=n, episode=episode)
        await archive.close_cycle(run_id, a_cycle(cycle), timings={"signal": 0.01})
        tape.end_cycle()
    await oversee(database, ledger, run_id=run_id)
    await archive.end_run(run_id, "finished", at=at(60))


async def oversee(database: Database, ledger: Ledger, *, run_id: str) -> None:
    """An act of each sort: a yes, an agent that is stopped, and a halt."""
    asked = a_question(an_admission(outcome="review"), id=f"q{digest(run_id)[:15]}", account=run_id, run_id=run_id)
    async with ledger.gate(cycle=2, at=at(10)) as held:
        await held.ask([asked])
        await held.latch(agent="risk", symbol="BTC/USDT", code="REPEATED_EXECUTION")
    await Approvals(database).decide(asked.id, approve=True, by="Ada", reason="I looked at it", at=at(11))
    await Controls(database).halt(scope=run_id, level="halt", by="Ada", reason="enough for today", at=at(12))
