"""What every language model keeps to, whatever is behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
import respx
from pydantic import SecretStr, TypeAdapter, ValidationError

from agents.gateway import LiteLLMModel
from agents.model import Completion, LanguageModel
from agents.rules import RulesModel
from agents.scripted import ScriptedModel
from builders.models import a_prompt, an_answer, an_error
from builders.tools import Naps
from domain.decision import Opinion
from domain.digest import canonical

HOLD = Opinion(stance="hold", conviction=Decimal("0.4"), rationale="no edge")


Make = Callable[[respx.Router, bool], LanguageModel]
"""A model that answers, or one that fails."""


def over_http(wire: respx.Router, answers: bool) -> LanguageModel:
    wire.post().mock(return_value=an_answer(HOLD.model_dump_json()) if answers else an_error(401))
    return LiteLLMModel("openai/gpt-5-mini", api_key=SecretStr("sk-test-0123456789"), sleep=Naps())


def scripted(wire: respx.Router, answers: bool) -> LanguageModel:
    return ScriptedModel([HOLD if answers else "auth: no key"])


def rules(wire: respx.Router, answers: bool) -> LanguageModel:
    return RulesModel()


@pytest.fixture
def wire() -> Iterator[respx.Router]:
    with respx.mock(assert_all_called=False) as router:
        yield router


ALL = pytest.mark.parametrize("make", [over_http, scripted, rules])


@ALL
async def test_an_answer_names_its_model_and_survives_the_tape(make: Make, wire: respx.Router) -> None:
    model = make(wire, True)
    completion = await model.ask(a_prompt(), Opinion)
    assert completion.model == model.name
    assert isinstance(completion.answer, Opinion), completion.failure
    assert TypeAdapter(Completion[Opinion]).validate_json(canonical(completion)) == completion


@pytest.mark.parametrize("make", [over_http, scripted])
async def test_a_failure_is_a_value(make: Make, wire: respx.Router) -> None:
    completion = await make(wire, False).ask(a_prompt(), Opinion)
    assert completion.answer is None
    assert completion.failure.startswith("auth: ")


@ALL
def test_a_prompt_can_be_counted_for_it(make: Make, wire: respx.Router) -> None:
    tokenizer = make(wire, True).tokenizer
    assert tokenizer.name
    assert tokenizer.count("") == 0
    assert tokenizer.count("Bitcoin rises") > 0


@pytest.mark.parametrize("fields", [{}, {"answer": HOLD, "failure": "auth: no key"}])
def test_a_completion_is_an_answer_or_a_failure(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="either an answer or a failure"):
        Completion[Opinion].model_validate({"model": "m", **fields})
