"""Proposals, facts and policies with good defaults: an entry that the test policy allows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.candle import Quote
from domain.decision import Proposal
from domain.instrument import Instrument
from domain.order import OrderState
from domain.portfolio import Portfolio, Position
from policy import Facts, Finding, Policy, PolicyEngine, Verdict, WorkingOrder
from policy.account import Consent
from policy.market import Bars

NOW = datetime(2025, 1, 2, 12, 0, tzinfo=UTC)
BTC = "BTC/USDT"
ETH = "ETH/USDT"
SWAP = "BTC/USDT:USDT"
MINUTE = timedelta(minutes=1)

POLICY = Policy.model_validate(
    {
        "name": "test",
        "order_type": {"types": ["market", "limit", "stop"], "times_in_force": ["GTC", "IOC"], "market_entries": True},
        "pricing": {"market_slippage_bps": 0},
        "max_quantity": {"share_of_bar_volume": "0.1"},
        "max_notional": {"share_of_equity": "0.1"},
        "price_collar": {"band_bps": 500, "stop_band_bps": 2_000},
        "drift": {"maximum_bps": 100},
        "spread": {"maximum_bps": 300},
        "depth": {"share_of_touch": "0.5"},
        "reward_risk": {"minimum": 1, "slippage_bps": 0},
        "market_data": {"max_age_s": 900, "max_jump_bps": 1_000},
        "reconciliation": {"max_age_s": 600},
        "clock": {"max_skew_ms": 1_000},
        "corroboration": {"minimum_sources": 2},
        "position": {"share_of_equity": "0.15"},
        "exposure": {"gross_share_of_equity": "0.6"},
        "net_exposure": {"share_of_equity": "0.5"},
        "leverage": {"maximum": "0.4"},
        "open_positions": {"maximum": 2},
        "correlation": {"threshold": "0.8", "minimum_bars": 4, "share_of_equity": "0.3"},
        "cash": {"reserve_share_of_equity": "0.05"},
        "daily_loss": {"share_of_day_start": "0.03"},
        "weekly_loss": {"share_of_week_start": "0.05"},
        "drawdown": {"share_of_high": "0.1"},
        "cooldown": {"after_loss_s": 3_600, "losses_in_a_row": 3, "pause_s": 7_200},
        "risk_per_trade": {"share_of_equity": "0.01"},
        "open_risk": {"share_of_equity": "0.03"},
        "value_at_risk": {"confidence": "0.8", "minimum_bars": 5, "horizon_bars": 1, "share_of_equity": "0.02"},
        "order_rate": {"window_s": 60, "per_symbol": 3, "in_all": 5},
        "repetition": {"entries": 3, "window_s": 3_600},
        "duplicate": {"window_s": 60},
        "conviction": {"minimum": "0.55"},
        "agent_budget": {"usd": 5, "tokens": 100_000, "tool_calls": 1_000, "refusals_in_a_row": 10},
    }
)
"""Limits in round numbers, and no slippage, so that tests can count along. Entries may be market orders."""


def a_proposal(**over: Any) -> Proposal:
    """A limit buy of 5 at 100 with a stop at 95 and a target at 115: a notional of 500, a risk of 25.

    A sale has its target as far below; one with a target of its own, or with none, keeps that. An exit is by an
    operator's order.
    """
    given = {
        "cause": "flatten" if over.get("reduce_only") else None,
        "cycle": 1,
        "as_of": NOW,
        "agent": "risk",
        "symbol": BTC,
        "side": "buy",
        "type": "limit",
        "quantity": "5",
        "limit_price": "100",
        "stop_price": "95",
        "target_price": "85" if over.get("side") == "sell" else "115",
        "reference_price": "100",
        "conviction": "0.8",
        "snapshot": "5" * 64,
    }
    return Proposal.model_validate(given | over)


def an_exit(**over: Any) -> Proposal:
    """A reduce-only market sale of 5, by an operator's order."""
    given = {
        "side": "sell",
        "type": "market",
        "limit_price": None,
        "stop_price": None,
        "target_price": None,
        "snapshot": None,
        "reduce_only": True,
    }
    return a_proposal(**(given | over))


def a_stop(**over: Any) -> Proposal:
    """A reduce-only stop that sells 5 once the market trades at 95."""
    return an_exit(**({"type": "stop", "trigger_price": "95", "cause": "protection"} | over))


def an_instrument(symbol: str = BTC, **over: Any) -> Instrument:
    given = {"symbol": symbol, "kind": "swap" if ":" in symbol else "spot", "tick_size": "0.5", "lot_size": "0.25"}
    return Instrument.model_validate(given | over)


def a_quote(symbol: str = BTC, **over: Any) -> Quote:
    """Around 100, a minute old, with 20 on either side."""
    given = {"symbol": symbol, "bid": "99", "ask": "101", "bid_size": "20", "ask_size": "20", "at": NOW - MINUTE}
    return Quote.model_validate(given | over)


def a_portfolio(*, held: dict[str, str] | None = None, **over: Any) -> Portfolio:
    """Equity of 10,000 at prices of 100: what is held was paid for in cash."""
    held = held or {}
    positions = {
        s: Position(
            symbol=s, quantity=Decimal(q), cost=Decimal(q) * 100, stop_price=Decimal(95 if q[0] != "-" else 105)
        )
        for s, q in held.items()
    }
    given = {
        "currency": "USDT",
        "as_of": NOW,
        "cash": 10_000 - sum(Decimal(q) * 100 for q in held.values()),
        "positions": positions,
        "marks": dict.fromkeys((BTC, ETH, SWAP, *held), "100"),
        "realized": "0",
        "fees": "0",
        "start_cash": "10000",
    }
    return Portfolio.model_validate(given | over)


def some_bars(**over: Any) -> Bars:
    """Six bars around 100, with a volume of 100 each."""
    given = {"last_close": "100", "average_volume": "100", "returns_ppm": (1_000, -2_000, 500, -500, 2_000, -1_000)}
    return Bars.model_validate(given | over)


OTHER_RETURNS = (-1_000, -1_500, 2_000, 700, -900, 600)
"""Of ETH: hardly correlated with those of `some_bars`."""


def working(**over: Any) -> WorkingOrder:
    """A limit buy of 1 at 100."""
    given = {
        "client_order_id": "acother",
        "symbol": BTC,
        "side": "buy",
        "remaining": "1",
        "limit_price": "100",
        "stop_price": "95",
        "state": OrderState.WORKING,
    }
    return WorkingOrder.model_validate(given | over)


SUPPORT = ({"source": "okx", "trusted": True}, {"source": "newswire", "trusted": False})


def signals(side: str = "buy", strength: str = "0.6") -> tuple[dict[str, str], ...]:
    """What venue data alone says: one detector, for one side."""
    return ({"detector": "trend", "side": side, "strength": strength},)


def some_facts(*, held: dict[str, str] | None = None, **over: Any) -> Facts:
    """All known and fresh: two spot symbols and a swap around 100, equity 10,000, trading active.

    Venue data supports buying.
    """
    symbols = (BTC, ETH, SWAP)
    given = {
        "as_of": NOW,
        "now": NOW,
        "universe": symbols,
        "instruments": {symbol: an_instrument(symbol) for symbol in symbols},
        "quotes": {symbol: a_quote(symbol) for symbol in symbols},
        "portfolio": a_portfolio(held=held),
        "working": (),
        "equity_marks": {"day_start": "10000", "week_start": "10000", "high": "10000"},
        "trading_state": "active",
        "bars": {BTC: some_bars(), ETH: some_bars(returns_ppm=OTHER_RETURNS), SWAP: some_bars()},
        "usage": {"usd": "1", "tokens": 1_000, "tool_calls": 10, "refusals_in_a_row": 0},
        "reconciled_at": NOW - MINUTE,
        "clock_skew_ms": "5",
        "support": dict.fromkeys(symbols, SUPPORT),
        "venue_signals": dict.fromkeys(symbols, signals()),
    }
    return Facts.model_validate(given | over)


def a_policy(**over: Any) -> Policy:
    """`POLICY` with whole sections in place of its own: `a_policy(conviction={"minimum": "0.7"})`."""
    return Policy.model_validate(POLICY.model_dump() | over)


def judge(proposal: Proposal | None = None, facts: Facts | None = None, *, policy: Policy = POLICY) -> Verdict:
    return PolicyEngine(policy).evaluate(proposal or a_proposal(), facts or some_facts())


def consent_to(
    proposal: Proposal,
    *codes: str,
    facts: Facts | None = None,
    policy: Policy = POLICY,
    expires_at: datetime = NOW + MINUTE,
) -> Consent:
    """A person's leave for the findings with `codes` on this proposal's order, as they read on `facts`."""
    order = proposal.order()
    return Consent(
        client_order_id=order.client_order_id,
        order_digest=order.digest,
        codes=frozenset(codes),
        shown=tuple(f for f in judge(proposal, facts, policy=policy).findings if f.code in codes),
        by="ada",
        reason="a test",
        expires_at=expires_at,
    )


def finding(verdict: Verdict, code: str) -> Finding:
    """The one finding with `code`."""
    (found,) = [f for f in verdict.findings if f.code == code]
    return found
