"""The gate: every proposal is judged by the pure engine, and what it allows is made durable in one transaction.

Not an agent, and no model. This is the only place where tickets come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter

from agents.desk import Desk
from agents.execution import Approved
from domain.candle import Quote
from domain.decision import Proposal
from domain.digest import canonical
from domain.order import OrderState
from graphs.cycle import Cycle
from memory.admission import Admission
from memory.ledger import TradingState
from policy import Facts, Verdict, WorkingOrder
from tools.quotes import QuoteParams, quote

_STATE: Final[TypeAdapter[TradingState]] = TypeAdapter(TradingState)
"""An effect: a person may change it at any time."""


@dataclass(frozen=True, slots=True)
class Judgement:
    verdicts: tuple[Verdict, ...]
    approved: tuple[Approved, ...]


async def gate(proposals: Sequence[Proposal], cycle: Cycle) -> Judgement:
    """Judge proposals in their order, each with those allowed before it counted as working orders."""
    session = cycle.session
    desk = cycle.desk("gate")
    facts = await picture({p.symbol for p in proposals} | {o.request.symbol for o in cycle.working}, cycle, desk)
    admissions: list[Admission] = []
    verdicts: list[Verdict] = []
    approved: list[Approved] = []
    for proposal in proposals:
        seen = facts.about(proposal)
        verdict = session.engine.evaluate(proposal, seen)
        ticket = None
        if verdict.outcome == "allow":
            order = proposal.order()
            ticket = session.office.issue(verdict, order, now=facts.now)
            approved.append(Approved(order=order, ticket=ticket))
            facts = facts.with_working(WorkingOrder.of(order, state=OrderState.APPROVED))
        verdicts.append(verdict)
        admissions.append(
            Admission(
                proposal=proposal,
                verdict_body=canonical(verdict),
                verdict_digest=verdict.digest,
                outcome=verdict.outcome,
                facts_body=canonical(seen),
                ticket=ticket,
            )
        )
    if admissions:
        await session.ledger.admit(admissions, cycle=cycle.number, at=facts.now)
    return Judgement(tuple(verdicts), tuple(approved))


async def picture(symbols: set[str], cycle: Cycle, desk: Desk) -> Facts:
    """All that the engine may know in this cycle. What is missing stays missing."""
    session = cycle.session
    now = desk.effects.now()
    state = await desk.effects.once("trading_state", None, returns=_STATE, perform=session.ledger.trading_state)
    quotes = {}
    for symbol in sorted(symbols):
        read = await desk.tools.call(quote, QuoteParams(symbol=symbol))
        if read.value is not None:
            seen = read.value
            quotes[symbol] = Quote(symbol=symbol, bid=seen.bid, ask=seen.ask, at=seen.at)
    return Facts(
        as_of=cycle.as_of,
        now=now,
        universe=session.universe,
        instruments=session.settings.instruments,
        quotes=quotes,
        portfolio=cycle.portfolio,
        working=tuple(WorkingOrder.of(o.request, state=o.state, filled=o.filled) for o in cycle.working),
        day_start_equity=await session.ledger.day_start_equity(cycle.as_of),
        trading_state=state,
    )
