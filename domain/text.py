"""Untrusted text made safe to show: what cannot be seen cannot instruct."""

from __future__ import annotations

import re
import unicodedata

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


def _revealed(found: re.Match[str]) -> str:
    c = found[0]
    if not _hides(c):
        return c
    units = c.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n : n + 2].hex()}" for n in range(0, len(units), 2))


def _hides(c: str) -> bool:
    return unicodedata.category(c) in _DROPPED or ord(c) in _VARIATION


def visible(text: str, *, limit: int = 2_000) -> str:
    """`text` in one line, without characters that hide or reorder others, at most `limit` long."""
    if text.isascii() and text.isprintable():  # nothing to drop: most text
        return " ".join(text.split())[:limit]
    kept = "".join(" " if c in "\t\n\r\u2028\u2029" else c for c in text if c in "\t\n\r\u2028\u2029" or not _hides(c))
    return " ".join(kept.split())[:limit]
