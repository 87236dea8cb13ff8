"""Entrants that come to the gate of one account at once: each a run of its own, with the real engine."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

from builders.memory import claim
from builders.policy import BTC, NOW, a_policy, a_proposal, an_instrument, some_facts
from domain.digest import canonical
from memory import Admission, Database, Ledger
from policy import PolicyEngine, TicketOffice, Verdict, WorkingOrder

ACCOUNT = "shared"
POLICY = a_policy(
    exposure={"gross_share_of_equity": "0.1"},
    order_rate={"window_s": 60, "per_symbol": 1_000, "in_all": 1_000},
    repetition={"entries": 1_000, "window_s": 60},
)
"""A cap of 10 % of the equity, and nothing else in the way of small entries."""


async def enter(database: Database, n: int) -> Verdict:
    """Entrant `n` proposes its 5 %, is judged upon what stands, and takes the right to send when it may."""
    ledger = Ledger(database, account=ACCOUNT, run_id=f"r{n}")
    await ledger.open(currency="USDT", start_cash=Decimal(10_000))
    proposal = a_proposal(limit_price=100 - n * Decimal("0.001"))  # no two are alike, which would be refused
    office = TicketOffice(b"k" * 32, ttl_s=60)
    async with ledger.gate(cycle=1, at=NOW) as held:
        standing = await held.standing(sent_since=NOW - timedelta(minutes=1))
        await asyncio.sleep(0)  # whoever could come in between, would
        facts = some_facts(
            trading_state=standing.control.state,
            working=tuple(
                WorkingOrder.of(o.request, state=o.state, filled=o.filled, stop_price=o.stop_price)
                for o in standing.working
            ),
            sent=standing.sent,
            instruments={BTC: an_instrument(tick_size="0.001")},
        )
        verdict, ticket = office.judge(proposal, facts, engine=PolicyEngine(POLICY))
        admission = Admission(
            proposal=proposal,
            verdict_body=canonical(verdict),
            verdict_digest=verdict.digest,
            outcome=verdict.outcome,
            facts_body=canonical(facts),
            ticket=ticket,
        )
        await held.keep([admission])
    if ticket is not None:
        assert await claim(ledger, ticket, at=NOW)
    return verdict


async def enter_all(url: str, first: int, count: int) -> list[Verdict]:
    """Entrants `first`, `first` + 1, ... at once, each with a database connection of its own."""

    async def one(n: int) -> Verdict:
        async with await Database.open(url) as database:
            return await enter(database, n)

    return list(await asyncio.gather(*(one(n) for n in range(first, first + count))))
