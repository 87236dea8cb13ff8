"""Runs on candles that exchanges really had: calm, crash, bull, bear, one symbol, perpetuals, tiny prices."""

from __future__ import annotations

import gzip
import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from builders.markets import recorded
from builders.processes import NO_NETWORK, agentctl
from builders.runs import archive, options, run
from domain.errors import MarketDataError, UsageError
from graphs import RunResult
from graphs.session.clocks import WallClock
from memory import Archive, Database, Ledger
from venues.open import open_market

EPISODES = {
    "calm-2024-10-1m": {},
    "crash-2025-02-1m": {},
    "calm-2024-10-5m": {},
    "crash-2025-01-5m": {},
    "bull-2020-07-1h": {},
    "bear-perp-2025-09-1h": {},
    "svb-2023-03-1m": {"cash": Decimal(2_000)},  # a thin market, in which the gate refuses large orders
    "alts-2018-01-5m": {"cash": Decimal(10)},  # bitcoins
}
CYCLES = 120


async def judged(folder: Path, episode: str, *, cycles: int) -> RunResult:
    """A run on `episode` that decides on every symbol in every cycle, and whose money adds up."""
    market = f"file:{recorded(episode)}"
    async with archive(folder) as database:
        result = await run(database, options(market=market, cycles=cycles, **EPISODES[episode]))
        assert [(d.cycle, d.symbol) for d in result.decisions] == [
            (n, s) for n in range(cycles) for s in result.symbols
        ]
        assert all(d.reasons for d in result.decisions)
        assert not [d for d in result.decisions if "failed" in " ".join(d.reasons)]
        assert result.equity.reconciled
        assert result.equity.end == await worth(database, result)
    return result


async def worth(database: Database, result: RunResult) -> Decimal:
    """Equity from nothing but the starting cash, the fills, the funding and the last prices."""
    last = await Archive(database).last_cycle(result.run_id)
    assert last is not None
    market = open_market(result.market, symbols=result.symbols, timeframe=None, seed=0, wall=WallClock())
    value = result.equity.start
    held: dict[str, Decimal] = {}
    ledger = Ledger(database, account=result.run_id, run_id=result.run_id)
    value += sum((event.cash for event in await ledger.external()), Decimal(0))
    for fill in await ledger.fills():
        value -= fill.signed_quantity * fill.price + fill.fee
        held[fill.symbol] = held.get(fill.symbol, Decimal(0)) + fill.signed_quantity
    for symbol, quantity in held.items():
        if quantity:
            value += quantity * (await market.quote(symbol, as_of=last.record.as_of)).mid
    return value


async def test_a_run_on_real_candles_decides_in_every_cycle_and_reconciles(tmp_path: Path) -> None:
    await judged(tmp_path, "crash-2025-01-5m", cycles=40)


@pytest.mark.slow
@pytest.mark.parametrize("episode", EPISODES)
async def test_every_episode_runs_trades_and_reconciles(tmp_path: Path, episode: str) -> None:
    result = await judged(tmp_path, episode, cycles=CYCLES)
    assert {order.side for order in result.orders if order.filled} == {"buy", "sell"}


@pytest.mark.slow
def test_a_long_run_replays_in_another_process_without_a_network(tmp_path: Path) -> None:
    market = f"file:{recorded('crash-2025-01-5m')}"
    cycles = 400
    asked = ["--market", market, "--symbols", "BTC/USDT,ETH/USDT", "--cycles", str(cycles)]
    ran = agentctl("run", "--graph", "trading", *asked, "--json", folder=tmp_path)
    assert ran.code == 0, ran.err
    result: dict[str, Any] = json.loads(ran.out)
    assert len(result["decisions"]) == cycles * 2
    assert {order["side"] for order in result["orders"] if order["filled"] != "0"} == {"buy", "sell"}
    assert result["equity"]["reconciled"] is True
    elsewhere = {"PYTHONHASHSEED": "99", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"}
    replayed = agentctl(
        "replay", "--run", result["run_id"], "--json", folder=tmp_path, env=elsewhere, prelude=NO_NETWORK
    )
    assert replayed.code == 0, replayed.err
    assert json.loads(replayed.out)["cycles"] == cycles


async def test_a_folder_of_several_markets_asks_which(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        with pytest.raises(UsageError, match="--timeframe"):
            await run(database, options(market=f"file:{recorded('odd')}"))


@pytest.mark.parametrize(
    ("file", "line"),
    [("dirty-vendor-export-BTC-USDT_1h.csv", 1), ("XRP-ETH_trades.csv.gz", 1)],
    ids=["export", "trades"],
)
async def test_what_is_no_candles_is_refused_by_file_and_line(tmp_path: Path, file: str, line: int) -> None:
    source = recorded("odd") / file
    named = tmp_path / "BTC-USDT_1h.csv"
    if file.endswith(".gz"):
        named.write_bytes(gzip.decompress(source.read_bytes()))
    else:
        shutil.copy(source, named)
    async with archive(tmp_path) as database:
        with pytest.raises(MarketDataError, match=rf"BTC-USDT_1h\.csv:{line}\b"):
            await run(database, options(market=f"file:{named}"))
        assert await Archive(database).runs() == ()


async def test_gaps_are_noted_by_file_and_line_and_the_run_goes_on(tmp_path: Path) -> None:
    market = f"file:{recorded('odd') / 'XRP-ETH_1m.csv.gz'}"
    notes = open_market(market, symbols=None, timeframe=None, seed=0, wall=WallClock()).notes
    assert "XRP-ETH_1m.csv.gz:5: 1 bars missing before 2019-10-11 00:04" in notes
    async with archive(tmp_path) as database:
        result = await run(database, options(market=market, cycles=20, cash=Decimal(100)))
    assert (result.cycles, result.equity.reconciled) == (20, True)
