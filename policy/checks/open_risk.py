"""Open risk: what all trades together lose if every stop is met."""

from __future__ import annotations

from policy.case import Case
from policy.check import check
from policy.limits.account import OpenRiskLimits
from policy.ruling import Ruling, within


@check(
    code="OPEN_RISK",
    source="RTS 6 Art. 15(4); proprietary firms' rules",
    section="open_risk",
    entry_only=True,
    waivable=True,
)
def open_risk_within(case: Case, limits: OpenRiskLimits) -> Ruling:
    """Refuse an entry after which all positions and working entries could lose more than a share of equity.

    Counted from the mark prices, and from the prices of entries, to the stops. Without a stop a long
    can lose all that it is worth, and a short any amount, which is refused.
    """
    risk = case.book.risk + case.risk
    limit = limits.share_of_equity * case.equity
    return within(risk, limit, unit=f"{case.currency} at risk", warn_at=limits.warn_at)
