"""An item with what is worked out from it once: its line, digest, story and token counts."""

from __future__ import annotations

import re
from functools import cached_property

from context.duplicates import Story, story
from context.item import CUT, KINDS, ContextItem
from context.prompt import line
from context.tokenizer import Tokenizer
from domain.digest import canonical, sha256

_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？।॥])\s*")

_ABBREVIATED = re.compile(
    r"""
    (?:^|[^\w.])(?:
        (?:[^\W\d_]\.)+                                                    # initials: U.S., e.g., J.
        | (?:al|approx|asst|ave|bros|capt|cf|cie|co|corp|dept|dr|eq|est|etc|ex|fig|gen|gov|hon|inc|jr|ltd|maj|mr|mrs
            |ms|mt|mx|plc|pres|prof|pty|rep|rev|sen|sgt|sr|st|univ|viz|vol|vs|jan|feb|mar|apr|jun|jul|aug|sept?|oct
            |nov|dec)\.
    )$
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NUMBERED = re.compile(r"(?:^|\W)(?:nos?|nr|art|sec|ch|pp?)\.$", re.IGNORECASE)
"""Before a number only: `No. 1` goes on, and `Rates cut? No. Not yet.` does not."""

_LONGEST = 24
"""Characters before an end that are looked at for an abbreviation."""

_PARTS = (2, 4)
"""Wordings offered: about a half and a quarter of the sentences. Few, since each is one more way to pack."""


def shortened(text: str) -> tuple[str, ...]:
    """Shorter wordings of `text`, longest first; none for a single sentence."""
    ends = [end.start() for end in _END.finditer(text) if end.end() < len(text) and _ends(text, end)]
    sentences = len(ends) + 1
    keeps = dict.fromkeys(-(-sentences // part) for part in _PARTS)
    return tuple(text[: ends[keep - 1]] + CUT for keep in keeps if keep < sentences)


def _ends(text: str, end: re.Match[str]) -> bool:
    """Whether a sentence ends here. An abbreviation is taken as not: a longer wording misleads nobody."""
    before = text[max(0, end.start() - _LONGEST) : end.start()]
    if _ABBREVIATED.search(before):
        return False
    return not (_NUMBERED.search(before) and text[end.end()].isdigit())


Order = tuple[int, float, str]
"""The order between items of equal score: kind, created_at, id."""

Age = tuple[float, str]
"""The order in which items could be known: available_at, id; the oldest first."""

_KIND_RANK = {kind: rank for rank, kind in enumerate(KINDS)}


class Entry:
    """A prepared item. It never changes but for what it remembers, so books and their views share it."""

    def __init__(self, item: ContextItem) -> None:
        self.item = item
        self.available_s = item.available_at.timestamp()
        self.age: Age = (self.available_s, item.id)
        self.expires_s = float("inf") if item.ttl_s is None else self.available_s + item.ttl_s
        self._counts: dict[tuple[str, str], int] = {}

    @cached_property
    def order(self) -> Order:
        return _KIND_RANK[self.item.kind], self.item.created_at.timestamp(), self.item.id

    @cached_property
    def line(self) -> str:
        return line(self.item, self.item.text)

    @cached_property
    def digest(self) -> str:
        return sha256(self.body)

    @cached_property
    def body(self) -> str:
        """The canonical JSON that the digest is over."""
        return canonical(self.item)

    @cached_property
    def story(self) -> Story | None:
        return story(self.item)

    @cached_property
    def wordings(self) -> tuple[tuple[str, float], ...]:
        """Every line that may stand for the item, the whole one first, each with the part of the text it keeps."""
        whole = self.item.text
        if not self.item.may_shorten or self.item.required:
            return ((self.line, 1.0),)
        return (
            (self.line, 1.0),
            *((line(self.item, text), len(text) / len(whole)) for text in shortened(whole) if len(text) < len(whole)),
        )

    def count(self, text: str, tokenizer: Tokenizer) -> int:
        """Tokens of one of its lines, at least one, counted once per measure."""
        key = tokenizer.name, text
        tokens = self._counts.get(key)
        if tokens is None:
            tokens = self._counts[key] = max(1, tokenizer.count(text))
        return tokens
