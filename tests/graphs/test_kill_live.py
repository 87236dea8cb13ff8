"""kill -9 at every commit and at every request of a live run, then start it again: nothing twice, nothing lost."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from builders.live import BTC, CYCLES, ETH, a_live_stage, faults_of_books, unproven_ends
from builders.mortal import Mortal, Point, a_mortal_desk
from builders.own_postgres import own_postgres
from builders.servers import EMPTY, tell
from memory import Database

PARTS = 4
"""So that two cores share the points."""
ALL = bool(os.environ.get("AGENTCTL_EVERY_POINT"))
"""`make kills` takes every point; CI, which has other things to do, a part of them."""
ON_SQLITE, ON_POSTGRES = (1, 1) if ALL else (3, 12)
"""Every so-manieth point is taken."""
RESTARTS = 24 if ALL else 4
AWAY_S = 40
"""Until a killed run is started again: longer than the exchange's word takes to be proof."""

Work = Callable[[Database], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a run trades, and for how long."""

    symbols: tuple[str, ...] = (BTC,)
    cycles: int = CYCLES

    def traded(self, mortal: Mortal) -> Work:
        async def work(database: Database) -> None:
            await mortal.live.run(database, cycles=self.cycles)

        return work


ONE = Scene()
TWO = Scene((BTC, ETH), cycles=2)
"""Enters both symbols in one request, and gives each its stop."""


async def wrong(mortal: Mortal, url: str) -> list[str]:
    async with await Database.open(url) as database:
        return [*await faults_of_books(mortal.live, database), *await unproven_ends(database)]


def points(url: str, scene: Scene = ONE) -> list[Point]:
    """Every moment at which the run can be killed, found by one that is left alone."""
    asyncio.run(_warmed())
    with a_mortal_desk(scene.symbols) as mortal:
        assert mortal.run(scene.traded(mortal), url=url) == 0, mortal.errors
        commits, requests = mortal.commits, mortal.bystander.requests
        assert asyncio.run(wrong(mortal, url)) == []
        assert len(mortal.live.stage.double.engine.orders) > 1
    return [
        *(Point("before a commit", n) for n in range(commits)),
        *(Point("after a commit", n) for n in range(commits)),
        *(Point("request lost", n) for n in range(requests)),
        *(Point("answer lost", n) for n in range(requests)),
    ]


async def _warmed() -> None:
    """One run in this process: what is imported and compiled here, forked processes need not do again."""
    with a_live_stage() as live:
        async with await Database.in_memory() as database:
            await live.run(database, cycles=CYCLES)


def killed(point: Point, *, url: str, scene: Scene = ONE, meanwhile: Callable[[], None] = lambda: None) -> list[str]:
    """What is wrong after a run was killed at `point` and started again."""
    with a_mortal_desk(scene.symbols) as mortal:
        code = mortal.run(scene.traded(mortal), url=url, dies=point)
        assert code == -9, f"it was to be killed {point}, and ended with {code}: {mortal.errors}"
        mortal.wall.rest(AWAY_S)
        meanwhile()
        code = mortal.run(scene.traded(mortal), url=url)
        if code != 0:
            return [f"killed {point}, it ended with {code} when started again: {mortal.errors}"]
        return [f"killed {point}: {fault}" for fault in asyncio.run(wrong(mortal, url))]


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_a_live_run_killed_anywhere_ends_with_the_exchanges_books(
    tmp_path: Path, part: int, record_property: Any
) -> None:
    everywhere = points(f"sqlite:///{tmp_path / 'alone.db'}")
    mine = everywhere[part :: PARTS * ON_SQLITE]
    record_property("points", f"{len(mine)} of {len(everywhere)}: {Counter(point.where for point in mine)}")
    assert len(everywhere) > 150
    found = [killed(point, url=f"sqlite:///{tmp_path / f'{n}.db'}") for n, point in enumerate(mine)]
    assert [fault for faults in found for fault in faults] == []


def carrier(url: str, scene: Scene) -> int:
    """The number of the first request that carries several orders."""
    with a_mortal_desk(scene.symbols) as mortal:
        assert mortal.run(scene.traded(mortal), url=url) == 0, mortal.errors
        double = mortal.live.stage.double
        orders = {order.order_id for order in double.engine.orders}  # and not the stops that come with them
        return next(entry.number for entry in double.journal if len(orders & {*entry.orders}) > 1)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_a_run_killed_while_several_orders_go_out_in_one_request_sends_none_of_them_twice(
    tmp_path: Path, part: int, record_property: Any
) -> None:
    everywhere = points(f"sqlite:///{tmp_path / 'alone.db'}", TWO)
    batch = carrier(f"sqlite:///{tmp_path / 'first.db'}", TWO)
    # From the looks at the prices to the first request after the booking: each commit between is next to one of these.
    near = [p for p in everywhere if p.where in ("request lost", "answer lost") and -2 <= p.n - batch <= 5]
    assert len(near) == 16
    mine = (everywhere if ALL else near)[part::2]
    record_property("points", f"{len(mine)}: {Counter(point.where for point in mine)}")
    found = [killed(point, url=f"sqlite:///{tmp_path / f'{n}.db'}", scene=TWO) for n, point in enumerate(mine)]
    assert [fault for faults in found for fault in faults] == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_on_postgresql_too(postgres: URL, part: int, record_property: Any) -> None:
    url = postgres.render_as_string(hide_password=False)
    asyncio.run(tell(postgres, *EMPTY))
    mine = points(url)[part :: 2 * ON_POSTGRES]
    record_property("points", len(mine))
    found: list[str] = []
    for point in mine:
        asyncio.run(tell(postgres, *EMPTY))
        found += killed(point, url=url)
    assert found == []


@pytest.mark.slow
def test_with_the_database_server_restarted_in_between() -> None:
    with own_postgres() as server:
        url = server.url.render_as_string(hide_password=False)
        everywhere = points(url)
        found: list[str] = []
        for point in everywhere[:: len(everywhere) // RESTARTS]:
            asyncio.run(tell(server.url, *EMPTY))
            found += killed(point, url=url, meanwhile=server.restart)
    assert found == []
