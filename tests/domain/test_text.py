"""Untrusted text: what cannot be seen is gone, what can be seen is kept."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.text import reveal, visible


@pytest.mark.parametrize(
    "plain",
    ["Bitcoin rallies 5 %", "Börse über 100'000 €", "比特币上涨", "बिटकॉइन", "Ω ≈ √2", "5 < 6 & 7 > 3", "🚀"],
)
def test_text_that_can_be_seen_stays_as_it_is(plain: str) -> None:
    assert visible(plain) == plain


@pytest.mark.parametrize(
    "hidden",
    [
        "\u200b",  # zero-width space
        "\u200d",  # zero-width joiner
        "\u2060",  # word joiner
        "\ufeff",  # byte order mark
        "\u202e",  # right-to-left override
        "\u2066",  # left-to-right isolate
        "\U000e0041",  # tag letter
        "\ufe0f",  # variation selector
        "\U000e0100",  # variation selector supplement
        "\ue000",  # private use
        "\ud800",  # lone surrogate
        "\x00",
        "\x1b",
        "\x7f",
        "\x9b",
    ],
)
def test_what_cannot_be_seen_is_dropped(hidden: str) -> None:
    assert visible(f"buy{hidden}now") == "buynow"


@pytest.mark.parametrize("space", [" ", "\n", "\t", "\r\n", "\u2028", "\u2029", " \n \t ", "\u00a0", "\u3000"])
def test_white_space_of_any_kind_becomes_one_space(space: str) -> None:
    assert visible(f"{space}one{space}two{space}") == "one two"


def test_a_terminal_escape_loses_its_power() -> None:
    assert visible("\x1b[31mred\x1b[0m") == "[31mred[0m"


def test_text_is_cut_at_its_limit() -> None:
    assert visible("abcdef", limit=3) == "abc"
    assert visible("abc", limit=3) == "abc"
    assert len(visible("x" * 5_000)) == 2_000


def test_what_is_hidden_does_not_count_against_the_limit() -> None:
    assert visible("\u200b" * 100 + "abc", limit=3) == "abc"


TOKENS = [
    "<|im_start|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "<|endoftext|>",
    "<|channel|>",
    "<|START_OF_TURN_TOKEN|>",
    "<|channel>",
    "<turn|>",
    "<｜User｜>",
    "<｜begin▁of▁sentence｜>",
    "<｜tool▁calls▁begin｜>",
    "[INST]",
    "[/INST]",
    "[TOOL_CALLS]",
    "[/AVAILABLE_TOOLS]",
    "[SYSTEM_PROMPT]",
    "[gMASK]",
    "[|endofturn|]",
    "<<SYS>>",
    "<</SYS>>",
    "<s>",
    "</s>",
    "<pad>",
    "<bos>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<tool_call>",
    "</think>",
    "<seed:bos>",
    "<用户>",
    "<0x0A>",
    "<reserved_106>",
    "<unused7>",
    ">>QUESTION<<",
]
"""Control tokens of vocabularies in use: ChatML, Llama, Gemma, DeepSeek, Mistral, GLM, EXAONE, Command, Falcon."""


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("hidden", ["", "\u200b", "\ufeff", "\U000e0041"])
def test_a_token_that_controls_a_chat_is_broken_up(token: str, hidden: str) -> None:
    shown = visible(f"x{hidden.join(token)}{token}y")
    assert token not in shown
    assert shown.replace(" ", "") == f"x{token}{token}y"


@pytest.mark.parametrize("wide", [str.maketrans("<>|", "＜＞｜"), str.maketrans("<>", "﹤﹥")])
def test_a_token_in_wide_letters_is_one_to_some_vocabularies(wide: dict[int, int]) -> None:
    for token in ("<|im_start|>", "<s>", "</s>"):
        assert token not in unicodedata.normalize("NFKC", visible(f"a {token.translate(wide)} b"))


@pytest.mark.parametrize(
    "plain", ["a<b and c>d", "[UPDATE] BTC", "[1] [BTC] [a b]", "x || y", "->", "<- 5 %", "5<6", "a|b", ">>> up"]
)
def test_signs_that_control_nothing_stay_as_they_are(plain: str) -> None:
    assert visible(plain) == plain


def test_archived_text_may_keep_its_marks() -> None:
    assert visible("a\u200b <|im_start|>", marks=True) == "a <|im_start|>"


@given(st.lists(st.sampled_from([*TOKENS, "<", ">", "|", "[", "]", " ", "s", "｜", "\u200b", "INST"])).map("".join))
def test_no_mixture_of_them_becomes_one(text: str) -> None:
    shown = visible(text)
    assert [token for token in TOKENS if token in shown] == []
    assert visible(shown) == shown


@given(st.text(alphabet=st.characters()))
def test_nothing_that_hides_or_breaks_lines_is_left(text: str) -> None:
    shown = visible(text)
    assert all(unicodedata.category(c) not in {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"} for c in shown)
    shown.encode()


@given(st.text(alphabet=st.characters()), st.integers(0, 50))
def test_showing_twice_changes_nothing_more(text: str, limit: int) -> None:
    once = visible(text, limit=limit)
    assert visible(once, limit=limit) == once.rstrip()


@pytest.mark.parametrize(
    ("hidden", "escape"),
    [
        ("\u202e", r"\u202e"),
        ("\u200b", r"\u200b"),
        ("\ufe0f", r"\ufe0f"),
        ("\U000e0041", r"\udb40\udc41"),
        ("\ud800", r"\ud800"),
        ("\x1b", r"\u001b"),
        ("\r", r"\u000d"),
        ("\u2028", r"\u2028"),
    ],
)
def test_what_is_shown_whole_shows_what_hides_as_its_escape(hidden: str, escape: str) -> None:
    assert reveal(f"buy{hidden}\n\tnow, 比特币") == f"buy{escape}\n\tnow, 比特币"


@given(st.text(alphabet=st.characters()))
def test_a_json_document_says_the_same_with_escapes_as_without(text: str) -> None:
    shown = reveal(json.dumps([text], ensure_ascii=False))
    assert json.loads(shown) == [text]
    assert all(unicodedata.category(c) not in {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"} for c in shown)
