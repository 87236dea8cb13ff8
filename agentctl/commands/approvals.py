"""`agentctl approvals`: what the gate asks a person, and the answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from agentctl.archive import reading, wait
from agentctl.output import print_json, print_table
from agentctl.person import named
from agentctl.question import Question, open_question, order_in_words, standing, when
from agentctl.question_view import show_question
from domain.errors import Refused
from domain.text import visible
from memory.archive.archive import Archive
from memory.operators.approvals import Approval, Approvals
from memory.operators.audit_log import Acts, required
from memory.store.database import Database
from memory.store.records import RunRecord

_ANSWERS = frozenset({"approve", "reject"})
_LOOK_BACK = 1_000
"""Acts among which answers are looked for."""


def list_approvals(*, everything: bool, db: str | None, as_json: bool) -> None:
    """Those that wait for an answer; with `everything` also those that were answered or have expired."""
    now = datetime.now(UTC)

    async def work() -> list[Question]:
        async with reading(db) as database:
            requests = await _requests(database, everything=everything)
            open_ones = [a for a in requests if everything or standing(a, at=now) == "pending"]
            return [await open_question(approval, database=database) for approval in open_ones]

    questions = wait(work())
    if as_json:
        return print_json([_document(question, at=now) for question in questions])
    if not questions:
        return print("there are no questions" if everything else "no order waits for a person")
    rows = [
        (
            q.approval.id,
            q.approval.run_id,
            str(q.approval.cycle),
            order_in_words(q.order),
            ", ".join(q.approval.codes),
            standing(q.approval, at=now),
            when(q.approval.expires_at),
        )
        for q in questions
    ]
    columns = ("approval", "run", "cycle", "order", "asked by", "status", "expires")
    return print_table("approvals", columns, rows, right=("cycle",))


def show_approval(id: str, *, db: str | None, as_json: bool) -> None:
    """Print one question whole: the exact order, and all that was found against it."""

    async def work() -> Question:
        async with reading(db) as database:
            return await open_question(await Approvals(database).get(id), database=database)

    question, now = wait(work()), datetime.now(UTC)
    if as_json:
        print_json(_document(question, at=now))
    else:
        show_question(question, at=now)


def answer(id: str, *, approve: bool, by: str | None, reason: str, db: str | None, as_json: bool) -> None:
    """Answer once. Raises `Refused` for what was answered or has expired, or is not what was asked about."""
    now, who, why = datetime.now(UTC), named(by), required(reason, name="reason")

    async def work() -> tuple[Question, list[Approval]]:
        async with reading(db) as database:
            approvals = Approvals(database)
            question = await open_question(await approvals.get(id), database=database)
            _require_open(question.approval, await Archive(database).run(question.approval.run_id), at=now)
            answered = await approvals.decide(question.approval.id, approve=approve, by=who, reason=why, at=now)
            rest = [a for a in await approvals.pending() if a.run_id == answered.run_id and now < a.expires_at]
            return question.model_copy(update={"approval": answered}), rest

    question, rest = wait(work())
    if as_json:
        return print_json(_document(question, at=now))
    approval = question.approval
    print(f"{approval.id} was {approval.status} by {approval.by}: {approval.reason}")
    if approve:
        print(f"the order, and no other: {order_in_words(question.order)} (digest {approval.order_digest[:12]})")
        print(f"the gate judges it again when the run goes on, and may still refuse; leave ends {_end(approval)}")
    else:
        print(f"nothing is sent: {order_in_words(question.order)}")
    if rest:
        print(f"the run waits for more: {', '.join(other.id for other in rest)}")
    return print(f"next: agentctl run --resume {approval.run_id}")


def _require_open(approval: Approval, run: RunRecord, *, at: datetime) -> None:
    """Raises `Refused` for a question of a cycle that is closed, as one that another version began."""
    if approval.cycle < run.cycles and standing(approval, at=at) == "pending":
        raise Refused(
            f"{approval.id} is about an order of cycle {approval.cycle}, which is closed: it is not sent any more",
            remedy="A later cycle decides anew, and asks again where the policy says so",
        )


async def waiting_questions(database: Database, run_id: str, *, at: datetime) -> tuple[Question, ...]:
    """What a run that waits for a person waits for."""
    pending = [a for a in await Approvals(database).pending() if a.run_id == run_id and at < a.expires_at]
    return tuple([await open_question(approval, database=database) for approval in pending])


def asked_in_words(question: Question) -> str:
    """One question in one line."""
    approval = question.approval
    return f"{approval.id}: {order_in_words(question.order)} ({', '.join(approval.codes)}), until {_end(approval)}"


def _end(approval: Approval) -> str:
    return when(approval.expires_at)


async def _requests(database: Database, *, everything: bool) -> Sequence[Approval]:
    """The unanswered questions, and with `everything` those that were answered lately; the oldest first."""
    approvals = Approvals(database)
    requests = list(await approvals.pending())
    if everything:
        acts = await Acts(database).all(limit=_LOOK_BACK)
        requests += await approvals.of([json.loads(act.body)["approval"] for act in acts if act.kind in _ANSWERS])
    return sorted(requests, key=lambda approval: (approval.requested_at, approval.id))


def _document(question: Question, *, at: datetime) -> dict[str, object]:
    approval, proposal = question.approval, question.proposal
    return {
        **approval.model_dump(),
        "status": standing(approval, at=at),
        "order": question.order,
        "in_words": order_in_words(question.order),
        "currency": question.currency,
        "worst_price": question.worst_price,
        "notional": question.notional,
        "stop_price": proposal.stop_price,
        "target_price": proposal.target_price,
        "agent": proposal.agent,
        "conviction": proposal.conviction,
        "snapshot": proposal.snapshot,
        "asking": question.asking,
        "near": question.near,
        "untrusted_rationale": visible(proposal.rationale),
    }
