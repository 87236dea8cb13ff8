"""What control tokens in untrusted text are to the tokenizers at hand: plain text."""

from __future__ import annotations

import json
from functools import cache

import pytest
import tiktoken
import tokenizers
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tiktoken_ext.openai_public import ENCODING_CONSTRUCTORS

from builders.context import BRIEF, NOON, a_headline
from context import ContextBook, Pieces
from domain.text import visible
from tools.tokenizers import _offline, _shipped_folder

OFFLINE = ("cl100k_base", "o200k_base", "o200k_harmony", "p50k_base", "p50k_edit")
"""The encodings that can be loaded without a network."""

MORE = ("<|im_start|>", "<|im_end|>", "<|eot_id|>", "<｜User｜>", "<s>", "</s>", "[INST]", "<<SYS>>", "<start_of_turn>")
"""What models of other houses, and the servers that run them, add to such vocabularies."""


@cache
def encoding(name: str) -> tiktoken.Encoding:
    """An encoding with its special tokens, and with those of other models as a server would add them."""
    with _offline():
        made = ENCODING_CONSTRUCTORS[name]()
    special = made["special_tokens"]
    after = max(max(special.values()), max(made["mergeable_ranks"].values())) + 1
    made["special_tokens"] = special | {token: after + n for n, token in enumerate(MORE) if token not in special}
    made.pop("explicit_n_vocab", None)
    return tiktoken.Encoding(**made)


def controls(name: str, text: str) -> list[int]:
    """The tokens of `text` that `name` reads as control, all of them allowed."""
    found = encoding(name)
    special = {found.encode_single_token(token) for token in found.special_tokens_set}
    return [token for token in found.encode(text, allowed_special="all") if token in special]


def prompt(text: str) -> str:
    """All that a model would be sent where every untrusted word is `text`."""
    book = ContextBook(items=[a_headline("news-1", text, source=text)])
    messages = book.synthesize(budget=4_000, tokenizer=Pieces(), as_of=NOON, brief=BRIEF).messages
    return "".join(message.content for message in messages)


@pytest.mark.parametrize("name", OFFLINE)
def test_no_special_token_of_an_encoding_controls(name: str) -> None:
    text = " and ".join(f"a{token}b {token}" for token in sorted(encoding(name).special_tokens_set)[:60])
    assert controls(name, text)
    assert controls(name, visible(text)) == []
    assert controls(name, prompt(text[:1_000])) == []


@hypothesis_settings(deadline=None)
@given(
    st.lists(st.sampled_from([*MORE, "<|endoftext|>", "<|end", "oftext|>", "\u200b", "<", "|", ">", " "])).map("".join)
)
def test_no_mixture_of_their_pieces_controls(text: str) -> None:
    assert controls("cl100k_base", prompt(text)) == []


@pytest.mark.parametrize("extra", [(), MORE])
def test_claudes_published_vocabulary_reads_none(extra: tuple[str, ...]) -> None:
    folder = _shipped_folder()
    assert folder is not None
    file = folder / "anthropic_tokenizer.json"
    vocabulary = tokenizers.Tokenizer.from_file(str(file))
    vocabulary.add_special_tokens(list(extra))
    special = {added["content"] for added in json.loads(file.read_text("utf-8"))["added_tokens"]} | set(extra)
    ids = {vocabulary.token_to_id(token) for token in special}
    text = " and ".join(f"a{token}b {token}" for token in sorted(special))
    assert ids & set(vocabulary.encode(text, add_special_tokens=False).ids)
    assert ids & set(vocabulary.encode(prompt(text), add_special_tokens=False).ids) == set()
