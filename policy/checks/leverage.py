"""Leverage: what is held without being paid for in full."""

from __future__ import annotations

from domain.money import ZERO
from policy.case import Case
from policy.check import check
from policy.limits.account import LeverageLimits
from policy.ruling import Ruling, within


@check(
    code="LEVERAGE",
    source="RTS 6 Art. 15(4); SEC 15c3-5(c)(1)(i)",
    section="leverage",
    entry_only=True,
    waivable=True,
)
def leverage_within(case: Case, limits: LeverageLimits) -> Ruling:
    """Refuse an entry after which swaps and shorts could be worth more than so many times the equity.

    A swap counts with its larger side, whatever margin it takes; anything else only while it is held
    short. Compared as exposure <= maximum * equity, so that no equity allows none.
    """
    exposures, symbols = case.exposures, case.book.on_margin
    if case.instrument.kind == "swap":
        symbols |= {case.proposal.symbol}
    exposure = sum((exposures[symbol] for symbol in symbols), ZERO)
    limit = limits.maximum * case.equity
    return within(exposure, limit, unit=f"{case.currency} on margin", warn_at=limits.warn_at)
