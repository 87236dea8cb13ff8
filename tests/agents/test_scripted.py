"""The scripted model says exactly what it was told to."""

from __future__ import annotations

from decimal import Decimal

import pytest

from agents.scripted import ScriptedModel
from builders.models import a_prompt
from domain.decision import Opinion
from domain.value import Value


class Other(Value):
    number: int


BUY = Opinion(stance="buy", conviction=Decimal("0.8"))


async def test_it_answers_in_order_and_keeps_what_it_was_asked() -> None:
    model, prompt = ScriptedModel([BUY, "timeout: no answer"]), a_prompt()
    first, second = await model.ask(prompt, Opinion), await model.ask(prompt, Opinion)
    model.finish()
    assert (first.answer, second.answer, second.failure) == (BUY, None, "timeout: no answer")
    assert model.prompts == [prompt, prompt]


async def test_a_call_too_many_fails_at_once_and_at_the_end() -> None:
    model = ScriptedModel([])
    with pytest.raises(AssertionError, match="asked 1 times, and the script has 0 steps"):
        await model.ask(a_prompt(), Opinion)
    with pytest.raises(AssertionError):
        model.finish()


def test_a_step_never_used_fails_at_the_end() -> None:
    with pytest.raises(AssertionError, match="1 steps, and 0 were asked for"):
        ScriptedModel([BUY]).finish()


async def test_an_answer_of_another_form_fails() -> None:
    with pytest.raises(AssertionError, match="a Other, and Opinion is asked for"):
        await ScriptedModel([Other(number=1)]).ask(a_prompt(), Opinion)
