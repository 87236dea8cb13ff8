"""Risk per trade: what is lost from entry to stop."""

from __future__ import annotations

from decimal import Decimal

from policy.case import Case
from policy.check import check
from policy.ruling import FactMissing, Ruling, required, within


@check(code="RISK_PER_TRADE", source="RTS 6 Art. 15(4); proprietary firms' rules", entry_only=True)
def risk_within(case: Case) -> Ruling:
    """Refuse an entry that loses more than its share of equity between its worst price and its stop.

    Without a stop a buy can lose all of its notional, and a short sale any amount.
    """
    limits = required(case.policy.risk_per_trade)
    risk = case.proposal.quantity * _distance(case)
    return within(risk, limits.share_of_equity * case.equity, unit=case.currency, warn_at=limits.warn_at)


def _distance(case: Case) -> Decimal:
    stop, limit, quote = case.proposal.stop_price, case.proposal.limit_price, case.quote
    if case.proposal.side == "buy":
        return case.worst_price if stop is None else abs(case.worst_price - stop)
    if stop is None:
        raise FactMissing("a short sale without a stop can lose any amount")
    entry = quote.bid * (1 - case.slippage) if limit is None else limit
    return abs(stop - entry)
