"""A live run that stands still for longer than its lease, in a process of its own, sends nothing when it comes back."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import URL, update

from builders.live import BTC, CYCLES
from builders.mortal import Bystander, Mortal, a_mortal_desk
from builders.servers import EMPTY, tell
from domain.errors import UsageError
from exchange_double.wire import Operation, Request
from memory import Database
from memory.store.leases import Holder, Lease, hold_lease
from memory.store.schema import leases

ACCOUNT = "okx:7"
TTL_S = 600.0
SENDS = (Operation.PLACE, Operation.CANCEL)


class Overtaker(Bystander):
    """Stops the process at one of its requests until its lease has run out, takes the account, and lets it go on."""

    stops_at: int = -1
    url: str = ""
    token: int = 0

    def arrived(self, request: Request) -> bool:
        passed = super().arrived(request)
        if self.requests - 1 == self.stops_at:
            os.kill(self.victim, signal.SIGSTOP)
            try:
                with ThreadPoolExecutor(1) as beside:  # this thread has a loop of its own
                    self.token = beside.submit(asyncio.run, self._take()).result()
            finally:
                os.kill(self.victim, signal.SIGCONT)
        return passed

    async def _take(self) -> int:
        async with await Database.open(self.url) as database:
            lease = Lease(database, Holder.here(), ttl_s=TTL_S, tell=lambda text: None)
            with pytest.raises(UsageError, match=f"another process is running {ACCOUNT}: process {self.victim} on "):
                await lease.take(ACCOUNT)
            async with database.beside() as connection:  # so much time passes
                await connection.execute(update(leases).values(expires_at_ms=1))
            await lease.take(ACCOUNT)
            return lease.tokens[ACCOUNT]


async def worked(mortal: Mortal, database: Database) -> None:
    async with hold_lease(database, "r1", ttl_s=TTL_S) as lease:
        await lease.take(ACCOUNT)
        await mortal.live.run(database, cycles=CYCLES)


def sends(mortal: Mortal) -> list[int]:
    return [entry.number for entry in mortal.live.stage.double.journal if entry.operation in SENDS]


def left_alone(url: str) -> list[int]:
    with a_mortal_desk((BTC,)) as mortal:
        assert mortal.run(lambda database: worked(mortal, database), url=url) == 0, mortal.errors
        return sends(mortal)


def overtaken(url: str, *, at: int) -> tuple[list[int], str]:
    """What was sent from the request `at` on, in which the process stood still, and how it ended."""
    with a_mortal_desk((BTC,)) as mortal:
        mortal.bystander = overtaker = Overtaker(mortal.live.stage)
        mortal.live.stage.double.bystander = overtaker
        overtaker.stops_at, overtaker.url = at, url
        code = mortal.run(lambda database: worked(mortal, database), url=url)
        assert (code, overtaker.token) == (1, 2), mortal.errors
        return [number for number in sends(mortal) if number > at], mortal.errors[0].strip().splitlines()[-1]


def points(sent: Sequence[int]) -> list[int]:
    """Just before the first order, in the middle of sending one, and just before a later one and the last."""
    return [sent[0] - 1, sent[0], sent[2] - 1, sent[-1] - 1]


def test_a_process_that_stood_still_sends_nothing_once_another_has_its_account(tmp_path: Path) -> None:
    sent = left_alone(f"sqlite:///{tmp_path / 'alone.db'}")
    assert len(sent) > 3
    for at in points(sent):
        later, said = overtaken(f"sqlite:///{tmp_path / f'{at}.db'}", at=at)
        assert (at, later) == (at, [])
        assert said.startswith(f"domain.errors.LeaseLost: {ACCOUNT} was taken over by process {os.getpid()} on ")


def test_nor_on_postgresql(postgres: URL) -> None:
    url = postgres.render_as_string(hide_password=False)
    asyncio.run(tell(postgres, *EMPTY))
    sent = left_alone(url)
    for at in points(sent)[::2]:
        asyncio.run(tell(postgres, *EMPTY))
        later, said = overtaken(url, at=at)
        assert (at, later) == (at, [])
        assert said.startswith(f"domain.errors.LeaseLost: {ACCOUNT} was taken over by process ")
