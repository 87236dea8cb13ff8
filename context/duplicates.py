"""Near-duplicates: the same story from five feeds counts once.

Two pieces of evidence tell the same story when one says, in any order and inflection, every word
that the other says, and little besides. What makes a different story is never overlooked: another
number, another symbol, a negation or a doubt. Words that merely differ are a different story as well, since
"sues Binance" and "sues Coinbase" are two facts.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from context.item import ContextItem

OVERLAP = (2, 3)
"""The shorter one holds at least two thirds of the longer one's words."""

FEWEST = 4
"""Words below which only the very same words make a duplicate."""

SOURCES_COUNTED = 5
DOUBT_LEFT = 0.8
"""Each further source leaves four fifths of the doubt, for at most five sources: feeds copy each other."""

_WORD = re.compile(r"-?\d+(?:[.,]\d+)*|[^\W\d_]+(?:'[^\W\d_]+)?")
_FILLER = frozenset(
    _WORD.findall(
        "a after ahead alert amid an and are as at be been breaking by exclusive for from has have her his in into is "
        "it its just latest live more new news now of on or over report reports said say says so than that the their "
        "this to today update updated was were will with"
    )
)
_TURNING = frozenset(
    _WORD.findall(
        "cannot could denied denies deny fake false hoax if may might neither never no nobody none nor not nothing "
        "rumor rumors rumour rumours unconfirmed unlikely without would"
    )
)
"""Words that turn a sentence into its opposite, or a fact into a guess."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a text says: `facts` must be equal in two tellings, `words` may be a few more in one of them."""

    facts: tuple[object, ...]
    words: tuple[str, ...]
    """Distinct stems, the longest first, which are the rarest and so the best to look others up by."""

    @property
    def fewest(self) -> int:
        """How many words a shorter telling must have."""
        return -(-len(self.words) * OVERLAP[0] // OVERLAP[1])

    def retells(self, other: Fingerprint) -> bool:
        """Whether this is a shorter telling of `other`."""
        return len(self.words) >= FEWEST and other.fewest <= len(self.words) and set(self.words) <= set(other.words)


def fingerprint(item: ContextItem) -> Fingerprint | None:
    """The fingerprint of evidence in words; none for other kinds and for readings, which never stand for another."""
    if item.kind != "evidence" or item.readings:
        return None
    numbers: list[str] = []
    words: set[str] = set()
    for word in _WORD.findall(_folded(_without(item.text, name=item.source))):
        if word[-1].isdigit():
            numbers.append(word.replace(",", ""))
        else:
            words.add(word)
    turned = words & _TURNING
    short = {word for word in words if word.endswith("n't")}
    stems = {_stem(word) for word in words - _FILLER - turned - short}
    if not stems:
        return None
    symbols = tuple(tag for tag in item.tags if tag.startswith("symbol:"))
    facts = (symbols, tuple(sorted(numbers)), tuple(sorted(turned | {"not"} if short else turned)))
    return Fingerprint(facts=facts, words=tuple(sorted(sorted(stems), key=len, reverse=True)))


def _without(text: str, *, name: str) -> str:
    """`text` without the feed's own name, which it likes to sign with."""
    return re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", " ", text) if name and name in text else text


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("−", "-")


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    """English endings off, roughly: it only has to treat both tellings alike."""
    for ending in ("ings", "ing", "ies", "ed", "es", "s", "'s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def stories(fingerprints: Iterable[Fingerprint]) -> dict[Fingerprint, list[Fingerprint]]:
    """Each fingerprint that retells others or is retold, with those others. The relation is not transitive.

    A shorter telling lacks at most a third of the longer one's words, so its first word is among the
    first third of the longer one's, and one more: only those are looked up.
    """
    by_first: dict[tuple[object, str], list[Fingerprint]] = defaultdict(list)
    distinct = dict.fromkeys(fingerprints)
    for short in distinct:
        if len(short.words) >= FEWEST:
            by_first[short.facts, short.words[0]].append(short)
    links: dict[Fingerprint, list[Fingerprint]] = defaultdict(list)
    for long in distinct:
        for word in long.words[: len(long.words) - long.fewest + 1]:
            for short in by_first.get((long.facts, word), ()):
                if short is not long and short.retells(long):
                    links[short].append(long)
                    links[long].append(short)
    return dict(links)


def raised(confidences: Sequence[float], *, sources: int) -> float:
    """The confidence of a story told by several `sources`: the surest telling, and less doubt for each more."""
    surest = max(confidences)
    return 1 - (1 - surest) * DOUBT_LEFT ** (min(sources, SOURCES_COUNTED) - 1)
