"""Duplicates: the same story from five feeds counts once.

Two pieces of evidence tell the same story when they say the same words and numbers in the same order, but for
fillers, signatures, punctuation and the ending of a verb. Whatever else one of them says makes another story: a
number, its sign or unit, a negation, a question, or any further word. Roles and outcomes hang on a single word
and on the order ("Binance sues Coinbase", "SEC approves ETF rejected"), and to tell a story twice costs a few
tokens where to fold two stories costs one of them. So being the same story is an equality: it needs no comparison
of pairs, whatever a feed sends.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from context.item import ContextItem

Story = str
"""What a text says, by whom it can be believed, and about which symbols: equal in two tellings of one story."""

SOURCES_COUNTED = 5
DOUBT_PER_SOURCE = 0.8
"""Each further source leaves four fifths of the doubt, for at most five sources: feeds copy each other."""

_PART = re.compile(
    r"""
    \d+(?:[.,]\d+)*[a-z]*                                           # a number with its unit: 90,000 or 5k
    | [^\W\d_\u0900-\U0010ffff]+(?:'[^\W\d_\u0900-\U0010ffff]+)?    # a word of a script with spaces
    | \S                                                            # a sign, or a letter of any other script
    """,
    re.VERBOSE,
)
_MINUS = re.compile(r"(?<!\w)[-–−](?=[^\w\s]?\d)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_FILLER = frozenset(
    _PART.findall(
        "a alert amid an and are as at be been breaking exclusive has have heavily her his in is it its just latest "
        "live new news now of on sharply slightly steeply suddenly swiftly that the their this today update updated "
        "was were 🚨 🔴 ⚡ 🔔 📢 📣 🔥 📰 ` ^ | ~ ©"
    )
)
"""Words and signs that neither turn a sentence nor swap who does what to whom: no `by`, `to`, `from`, `may`, `not`."""

_SIGNIFICANT = frozenset("%‰?")
"""Punctuation that counts like a word."""


def story(item: ContextItem) -> Story | None:
    """The story of evidence in words; None for other kinds and for readings, which never stand for another.

    What is not trusted alike is never the same story: a feed can neither replace what the venue or we ourselves
    say, nor confirm it. A text of nothing but fillers or punctuation is its own story.
    """
    if item.kind != "evidence" or item.readings or not item.text:
        return None
    text = _folded(_without(item.text, name=item.source))
    symbols = (tag for tag in item.tags if tag.startswith("symbol:"))
    return " ".join((item.trust, *symbols, "says", *(tuple(_words(text)) or (text,))))


def _words(text: str) -> Iterator[str]:
    for part in _PART.findall(text):
        if part in _FILLER:
            continue
        if len(part) == 1 and not part.isalnum():
            if part in _SIGNIFICANT or unicodedata.category(part)[0] not in "PZC":
                yield part
        else:
            yield part if part[0].isdigit() else _stem(part)


def _without(text: str, *, name: str) -> str:
    """`text` without the feed's own name, which it likes to sign with."""
    return re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", " ", text) if name and name in text else text


def _folded(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).casefold().translate(_ALIKE)
    return _MINUS.sub("−", _THOUSANDS.sub("", text.lower()))


_ALIKE = str.maketrans({"’": "'", "\ufe0f": None})


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    """English endings off, roughly: it only has to treat both tellings alike.

    An `-ed` stays: "Binance sued" may well be a passive, which is not what "Binance sues" says.
    """
    for ending in ("'s", "ings", "ing", "ies", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def raised(confidences: Sequence[float], *, sources: int) -> float:
    """The confidence of a story told by several `sources`: the surest telling, and less doubt for each more."""
    surest = max(confidences)
    return 1 - (1 - surest) * DOUBT_PER_SOURCE ** (min(sources, SOURCES_COUNTED) - 1)
