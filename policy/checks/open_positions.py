"""Open positions: in how many symbols there is exposure at once."""

from __future__ import annotations

from decimal import Decimal

from policy.case import Case
from policy.check import check
from policy.limits.account import OpenPositionsLimits
from policy.ruling import Ruling, within


@check(
    code="OPEN_POSITIONS",
    source="RTS 6 Art. 15(4)",
    section="open_positions",
    entry_only=True,
    waivable=True,
)
def few_enough_positions(case: Case, limits: OpenPositionsLimits) -> Ruling:
    """Refuse an entry that could make more open positions than `maximum`, working entries counted."""
    return within(Decimal(case.exposed), Decimal(limits.maximum), unit="open positions", warn_at=limits.warn_at)
