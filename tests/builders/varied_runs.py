"""Writes `tests/graphs/archives/runs-VERSION.json.gz`: one run of each kind, by the agentctl that runs this.

    PYTHONPATH=tests python -m builders.varied_runs FOLDER

To be run once with a version that is about to be followed by another, from its own checkout. What follows must verify,
show, compare and judge these runs, whatever has been renamed since.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import sys
import tempfile
from datetime import timedelta
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

from builders.killed_run import rows
from builders.live import a_live_stage
from builders.runs import NOW, REVIEWED, a_policy, again, busy, drive, run
from domain.candle import Candle, Timeframe
from graphs import policy_in_effect, resume
from graphs.runs.fork import fork
from graphs.session.eras import Changes
from memory import Approvals, Database
from policy import Policy
from venues.sim.market import SimMarket

LIVE, SPOT, APPROVED, REFUSED, FORK, PERPETUAL = "r1", "spot", "approved", "refused", "fork", "perpetual"
KINDS = (LIVE, SPOT, APPROVED, REFUSED, FORK, PERPETUAL)
SWAP = "ETH/USDT:USDT"
FORKED_AT = 3
_BARS = 400


def a_tight_policy() -> Policy:
    """The default policy, but no order above a thousandth of equity."""
    policy = policy_in_effect(None)
    assert policy.max_notional is not None
    tight = policy.max_notional.model_copy(update={"share_of_equity": Decimal("0.001")})
    return policy.model_copy(update={"name": "tight", "max_notional": tight})


async def written(database: Database) -> None:
    """All kinds of runs, into one database."""
    with a_live_stage() as live:
        await live.run(database)
    await run(database, busy(), run_id=SPOT)
    await _approved(database)
    await run(database, busy(policy=a_tight_policy()), run_id=REFUSED)
    await _forked(database)
    await run(database, busy(market="file:candles", symbols=(SWAP,), timeframe="5m", cycles=24), run_id=PERPETUAL)


async def _approved(database: Database) -> None:
    asked = busy(policy=a_policy(**REVIEWED))
    result = await run(database, asked, run_id=APPROVED)
    while result.status != "finished":
        (pending,) = await Approvals(database).pending()
        at = pending.requested_at + timedelta(seconds=1)
        await Approvals(database).decide(pending.id, approve=True, by="Ada", reason="looked at", at=at)
        result = await again(database, run_id=APPROVED, cycles=asked.cycles)


async def _forked(database: Database) -> None:
    child = await fork(
        SPOT,
        from_cycle=FORKED_AT,
        changes=Changes(policy=a_tight_policy()),
        run_id=FORK,
        at=NOW,
        cycles=None,
        database=database,
        progress=lambda done, cycles: None,
    )
    await drive(await resume(FORK, database=database), cycles=child.planned_cycles)


async def _candles() -> str:
    """The bars of a simulated market, as a file of a perpetual's."""
    market = SimMarket(seed=2, symbols=("ETH/USDT",), timeframe=Timeframe("5m"))
    async for tick in market.ticks():
        until = tick + market.timeframe.length * _BARS
        break
    bars = await market.candles("ETH/USDT", limit=2 * _BARS, until=until)
    return "timestamp_ms,open,high,low,close,volume\n" + "".join(map(_row, bars))


def _row(bar: Candle) -> str:
    stamp = int(bar.opened_at.timestamp() * 1_000)
    return f"{stamp},{bar.open},{bar.high},{bar.low},{bar.close},{bar.volume}\n"


async def _made(path: Path) -> None:
    async with await Database.open(f"sqlite:///{path}") as database:
        await written(database)


def main(folder: Path) -> None:
    target = folder.resolve() / f"runs-{version('agentctl')}.json.gz"
    with tempfile.TemporaryDirectory() as made, contextlib.chdir(made):
        path = Path(made) / "agentctl.db"
        Path("candles").mkdir()
        Path("candles/ETH-USDT-USDT_5m.csv.gz").write_bytes(gzip.compress(asyncio.run(_candles()).encode(), mtime=0))
        asyncio.run(_made(path))
        text = json.dumps(rows(path), indent=0, sort_keys=True)
    target.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{target.name}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
