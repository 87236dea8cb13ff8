"""The policy of a certification: one symbol, the least sizes, one agent. It allows what its steps need, and no more."""

from __future__ import annotations

from decimal import ROUND_CEILING, Context, Decimal
from typing import Final

from policy import Policy

AGENT: Final = "certify"
"""Who proposes its orders. No other policy lists it."""

_UP = Context(prec=28, rounding=ROUND_CEILING)


def certify_policy(symbol: str, *, most: Decimal, equity: Decimal, quantity: Decimal) -> Policy:
    """`most` is what may be in the symbol at once, in the account's currency, and `quantity` the largest order.

    What asks for a market's past, for a model or for evidence is switched off in so many words: the orders are fixed.
    """
    share = min(Decimal(1), _UP.divide(most, equity)) if equity > 0 else Decimal(0)
    return Policy.model_validate(
        {
            "name": "certify",
            "symbol": {"allow": [symbol]},
            "order_type": {"types": ["limit", "market", "stop"], "times_in_force": ["GTC", "IOC"]},
            "pricing": {"market_slippage_bps": 0},
            "max_quantity": {"per_symbol": {symbol: quantity}},
            "max_notional": {"absolute": most * 2},  # a way out is bound too, and prices rise
            "price_collar": {"band_bps": 1_200, "stop_band_bps": 2_500},
            "drift": {"maximum_bps": 50},
            "spread": {"maximum_bps": 200},
            "depth": {"share_of_touch": 1_000},
            "short": {"allow": False},
            "stop": {"required": True},
            "reward_risk": {"enabled": False, "minimum": 0, "slippage_bps": 0},
            "market_data": {"max_age_s": 30, "max_jump_bps": 2_000},
            "reconciliation": {"max_age_s": 60},
            "clock": {"max_skew_ms": 1_000},
            "corroboration": {"enabled": False, "minimum_sources": 1, "trusted": False},
            "position": {"share_of_equity": share},
            "exposure": {"gross_share_of_equity": share},
            "net_exposure": {"share_of_equity": share},
            "leverage": {"maximum": 1},
            "open_positions": {"maximum": 1},
            "correlation": {"enabled": False, "threshold": 1, "minimum_bars": 2, "share_of_equity": 1},
            "cash": {"reserve_share_of_equity": 0},
            "daily_loss": {"share_of_day_start": "0.5"},
            "weekly_loss": {"share_of_week_start": "0.5"},
            "drawdown": {"share_of_high": "0.5"},
            "cooldown": {"enabled": False, "after_loss_s": 1, "losses_in_a_row": 1_000, "pause_s": 1},
            "risk_per_trade": {"share_of_equity": share},
            "open_risk": {"share_of_equity": share},
            "value_at_risk": {
                "enabled": False,
                "confidence": "0.95",
                "minimum_bars": 2,
                "horizon_bars": 1,
                "share_of_equity": 1,
            },
            "order_rate": {"window_s": 60, "per_symbol": 20, "in_all": 20, "kept_for_exits": 10},
            "repetition": {"entries": 4, "window_s": 3_600},
            "duplicate": {"window_s": 1},
            "authority": {"modes": ["live"], "agents": [AGENT], "decision_required": False},
            "conviction": {"enabled": False, "minimum": 0},
            "agent_budget": {"usd": 0, "refusals_in_a_row": 10},
        }
    )
