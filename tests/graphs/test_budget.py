"""A budget that stops questions: reserved before, settled after, kept where nobody told the cost."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TypeVar

import pytest
from pydantic import BaseModel

from agents.model import Completion, Meter, Spend, completion_of
from builders.models import a_prompt
from builders.sessions import a_cycle, a_session
from builders.tools import START
from context.synthesis import Synthesis
from context.tokenizer import Tokenizer, Utf8Bytes
from domain.clock import TickClock
from domain.decision import Opinion
from domain.effects import Unrecorded
from domain.errors import ReplayDiverged
from graphs.trading.budget import Budget, Reservation
from policy.limits.conduct import BudgetLimits

T = TypeVar("T", bound=BaseModel)
ONE = Spend(tokens=1_000, usd=Decimal(1))


class Priced:
    """A model that may cost a dollar a question, and answers when it is let."""

    name = "priced"
    paid = True
    attempts = 3

    def __init__(self, *, lost: int = 0) -> None:
        self.asked = 0
        self.answer_now = asyncio.Event()
        self._lost = lost

    @property
    def tokenizer(self) -> Tokenizer:
        return Utf8Bytes()

    def most(self, prompt: Synthesis) -> Spend:
        return ONE

    async def ask(self, prompt: Synthesis, schema: type[T]) -> Completion[T]:
        raise AssertionError("it is asked within a budget")

    async def ask_within(self, prompt: Synthesis, schema: type[T], *, meter: Meter) -> Completion[T]:
        self.asked += 1
        await self.answer_now.wait()
        unsettled = Spend()
        for _ in range(self._lost):
            unsettled += ONE
            if meter.again(ONE):
                break
        return completion_of(schema)(model=self.name, failure="timeout: x", unsettled=unsettled)


def a_budget(used: Spend | None = None, *, now: Spend | None = None, **limits: object) -> Budget:
    async def before() -> Spend:
        await asyncio.sleep(0)
        return used or Spend()

    return Budget(BudgetLimits.model_validate(limits) if limits else None, before=before, now=lambda: now or Spend())


async def granted(budget: Budget, model: Priced | None = None) -> tuple[str, Reservation]:
    reservation = Reservation(budget, model or Priced(), a_prompt())
    return await reservation.granted(Unrecorded(TickClock(START))), reservation


async def test_questions_at_once_do_not_go_past_the_limit_together() -> None:
    budget = a_budget(Spend(tokens=5_000, usd=Decimal(6)), now=Spend(tokens=0, usd=Decimal("0.5")), usd=10)
    answers = await asyncio.gather(*(granted(budget) for _ in range(15)))
    assert [refusal for refusal, _ in answers if not refusal] == [""] * 3
    refusal = answers[-1][0]
    assert refusal == (
        "the model was not asked: that may take 1 USD, and 9.5 of the day's 10 USD of AGENT_BUDGET are used or reserved"
    )


async def test_what_is_settled_makes_room_again() -> None:
    budget = a_budget(usd=1)
    refusal, first = await granted(budget)
    assert (refusal, bool((await granted(budget))[0])) == ("", True)
    first.settle()
    assert (await granted(budget))[0] == ""


@pytest.mark.parametrize(
    ("limits", "used", "lets"),
    [
        ({"usd": 1}, Spend(), True),  # at the limit
        ({"usd": "0.99"}, Spend(), False),
        ({"tokens": 1_000}, Spend(), True),
        ({"tokens": 1_000}, Spend(tokens=1), False),
        ({"usd": 5, "tokens": 999}, Spend(), False),
        ({"usd": 0}, Spend(), False),
        ({"usd": "0.5", "on_breach": "warn"}, Spend(), True),
        ({"usd": "0.5", "on_breach": "review"}, Spend(), False),
        ({"usd": "0.5", "enabled": False}, Spend(), True),
        ({}, Spend(tokens=10**9), True),
        ({"usd": 1}, Spend(usd=None), True),  # entries are refused meanwhile
    ],
)
async def test_a_question_is_let_up_to_the_limit(limits: dict[str, object], used: Spend, lets: bool) -> None:
    refusal, _ = await granted(a_budget(used, **limits))
    assert (refusal == "") is lets


async def test_attempts_that_nobody_told_the_cost_of_reserve_the_next() -> None:
    budget, model = a_budget(usd=3), Priced(lost=5)
    model.answer_now.set()
    _, reservation = await granted(budget, model)
    answer = await reservation.ask(Opinion)
    assert answer.unsettled == ONE.times(3)
    reservation.settle()
    assert (await granted(budget))[0] == ""  # what is settled is counted by who asked


async def test_a_reservation_that_outlived_a_crash_counts_as_billed() -> None:
    class Played(Unrecorded):
        async def once(self, name, request, *, returns, perform, durable=False):  # type: ignore[no-untyped-def]
            return ""

    model = Priced()
    model.answer_now.set()
    reservation = Reservation(a_budget(usd=100), model, a_prompt())
    await reservation.granted(Played(TickClock(START)))
    answer = await reservation.ask(Opinion)
    assert answer.unsettled == ONE.times(3)


def test_what_costs_unknown_adds_up_to_unknown() -> None:
    assert Spend(tokens=1, usd=None) + ONE == Spend(tokens=1_001, usd=None)
    assert Spend(tokens=2, usd=None).times(2) == Spend(tokens=4, usd=None)


OPINION = {"stance": "hold", "conviction": "0.4"}
ANSWERED = {"input_tokens": 10, "output_tokens": 1}


@pytest.mark.parametrize(
    ("answers", "usd"),
    [
        ([ANSWERED | {"cost_usd": "0.5"}, ANSWERED | {"cost_usd": "0.25"}], "0.75"),
        ([ANSWERED, ANSWERED | {"cost_usd": "0.5"}], None),  # of unknown price, and what was known before or after
        ([ANSWERED | {"cost_usd": "0.5"}, ANSWERED], None),
        ([ANSWERED | {"cost_usd": "0.5", "unsettled": {"tokens": 9, "usd": None}}, ANSWERED | {"cost_usd": "1"}], None),
        ([ANSWERED | {"cost_usd": "0.5", "unsettled": {"tokens": 9, "usd": "2"}}], "2.5"),
        ([{"failure": "provider: down"}, ANSWERED | {"cost_usd": "0.5"}], "0.5"),  # not billed
        ([ANSWERED | {"failure": "unreadable: x"}], None),  # billed, at a price that nobody knows
        ([{"output_tokens": 1, "failure": "unreadable: x"}], None),
    ],
)
async def test_a_cycle_costs_what_its_answers_cost_and_a_price_that_is_unknown_is_not_free(
    answers: list[dict[str, object]], usd: str | None
) -> None:
    async with a_session() as session:
        cycle = await a_cycle(session)
        for answer in answers:
            known = {"answer": None if answer.get("failure") else OPINION} | answer
            cycle.spent(completion_of(Opinion).model_validate({"model": "priced", **known}))
    assert cycle.usd == (None if usd is None else Decimal(usd))


async def test_an_archive_of_a_version_that_reserved_nothing_plays_on() -> None:
    class Old(Unrecorded):
        async def once(self, name, request, *, returns, perform, durable=False):  # type: ignore[no-untyped-def]
            raise ReplayDiverged(f"the replay asks for {name}, which the tape does not hold")

    reservation = Reservation(a_budget(usd=0), Priced(), a_prompt())
    assert await reservation.granted(Old(TickClock(START))) == ""
