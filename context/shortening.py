"""Shortened wordings of an item that allows it: whole sentences from its start, marked as cut."""

from __future__ import annotations

import re

from context.item import CUT

_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])\s*")

_PARTS = (2, 4)
"""Wordings offered: about a half and a quarter of the sentences. Few, since each is one more way to pack."""


def shortened(text: str) -> tuple[str, ...]:
    """Shorter wordings of `text`, longest first; none for a single sentence."""
    ends = [end.start() for end in _END.finditer(text) if end.end() < len(text)]
    sentences = len(ends) + 1
    keeps = dict.fromkeys(-(-sentences // part) for part in _PARTS)
    return tuple(text[: ends[keep - 1]] + CUT for keep in keeps if keep < sentences)
