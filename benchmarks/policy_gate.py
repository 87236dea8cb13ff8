"""The gate: how long a verdict takes, what of that are digests, the durable gate on a database, and value at risk.

Run with `python benchmarks/policy_gate.py`; it takes about a minute. The world has 20 positions, 50 working orders
and 50 sent ones, and the policy is `standard` with every section set; every proposal is allowed. The engine alone
is measured in CPU time, the gate on a database by the clock. `loop` is a plain loop of ten million additions at
that moment, to compare machines and their busy moments by.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
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
from domain.digest import canonical
from memory import Admission, Database, Ledger
from memory.ledger.gate_transaction import working_order
from policy import Facts, Policy, PolicyEngine, TicketOffice, parse_policy
from policy.value_at_risk import Stake, value_at_risk

SERVER = os.environ.get("AGENTCTL_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=30)
SYMBOLS = tuple(f"C{n:02}/USDT" for n in range(20))
RETURNS = 50
"""As many as `standard` asks for."""
ORDERS = 50
PICTURES = 200
PROPOSALS = 2_000
ACCOUNTS = 10
GATES = 20
"""On each account, so that what was sent grows little."""
LOOPS = 3
EVALUATION_US, GATE_MS, AT_RISK_MS = 100, 5, 1
KEY = b"a key of the benchmark, of no worth"


def a_policy() -> Policy:
    """`standard`, with the sections that it leaves out or turns off, and room for 20 positions."""
    shipped = files("policy").joinpath("profiles/standard.toml").read_text(encoding="utf-8")
    own = {
        "option": {"minimum_days": 1, "minimum_delta": 0, "maximum_delta": 1, "share_of_equity": "0.1"},
        "depth": {"share_of_touch": "0.5"},
        "open_positions": {"maximum": 30},
        "order_rate": {"window_s": 60, "per_symbol": 10, "in_all": 100},
    }
    policy = Policy.model_validate(parse_policy(shipped, source="standard").model_dump() | own)
    missing = [name for name in Policy.model_fields if getattr(policy, name) is None]
    if missing:
        raise SystemExit(f"these sections are not set, and the figures mean nothing: {missing}")
    return policy


def some_facts(seed: int) -> Facts:
    """Read from text, so that every part of it is a new object."""
    rng = random.Random(seed)
    price = {symbol: Decimal(rng.randint(9_000, 11_000)) / 100 for symbol in SYMBOLS}
    seen_at = NOW - timedelta(seconds=rng.randint(1, 60))

    def an_order(number: int) -> dict[str, object]:
        symbol = SYMBOLS[number % len(SYMBOLS)]
        return {
            "client_order_id": f"ac{seed}x{number}",
            "symbol": symbol,
            "side": "buy",
            "limit_price": price[symbol] - rng.randint(1, 100) / Decimal(100),
            "reduce_only": False,
        }

    return Facts.model_validate_json(
        canonical(
            {
                "as_of": NOW,
                "now": NOW,
                "trading_state": "active",
                "universe": SYMBOLS,
                "instruments": {
                    symbol: {
                        "symbol": symbol,
                        "kind": "spot",
                        "tick_size": "0.01",
                        "lot_size": "0.001",
                        "min_notional": "5",
                        "maker_fee": "0.0008",
                        "taker_fee": "0.001",
                    }
                    for symbol in SYMBOLS
                },
                "quotes": {
                    symbol: {
                        "symbol": symbol,
                        "bid": price[symbol] - Decimal("0.05"),
                        "ask": price[symbol] + Decimal("0.05"),
                        "bid_size": "500",
                        "ask_size": "500",
                        "at": seen_at,
                    }
                    for symbol in SYMBOLS
                },
                "bars": {
                    symbol: {
                        "last_close": price[symbol],
                        "average_volume": "12345.678",
                        "returns_ppm": [rng.randint(-4_000, 4_000) for _ in range(RETURNS)],
                    }
                    for symbol in SYMBOLS
                },
                "portfolio": {
                    "currency": "USDT",
                    "as_of": NOW,
                    "cash": "70000",
                    "positions": {
                        symbol: {
                            "symbol": symbol,
                            "quantity": "15.125",
                            "cost": "1512.5",
                            "realized": "12.34",
                            "fees": "3.21",
                            "opened_at": seen_at,
                            "stop_price": price[symbol] - 2,
                        }
                        for symbol in SYMBOLS
                    },
                    "marks": price,
                    "realized": "250",
                    "fees": "60",
                    "start_cash": "100000",
                },
                "working": [
                    an_order(n)
                    | {"remaining": rng.randint(50, 150) / Decimal(100), "stop_price": 89, "state": "working"}
                    for n in range(ORDERS)
                ],
                "sent": [
                    an_order(ORDERS + n)
                    | {"agent": "risk", "type": "limit", "quantity": "2.5", "at": EARLIER + timedelta(seconds=30 * n)}
                    for n in range(ORDERS)
                ],
                "equity_marks": {"day_start": "100000", "week_start": "100000", "high": "101000"},
                "usage": {"usd": "1.25", "tokens": 10_000, "tool_calls": 500, "refusals_in_a_row": 0},
                "reconciled_at": seen_at,
                "clock_skew_ms": "12.5",
                "support": {
                    symbol: [{"source": "okx", "trusted": True}, {"source": "newswire", "trusted": False}]
                    for symbol in SYMBOLS
                },
                "venue_signals": {
                    symbol: [
                        {"detector": "trend", "side": "buy", "strength": "0.7"},
                        {"detector": "exhaustion", "side": "sell", "strength": "0.4"},
                    ]
                    for symbol in SYMBOLS
                },
            }
        )
    )


def a_proposal(number: int, facts: Facts) -> Proposal:
    """An entry at the ask; each number another one, of the next symbol."""
    symbol = SYMBOLS[number % len(SYMBOLS)]
    ask = facts.quotes[symbol].ask
    return Proposal(
        cycle=1,
        as_of=NOW,
        agent="risk",
        symbol=symbol,
        side="buy",
        type="limit",
        quantity=1 + Decimal(number % 1_000) / 1_000,
        limit_price=ask,
        stop_price=ask - 2,
        reference_price=ask,
        conviction=Decimal("0.7"),
        snapshot="5" * 64,
        rationale=f"entry {number}",
    )


class Watch:
    """Microseconds of CPU that each round of some work took."""

    def __init__(self) -> None:
        self.spent: list[float] = []

    def __enter__(self) -> None:
        self._began = time.thread_time_ns()

    def __exit__(self, *_: object) -> None:
        self.spent.append((time.thread_time_ns() - self._began) / 1_000)


def row(name: str, spent: Sequence[float], *, unit: str = "us", target: float | None = None) -> None:
    middle, p99 = statistics.median(spent), statistics.quantiles(spent, n=100)[-1]
    note = f"   target {target} {unit}: {middle / target:.2f} of it" if target else ""
    print(f"  {name:52}{middle:8.1f} p50{p99:9.1f} p99{note}")


def heading(words: str) -> None:
    loop = statistics.median(cpu_ms(ten_million_additions) for _ in range(LOOPS))
    print(f"\n{words} (loop {loop:.0f} ms CPU)")


def require_allowed(outcome: str, reasons: Sequence[str]) -> None:
    if outcome != "allow":
        raise SystemExit(f"a proposal was not allowed, and the figures mean nothing: {reasons}")


def show_evaluation() -> None:
    """The first proposal pays for the digest of all facts, and for what the account comes to."""
    engine = PolicyEngine(a_policy())
    heading(
        f"an evaluation, {len(engine.evaluate(a_proposal(0, some_facts(0)), some_facts(0)).findings)} checks: us of CPU"
    )
    first, alone, body = Watch(), Watch(), Watch()
    for n in range(PICTURES):
        facts, same = some_facts(n), some_facts(n)
        proposal = a_proposal(n, facts)
        with alone:
            known = same.digest
        with first:
            verdict = engine.evaluate(proposal, facts)
        with body:
            canonical(facts)
        require_allowed(verdict.outcome, verdict.reasons)
        if known != verdict.facts_digest:
            raise SystemExit("equal facts have two digests")
    facts = some_facts(0)
    narrowed, further, own = Watch(), Watch(), Watch()
    for n in range(PICTURES):
        proposal = a_proposal(n, facts)
        with narrowed:
            engine.evaluate(proposal, facts.about(proposal))
    for n in range(PROPOSALS):
        proposal, same_one = a_proposal(n, facts), a_proposal(n, facts)
        with own:
            same_one.order().digest  # noqa: B018
        with further:
            engine.evaluate(proposal, facts)
    row("first proposal on new facts", first.spent)
    row("  of which the digest of the facts, alone", alone.spent)
    row("  their body for the archive, after that", body.spent)
    row("next proposal, facts narrowed to it, parts known", narrowed.spent)
    row("each further proposal on the same facts", further.spent, target=EVALUATION_US)
    row("  of which digests of proposal and order, alone", own.spent)


async def gates(url: str) -> list[float]:
    """Milliseconds by the clock to hold the account, read what stands, judge one entry, and keep what it earned."""
    policy = a_policy()
    engine, seen = PolicyEngine(policy), some_facts(0)
    lasting, brief = TicketOffice(KEY, ttl_s=86_400), TicketOffice(KEY, ttl_s=1)
    spent: list[float] = []
    async with await Database.open(url) as database:
        for account in range(ACCOUNTS):
            ledger = Ledger(database, account=f"bench-{account}", run_id=f"bench-{account}")
            await ledger.open(currency="USDT", start_cash=Decimal(100_000))

            async def judge(
                proposals: Sequence[Proposal],
                at: datetime,
                *,
                office: TicketOffice,
                cycle: int,
                ledger: Ledger = ledger,
            ) -> None:
                async with ledger.gate(cycle=cycle, at=at) as books:
                    standing = await books.standing(sent_since=at - timedelta(hours=1))
                    working = tuple(map(working_order, standing.working))
                    facts = seen.model_copy(update={"now": at, "working": working, "sent": standing.sent})
                    admissions = []
                    for proposal in proposals:
                        near = facts.about(proposal)
                        verdict, ticket = office.judge(proposal, near, engine=engine)
                        require_allowed(verdict.outcome, verdict.reasons)
                        admissions.append(
                            Admission(
                                proposal=proposal,
                                verdict_body=canonical(verdict),
                                verdict_digest=verdict.digest,
                                outcome=verdict.outcome,
                                facts_body=canonical(near),
                                ticket=ticket,
                            )
                        )
                    await books.keep(admissions)

            await judge([a_proposal(n, seen) for n in range(ORDERS)], NOW, office=lasting, cycle=1)
            for n in range(1, GATES + 1):
                at, proposal = NOW + timedelta(seconds=2 * n), a_proposal(ORDERS + n, seen)
                began = time.perf_counter()
                await judge([proposal], at, office=brief, cycle=1 + n)
                spent.append((time.perf_counter() - began) * 1_000)
                async with ledger.gate(cycle=1 + n, at=at + timedelta(seconds=1)):
                    pass  # its ticket has expired, and the next one finds as many orders as it did
    return spent


@asynccontextmanager
async def a_database_of_its_own(server: URL) -> AsyncIterator[str]:
    """Raises `OSError` or `SQLAlchemyError` where there is no server."""
    name = f"agentctl_bench_{os.getpid()}"
    engine = create_async_engine(server.set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(f"CREATE DATABASE {name}"))
            try:
                yield server.set(database=name).render_as_string(hide_password=False)
            finally:
                await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        await engine.dispose()


async def show_gates() -> None:
    heading(f"the durable gate, one entry with {ORDERS} orders working: ms by the clock")
    with tempfile.TemporaryDirectory() as folder:
        row("SQLite, a file", await gates(f"sqlite:///{Path(folder) / 'agentctl.db'}"), unit="ms", target=GATE_MS)
    server = make_url(SERVER)
    try:
        async with a_database_of_its_own(server) as url:
            row("PostgreSQL", await gates(url), unit="ms", target=GATE_MS)
    except (OSError, SQLAlchemyError) as error:
        print(f"  PostgreSQL: skipped, none at {server.render_as_string()} ({type(error).__name__})")


def show_value_at_risk() -> None:
    rng, bars = random.Random(5), 500
    heading(f"value at risk, {len(SYMBOLS)} symbols of {bars} bars: ms of CPU")
    for name, width in (("worth as it is", 0), ("worth in a range, as with working orders", 1_000)):
        watch = Watch()
        for _ in range(PICTURES):
            lows = [Decimal(rng.randint(-1_000_000, 1_000_000)) / 100 for _ in SYMBOLS]
            stakes = [Stake(low, low + width, tuple(rng.randint(-9_000, 9_000) for _ in range(bars))) for low in lows]
            with watch:
                value_at_risk(stakes, confidence=Decimal("0.99"), horizon_bars=12)
        row(name, [each / 1_000 for each in watch.spent], unit="ms", target=AT_RISK_MS)


def main() -> None:
    show_evaluation()
    asyncio.run(show_gates())
    show_value_at_risk()


if __name__ == "__main__":
    main()
