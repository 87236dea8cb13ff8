"""Untrusted text made safe to show: what cannot be seen cannot instruct."""

from __future__ import annotations

import unicodedata

_DROPPED = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
"""Control, format (zero-width, bidirectional, tag), private, surrogate, unassigned, separators."""

_VARIATION = frozenset(range(0xFE00, 0xFE10)) | frozenset(range(0xE0100, 0xE01F0))


def visible(text: str, *, limit: int = 2_000) -> str:
    """`text` in one line, without characters that hide or reorder others, at most `limit` long."""
    if text.isascii() and text.isprintable():  # nothing to drop: most text
        return " ".join(text.split())[:limit]
    kept = "".join(
        " " if c in "\t\n\r\u2028\u2029" else c
        for c in text
        if c in "\t\n\r\u2028\u2029" or (unicodedata.category(c) not in _DROPPED and ord(c) not in _VARIATION)
    )
    return " ".join(kept.split())[:limit]
