"""A question to a person is answered once, in time, by name, and the answer is kept."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from sqlalchemy import update

from builders.memory import a_proposal, a_question, an_admission, at
from domain.errors import NotFound, Refused, UsageError
from memory import Acts, Approval, Approvals, Database, Ledger
from memory.operators.approvals import approval_id
from memory.store.schema import approvals


async def asked(database: Database, *questions: Approval) -> Approvals:
    ledger = Ledger(database, account="r1", run_id="r1")
    await ledger.open(currency="USDT", start_cash=Decimal(10_000))
    async with ledger.gate(cycle=1, at=at(5)) as held:
        await held.ask(questions)
    return Approvals(database)


def some_questions(count: int = 3) -> list[Approval]:
    proposals = [a_proposal(quantity=Decimal(n + 1)) for n in range(count)]
    return [
        a_question(an_admission(proposal, outcome="review"), requested_at=at(n), verdict=f"{n}" * 64, id=f"q{n}" * 2)
        for n, proposal in enumerate(proposals)
    ]


async def answer(desk: Approvals, id: str, *, approve: bool = True, minute: int = 6) -> Approval:
    return await desk.decide(id, approve=approve, by="Ada", reason="I looked at it", at=at(minute))


async def test_a_question_waits_until_it_is_answered(database: Database) -> None:
    first, second, third = some_questions()
    desk = await asked(database, third, first, second)
    assert await desk.pending() == (first, second, third)
    answered = await answer(desk, second.id)
    assert (answered.status, answered.by, answered.reason, answered.decided_at) == (
        "approved",
        "Ada",
        "I looked at it",
        at(6),
    )
    assert await desk.pending("r1") == (first, third)
    assert await desk.pending("r2") == ()
    assert await desk.consents(run_id="r1", cycle=1) == (first, answered, third)
    assert await desk.consents(run_id="r1", cycle=2) == ()
    assert await desk.of([third.id, second.id, "qnone"]) == (answered, third)
    (act,) = await Acts(database).all()
    assert (act.kind, act.scope, act.by) == ("approve", "r1", "Ada")
    assert second.id in act.body
    assert await Acts(database).faults() == ()


async def test_asked_again_it_is_the_same_question_also_when_it_was_answered(database: Database) -> None:
    (question,) = some_questions(1)
    desk = await asked(database, question)
    rejected = await answer(desk, question.id, approve=False)
    await asked(database, question.model_copy(update={"requested_at": at(2)}))
    assert await desk.get(question.id) == rejected
    assert rejected.status == "rejected"
    assert [act.kind for act in await Acts(database).all()] == ["reject"]


async def test_a_question_is_answered_once(database: Database) -> None:
    (question,) = some_questions(1)
    desk = await asked(database, question)
    answers = await asyncio.gather(*(answer(desk, question.id) for _ in range(3)), return_exceptions=True)
    refusals = [str(said) for said in answers if isinstance(said, Refused)]
    assert len(refusals) == 2
    assert "was approved by Ada" in refusals[0]
    assert len(await Acts(database).all()) == 1


async def test_from_its_expiry_on_a_question_is_a_no(database: Database) -> None:
    (question,) = some_questions(1)
    desk = await asked(database, question)
    with pytest.raises(Refused, match="expired"):
        await answer(desk, question.id, minute=15)
    assert await desk.get(question.id) == question
    assert (await answer(desk, question.id, minute=14)).status == "approved"


@pytest.mark.parametrize(("by", "reason"), [("", "why"), ("Ada", ""), ("\u200b", "why")])
async def test_who_answers_says_who_and_why(database: Database, by: str, reason: str) -> None:
    (question,) = some_questions(1)
    desk = await asked(database, question)
    with pytest.raises(UsageError, match="is empty"):
        await desk.decide(question.id, approve=True, by=by, reason=reason, at=at(6))
    assert await desk.pending() == (question,)


async def test_a_question_is_found_by_the_beginning_of_its_id(database: Database) -> None:
    desk = await asked(database, *some_questions())
    assert (await desk.get("q1")).id == "q1q1"
    assert (await answer(desk, "q2")).id == "q2q2"
    with pytest.raises(UsageError, match="q0q0, q1q1, q2q2"):
        await answer(desk, "q")
    with pytest.raises(NotFound, match="approval 'q9'"):
        await desk.get("q9")


async def test_a_question_that_was_changed_is_not_answered_and_not_believed(database: Database) -> None:
    (question,) = some_questions(1)
    desk = await asked(database, question)
    async with database.transaction() as connection:
        await connection.execute(update(approvals).values(order_digest="f" * 64))
    for reading in (answer(desk, question.id), desk.pending(), desk.consents(run_id="r1", cycle=1)):
        with pytest.raises(Refused, match="was changed since it was written"):
            await reading
    assert await Acts(database).all() == ()


def test_the_same_verdict_is_always_the_same_question_of_a_run_and_another_of_another_run() -> None:
    verdict = an_admission().verdict_digest
    assert approval_id(verdict, run_id="r1") == approval_id(verdict, run_id="r1")
    assert approval_id(verdict, run_id="r1") != approval_id(verdict, run_id="r2")
    assert len(approval_id(verdict, run_id="r1")) == 16
