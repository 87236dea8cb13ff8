"""The gate: how long a verdict takes, what of that are digests, the durable gate on a database, and value at risk.

Run with `python benchmarks/policy_gate.py`; it takes about a minute. The world is 20 positions, 50 working
orders and 50 sent ones, with a policy like `standard` in which every section is set. `loop` is a plain loop
of ten million additions on the same machine at that moment, to compare by.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

from context_engine import cpu_ms, ten_million_additions
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from domain.decision import Proposal
from domain.digest import canonical, digest
from memory import Database
from policy import Facts, Policy, PolicyEngine, Verdict, parse_policy
from policy.value_at_risk import Stake, value_at_risk

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
SYMBOLS = tuple(f"C{n:02}/USDT" for n in range(20))
RETURNS = 50
"""As many as `standard` asks for."""
PICTURES = 300
PROPOSALS = 1_000
GATES = 300
US, MS = 1_000_000, 1_000


def a_policy() -> Policy:
    """`standard` with the two sections that it leaves out or turns off, wide enough to let the proposals in."""
    standard = parse_policy(files("policy").joinpath("profiles/standard.toml").read_text(), source="standard").model_dump()
    wider = {
        "option": {"minimum_days": 1, "minimum_delta": "0", "maximum_delta": "1", "share_of_equity": "0.1"},
        "depth": {"share_of_touch": "0.5"},
        "open_positions": {"maximum": 25},
        "order_rate": {"window_s": 60, "per_symbol": 8, "in_all": 60},
    }
    policy = Policy.model_validate(standard | wider)
    missing = [name for name in Policy.model_fields if getattr(policy, name) is None]
    if missing:
        raise SystemExit(f"not every section is set: {missing}")
    return policy


def some_facts(seed: int) -> Facts:
    """Every value an object of its own, as if just read."""
    rng = random.Random(seed)
    at = (NOW - timedelta(seconds=rng.randint(1, 60))).isoformat()
    price = {symbol: rng.randint(9_000, 11_000) for symbol in SYMBOLS}

    def cents(number: int) -> str:
        return str(Decimal(number) / 100)

    def an_order(number: int) -> dict[str, object]:
        symbol = rng.choice(SYMBOLS)
        return {"client_order_id": f"ac{seed:06}{number:04}", "symbol": symbol, "side": "buy",
                "limit_price": cents(price[symbol] - 50), "reduce_only": False}

    return Facts.model_validate_json(
        canonical(
            {
                "as_of": NOW,
                "now": NOW,
                "trading_state": "active",
                "universe": SYMBOLS,
                "instruments": {s: {"symbol": s, "kind": "spot", "tick_size": "0.01", "lot_size": "0.001", "min_notional": "5", "maker_fee": "0.0008", "taker_fee": "0.001"} for s in SYMBOLS},
                "quotes": {s: {"symbol": s, "bid": cents(price[s] - 5), "ask": cents(price[s] + 5), "bid_size": "500", "ask_size": "500", "at": at} for s in SYMBOLS},
                "bars": {s: {"last_close": cents(price[s]), "average_volume": "12345.678", "returns_ppm": [rng.randint(-4_000, 4_000) for _ in range(RETURNS)]} for s in SYMBOLS},
                "portfolio": {"currency": "USDT", "as_of": NOW, "cash": "70000", "positions": {s: {"symbol": s, "quantity": "15.125", "cost": cents(15 * price[s]), "realized": "12.34", "fees": "3.21", "opened_at": at, "stop_price": cents(price[s] - 200)} for s in SYMBOLS}, "marks": {s: cents(price[s]) for s in SYMBOLS}, "realized": "250", "fees": "60", "start_cash": "100000"},
                "working": [an_order(n) | {"remaining": cents(rng.randint(50, 150)), "stop_price": cents(9_000), "state": "working"} for n in range(50)],
                "sent": [an_order(n + 50) | {"agent": "risk", "type": "limit", "quantity": "2.5", "at": (NOW - timedelta(seconds=30 * (50 - n))).isoformat()} for n in range(50)],
                "equity_marks": {"day_start": "100000", "week_start": "100000", "high": "101000"},
                "usage": {"usd": "1.25", "tokens": 10_000, "tool_calls": 500, "refusals_in_a_row": 0},
                "reconciled_at": at,
                "clock_skew_ms": "12.5",
                "support": {s: [{"source": "okx", "trusted": True}, {"source": "newswire", "trusted": False}] for s in SYMBOLS},
            }
        )
    )


def a_proposal(number: int, facts: Facts) -> Proposal:
    symbol = SYMBOLS[number % len(SYMBOLS)]
    ask = facts.quotes[symbol].ask
    return Proposal(
        cycle=number, as_of=NOW, agent="risk", symbol=symbol, side="buy", type="limit",
        quantity=Decimal(1) + Decimal(number % 1000) / 1000, limit_price=ask, stop_price=ask - 2, reference_price=ask,
        conviction=Decimal("0.7"), snapshot="5" * 64,
    )


def us(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * US


def row(name: str, spent: Sequence[float], unit: str, note: str = "") -> None:
    p99 = statistics.quantiles(spent, n=100)[-1]
    print(f"  {name:48}{statistics.median(spent):9.1f} p50{p99:9.1f} p99 {unit}   {note}".rstrip())


def show_evaluation() -> None:
    engine = PolicyEngine(a_policy())
    one = some_facts(0)
    verdict = engine.evaluate(a_proposal(0, one), one)
    print(verdict.outcome, verdict.reasons, [f.code for f in verdict.findings if f.outcome=="warn"], len(canonical(one)))
    first, further, alone, body = [], [], [], []
    for n in range(PICTURES):
        facts = some_facts(n); p = a_proposal(n, facts)
        first.append(us(lambda: engine.evaluate(p, facts)))
        facts = some_facts(n)
        alone.append(us(lambda: facts.digest))
    for n in range(PROPOSALS):
        p = a_proposal(n, one)
        further.append(us(lambda: engine.evaluate(p, one)))
    row("first", first, "us")
    row("further", further, "us")
    row("digest of facts", alone, "us")
    v=[]
    for n in range(30):
        rng = random.Random(n)
        stakes=[Stake(w:=Decimal(rng.randint(-10**6,10**6))/100, w+(n%2), [rng.randint(-9000,9000) for _ in range(500)]) for _ in range(20)]
        v.append(us(lambda: value_at_risk(stakes, confidence=Decimal("0.99"), horizon_bars=1)))
    row("var",v,"us")

print(f"loop {cpu_ms(ten_million_additions):.0f}")
show_evaluation()
