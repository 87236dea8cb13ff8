"""Untrusted text made safe to show: what cannot be seen cannot instruct, and what a tokenizer obeys is broken up."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_DROPPED = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
"""Control, format (zero-width, bidirectional, tag), private, surrogate, unassigned, separators."""

_VARIATION = frozenset(range(0xFE00, 0xFE10)) | frozenset(range(0xE0100, 0xE01F0))

_uncommon = re.compile(r"[^\n\t\x20-\x7e]")


def reveal(text: str) -> str:
    """`text` whole, with each character that hides or reorders others written as its escape, as JSON would write it.

    For what is shown as it was said: a model's answer, a context. Lines stay lines. In a JSON document it changes no
    value.
    """
    return _uncommon.sub(_revealed, text)


def _revealed(match: re.Match[str]) -> str:
    c = match[0]
    if not _hides(c):
        return c
    units = c.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n : n + 2].hex()}" for n in range(0, len(units), 2))


def _hides(c: str) -> bool:
    return unicodedata.category(c) in _DROPPED or ord(c) in _VARIATION


_LESS, _MORE, _BAR = "<＜﹤", ">＞﹥", "|｜"
"""With the characters that vocabularies which read text in its NFKC form take for them."""

_MARKS: Final = re.compile(
    rf"[{_LESS}\[](?=[{_BAR}])"  # <|im_start|>, <|eot_id|>, DeepSeek's <｜User｜>, EXAONE's [|user|]
    rf"|[{_BAR}](?=[{_MORE}\]])"
    rf"|[{_LESS}](?=[^\s{_LESS}{_MORE}]{{1,80}}[{_MORE}])"  # <s>, </s>, <<SYS>>, <start_of_turn>, <think>
    r"|[\[［](?=/?(?:INST|[A-Za-z]+_[A-Za-z_]+|CLS|SEP|PAD|MASK|UNK|BOS|EOS|IMG|THINK|ARGS|[gs]MASK|unused\d+"
    r"|PREFIX|MIDDLE|SUFFIX)[\]］])"  # [INST], [/INST], [TOOL_CALLS]
    rf"|[{_MORE}](?=[{_MORE}][A-Z]+[{_LESS}])"  # Falcon's >>QUESTION<<
)
"""Where what looks like a control token of a chat template is broken up: after a character that begins or ends one.

Vocabularies find such tokens as whole strings. Those of models that nobody knows yet are written alike.
"""


def visible(text: str, *, limit: int = 2_000, marks: bool = False) -> str:
    """`text` in one line, without characters that hide or reorder others, at most `limit` long.

    A space breaks up what a tokenizer may read as control, unless `marks` says that they may stay: for text that was
    archived before they were broken up.
    """
    if not (text.isascii() and text.isprintable()):  # most text has nothing to drop
        text = "".join(
            " " if c in "\t\n\r\u2028\u2029" else c for c in text if c in "\t\n\r\u2028\u2029" or not _hides(c)
        )
    text = " ".join(text.split())
    return (text if marks else _MARKS.sub(r"\g<0> ", text))[:limit]
