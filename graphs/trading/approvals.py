"""Questions to a person about one order, and the answers that let a finding stand aside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from langgraph.types import interrupt
from pydantic import TypeAdapter

from domain.value import Instant, Value
from graphs.trading.cycle import Cycle
from memory.operators.approvals import Approval, approval_id
from policy import CHECKS, Policy, Verdict
from policy.account import Consent


class Answers(Value):
    """What was said to the questions of a cycle, as it stood `at` a moment of the wall."""

    said: tuple[Approval, ...]
    at: Instant


_ANSWERS: Final = TypeAdapter(Answers)
_WAIVABLE: Final = frozenset(check.code for check in CHECKS if check.waivable)


def asking(verdicts: Sequence[Verdict], policy: Policy) -> list[Verdict]:
    """Those about which a person is asked: nobody is, where nobody could make it an allow, as of what is unknown."""
    return [verdict for verdict in verdicts if verdict.order_digest is not None and _askable(verdict, policy)]


def _askable(verdict: Verdict, policy: Policy) -> bool:
    denied = [f for f in verdict.findings if f.outcome == "deny"]
    if denied:
        return policy.review.overrides and all(f.code in _WAIVABLE and not f.unknown for f in denied)
    return verdict.outcome == "review"


def question(verdict: Verdict, cycle: Cycle, *, at: datetime) -> Approval:
    """What a person is asked about `verdict`."""
    session = cycle.session
    if verdict.order_digest is None:
        raise ValueError(f"the verdict on {verdict.client_order_id} is on no order")
    return Approval(
        id=approval_id(verdict.digest, run_id=session.header.run_id),
        account=session.header.run_id,
        run_id=session.header.run_id,
        cycle=cycle.number,
        client_order_id=verdict.client_order_id,
        order_digest=verdict.order_digest,
        verdict=verdict.digest,
        codes=tuple(f.code for f in verdict.findings if f.outcome in ("review", "deny")),
        requested_at=at,
        expires_at=at + timedelta(seconds=session.settings.policy.review.ttl_s),
        status="pending",
    )


async def answers(verdicts: Sequence[Verdict], cycle: Cycle) -> tuple[Consent, ...]:
    """What people said to the questions of this cycle, as far as they said yes.

    While one is open, the graph is interrupted, and the step begins again when the run goes on. A question
    that expired unanswered is a no.
    """
    session = cycle.session
    run_id = session.header.run_id
    questions = {verdict.digest: verdict for verdict in asking(verdicts, session.settings.policy)}
    digests = sorted(questions)

    async def look() -> Answers:
        while True:
            approvals = await session.approvals.of([approval_id(verdict, run_id=run_id) for verdict in digests])
            now = session.wall.now()
            pending = [each.id for each in approvals if each.status == "pending" and now < each.expires_at]
            if not pending:
                return Answers(said=approvals, at=now)
            interrupt({"run": run_id, "cycle": cycle.number, "approvals": pending})

    effects = cycle.effects("review")
    responses = await effects.once("approvals", digests, returns=_ANSWERS, perform=look)
    now = effects.now()
    let_stand = [each for each in responses.said if each.status == "approved"]
    return tuple(
        _consent(each, questions[each.verdict], lasts=each.expires_at - responses.at, now=now) for each in let_stand
    )


def _consent(answer: Approval, verdict: Verdict, *, lasts: timedelta, now: datetime) -> Consent:
    """What a person let stand, with the numbers of the `verdict` that they were shown.

    People count by the wall, and the gate by the market: for as long as is left there.
    """
    return Consent(
        client_order_id=answer.client_order_id,
        order_digest=answer.order_digest,
        codes=frozenset(answer.codes),
        shown=tuple(f for f in verdict.findings if f.code in answer.codes),
        by=answer.by,
        reason=answer.reason,
        expires_at=now + lasts,
    )
