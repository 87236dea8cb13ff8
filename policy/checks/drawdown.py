"""Drawdown: how far the account may fall from its best before entries stop."""

from __future__ import annotations

from policy.case import Case
from policy.check import check
from policy.escalation import HIGH
from policy.limits.account import DrawdownLimits
from policy.ruling import Ruling, short_of
from policy.used import loss_from


@check(
    code="DRAWDOWN",
    source="RTS 6 Art. 15(4); proprietary firms' rules",
    section="drawdown",
    entry_only=True,
    alike_for_all=True,
)
def drawdown_within(case: Case, limits: DrawdownLimits) -> Ruling:
    """Refuse an entry once equity has fallen by its share from the high-water mark.

    Exactly at the limit is at it, as for the steps of the escalation, and sizes have fallen to nothing there.
    """
    fall = loss_from(case.facts.equity_marks.high, case.equity, share=limits.share_of_high, called=HIGH)
    return short_of(fall.amount, fall.limit, unit=case.currency, warn_at=limits.warn_at)
