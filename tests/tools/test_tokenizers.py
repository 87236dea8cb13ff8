"""Tokens are counted offline, with the model's own vocabulary or a count that is never too small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builders.context import BRIEF, NOON, a_headline
from context import ContextBook, Utf8Bytes
from context.tokenizer import Tokenizer
from domain.errors import BudgetTooSmall, UsageError
from tools.tokenizers import ClaudeLegacy, Estimate, Tiktoken, tokenizer_for, tokenizer_named

HEADLINES = Path(__file__).parents[2].parent / "shared/data/headlines.jsonl"

ESTIMATE = "estimate(words<=16: 2*max(cl100k_base, claude-legacy), else: utf8-bytes)"
"""Stands in archived snapshots: a change of the measure is another name, and the old one stays known."""

CLAUDE = tokenizer_for("anthropic/claude-haiku-4-5")
KNOWN: tuple[Tokenizer, ...] = (Tiktoken("o200k_base"), Tiktoken("cl100k_base"), ClaudeLegacy())

TEXTS = st.one_of(
    st.text(max_size=200),
    st.text(st.characters(max_codepoint=126), max_size=200),
    st.text("abeinorstzxqETH ", max_size=200),
    st.text("0123456789.,:-/$%()[]{}\"' \n\t", max_size=200),
    st.text("比特币突破十万美元。ビットコイン비트코인", max_size=60),
    st.text("🚀🔥👩‍💻🇺🇸½ﷺＢＴＣ", max_size=60),
    st.lists(st.sampled_from(["Bitcoin", "BTCUSDT", "liquidation", "sec'd", "über-bullish", "90,000", "a"])).map(
        " ".join
    ),
)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("rules", "pieces"),
        ("openai/gpt-5-mini", "o200k_base"),
        ("openai/gpt-4o", "o200k_base"),
        ("azure/gpt-4.1-mini", "o200k_base"),
        ("openrouter/openai/gpt-oss-120b", "o200k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("openai/gpt-3.5-turbo", "cl100k_base"),
        ("anthropic/claude-haiku-4-5", ESTIMATE),
        ("openrouter/anthropic/claude-opus-4.7", ESTIMATE),
        ("gemini/gemini-2.5-flash", ESTIMATE),
        ("xai/grok-4", ESTIMATE),
        ("deepseek/deepseek-chat", ESTIMATE),
        ("openai/a-server-of-mine", ESTIMATE),
        ("openai/text-davinci-003", ESTIMATE),
        ("", ESTIMATE),
    ],
)
def test_each_model_is_counted_by_its_own_measure(model: str, name: str) -> None:
    assert tokenizer_for(model).name == name


def test_known_texts_have_known_counts() -> None:
    o200k, cl100k = Tiktoken("o200k_base"), Tiktoken("cl100k_base")
    assert [o200k.count(text) for text in ("", "hello world", "tiktoken is great!")] == [0, 2, 6]
    assert [cl100k.count(text) for text in ("", "hello world", "tiktoken is great!")] == [0, 2, 6]


def test_special_tokens_in_a_text_are_plain_text() -> None:
    assert tokenizer_for("openai/gpt-4o").count("<|endoftext|>") > 1


def test_loading_leaves_the_environment_as_it_was() -> None:
    before = dict(os.environ)
    Tiktoken("o200k_base").count("now")
    assert dict(os.environ) == before


@settings(max_examples=300)
@given(TEXTS)
@example("")
@example("½")
@example("ﷺ" * 5)
@example("a" * 500)
@example("<EOT><|endoftext|>")
def test_an_estimate_is_never_less_than_any_vocabulary_at_hand_counts(text: str) -> None:
    assert CLAUDE.count(text) >= max(one.count(text) for one in KNOWN)


@settings(max_examples=100)
@given(st.text(st.characters(max_codepoint=127), max_size=200))
def test_an_estimate_of_ascii_is_never_more_than_its_bytes(text: str) -> None:
    assert CLAUDE.count(text) <= Utf8Bytes().count(text)


@settings(max_examples=100)
@given(st.lists(TEXTS, max_size=6))
def test_the_estimate_of_a_whole_is_not_more_than_that_of_its_lines(texts: list[str]) -> None:
    lines = [f"{text}\n" for text in texts]
    assert CLAUDE.count("".join(lines)) <= sum(map(CLAUDE.count, lines))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("the price", 4),  # two words of one token, each twice
        ("a", 1),  # never more than its bytes
        ("90,000\n", 7),
        ("比特币", 9),
        ("½", 5),  # as `1⁄2`
        ("x" * 17, 17),  # too long for a word
        ("\ud800", 3),
    ],
)
def test_an_estimate_is_words_twice_and_bytes_for_all_else(text: str, count: int) -> None:
    assert CLAUDE.count(text) == count


def test_another_margin_is_another_name() -> None:
    one, other = (Estimate(KNOWN, margin=margin, longest=16) for margin in (2, 3))
    assert one.name != other.name
    assert Estimate(KNOWN, longest=12).name != one.name != Estimate(KNOWN[:1]).name


@pytest.mark.parametrize("name", ["pieces", "utf8-bytes", "o200k_base", "cl100k_base", ESTIMATE])
def test_a_tokenizer_is_found_by_the_name_in_a_snapshot(name: str) -> None:
    assert tokenizer_named(name).name == name


def test_a_name_of_another_version_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="no tokenizer 'estimate v0'"):
        tokenizer_named("estimate v0")


@settings(max_examples=60)
@given(st.lists(TEXTS.filter(str.strip), max_size=8), st.integers(0, 2_000))
def test_a_prompt_stays_in_its_budget_by_every_vocabulary_at_hand(texts: list[str], budget: int) -> None:
    book = ContextBook(items=[a_headline(f"news-{n}", text) for n, text in enumerate(texts)])
    try:
        synthesis = book.synthesize(budget=budget, tokenizer=CLAUDE, as_of=NOON, brief=BRIEF)
    except BudgetTooSmall:
        return
    assert synthesis.tokens.tokenizer == ESTIMATE
    assert synthesis.tokens.used <= budget
    for one in KNOWN:
        assert sum(one.count(message.content) for message in synthesis.messages) <= synthesis.tokens.used


def test_real_headlines_take_less_than_half_of_their_bytes() -> None:
    if not HEADLINES.exists():
        pytest.skip("the labelled headlines are not on this machine")
    titles = [json.loads(row)["title"] for row in HEADLINES.read_text(encoding="utf-8").splitlines()]
    estimate, in_bytes = (sum(map(one.count, titles)) for one in (CLAUDE, Utf8Bytes()))
    o200k, cl100k, claude = (sum(map(one.count, titles)) for one in KNOWN)
    assert estimate < in_bytes * 0.45
    assert 1.9 * max(o200k, cl100k, claude) < estimate < 2.2 * min(o200k, cl100k, claude)


def test_an_estimate_needs_no_network_and_not_litellm() -> None:
    script = (
        "import socket, sys\n"
        "def refuse(*_): raise OSError('no network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from tools.tokenizers import tokenizer_for\n"
        "tokenizer = tokenizer_for('anthropic/claude-haiku-4-5')\n"
        "print('tokenizers' in sys.modules, tokenizer.count('the price'), 'litellm' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "False 4 False\n"


def test_a_long_text_is_counted_whole() -> None:
    assert Tiktoken("o200k_base").count("word " * 1_000) == 1_001
