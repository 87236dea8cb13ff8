"""Which tokenizer counts for which model. Vocabularies load offline from the files that LiteLLM ships.

For OpenAI's models the count is the model's own. No other provider's vocabulary of today is published for
offline use (LiteLLM itself counts Claude with that of 2023, and Gemini, Grok and DeepSeek with OpenAI's),
so for all others it is `Estimate`, which is stated, named, and meant to be too large.
"""

from __future__ import annotations

import importlib.util
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from context.tokenizer import Pieces, Tokenizer, Utf8Bytes
from domain.errors import UsageError

if TYPE_CHECKING:
    import tiktoken
    import tokenizers

_SHIPPED = {"o200k_base": "o200k_base", "o200k_harmony": "o200k_base", "cl100k_base": "cl100k_base"}
"""Encodings we can load, and under which name: harmony differs in special tokens, which text never holds."""

_CACHE_DIR = "TIKTOKEN_CACHE_DIR"
_LOADING = Lock()

_KEPT_TEXTS = 8_192
_KEPT_CHARS = 2_000
"""Longer texts are whole prompts, which are hardly ever counted twice."""
_KEPT_WORDS = 50_000

_WORD = re.compile(r" ?[A-Za-z]+")
_BYTES = Utf8Bytes()


class Tiktoken:
    """One of OpenAI's encodings, read at the first count. Special tokens in a text count as plain text."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._short: Callable[[str], int] = lru_cache(_KEPT_TEXTS)(self._count)

    def count(self, text: str) -> int:
        return self._short(text) if len(text) <= _KEPT_CHARS else self._count(text)

    def _count(self, text: str) -> int:
        return len(_encoding(self.name).encode_ordinary(text))


class ClaudeLegacy:
    """The vocabulary that Anthropic published for Claude 2. Later models need up to twice as many tokens."""

    name = "claude-legacy"

    def count(self, text: str) -> int:
        # the library takes no lone surrogates, which have no UTF-8 form
        return len(_claude_legacy().encode(text.encode(errors="replace").decode(), add_special_tokens=False).ids)


class Estimate:
    """A count for models whose vocabulary nobody ships, meant to be never too small.

    A word (ASCII letters, with one space before) counts `margin` times the most that any of `vocabularies`
    needs, and at most its bytes. All else counts its UTF-8 bytes, which no vocabulary with a token for every
    byte exceeds: some give each digit, bracket and line break a token of its own, and how well they know
    other scripts differs widely. So do words of more than `longest` letters, which are rarely words. As some
    vocabularies read text in its NFKC form, which may be longer, the larger of both forms counts.

    Why twice: Claude before Opus 4.7 is measured at 1.16 times o200k's tokens for English, and later Claude at
    up to 1.47 times its forerunner's (Anthropic says 1.35), so 1.7 in all. If all of that growth is in words,
    which are some four fifths of a text's tokens, it is 1.9 on them.
    """

    def __init__(self, vocabularies: Sequence[Tokenizer], *, margin: int = 2, longest: int = 16) -> None:
        self._vocabularies = tuple(vocabularies)
        self._margin = margin
        self._longest = longest
        among = ", ".join(one.name for one in self._vocabularies)
        self.name = f"estimate(words<={longest}: {margin}*max({among}), else: {Utf8Bytes.name})"
        self._known: Callable[[str], int] = lru_cache(_KEPT_WORDS)(self._tokens)

    def count(self, text: str) -> int:
        total = self._sum(text)
        return total if text.isascii() else max(total, self._sum(unicodedata.normalize("NFKC", text)))

    def _sum(self, text: str) -> int:
        words = [word for word in _WORD.findall(text) if len(word.lstrip()) <= self._longest]
        return _BYTES.count(text) - sum(map(len, words)) + sum(map(self._known, words))

    def _tokens(self, word: str) -> int:
        return min(len(word), self._margin * max(one.count(word) for one in self._vocabularies))


def tokenizer_for(model: str) -> Tokenizer:
    """The tokenizer of a model by its name: `rules`, or as LiteLLM spells it, `openai/gpt-5-mini`."""
    if model == "rules":
        return Pieces()
    encoding = _openai_encoding(model.rsplit("/", 1)[-1])
    return _tiktoken(encoding) if encoding else _estimate()


def tokenizer_named(name: str) -> Tokenizer:
    """The tokenizer of a snapshot, by the name that it keeps. Raises `UsageError` for one that this version lacks.

    A model's tokenizer may change from version to version; what a name stands for does not.
    """
    known: tuple[Tokenizer, ...] = (Pieces(), _BYTES, *map(_tiktoken, sorted(set(_SHIPPED.values()))), _estimate())
    for tokenizer in known:
        if tokenizer.name == name:
            return tokenizer
    raise UsageError(
        f"there is no tokenizer {name!r} in this version", remedy="Use the version of agentctl that recorded it"
    )


@cache
def _tiktoken(name: str) -> Tiktoken:
    return Tiktoken(name)


@cache
def _estimate() -> Estimate:
    return Estimate((_tiktoken("cl100k_base"), ClaudeLegacy()))


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


@cache
def _claude_legacy() -> tokenizers.Tokenizer:
    import tokenizers

    folder = _shipped_folder()
    file = folder / "anthropic_tokenizer.json" if folder else None
    if file is None or not file.is_file():
        raise UsageError("the installed litellm lacks anthropic_tokenizer.json", remedy="Install litellm again")
    with _LOADING:
        return tokenizers.Tokenizer.from_file(str(file))


def _shipped_folder() -> Path | None:
    """Where LiteLLM keeps its vocabularies, found without importing it."""
    spec = importlib.util.find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0], "litellm_core_utils", "tokenizers")


@contextmanager
def _offline() -> Iterator[None]:
    """tiktoken learns its folder from the environment only; without one it would go to the network."""
    folder = _shipped_folder()
    if folder is None:  # a broken installation: let tiktoken try by itself
        yield
        return
    before = os.environ.get(_CACHE_DIR)
    os.environ[_CACHE_DIR] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_CACHE_DIR]
        else:
            os.environ[_CACHE_DIR] = before
