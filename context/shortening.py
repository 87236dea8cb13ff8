"""Shortened wordings of an item that allows it: whole sentences from its start, marked as cut."""

from __future__ import annotations

import re

from context.item import CUT

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
