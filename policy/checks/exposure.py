"""Exposure: the whole portfolio, gross."""

from __future__ import annotations

from domain.money import ZERO
from policy.case import Case
from policy.check import check
from policy.ruling import Ruling, required, within


@check(code="EXPOSURE", source="RTS 6 Art. 15(4); SEC 15c3-5(c)(1)(i)", entry_only=True)
def gross_exposure_within(case: Case) -> Ruling:
    """Refuse an entry after which all symbols together could be worth more than their share of equity.

    Gross: shorts add. Counted: all positions, this order, and all working orders, un-netted.
    """
    limits = required(case.policy.exposure)
    gross = sum(case.exposures.values(), ZERO)
    limit = limits.gross_share_of_equity * case.equity
    return within(gross, limit, unit=case.currency, warn_at=limits.warn_at)
