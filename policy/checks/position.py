"""Position: exposure in one symbol."""

from __future__ import annotations

from policy.case import Case
from policy.check import check
from policy.limits.account import PositionLimits
from policy.ruling import Ruling, within


@check(
    code="POSITION",
    source="RTS 6 Art. 15(4); FIA 2024, maximum intraday position",
    section="position",
    entry_only=True,
    waivable=True,
)
def position_within(case: Case, limits: PositionLimits) -> Ruling:
    """Refuse an entry after which the symbol could be worth more than its share of equity.

    Counted: what is held, this order, and all working orders, un-netted (RTS 6 Art. 15(2)).
    """
    exposure = case.exposures[case.proposal.symbol]
    return within(exposure, limits.share_of_equity * case.equity, unit=case.currency, warn_at=limits.warn_at)
