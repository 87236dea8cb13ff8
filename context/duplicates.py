"""Near-duplicates: the same story from five feeds counts once.

Two pieces of evidence tell the same story when one says, in any order and inflection, every word
that the other says, and little besides. What makes a different story is never overlooked: another
number, another symbol, a negation or a doubt. Words that merely differ are a different story as well, since
"sues Binance" and "sues Coinbase" are two facts.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from context.item import ContextItem

OVERLAP = (2, 3)
"""The shorter one holds at least two thirds of the longer one's words."""

FEWEST = 4
"""Words below which only the very same words make a duplicate."""

CROWD = 64
"""Tellings of the same facts and a word that are compared with each other: the bound on work."""

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

    @property
    def opening(self) -> tuple[str, ...]:
        """The words that a shorter telling may begin with."""
        return self.words[: len(self.words) - self.fewest + 1]

    def retells(self, other: Fingerprint) -> bool:
        """Whether this is a shorter telling of `other`."""
        return len(self.words) >= FEWEST and other.fewest <= len(self.words) and set(other.words).issuperset(self.words)


def fingerprint(item: ContextItem) -> Fingerprint | None:
    """The fingerprint of evidence in words; none for other kinds and for readings, which never stand for another."""
    if item.kind != "evidence" or item.readings:
        return None
    numbers: list[str] = []
    words: set[str] = set()
    text = _folded(_without(item.text, name=item.source))
    for word in _WORD.findall(text):
        if word[-1].isdigit():
            numbers.append(word.replace(",", ""))
        else:
            words.add(word)
    turned = words & _TURNING
    short = {word for word in words if word.endswith("n't")} if "n't" in text else set()
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


def raised(confidences: Sequence[float], *, sources: int) -> float:
    """The confidence of a story told by several `sources`: the surest telling, and less doubt for each more."""
    surest = max(confidences)
    return 1 - (1 - surest) * DOUBT_LEFT ** (min(sources, SOURCES_COUNTED) - 1)


_Member = tuple[float, tuple[str, ...], Fingerprint]
"""When it was first told, its words, itself: what members of a group are ordered by."""

_Groups = dict[str, list[_Member]]
"""Fingerprints of the same facts by each word of their openings."""


class Stories:
    """Which fingerprints retell each other, kept up to date as they come and go.

    A shorter telling lacks at most a third of the longer one's words, so its first word is among the
    first third of the longer one's, and one more. Fingerprints of the same facts that have a word there
    are a group, and a shorter telling is looked up in the group of its first word.

    In a group only the `CROWD` that were told first are compared, so that each is compared as the shorter one
    with fewer than `CROWD` others, whatever a feed sends; the later ones of a crowd count as retold only in
    the very same words. Who was first depends neither on the order of arrival nor on anything that became
    available later. The relation is not transitive.
    """

    def __init__(self, *, crowd: int = CROWD) -> None:
        self.links: dict[Fingerprint, set[Fingerprint]] = {}
        """Each fingerprint that retells others or is retold, with those others."""
        self._crowd = crowd
        self._groups: dict[object, _Groups] = {}
        self._alone: dict[object, _Member] = {}
        """By its facts, what nothing else could retell so far: most numbers are told once, and need no groups."""

    def add(self, told: Fingerprint, *, since_s: float) -> None:
        """Take in a fingerprint that was first told at `since_s` (seconds since 1970)."""
        if len(told.words) < FEWEST:
            return
        member = since_s, told.words, told
        groups = self._groups.get(told.facts)
        if groups is None:
            other = self._alone.pop(told.facts, None)
            if other is None:
                self._alone[told.facts] = member
                return
            groups = self._groups[told.facts] = {}
            self._join(groups, other)
        self._join(groups, member)

    def remove(self, told: Fingerprint, *, since_s: float) -> None:
        """Forget a fingerprint that was added with this `since_s`."""
        if len(told.words) >= FEWEST and self._alone.pop(told.facts, None) is None:
            groups = self._groups[told.facts]
            self._leave(groups, (since_s, told.words, told))
            if not groups:
                del self._groups[told.facts]

    def _join(self, groups: _Groups, member: _Member) -> None:
        told = member[2]
        for word in told.opening:
            group = groups.setdefault(word, [])
            at = bisect_left(group, member)
            group.insert(at, member)
            if at < self._crowd:
                self._link(told, group, word)
                if len(group) > self._crowd:
                    self._unlink(group[self._crowd][2], word)

    def _leave(self, groups: _Groups, member: _Member) -> None:
        told = member[2]
        for word in told.opening:
            group = groups[word]
            at = bisect_left(group, member)
            del group[at]
            if at < self._crowd:
                self._unlink(told, word)
                if len(group) >= self._crowd:
                    self._link(group[self._crowd - 1][2], group, word)
            if not group:
                del groups[word]

    def _link(self, told: Fingerprint, group: Sequence[_Member], word: str) -> None:
        for _, _, other in group[: self._crowd]:
            short, long = (told, other) if len(told.words) < len(other.words) else (other, told)
            if short.words[0] == word and len(short.words) < len(long.words) and short.retells(long):
                self.links.setdefault(short, set()).add(long)
                self.links.setdefault(long, set()).add(short)

    def _unlink(self, told: Fingerprint, word: str) -> None:
        """Undo the links that were found by `word`: those whose shorter telling begins with it."""
        for other in tuple(self.links.get(told, ())):
            if min(told.words, other.words, key=len)[0] == word:
                for one, another in ((told, other), (other, told)):
                    self.links[one].discard(another)
                    if not self.links[one]:
                        del self.links[one]
