"""Spread: how wide the market may be to enter."""

from __future__ import annotations

from domain.money import BPS
from policy.case import Case
from policy.check import check
from policy.limits.order import SpreadLimits
from policy.ruling import Ruling, within


@check(
    code="SPREAD",
    source="FIA 2024, market data reasonability; proprietary firms' rules",
    section="spread",
    entry_only=True,
    waivable=True,
    alike_for_all=True,
)
def spread_within(case: Case, limits: SpreadLimits) -> Ruling:
    """Refuse an entry while the ask lies further above the bid than `maximum_bps` of the middle."""
    quote = case.quote
    allowed = case.mid * limits.maximum_bps / BPS
    return within(quote.ask - quote.bid, allowed, unit=f"{case.currency} of spread", warn_at=limits.warn_at)
