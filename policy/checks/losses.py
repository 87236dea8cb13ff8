"""Checks of losses: what a day, a week and a drawdown may cost before entries stop, and the rest after one."""

from __future__ import annotations

from decimal import Decimal

from domain.digest import plain
from policy.case import Case
from policy.check import check
from policy.escalation import DAY_START, HIGH, WEEK_START
from policy.limits.account import CooldownLimits, DailyLossLimits, DrawdownLimits, WeeklyLossLimits
from policy.ruling import Ruling, passed, short_of
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


@check(
    code="COOLDOWN",
    source="proprietary firms' rules",
    section="cooldown",
    entry_only=True,
    alike_for_all=True,
)
def rested(case: Case, limits: CooldownLimits) -> Ruling:
    """Refuse an entry too soon after a losing trade in its symbol, or after too many losing trades in a row.

    The row is counted over all symbols, and broken by any trade that did not lose. Both rests last
    until exactly as many seconds have passed as the policy says.
    """
    symbol, closed = case.proposal.symbol, case.facts.closed
    row = closed[-limits.losses_in_a_row :]
    if len(row) == limits.losses_in_a_row and all(trade.profit < 0 for trade in row):
        since = case.age_s(max(trade.closed_at for trade in row))
        if since < limits.pause_s:
            return _resting(f"the last of {len(row)} losing trades in a row", since, rest_s=limits.pause_s)
    losses = [trade.closed_at for trade in closed if trade.symbol == symbol and trade.profit < 0]
    if losses:
        since = case.age_s(max(losses))
        if since < limits.after_loss_s:
            return _resting(f"the last losing trade in {symbol}", since, rest_s=limits.after_loss_s)
    return passed("rested")


def _resting(what: str, since_s: Decimal, *, rest_s: int) -> Ruling:
    message = f"{what} closed {plain(since_s)} s ago, and the rest is {rest_s} s"
    return Ruling("deny", message, since_s, Decimal(rest_s), "s")
