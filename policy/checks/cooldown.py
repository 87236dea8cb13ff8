"""Cooldown: rest after losses."""

from __future__ import annotations

from decimal import Decimal

from domain.digest import plain
from policy.case import Case
from policy.check import check
from policy.limits.account import CooldownLimits
from policy.ruling import Ruling, passed


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
