"""What a failed call to an exchange proves: it did not happen, it was refused, or nobody knows.

VenueRefused         no usable answer, and none if it is asked again
└── Declined         the venue answered and did not do it, with its own code
    └── KeysDeclined ... because of the keys
TicketRefused
└── NotSent          the order provably never left this machine
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from domain.errors import KeysRefused, TicketRefused, VenueRefused
from domain.text import visible
from venues.exchange.connection import REFUSED

Kind = Literal["refused", "duplicate", "absent", "clock", "silent"]
"""`absent`: no such order, or none to cancel. `clock`: our time is not theirs. `silent`: it proves nothing."""

_QUERY = re.compile(r"\?[^\s\"'<>]*")
_SIGNED = re.compile(r"(?i)\b(signature|sign|api[-_]?key|passphrase|secret)([\\\"\s]*[=:][\\\"\s]*)[^\s&\"'\\,}]+")


class Declined(VenueRefused):
    """The venue answered, and did not do what it was asked. Of a query it is one more missing answer."""

    def __init__(self, message: str, *, kind: Kind, code: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.kind = kind
        self.code = code


class KeysDeclined(Declined, KeysRefused):
    """... because of the keys."""


class NotSent(TicketRefused):
    """Nothing went out: the venue is left alone, or could not be reached. The ticket was not used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """An exchange's own codes, where they say more than ccxt's error does. Each entry is a code and words with it."""

    duplicate: Sequence[tuple[str, str]] = ()
    """An order of that client order id is known."""
    absent: Sequence[tuple[str, str]] = ()
    unproven: Sequence[tuple[str, str]] = ()
    """Answers that say themselves that they don't know, or that come from a door before the engine."""
    refused: Sequence[tuple[str, str]] = ()
    """Definite ones that ccxt has no name for; a code ending in `*` stands for all that begin so."""

    def kind(self, code: str, message: str) -> Kind | None:
        """What the exchange's own words prove; `None` where they are nothing special."""
        tables: Sequence[tuple[Kind, Sequence[tuple[str, str]]]] = (
            ("duplicate", self.duplicate),
            ("absent", self.absent),
            ("silent", self.unproven),
            ("refused", self.refused),
        )
        for kind, entries in tables:
            if any(_fits(code, pattern) and words in message.lower() for pattern, words in entries):
                return kind
        return None


def _fits(code: str, pattern: str) -> bool:
    return code.startswith(pattern[:-1]) if pattern.endswith("*") else code == pattern


def kind_of(error: Exception, *, status: int | None, code: str, message: str, codes: Codes) -> Kind:
    """What `error` of a call proves. `status`, `code` and `message` are the answer's; none without an answer.

    Only an answer with a code in it can refuse: what a gateway says in HTML proves nothing about an order.
    """
    if status is None or not code or status >= 500 or status in (418, 429):
        return "silent"
    if known := codes.kind(code, message):
        return known
    names = [kind.__name__ for kind in type(error).__mro__]
    if "DuplicateOrderId" in names:
        return "duplicate"
    if "OrderNotFound" in names:
        return "absent"
    if names[0] == "InvalidNonce":
        return "clock"
    return "refused" if names[0] in REFUSED else "silent"


def masked(text: str, secrets: Sequence[str]) -> str:
    """`text` in one line without anything that a request was signed with: ccxt's errors quote whole addresses."""
    for secret in secrets:
        text = text.replace(secret, "•••")
    return visible(_SIGNED.sub(r"\1\2•••", _QUERY.sub("?…", text)), limit=200)


def code_in(answer: object, *names: str) -> tuple[str, str]:
    """Code and message of an answer with fields of these two names; empty where it has none."""
    if not isinstance(answer, Mapping):
        return "", ""
    code, message = (answer.get(name) for name in names)
    return "" if code is None else str(code), "" if message is None else str(message)
