"""kill -9 at every commit and at every request of a live run, then start it again: nothing twice, nothing lost."""

from __future__ import annotations

import asyncio

from builders.live import CYCLES, faults_of_books, unproven_ends
from builders.mortal import Mortal, Point, a_mortal_desk
from memory import Database

EVERY = 6
"""One point in so many in CI; `agentctl`'s benchmark `kill_points.py` takes them all."""


def points(*, url: str) -> list[Point]:
    """Every moment at which the run can be killed, found by one that is left alone."""
    with a_mortal_desk() as mortal:
        assert mortal.run(traded(mortal), url=url) == 0, mortal.errors
        commits, requests = mortal.commits, mortal.bystander.requests
        assert asyncio.run(wrong(mortal, url)) == []
    return [
        *(Point("before a commit", n) for n in range(commits)),
        *(Point("after a commit", n) for n in range(commits)),
        *(Point("request lost", n) for n in range(requests)),
        *(Point("answer lost", n) for n in range(requests)),
    ]


def traded(mortal: Mortal):  # type: ignore[no-untyped-def]
    async def work(database: Database) -> None:
        await mortal.live.run(database, cycles=CYCLES)

    return work


async def wrong(mortal: Mortal, url: str) -> list[str]:
    async with await Database.open(url) as database:
        return [*await faults_of_books(mortal.live, database), *await unproven_ends(database)]


def killed_and_gone_on(point: Point, *, url: str) -> list[str]:
    """What is wrong after a run was killed at `point` and started again."""
    with a_mortal_desk() as mortal:
        assert mortal.run(traded(mortal), url=url, dies=point) == -9, (point, mortal.errors)
        mortal.wall.rest(40)
        code = mortal.run(traded(mortal), url=url)
        if code != 0:
            return [f"{point}: it ended with {code}: {mortal.errors}"]
        return [f"{point}: {fault}" for fault in asyncio.run(wrong(mortal, url))]
