"""Which tokenizer counts for which model. tiktoken's encodings load offline from litellm's shipped files.

For OpenAI's models the count is the model's own. For any other provider it is the number of UTF-8
bytes: a byte-level vocabulary never needs more tokens than that, so a budget holds, at a loss of room.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from context.tokenizer import Pieces, Tokenizer, Utf8Bytes

if TYPE_CHECKING:
    import tiktoken

_SHIPPED = {"o200k_base": "o200k_base", "o200k_harmony": "o200k_base", "cl100k_base": "cl100k_base"}
"""Encodings we can load, and under which name: harmony differs in special tokens, which text never holds."""

_CACHE_DIR = "TIKTOKEN_CACHE_DIR"
_LOADING = Lock()

_KEPT_TEXTS = 8_192
_KEPT_CHARS = 2_000
"""Longer texts are whole prompts, which are hardly ever counted twice."""


class Tiktoken:
    """One of OpenAI's encodings, read at the first count. Special tokens in a text count as plain text."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._short: Callable[[str], int] = lru_cache(_KEPT_TEXTS)(self._count)

    def count(self, text: str) -> int:
        return self._short(text) if len(text) <= _KEPT_CHARS else self._count(text)

    def _count(self, text: str) -> int:
        return len(_encoding(self.name).encode_ordinary(text))


def tokenizer_for(model: str) -> Tokenizer:
    """The tokenizer of a model by its name: `rules`, or as LiteLLM spells it, `openai/gpt-5-mini`."""
    if model == "rules":
        return Pieces()
    encoding = _openai_encoding(model.rsplit("/", 1)[-1])
    return _tiktoken(encoding) if encoding else Utf8Bytes()


@cache
def _tiktoken(name: str) -> Tiktoken:
    return Tiktoken(name)


def _openai_encoding(model: str) -> str | None:
    from tiktoken.model import encoding_name_for_model  # only where a real model is used

    try:
        return _SHIPPED.get(encoding_name_for_model(model))
    except KeyError:
        return None


@cache
def _encoding(name: str) -> tiktoken.Encoding:
    import tiktoken

    with _LOADING, _offline():
        return tiktoken.get_encoding(name)


@contextmanager
def _offline() -> Iterator[None]:
    """tiktoken learns its folder from the environment only; without one it would go to the network."""
    found = importlib.util.find_spec("litellm")
    if found is None or not found.submodule_search_locations:  # a broken installation: let tiktoken try by itself
        yield
        return
    before = os.environ.get(_CACHE_DIR)
    os.environ[_CACHE_DIR] = str(Path(found.submodule_search_locations[0], "litellm_core_utils", "tokenizers"))
    try:
        yield
    finally:
        if before is None:
            del os.environ[_CACHE_DIR]
        else:
            os.environ[_CACHE_DIR] = before
