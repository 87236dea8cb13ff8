"""Exposure: the whole portfolio, gross."""

from __future__ import annotations

from policy.case import Case
from policy.check import check
from policy.limits.account import ExposureLimits
from policy.ruling import Ruling, within


@check(
    code="EXPOSURE",
    source="RTS 6 Art. 15(4); SEC 15c3-5(c)(1)(i)",
    section="exposure",
    entry_only=True,
    waivable=True,
)
def gross_exposure_within(case: Case, limits: ExposureLimits) -> Ruling:
    """Refuse an entry after which all symbols together could be worth more than their share of equity.

    Gross: shorts add. Counted: all positions, this order, and all working orders, un-netted.
    """
    gross = case.gross
    return within(gross, limits.gross_share_of_equity * case.equity, unit=case.currency, warn_at=limits.warn_at)
