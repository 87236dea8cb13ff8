"""Triggers: whether the market has met the price at which a stop becomes a market order."""

from __future__ import annotations

from decimal import Decimal

from domain.candle import Quote
from domain.order import Side


def met(trigger_price: Decimal, *, side: Side, quote: Quote) -> bool:
    """Whether a stop would fire at once: a sale whose trigger is not below the bid, a buy's not above the ask."""
    return trigger_price >= quote.bid if side == "sell" else trigger_price <= quote.ask


def target_met(target_price: Decimal, *, side: Side, quote: Quote) -> bool:
    """Whether a stop would fire at once at its target: a sale whose target is not above the bid, a buy's not below the
    ask."""
    return target_price <= quote.bid if side == "sell" else target_price >= quote.ask
