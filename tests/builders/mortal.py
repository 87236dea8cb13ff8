"""A live run in a process of its own that can be killed at any commit and at any request, and started again.

The exchange lives in this process and goes on. Time is one number that both share: it moves when the run sleeps.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from builders.exchanges import START, Stage, Theirs
from builders.live import BTC, LiveStage
from domain.candle import Timeframe
from exchange_double.served import okx_double
from exchange_double.wire import Request
from memory import Database

Where = Literal["before a commit", "after a commit", "request lost", "answer lost"]


@dataclass(frozen=True, slots=True)
class Point:
    """One moment at which a run can be killed: `n` counts those of its kind."""

    where: Where
    n: int

    def __str__(self) -> str:
        return f"{self.where} {self.n}"


class SharedWall:
    """Our clock, in memory that a forked process shares; a sleep moves it on."""

    def __init__(self, at: datetime = START) -> None:
        self._start = at
        self._passed_s = multiprocessing.RawValue("d", 0.0)
        self.woken: Callable[[], None] | None = None

    @property
    def at(self) -> datetime:
        return self.now()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed_s.value)

    async def sleep(self, seconds: float) -> None:
        self._passed_s.value += seconds
        await asyncio.sleep(0)

    def rest(self, seconds: float) -> None:
        """Time passes while nobody runs."""
        self._passed_s.value += seconds


class MortalDatabase(Database):
    """A database whose process is killed at one of its commits, just before it or just after."""

    commits = 0
    dies: Point | None = None

    @asynccontextmanager
    async def transaction(self, *, sends: bool = False) -> AsyncGenerator[AsyncConnection]:
        n = self.commits
        type(self).commits = n + 1
        async with super().transaction(sends=sends) as connection:
            yield connection
            self._die_at(Point("before a commit", n))
        self._die_at(Point("after a commit", n))

    def _die_at(self, point: Point) -> None:
        if self.dies == point:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Bystander:
    """Sees every request at the exchange, and kills the process that sent one of them."""

    stage: Stage
    dies: Point | None = None
    victim: int = 0
    requests: int = 0

    def arrived(self, request: Request) -> bool:
        self.stage.touch()
        self.requests += 1
        return not self._killed(Point("request lost", self.requests - 1))

    def answered(self, request: Request) -> None:
        self._killed(Point("answer lost", self.requests - 1))

    def _killed(self, point: Point) -> bool:
        if self.dies != point:
            return False
        os.kill(self.victim, signal.SIGKILL)
        return True


@dataclass
class Mortal:
    """The exchange, the desk, and how often a process has been run on them."""

    live: LiveStage
    wall: SharedWall
    bystander: Bystander
    commits: int = 0
    errors: list[str] = field(default_factory=list)

    def run(self, work: Callable[[Database], Awaitable[None]], *, url: str, dies: Point | None = None) -> int:
        """`work` on the database in a process of its own; its exit code, -9 when it was killed at `dies`."""
        self.bystander.requests = 0
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            _child(work, url=url, dies=dies, writer=writer)
        os.close(writer)
        self.bystander.victim, self.bystander.dies = pid, dies
        with os.fdopen(reader) as pipe:
            told = pipe.read()
        _, status = os.waitpid(pid, 0)
        self.bystander.dies = None
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            self.commits = int(told)
        elif code > 0:
            self.errors.append(told)
        return code


def _child(work: Callable[[Database], Awaitable[None]], *, url: str, dies: Point | None, writer: int) -> None:
    """Never returns. The bystander learns the process id in time: its first request comes after the database opened."""

    async def whole() -> None:
        async with await MortalDatabase.open(url) as database:
            await work(database)

    MortalDatabase.commits, MortalDatabase.dies = 0, dies
    code, told = 0, ""
    try:
        asyncio.run(whole())
        told = str(MortalDatabase.commits)
    except BaseException:
        code, told = 1, traceback.format_exc()
    with os.fdopen(writer, "w") as pipe:
        pipe.write(told)
    sys.stdout.flush()
    os._exit(code)


@contextmanager
def a_mortal_desk(symbols: tuple[str, ...] = (BTC,)) -> Iterator[Mortal]:
    wall = SharedWall()
    theirs = Theirs(wall)  # type: ignore[arg-type]
    bases = {symbol: Decimal(60_000) if symbol.startswith("BTC") else Decimal(3_000) for symbol in symbols}
    with okx_double(clock=theirs) as double:
        stage = Stage(double, wall, theirs, symbols, Timeframe("5m"), bases)  # type: ignore[arg-type]
        stage.show()
        double.bystander = bystander = Bystander(stage)
        yield Mortal(LiveStage(stage, symbols=symbols), wall, bystander)
