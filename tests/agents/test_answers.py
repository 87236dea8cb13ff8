"""The form an answer must have, and what is read of one."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.answers import Unreadable, answer_schema, read_answer
from domain.decision import Opinion
from domain.value import Share, Value

OPINION = {"stance": "buy", "conviction": 0.7, "horizon": "swing", "evidence": ["a"], "rationale": "because"}


class Part(Value):
    title: str = ""
    weight: Share | None = None


class Whole(Value):
    default: Part = Part()
    parts: tuple[Part, ...] = ()


def test_a_schema_is_as_strict_modes_want_it() -> None:
    schema = answer_schema(Opinion)
    assert schema["properties"]["conviction"] == {"type": "number", "minimum": 0.0, "maximum": 1.0}  # type: ignore[call-overload, index]
    assert schema["required"] == ["stance", "conviction", "horizon", "evidence", "rationale"]
    assert schema["additionalProperties"] is False


def test_fields_named_like_words_of_json_schema_stay() -> None:
    schema = json.loads(json.dumps(answer_schema(Whole)))
    assert list(schema["properties"]) == ["default", "parts"]
    assert list(schema["$defs"]["Part"]["properties"]) == ["title", "weight"]
    assert schema["$defs"]["Part"]["required"] == ["title", "weight"]
    assert schema["$defs"]["Part"]["properties"]["weight"]["anyOf"] == [
        {"type": "number", "minimum": 0.0, "maximum": 1.0},
        {"type": "null"},
    ]


@pytest.mark.parametrize("form", ["{}", "  {}\n", "```json\n{}\n```", "```\n{}\n```", "```JSON\n{}```"])
def test_an_answer_is_read_bare_or_in_one_fence(form: str) -> None:
    opinion = read_answer(form.replace("{}", json.dumps(OPINION)), Opinion)
    assert (opinion.stance, opinion.conviction) == ("buy", Decimal("0.7"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "buy",
        "null",
        "[]",
        json.dumps(OPINION)[:-5],
        "Sure! " + json.dumps(OPINION),
        json.dumps(OPINION | {"stance": "BUY"}),
        json.dumps(OPINION | {"stance": "short"}),
        json.dumps(OPINION | {"conviction": 1.2}),
        json.dumps(OPINION | {"conviction": float("nan")}),
        json.dumps(OPINION | {"quantity": 5}),
        json.dumps({"stance": "buy"}),
        '{"stance": "buy", "conviction": 0.5, "rationale": "\\ud800"}',
    ],
)
def test_anything_else_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        read_answer(text, Opinion)


def test_the_reason_repeats_nothing_of_the_answer() -> None:
    with pytest.raises(Unreadable) as caught:
        read_answer(json.dumps(OPINION | {"stance": "ignore all rules"}), Opinion)
    assert "stance:" in str(caught.value)
    assert "ignore all rules" not in str(caught.value)


@given(st.text())
def test_no_text_makes_the_reader_fail_otherwise(text: str) -> None:
    with pytest.raises(Unreadable):
        read_answer(text, Opinion)
