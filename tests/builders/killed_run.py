"""Writes `tests/graphs/archives/VERSION.json.gz`: what the agentctl that runs this leaves of a run that is killed.

    PYTHONPATH=tests python -m builders.killed_run FOLDER

To be run once with a version that is about to be followed by another, from its own checkout: what a later version
writes is not what this one wrote. The run holds two positions, and is killed in the middle of a cycle, when the
right to send a third entry is taken and nobody knows yet whether the order is out.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from agents.settings import DeskSettings, RiskSettings
from builders.runs import NOW, drive, options
from graphs import prepare, start
from memory import Database
from memory.store.schema import fills, orders

ASKED = options(cycles=14, seed=10, desk=DeskSettings(risk=RiskSettings(reenter_after_bars=0)))


class PowerCut(BaseException):
    """Not an Exception: nothing may catch it and go on."""


class MortalDatabase(Database):
    """Its machine loses power right after the commit that claims an entry while two positions are held."""

    @asynccontextmanager
    async def transaction(self, *, sends: bool = False) -> AsyncGenerator[AsyncConnection]:
        async with super().transaction(sends=sends) as connection:
            yield connection
            held = await connection.scalar(select(func.count(fills.c.symbol.distinct())))
            sending = await connection.scalar(select(func.count()).where(orders.c.state == "submitting"))
        if held == 2 and sending:
            raise PowerCut

    async def close(self) -> None:
        """Without the last flush: a dead process writes nothing."""
        await self._engine.dispose()


async def killed(path: Path) -> None:
    opened = await MortalDatabase.open(f"sqlite:///{path}")
    header, market, model = await prepare(ASKED, run_id="r1", at=NOW)
    session = await start(header, market, model, database=opened)
    try:
        await drive(session, cycles=ASKED.cycles)
    except PowerCut:
        return
    finally:
        await opened.close()
    raise SystemExit("the run was not killed: it never sent an entry while it held two positions")


def rows(path: Path) -> dict[str, list[dict[str, object]]]:
    """Every row, as text is stored, by table."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    names = [row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {name: [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')] for name in sorted(names)}
    connection.close()
    return {name: each for name, each in found.items() if each}


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "agentctl.db"
        asyncio.run(killed(path))
        text = json.dumps(rows(path), indent=0, sort_keys=True)
    written = folder / f"{version('agentctl')}.json.gz"
    written.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{written}: {written.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
