"""Daily loss: what the day may cost before entries stop."""

from __future__ import annotations

from policy.case import Case
from policy.check import check
from policy.escalation import DAY_START
from policy.limits.account import DailyLossLimits
from policy.ruling import Ruling, short_of
from policy.used import loss_from


@check(
    code="DAILY_LOSS",
    source="RTS 6 Art. 15(4); SEC 15c3-5(c)(1)(i)",
    section="daily_loss",
    entry_only=True,
    alike_for_all=True,
)
def loss_within(case: Case, limits: DailyLossLimits) -> Ruling:
    """Refuse an entry once equity has fallen by its share since the day began, as the policy counts days.

    Realised and unrealised count alike, and so do fees: both numbers are equity. Exactly
    at the limit is at it, as for the steps of the escalation.
    """
    start = case.facts.equity_marks.day_start
    loss = loss_from(start, case.equity, share=limits.share_of_day_start, called=DAY_START)
    return short_of(loss.amount, loss.limit, unit=case.currency, warn_at=limits.warn_at)
