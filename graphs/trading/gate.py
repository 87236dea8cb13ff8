"""The gate: every proposal is judged by the pure engine, and what it allows is made durable in one transaction.

Not an agent, and no model. This is the only place where tickets come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter

from agents.sending import Approved
from domain.decision import Proposal, Thesis
from domain.digest import canonical
from domain.effects import Effects
from graphs.session.trading_day import day_start
from graphs.trading.approvals import asking, question
from graphs.trading.cycle import Cycle
from graphs.trading.facts import picture, sent_since, sights
from memory.ledger.gate_transaction import Admission, Admissions, Standing
from memory.operators.approvals import Approval
from policy import Facts, Verdict
from policy.account import Consent
from policy.readable import readable

_STANDING: Final = TypeAdapter(Standing)
"""An effect: other processes write to the same account, and a person may change its state at any time."""

_QUESTIONS: Final[TypeAdapter[tuple[Approval, ...]]] = TypeAdapter(tuple[Approval, ...])
_DONE: Final = TypeAdapter(bool)

LATCHING: Final = "REPEATED_EXECUTION"
FIRST: Final = "gate"
"""The look at a cycle's proposals. Only then a person may be asked."""
AGAIN: Final = "gate_again"
"""The look after a person has answered."""


@dataclass(frozen=True, slots=True)
class Judgement:
    verdicts: tuple[Verdict, ...]
    approved: tuple[Approved, ...]


async def gate(
    proposals: Sequence[Proposal],
    cycle: Cycle,
    *,
    node: str = FIRST,
    theses: Sequence[Thesis] = (),
    consents: tuple[Consent, ...] = (),
    look: int = 0,
) -> Judgement:
    """Judge proposals in their order, each with those allowed before it counted as working orders.

    The books are held from the reading of what stands to the writing of what was decided: of several
    processes on one account each sees what the others were allowed. `node` names the look, and `look`
    counts those of a cycle where a caller has others than the graph.
    """
    session = cycle.session
    policy = session.settings.policy
    desk = cycle.desk(node)
    positions = cycle.portfolio.positions if cycle.portfolio else {}
    reads = await sights(
        {readable(p)[0].symbol for p in proposals} | {o.request.symbol for o in cycle.working} | {*positions},
        cycle,
        desk,
    )
    async with session.ledger.gate(cycle=cycle.number, at=reads.now) as books:

        async def read() -> Standing:
            state = await books.standing(
                sent_since=sent_since(policy, now=reads.now), day_start=day_start(cycle.as_of, policy.day)
            )
            working = tuple([order.unnamed for order in state.working])
            return state.model_copy(update={"control": session.in_force(state.control), "working": working})

        standing = await desk.effects.once("ledger:standing", None, returns=_STANDING, perform=read)
        facts = picture(reads, standing, theses=theses, consents=consents, cycle=cycle)
        return await _judged(proposals, facts, books, cycle, effects=desk.effects, node=node, look=look)


async def _judged(
    proposals: Sequence[Proposal],
    facts: Facts,
    books: Admissions,
    cycle: Cycle,
    *,
    effects: Effects,
    node: str,
    look: int,
) -> Judgement:
    session = cycle.session
    admissions: list[Admission] = []
    verdicts: list[Verdict] = []
    approved: list[Approved] = []
    for original in proposals:
        proposal, _ = readable(original)
        near = facts.about(proposal)
        verdict, ticket = session.office.judge(original, near, engine=session.engine)
        if ticket is not None:
            order = proposal.order()
            released = tuple(o for o in cycle.working if o.client_order_id in proposal.releases)
            approved.append(Approved(order=order, ticket=ticket, judged=near.quotes[order.symbol], releases=released))
            facts = facts.after(proposal)
        elif any(f.code == LATCHING and f.outcome == "deny" and f.observed is not None for f in verdict.findings):
            await _stop(proposal, books, effects)
        verdicts.append(verdict)
        admissions.append(
            Admission(
                proposal=proposal,
                verdict_body=canonical(verdict),
                verdict_digest=verdict.digest,
                outcome=verdict.outcome,
                facts_body=canonical(near),
                ticket=ticket,
                n=look or int(node == AGAIN),
            )
        )
    if admissions:
        await books.keep(admissions)
    if node == FIRST and (doubted := asking(verdicts, session.settings.policy)):
        await _ask(doubted, books, cycle, effects)
    return Judgement(tuple(verdicts), tuple(approved))


# What people are asked, and what is done in their place, is done once: a step that runs again, or is played
# back, neither asks about an order again nor stops an agent that was re-armed since.


async def _ask(doubted: Sequence[Verdict], books: Admissions, cycle: Cycle, effects: Effects) -> None:
    async def put() -> tuple[Approval, ...]:
        at = cycle.session.wall.now()
        questions = tuple(question(verdict, cycle, at=at) for verdict in doubted)
        await books.ask(questions)
        return questions

    await effects.once("ask", [verdict.digest for verdict in doubted], returns=_QUESTIONS, perform=put)


async def _stop(proposal: Proposal, books: Admissions, effects: Effects) -> None:
    agent, symbol = proposal.agent, proposal.symbol

    async def latch() -> bool:
        await books.latch(agent=agent, symbol=symbol, code=LATCHING)
        return True

    await effects.once("latch", {"agent": agent, "symbol": symbol}, returns=_DONE, perform=latch)
