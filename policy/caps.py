"""The caps of a policy on one order that exits, for who divides an exit: see `domain.sizing`."""

from __future__ import annotations

from decimal import Decimal

from domain.money import BPS
from domain.sizing import MOST_ORDERS, OrderCaps
from policy.policy import Policy


def order_caps(policy: Policy, symbol: str) -> OrderCaps:
    """Those that `MAX_QUANTITY`, `MAX_NOTIONAL` and `ORDER_RATE` hold an exit to; shares are of entries."""
    quantity, notional, rate = policy.max_quantity, policy.max_notional, policy.order_rate
    slippage = policy.pricing.market_slippage_bps / BPS if policy.pricing else Decimal(0)
    absolute = notional.absolute if notional else None
    return OrderCaps(
        max_quantity=quantity.per_symbol.get(symbol) if quantity else None,
        max_notional=None if absolute is None else absolute / (1 + slippage),
        # One less than the rate: a stop that the last part replaces must have room to be put back.
        orders=max(1, min([MOST_ORDERS, *([rate.per_symbol - 1, rate.in_all - 1] if rate else [])])),
    )
