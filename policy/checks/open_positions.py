"""Open positions: in how many symbols there is exposure at once."""

from __future__ import annotations

from decimal import Decimal

from policy.case import Case
from policy.check import check
from policy.ruling import Ruling, required, within


@check(code="OPEN_POSITIONS", source="RTS 6 Art. 15(4)", entry_only=True)
def few_enough_positions(case: Case) -> Ruling:
    """Refuse an entry that could make more open positions than `maximum`, working entries counted."""
    limits = required(case.policy.open_positions)
    count = sum(1 for exposure in case.exposures.values() if exposure)
    return within(Decimal(count), Decimal(limits.maximum), unit="open positions", warn_at=limits.warn_at)
