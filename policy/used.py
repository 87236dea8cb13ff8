"""How much of a limit is used: compared by multiplication, so that no division can round or hide a zero."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from domain.money import ZERO
from policy.ruling import FactMissing


class Used(NamedTuple):
    """What is used of a limit, both in the same unit and neither negative."""

    amount: Decimal
    limit: Decimal

    def exceeds(self, other: Used) -> bool:
        """Whether a larger part of this limit is used than of the other. Nothing is no part, also of nothing."""
        if not self.amount:
            return False
        return not other.amount or self.amount * other.limit > other.amount * self.limit

    def reaches(self, part: Decimal) -> bool:
        """Whether at least `part` of the limit is used. Where nothing is used, nothing is reached."""
        return self.amount > 0 and self.amount >= part * self.limit


def loss_from(mark: Decimal | None, equity: Decimal, *, share: Decimal, called: str) -> Used:
    """How far `equity` lies below `mark`, of the `share` of it that may be lost. `called` names the mark.

    Raises `FactMissing` for a mark that is unknown or not above zero: there is no share of nothing.
    """
    if mark is None:
        raise FactMissing(f"{called} is unknown")
    if mark <= 0:
        raise FactMissing(f"{called} was not above zero")
    return Used(max(mark - equity, ZERO), share * mark)
