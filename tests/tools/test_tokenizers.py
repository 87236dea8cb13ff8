"""Tokens are counted offline, with the model's own vocabulary or a count that is never too small."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.tokenizers import Tiktoken, tokenizer_for


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
        ("anthropic/claude-haiku-4-5", "utf8-bytes"),
        ("gemini/gemini-2.5-flash", "utf8-bytes"),
        ("openai/a-server-of-mine", "utf8-bytes"),
        ("openai/text-davinci-003", "utf8-bytes"),
        ("", "utf8-bytes"),
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


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_bytes_are_never_fewer_than_tokens(text: str) -> None:
    assert tokenizer_for("gemini/x").count(text) >= Tiktoken("o200k_base").count(text)


def test_a_long_text_is_counted_whole() -> None:
    assert Tiktoken("o200k_base").count("word " * 1_000) == 1_001
