"""Hypothesis strategies for the gate: proposals, facts and policies near the limits, on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from builders.policy import BTC, ETH, NOW, SWAP, a_portfolio, a_proposal, a_quote, some_facts, working
from domain.candle import Quote
from domain.decision import Proposal
from domain.order import OrderState
from policy import Facts, Policy, WorkingOrder

SYMBOLS = (BTC, ETH, SWAP)

symbols = st.sampled_from(SYMBOLS)
sides = st.sampled_from(["buy", "sell"])
quantities = st.integers(1, 80).map(lambda n: Decimal(n) / 4)
prices = st.integers(170, 230).map(lambda n: Decimal(n) / 2)
shares = st.integers(0, 100).map(lambda n: Decimal(n) / 100)


@st.composite
def proposals(draw: st.DrawFn) -> Proposal:
    kind = draw(st.sampled_from(["limit", "market"]))
    return a_proposal(
        symbol=draw(symbols),
        side=draw(sides),
        type=kind,
        quantity=draw(quantities),
        limit_price=draw(prices) if kind == "limit" else None,
        time_in_force=draw(st.sampled_from(["GTC", "IOC", "FOK"])),
        reduce_only=draw(st.booleans()),
        stop_price=draw(st.none() | prices),
        conviction=draw(shares),
    )


@st.composite
def quotes(draw: st.DrawFn, symbol: str) -> Quote:
    bid = draw(prices)
    ask = bid + draw(st.sampled_from([Decimal(-1), Decimal(0), Decimal("0.5"), Decimal(2), Decimal(30)]))
    return a_quote(symbol, bid=bid, ask=ask, at=NOW - timedelta(seconds=draw(st.sampled_from([-1, 0, 60, 900, 901]))))


@st.composite
def working_orders(draw: st.DrawFn) -> WorkingOrder:
    return working(
        client_order_id=f"ac{draw(st.integers(0, 99))}",
        symbol=draw(symbols),
        side=draw(sides),
        remaining=draw(quantities),
        limit_price=draw(st.none() | prices),
        reduce_only=draw(st.booleans()),
        state=draw(st.sampled_from([OrderState.WORKING, OrderState.APPROVED, OrderState.UNKNOWN])),
    )


@st.composite
def facts(draw: st.DrawFn, *, troubled: bool = True) -> Facts:
    """A world around equity of 10,000; `troubled` ones may miss or doubt anything."""
    held = {s: str(draw(st.integers(-60, 60).map(lambda n: Decimal(n) / 4))) for s in draw(st.sets(symbols))}
    world = some_facts(
        held={symbol: quantity for symbol, quantity in held.items() if Decimal(quantity)},
        working=draw(st.lists(working_orders(), max_size=3)),
        day_start_equity=draw(st.sampled_from(["9000", "10000", "10300", "10400"])),
    )
    if not troubled:
        return world
    portfolio = draw(
        st.sampled_from([world.portfolio] * 5 + [None, a_portfolio(currency="EUR"), a_portfolio(marks={})])
    )
    missing = draw(st.sets(symbols, max_size=1))
    return Facts(
        as_of=world.as_of,
        now=world.now,
        universe=draw(st.sampled_from([SYMBOLS, SYMBOLS, (ETH,)])),
        instruments={s: i for s, i in world.instruments.items() if s not in missing},
        quotes={s: draw(quotes(s)) for s in draw(st.sets(symbols, min_size=2))},
        portfolio=portfolio,
        working=world.working,
        day_start_equity=draw(st.sampled_from([world.day_start_equity] * 5 + [None])),
        trading_state=draw(st.sampled_from(["active"] * 5 + ["reducing", "halted", "paused", None])),
    )


TIGHTER: Mapping[tuple[str, str], int] = {
    ("pricing", "market_slippage_bps"): +1,
    ("max_notional", "share_of_equity"): -1,
    ("max_notional", "absolute"): -1,
    ("price_collar", "band_bps"): -1,
    ("market_data", "max_age_s"): -1,
    ("position", "share_of_equity"): -1,
    ("exposure", "gross_share_of_equity"): -1,
    ("open_positions", "maximum"): -1,
    ("cash", "reserve_share_of_equity"): +1,
    ("daily_loss", "share_of_day_start"): -1,
    ("risk_per_trade", "share_of_equity"): -1,
    ("conviction", "minimum"): +1,
    ("conviction", "review_below"): +1,
}
"""The direction in which each number is stricter. A test holds this complete."""

_LADDERS: Mapping[str, tuple[object, ...]] = {
    "market_slippage_bps": (0, 20, 200),
    "absolute": (100, 500, 2_000),
    "band_bps": (50, 500, 2_000),
    "max_age_s": (0, 60, 900),
    "maximum": (0, 1, 2, 3),
    "minimum": (0, "0.5", "0.9"),
    "review_below": (0, "0.7", 1),
}
_SHARES = (0, "0.01", "0.05", "0.1", "0.15", "0.5", 1)

GENEROUS: Mapping[str, Mapping[str, object]] = {
    "pricing": {"market_slippage_bps": 0},
    "order_type": {"types": ["market", "limit"], "times_in_force": ["GTC", "IOC", "FOK"]},
    "max_notional": {"share_of_equity": 1, "absolute": 10_000},
    "price_collar": {"band_bps": 2_000},
    "market_data": {"max_age_s": 900},
    "position": {"share_of_equity": 1},
    "exposure": {"gross_share_of_equity": 1},
    "open_positions": {"maximum": 3},
    "cash": {"reserve_share_of_equity": 0},
    "daily_loss": {"share_of_day_start": 1},
    "risk_per_trade": {"share_of_equity": 1},
    "conviction": {"minimum": 0, "review_below": 0},
    "short": {"allow": True},
    "stop": {"required": False},
    "symbol": {},
}
"""A policy that allows most of what can be judged, so that a tightened one still allows some."""


@st.composite
def policy_pairs(draw: st.DrawFn) -> tuple[Policy, Policy]:
    """A policy, and one that is stricter, or as strict, in a few of its numbers, lists and sections."""
    loose: dict[str, Any] = {section: dict(limits) for section, limits in GENEROUS.items()}
    tight: dict[str, Any] = {section: dict(limits) for section, limits in GENEROUS.items()}
    for section, name in draw(st.lists(st.sampled_from(sorted(TIGHTER)), max_size=3, unique=True)):
        ladder = _LADDERS.get(name, _SHARES)
        low, high = sorted(draw(st.tuples(*[st.integers(0, len(ladder) - 1)] * 2)))
        stricter, milder = (high, low) if TIGHTER[section, name] > 0 else (low, high)
        loose[section][name], tight[section][name] = ladder[milder], ladder[stricter]
    match draw(st.integers(0, 9)):
        case 0:
            tight["short"] = {"allow": False}
        case 1:
            tight["stop"] = {"required": True}
        case 2:
            tight["symbol"] = {"deny": draw(st.sets(symbols))}
        case 3:
            tight["symbol"] = {"allow": draw(st.sets(symbols))}
        case 4:
            tight["order_type"] = {
                "types": draw(st.sets(st.sampled_from(["market", "limit"]))),
                "times_in_force": ["GTC"],
            }
        case 5:
            tight[draw(st.sampled_from(sorted({section for section, _ in TIGHTER})))] = None
    return Policy.model_validate({"name": "loose", **loose}), Policy.model_validate({"name": "tight", **tight})
