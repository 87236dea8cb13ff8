"""Token counts as the engine sees them, and two measures that need no vocabulary.

Real vocabularies need files and live in `tools`; anything with a name and a count will do here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Protocol

_PIECE = re.compile(r"[A-Za-z]{1,4}|[0-9]{1,3}|[^A-Za-z0-9]")


class Tokenizer(Protocol):
    """Counts tokens. The same text has the same count, always."""

    @property
    def name(self) -> str:
        """Which measure it is; it stands in every snapshot."""
        ...

    def count(self, text: str) -> int: ...


class Pieces:
    """The stated measure for models without a vocabulary.

    Words in pieces of four letters, numbers in pieces of three digits, every other character that
    is not white space alone. No piece crosses white space, so counts of lines add up.
    """

    name = "pieces"

    def count(self, text: str) -> int:
        return sum(map(_pieces, text.split()))


@lru_cache(maxsize=50_000)
def _pieces(word: str) -> int:
    return len(_PIECE.findall(word))


class Utf8Bytes:
    """Bytes in UTF-8: several times too many, and never less than a byte-level vocabulary counts.

    But for a vocabulary that first brings text into another form: `½` is two bytes, and three tokens as `1⁄2`.
    """

    name = "utf8-bytes"

    def count(self, text: str) -> int:
        return len(text.encode(errors="surrogatepass"))
