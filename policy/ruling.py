"""What a check says, and the few ways to say it."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple, get_args

from domain.digest import plain
from domain.errors import Refused
from domain.money import ZERO

Grade = Literal["pass", "warn", "review", "deny"]
"""From the mildest to the strictest. A warning lets an order through."""


class Ruling(NamedTuple):
    """The word of one check, with the numbers it compared where it compared any."""

    outcome: Grade
    message: str
    observed: Decimal | None = None
    limit: Decimal | None = None
    unit: str = ""
    unknown: bool = False


class FactMissing(Refused):
    """What a check needs is not known. The engine makes it a refusal; it never leaves the policy."""


_GRADES = get_args(Grade)


def passed(message: str) -> Ruling:
    return Ruling("pass", message)


def deny(message: str) -> Ruling:
    return Ruling("deny", message)


def unjudged(message: str) -> Ruling:
    """A refusal for want of what the check needs: nobody can let stand what nobody knows."""
    return Ruling("deny", message, unknown=True)


def within(observed: Decimal, limit: Decimal, *, unit: str, warn_at: Decimal) -> Ruling:
    """Pass up to and including `limit`, with a warning from `warn_at` of it on."""
    if observed > limit:
        return Ruling("deny", f"{plain(observed)} is above the limit of {plain(limit)} {unit}", observed, limit, unit)
    if observed > ZERO and observed >= limit * warn_at:
        return Ruling("warn", f"near the limit of {plain(limit)} {unit}", observed, limit, unit)
    return Ruling("pass", "within the limit", observed, limit, unit)


def short_of(observed: Decimal, limit: Decimal, *, unit: str, warn_at: Decimal) -> Ruling:
    """For losses: pass below `limit`, with a warning from `warn_at` of it on. Nothing lost has reached no limit."""
    if observed > ZERO and observed >= limit:
        return Ruling(
            "deny", f"{plain(observed)} has reached the limit of {plain(limit)} {unit}", observed, limit, unit
        )
    return within(observed, limit, unit=unit, warn_at=warn_at)


def in_parts(ruling: Ruling) -> Ruling:
    """The word on the size of an exit: too large for one order, it says how to leave all the same."""
    if ruling.outcome != "deny":
        return ruling
    return ruling._replace(message=f"{ruling.message}: leave in several orders")


def strictest(*rulings: Ruling) -> Ruling:
    """The first of the strictest, where one check compares several numbers."""
    return max(rulings, key=lambda ruling: _GRADES.index(ruling.outcome))
