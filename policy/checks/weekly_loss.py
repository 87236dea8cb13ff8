"""Weekly loss: what the week may cost before entries stop."""

from __future__ import annotations

from policy.case import Case
from policy.check import check
from policy.escalation import WEEK_START
from policy.limits.account import WeeklyLossLimits
from policy.ruling import Ruling, short_of
from policy.used import loss_from


@check(
    code="WEEKLY_LOSS",
    source="RTS 6 Art. 15(4); proprietary firms' rules",
    section="weekly_loss",
    entry_only=True,
    alike_for_all=True,
)
def weekly_loss_within(case: Case, limits: WeeklyLossLimits) -> Ruling:
    """Refuse an entry once equity has fallen by its share since the week began, on Monday.

    Realised and unrealised count alike, and so do fees: both numbers are equity. Exactly
    at the limit is at it, as for the steps of the escalation.
    """
    start = case.facts.equity_marks.week_start
    loss = loss_from(start, case.equity, share=limits.share_of_week_start, called=WEEK_START)
    return short_of(loss.amount, loss.limit, unit=case.currency, warn_at=limits.warn_at)
