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

NOW = datetime(2025, 1, 2, 12, 0, tzinfo=UTC)
BTC = "BTC/USDT"
ETH = "ETH/USDT"
SWAP = "BTC/USDT:USDT"

POLICY = Policy.model_validate(
    {
        "name": "test",
        "pricing": {"market_slippage_bps": 0},
        "order_type": {"types": ["market", "limit"], "times_in_force": ["GTC", "IOC"]},
        "max_notional": {"share_of_equity": "0.1"},
        "price_collar": {"band_bps": 500},
        "market_data": {"max_age_s": 900},
        "position": {"share_of_equity": "0.15"},
        "exposure": {"gross_share_of_equity": "0.6"},
        "open_positions": {"maximum": 2},
        "cash": {"reserve_share_of_equity": "0.05"},
        "daily_loss": {"share_of_day_start": "0.03"},
        "risk_per_trade": {"share_of_equity": "0.01"},
        "conviction": {"minimum": "0.55"},
    }
)
"""Limits in round numbers, and no slippage, so that tests can count along."""


def a_proposal(**over: Any) -> Proposal:
    """A limit buy of 5 at 100 with a stop at 95: a notional of 500, a risk of 25."""
    given = {
        "cycle": 1,
        "as_of": NOW,
        "agent": "risk",
        "symbol": BTC,
        "side": "buy",
        "type": "limit",
        "quantity": "5",
        "limit_price": "100",
        "stop_price": "95",
        "conviction": "0.8",
    }
    return Proposal.model_validate(given | over)


def an_exit(**over: Any) -> Proposal:
    """A reduce-only market sale of 5."""
    given = {"side": "sell", "type": "market", "limit_price": None, "stop_price": None, "reduce_only": True}
    return a_proposal(**(given | over))


def an_instrument(symbol: str = BTC, **over: Any) -> Instrument:
    given = {"symbol": symbol, "kind": "swap" if ":" in symbol else "spot", "tick_size": "0.5", "lot_size": "0.25"}
    return Instrument.model_validate(given | over)


def a_quote(symbol: str = BTC, **over: Any) -> Quote:
    """Around 100, and a minute old."""
    given = {"symbol": symbol, "bid": "99", "ask": "101", "at": NOW - timedelta(minutes=1)}
    return Quote.model_validate(given | over)


def a_portfolio(*, held: dict[str, str] | None = None, **over: Any) -> Portfolio:
    """Equity of 10,000 at prices of 100: what is held was paid for in cash."""
    held = held or {}
    positions = {s: Position(symbol=s, quantity=Decimal(q), cost=Decimal(q) * 100) for s, q in held.items()}
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


def working(**over: Any) -> WorkingOrder:
    """A limit buy of 1 at 100."""
    given = {
        "client_order_id": "acother",
        "symbol": BTC,
        "side": "buy",
        "remaining": "1",
        "limit_price": "100",
        "state": OrderState.WORKING,
    }
    return WorkingOrder.model_validate(given | over)


def some_facts(*, held: dict[str, str] | None = None, **over: Any) -> Facts:
    """All known and fresh: two spot symbols and a swap around 100, equity 10,000, trading active."""
    symbols = (BTC, ETH, SWAP)
    given = {
        "as_of": NOW,
        "now": NOW,
        "universe": symbols,
        "instruments": {symbol: an_instrument(symbol) for symbol in symbols},
        "quotes": {symbol: a_quote(symbol) for symbol in symbols},
        "portfolio": a_portfolio(held=held),
        "working": (),
        "day_start_equity": "10000",
        "trading_state": "active",
    }
    return Facts.model_validate(given | over)


def a_policy(**over: Any) -> Policy:
    """`POLICY` with whole sections in place of its own: `a_policy(conviction={"minimum": "0.7"})`."""
    return Policy.model_validate(POLICY.model_dump() | over)


def judge(proposal: Proposal | None = None, facts: Facts | None = None, *, policy: Policy = POLICY) -> Verdict:
    return PolicyEngine(policy).evaluate(proposal or a_proposal(), facts or some_facts())


def finding(verdict: Verdict, code: str) -> Finding:
    """The one finding with `code`."""
    (found,) = [f for f in verdict.findings if f.code == code]
    return found
