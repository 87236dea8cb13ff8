"""A run from its first bar to its last, on a real database file."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from builders.markets import recorded
from builders.runs import archive, options, run
from graphs.runs.runner import Stop
from graphs.trading.events import CycleEnded, Event, GateSpoke, NodeEnded
from memory.archive.archive import Archive


async def test_every_cycle_decides_on_every_symbol(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        result = await run(database, options(cycles=8))
    assert [(d.cycle, d.symbol) for d in result.decisions] == [(n, s) for n in range(8) for s in result.symbols]
    assert all(d.reasons for d in result.decisions)


async def test_the_default_market_leads_to_trades_that_reconcile(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        result = await run(database, options(cycles=30))
    filled = [o for o in result.orders if o.filled]
    assert {o.side for o in filled} == {"buy", "sell"}
    assert result.equity.reconciled
    assert result.equity.end == (
        result.equity.start + result.equity.realized + result.equity.unrealized - result.equity.fees
    )
    assert result.equity.fees == sum((o.fee for o in result.orders), Decimal(0))


async def test_the_same_seed_gives_the_same_seal_and_another_seed_another(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        seals = [
            (await run(database, options(seed=seed), run_id=run_id)).seal
            for seed, run_id in ((7, "a"), (7, "b"), (8, "c"))
        ]
    assert seals[0] == seals[1] != seals[2]


async def test_later_candles_change_no_earlier_decision(tmp_path: Path) -> None:
    """Prefix invariance on real candles: what is decided at a bar is the same whether or not later bars exist."""
    folder = recorded("crash-2025-01-5m")
    cut = tmp_path / "cut"
    cut.mkdir()
    for file in folder.glob("*.csv.gz"):
        _cut(file, cut / file.name.removesuffix(".gz"), rows=1_000)
    async with archive(tmp_path) as database:
        whole = await run(database, options(market=f"file:{folder}", cycles=40), run_id="whole")
        short = await run(database, options(market=f"file:{cut}", cycles=40), run_id="short")
        steps = [[await Archive(database).steps(run_id, n) for n in range(40)] for run_id in ("whole", "short")]
    assert whole.decisions == short.decisions
    assert [[s.body for s in cycle] for cycle in steps[0]] == [[s.body for s in cycle] for cycle in steps[1]]
    assert [o.client_order_id for o in whole.orders] == [o.client_order_id for o in short.orders]


def _cut(source: Path, target: Path, *, rows: int) -> None:
    import gzip

    with gzip.open(source, "rt") as lines:
        target.write_text("".join(line for n, line in enumerate(lines) if n <= rows))


async def test_a_market_that_ends_ends_the_run(tmp_path: Path) -> None:
    folder = recorded("crash-2025-01-5m")
    cut = tmp_path / "cut"
    cut.mkdir()
    _cut(folder / "BTC-USDT_5m.csv.gz", cut / "BTC-USDT_5m.csv", rows=204)
    async with archive(tmp_path) as database:
        result = await run(database, options(market=f"file:{cut}", cycles=1_000))
    assert (result.status, result.cycles) == ("finished", 154)  # 204 bars less a quarter of them, the first included


async def test_a_stop_ends_after_the_step_and_says_interrupted(tmp_path: Path) -> None:
    stop = Stop()
    heard: list[Event] = []

    def listen(event: Event) -> None:
        heard.append(event)
        if isinstance(event, NodeEnded) and event.cycle == 2 and event.node == "signal":
            stop.ask()

    async with archive(tmp_path) as database:
        result = await run(database, options(), listen=listen, stop=stop)
    assert (result.status, result.cycles) == ("interrupted", 2)
    assert isinstance(heard[-1], NodeEnded)


async def test_listeners_hear_every_node_every_verdict_and_every_cycle(tmp_path: Path) -> None:
    heard: list[Event] = []
    async with archive(tmp_path) as database:
        result = await run(database, options(cycles=20), listen=heard.append)
    assert [e.cycle for e in heard if isinstance(e, CycleEnded)] == list(range(20))
    assert {e.node for e in heard if isinstance(e, NodeEnded)} >= {
        "tick",
        "signal",
        "research",
        "risk",
        "gate",
        "learning",
    }
    judged = [d for d in result.decisions if d.outcome in ("allow", "deny", "review")]
    assert len([e for e in heard if isinstance(e, GateSpoke)]) == len(judged) > 0
