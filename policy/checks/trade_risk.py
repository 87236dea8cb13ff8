"""Risk per trade: what is lost from entry to stop."""

from __future__ import annotations

from policy.case import Case
from policy.check import check
from policy.limits.account import TradeRiskLimits
from policy.ruling import Ruling, within


@check(
    code="RISK_PER_TRADE",
    source="RTS 6 Art. 15(4); proprietary firms' rules",
    section="risk_per_trade",
    entry_only=True,
    waivable=True,
)
def risk_within(case: Case, limits: TradeRiskLimits) -> Ruling:
    """Refuse an entry that loses more than its share of equity between its worst price and its stop.

    Without a stop a buy can lose all of its notional, and a short sale any amount.
    """
    return within(case.risk, limits.share_of_equity * case.equity, unit=case.currency, warn_at=limits.warn_at)
