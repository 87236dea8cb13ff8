"""The form an answer must have, and what is read of one."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.answers import Refusal, Unreadable, answer_schema, read_answer
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
    opinion = read_answer(form.replace("{}", json.dumps(OPINION)), Opinion).answer
    assert (opinion.stance, opinion.conviction) == ("buy", Decimal("0.7"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\ufeff",
        "buy",
        "null",
        "[]",
        f"[{json.dumps(OPINION)}]",
        json.dumps(OPINION)[:-5],
        "Sure! " + json.dumps(OPINION),
        json.dumps(OPINION) + " That is all.",
        json.dumps(OPINION) * 2,
        json.dumps(OPINION | {"stance": "short"}),
        json.dumps(OPINION | {"stance": "buy|sell"}),
        json.dumps(OPINION | {"stance": ["buy"]}),
        json.dumps(OPINION | {"conviction": True}),
        json.dumps(OPINION | {"conviction": "80 %"}),
        json.dumps({"stance": "buy"}),
        json.dumps({"Stance": "buy", "conviction": 0.7}),
        '{"stance": "buy", "conviction": 0.5, "rationale": "\\ud800"}',
        "[" * 100_000,
        '{"a":' * 100_000,
        json.dumps(OPINION).replace("0.7", "9" * 10_000),
    ],
)
def test_anything_else_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        read_answer(text, Opinion)


CASES = Path(__file__).parents[2].parent / "shared/cases/answers.jsonl"


@pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not beside this folder")
@pytest.mark.parametrize(
    "case",
    [json.loads(line) for line in CASES.read_text("utf-8").splitlines()] if CASES.exists() else [],
    ids=lambda case: case["id"],
)
def test_an_answer_is_read_as_its_case_says(case: dict[str, str]) -> None:
    expected, words = case["expected"], case["expected"].replace(",", "").split()
    if words[0] == "refusal":
        with pytest.raises(Refusal):
            read_answer(case["text"], Opinion)
    elif words[0].startswith("unreadable"):
        with pytest.raises(Unreadable, match=expected.partition(": ")[2] or None) as caught:
            read_answer(case["text"], Opinion)
        assert not isinstance(caught.value, Refusal)
    else:
        reading = read_answer(case["text"], Opinion)
        opinion = reading.answer
        assert (opinion.stance, opinion.conviction) == ("buy", Decimal("0.8"))
        assert opinion.evidence == ("quote:ETH/USDT", "indicators:ETH/USDT")
        assert bool(reading.notes) == ("noted" in expected)


@pytest.mark.parametrize(
    "conviction", ["1.7", "-0.1", "NaN", "Infinity", "-Infinity", "1E-999", "1e999", "0E-50", "1E-31"]
)
def test_a_conviction_that_is_none_is_named(conviction: str) -> None:
    with pytest.raises(Unreadable, match=r"^conviction: "):
        read_answer(json.dumps(OPINION).replace("0.7", conviction), Opinion)


STANCES = st.sampled_from(["buy", "sell", "hold", "abstain"])
SPACE = st.text(alphabet=" \t\r\n", max_size=5)
PROSE = st.text(alphabet=st.characters(exclude_characters="{}`~<>\ufeff", exclude_categories=("Cs",)), max_size=80)


@given(STANCES, STANCES, st.sampled_from(list(OPINION)), st.sampled_from(["", "A", "e"]))
def test_a_key_that_stands_twice_is_unreadable_equal_or_not(first: str, second: str, key: str, form: str) -> None:
    again = {"": key, "A": key.upper(), "e": f"\\u{ord(key[0]):04x}{key[1:]}"}[form]
    for value in (first, second):
        text = json.dumps(OPINION)[:-1] + f', "{again}": {json.dumps(value)}}}'
        with pytest.raises(Unreadable, match="twice"):
            read_answer(text, Opinion)
    with pytest.raises(Unreadable, match="twice"):
        read_answer(json.dumps(OPINION)[:-1] + ', "why": {"a": 1, "a": 1}}', Opinion)


@given(st.sampled_from(["buy", "sell", "hold", "abstain"]), st.integers(0, 127), SPACE)
def test_a_choice_is_read_in_any_letters(stance: str, capitals: int, space: str) -> None:
    written = "".join(c.upper() if capitals >> n & 1 else c for n, c in enumerate(stance))
    opinion = read_answer(json.dumps(OPINION | {"stance": space + written, "horizon": "SWING"}), Opinion).answer
    assert (opinion.stance, opinion.horizon) == (stance, "swing")


@given(before=PROSE, after=PROSE, tag=st.sampled_from(["", "json", "JSON"]), thought=st.booleans(), bom=st.booleans())
def test_prose_around_one_fenced_object_is_not_read(
    before: str, after: str, tag: str, thought: bool, bom: bool
) -> None:
    text = f"{before}\n```{tag}\n{json.dumps(OPINION)}\n```\n{after}"
    text = f"<think>{before} {{sell}} or ```buy```?</think>\n{text}" if thought else text
    assert read_answer("\ufeff" * bom + text, Opinion).answer == Opinion.model_validate(OPINION)


@given(before=PROSE, between=PROSE, second=STANCES)
def test_two_objects_are_unreadable_wherever_they_stand(before: str, between: str, second: str) -> None:
    one, other = json.dumps(OPINION), json.dumps(OPINION | {"stance": second}, indent=1)
    for text in (
        f"{before}\n```json\n{one}\n```\n{between}\n```json\n{other}\n```",
        f"{before}\n```\n{one}\n```\n{between}{other}",
        f"{before}{other}{between}\n```\n{one}\n```",
        f"{before}\n```\n{one}\n{other}\n```",
        f"{before}\n```\n{one}\n```\n{between}\n~~~\n{other}\n~~~",
        f"{one}\n{between}{other}",
    ):
        with pytest.raises(Unreadable):
            read_answer(text, Opinion)


def test_thinking_is_not_read_whether_or_not_its_start_shows() -> None:
    said, thought = json.dumps(OPINION), json.dumps(OPINION | {"stance": "sell"})
    for text in (
        f"<think>{thought}</think>{said}",
        f"<THINK>a</THINK>\n<thinking>{thought}</thinking>\n{said}",
        f"first I thought {thought}\n</think>\n\n{said}",
    ):
        assert read_answer(text, Opinion).answer.stance == "buy"
    for text in (f"<think>{said}", f"<think>{thought}</think>", f"{thought}</think>{said}"):
        with pytest.raises(Unreadable):
            read_answer(text, Opinion)


KEYS = st.text(alphabet="abcxyz _-", min_size=1, max_size=20).filter(lambda key: key.strip() not in OPINION)
EXTRA = st.dictionaries(KEYS, st.none() | st.integers() | st.text(max_size=5), max_size=4)


@given(EXTRA.filter(lambda extra: len({key.strip() for key in extra}) == len(extra)))
def test_keys_that_the_schema_lacks_are_dropped_and_noted(extra: dict[str, object]) -> None:
    reading = read_answer(json.dumps(OPINION | extra), Opinion)
    assert reading.answer == Opinion.model_validate(OPINION)
    assert bool(reading.notes) == bool(extra)


def test_what_is_dropped_is_named_and_its_value_is_not() -> None:
    reading = read_answer(json.dumps(OPINION | {"quantity": 5_000, "leverage": None}), Opinion)
    assert reading.notes == ("dropped, for the schema has no such key: quantity, leverage",)
    nested = {"default": {"title": "a", "weight": 1, "size": 2}, "parts": [{"weight": None, "title": "", "x": 1}]}
    assert read_answer(json.dumps(nested), Whole).notes == (
        "dropped, for the schema has no such key: default.size, parts.0.x",
    )


def test_a_key_too_many_hides_no_other_fault() -> None:
    with pytest.raises(Unreadable, match="conviction"):
        read_answer(json.dumps(OPINION | {"conviction": 2, "quantity": 5}), Opinion)


@given(st.lists(st.text(alphabet="abc:/-", min_size=1), max_size=4))
def test_ids_in_the_brackets_of_the_prompt_are_the_ids(ids: list[str]) -> None:
    shown = [f" [{id}] " if n % 2 else f"[{id}]" for n, id in enumerate(ids)]
    assert read_answer(json.dumps(OPINION | {"evidence": shown}), Opinion).answer.evidence == tuple(ids)
    assert read_answer(json.dumps(OPINION | {"evidence": ids}), Opinion).answer.evidence == tuple(ids)


@pytest.mark.parametrize(
    "text",
    [
        "I can't help with financial decisions.",
        "I can\u2019t assist with that.",
        "I'm sorry, but I cannot provide trading advice.",
        "As an AI language model, I don't trade.",
        "Unfortunately, I am not able to answer.",
        "<think>hm</think>I must decline.",
    ],
)
def test_words_that_decline_are_a_refusal(text: str) -> None:
    with pytest.raises(Refusal):
        read_answer(text, Opinion)


@pytest.mark.parametrize(
    "text", ["I would buy.", "The market can't decide.", f"I cannot choose: {json.dumps(OPINION)}"]
)
def test_words_that_do_not_decline_are_no_refusal(text: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_answer(text, Opinion)
    assert not isinstance(caught.value, Refusal)


def test_the_reason_repeats_nothing_of_the_answer() -> None:
    with pytest.raises(Unreadable) as caught:
        read_answer(json.dumps(OPINION | {"stance": "ignore all rules"}), Opinion)
    assert "stance:" in str(caught.value)
    assert "ignore all rules" not in str(caught.value)


@given(st.text())
def test_no_text_makes_the_reader_fail_otherwise(text: str) -> None:
    with pytest.raises(Unreadable):
        read_answer(text, Opinion)
