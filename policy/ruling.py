"""What a check says, and the few ways to say it."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple, TypeVar

from domain.digest import plain
from domain.errors import Refused
from domain.money import ZERO

Grade = Literal["pass", "warn", "review", "deny"]
"""From the mildest to the strictest. A warning lets an order through."""

L = TypeVar("L")


class Ruling(NamedTuple):
    """The word of one check, with the numbers it compared where it compared any."""

    outcome: Grade
    message: str
    observed: Decimal | None = None
    limit: Decimal | None = None
    unit: str = ""


class FactMissing(Refused):
    """What a check needs is not known. The engine makes it a refusal; it never leaves the policy."""


def required(limits: L | None) -> L:
    """A section of the policy. Raises `FactMissing` when the policy has none: no limit means refuse."""
    if limits is None:
        raise FactMissing("the policy sets no limit here")
    return limits


def passed(message: str) -> Ruling:
    return Ruling("pass", message)


def deny(message: str) -> Ruling:
    return Ruling("deny", message)


def within(observed: Decimal, limit: Decimal, *, unit: str, warn_at: Decimal) -> Ruling:
    """Pass up to and including `limit`, with a warning from `warn_at` of it on."""
    if observed > limit:
        return Ruling("deny", f"{plain(observed)} is above the limit of {plain(limit)} {unit}", observed, limit, unit)
    if observed > ZERO and observed >= limit * warn_at:
        return Ruling("warn", f"near the limit of {plain(limit)} {unit}", observed, limit, unit)
    return Ruling("pass", "within the limit", observed, limit, unit)
