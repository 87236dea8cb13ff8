"""Daily loss: what the day may cost before entries stop."""

from __future__ import annotations

from domain.money import ZERO
from policy.case import Case
from policy.check import check
from policy.ruling import Ruling, deny, required, within


@check(code="DAILY_LOSS", source="RTS 6 Art. 15(4); SEC 15c3-5(c)(1)(i)", entry_only=True)
def loss_within(case: Case) -> Ruling:
    """Refuse an entry when equity has fallen by more than its share since the day began, in UTC.

    Realised and unrealised count alike, and so do fees: both numbers are equity.
    """
    limits = required(case.policy.daily_loss)
    start = case.facts.day_start_equity
    if start is None:
        return deny("the equity at the start of the day is unknown")
    if start <= 0:
        return deny("there was no equity at the start of the day")
    loss = max(start - case.equity, ZERO)
    return within(loss, limits.share_of_day_start * start, unit=case.currency, warn_at=limits.warn_at)
