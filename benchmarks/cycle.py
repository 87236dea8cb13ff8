"""A whole run: time a cycle on a durable ledger, its replay, bytes in the archive, and how soon help comes.

Run with `python benchmarks/cycle.py`; it takes a minute or two. Machines differ, and a busy one differs from itself:
`loop` is a plain loop of ten million additions at that moment, to compare by. A cycle's figures are medians over all
cycles of a run, those of start-up over several starts. Our own time is what is left without the library `ta`.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from context_engine import cpu_ms, ten_million_additions

from graphs import Runner, RunOptions, build, policy_in_effect, prepare, replay_run, start
from graphs.runs.checkpoints import checkpointer
from graphs.trading.events import CycleEnded, CycleStarted, Event
from memory import Database

CYCLES = 200
LOOPS = 3
STARTS = 7
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
OWN_TARGET_MS = 50
START_TARGET = 3
MS = 1_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Spent:
    """Milliseconds."""

    wall: float = 0
    cpu: float = 0

    @staticmethod
    def now() -> Spent:
        return Spent(time.perf_counter() * MS, time.process_time() * MS)

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.wall + other.wall, self.cpu + other.cpu)

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.wall - other.wall, self.cpu - other.cpu)


class Meter:
    """What one function of a module has taken since it was last asked."""

    def __init__(self, module: str, name: str) -> None:
        self._spent = Spent()
        owner = importlib.import_module(module)
        measured: Callable[..., object] = getattr(owner, name)

        @functools.wraps(measured)
        def timed(*given: object) -> object:
            began = Spent.now()
            try:
                return measured(*given)
            finally:
                self._spent += Spent.now() - began

        setattr(owner, name, timed)

    def take(self) -> Spent:
        spent, self._spent = self._spent, Spent()
        return spent


class Watch:
    """Listens to a run, and keeps what each cycle took and how much of it the meter saw."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._began = Spent()
        self.whole: list[Spent] = []
        self.library: list[Spent] = []

    def hear(self, event: Event) -> None:
        if isinstance(event, CycleStarted):
            self._meter.take()
            self._began = Spent.now()
        elif isinstance(event, CycleEnded):
            self.whole.append(Spent.now() - self._began)
            self.library.append(self._meter.take())

    @property
    def own(self) -> list[Spent]:
        return [whole - library for whole, library in zip(self.whole, self.library, strict=True)]


async def run(symbols: Sequence[str], folder: Path, watch: Watch, *, cycles: int) -> int:
    """A run as `agentctl run` makes it, checkpoints included. Returns the bytes that it added to the archive."""
    options = RunOptions(policy=policy_in_effect(None), symbols=tuple(symbols), cycles=cycles)
    header, market, model = await prepare(options, run_id="bench", at=NOW)
    async with await Database.open(address(folder)):
        pass
    empty = archive(folder).stat().st_size
    async with (
        await Database.open(address(folder)) as database,
        checkpointer(folder / "checkpoints.db") as saver,
    ):
        session = await start(header, market, model, database=database)
        status = await Runner(session, build(checkpointer=saver), listen=watch.hear).run(cycles=cycles)
        await session.archive.end_run("bench", status, at=NOW)
    return archive(folder).stat().st_size - empty


async def replay(folder: Path) -> tuple[list[Spent], Spent]:
    """What each cycle took to be run again and compared, and what the whole took, verification first."""
    moments = [Spent.now()]
    async with await Database.open(address(folder), create=False) as database:
        report = await replay_run("bench", source=database, progress=lambda done, cycles: moments.append(Spent.now()))
    if not report.identical:
        raise SystemExit(f"the replay differs, and its time means nothing: {report.first_difference}")
    return [after - before for before, after in pairwise(moments[1:])], moments[-1] - moments[0]


def archive(folder: Path) -> Path:
    return folder / "agentctl.db"


def address(folder: Path) -> str:
    return f"sqlite:///{archive(folder)}"


def child(*arguments: str) -> Spent:
    """A process of this interpreter, from its start to its end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(wall * MS, cpu * MS)


def row(name: str, spent: Sequence[Spent], note: str = "") -> None:
    wall = [each.wall for each in spent]
    cpu = statistics.median(each.cpu for each in spent)
    p95 = statistics.quantiles(wall, n=20)[-1]
    print(f"  {name:22}{statistics.median(wall):8.1f} median{p95:8.1f} p95{cpu:8.1f} CPU   {note}".rstrip())


def heading(text: str) -> None:
    loop = statistics.median(cpu_ms(ten_million_additions) for _ in range(LOOPS))
    print(f"\n{text} (loop {loop:.0f} ms CPU)")


def show_cycles(symbols: Sequence[str], meter: Meter) -> None:
    heading(f"{CYCLES} cycles of {len(symbols)} symbols, SQLite on disk: ms a cycle")
    with tempfile.TemporaryDirectory() as folder:
        watch = Watch(meter)
        grown = asyncio.run(run(symbols, Path(folder), watch, cycles=CYCLES))
        again, whole = asyncio.run(replay(Path(folder)))
    row("whole", watch.whole)
    row("in the library ta", watch.library)
    clock, cpu = (statistics.median(kind) / OWN_TARGET_MS for kind in zip(*map(astuple, watch.own), strict=True))
    row("our own", watch.own, f"target {OWN_TARGET_MS} ms: {clock:.2f} of it by the clock, {cpu:.2f} by CPU")
    row("replay and compare", again, f"{whole.wall / CYCLES:.1f} with the archive verified first")
    print(f"  archive               {grown / CYCLES:8,.0f} bytes a cycle")


def show_startup() -> None:
    """Each way to start in turns, so that a busy moment meets them all."""
    heading("start-up: ms")
    ways = {
        "python -c pass": ("-c", "pass"),
        "import typer": ("-c", "import typer"),
        "agentctl --help": ("-m", "agentctl", "--help"),
    }
    starts: dict[str, list[Spent]] = {way: [] for way in ways}
    for _ in range(STARTS):
        for way, arguments in ways.items():
            starts[way].append(child(*arguments))
    helped, typer = (statistics.median(s.wall for s in starts[way]) for way in ("agentctl --help", "import typer"))
    for way, spent in starts.items():
        ratio = f"{helped / typer:.2f} × import typer, target {START_TARGET}" if way == "agentctl --help" else ""
        row(way, spent, ratio)


def main() -> None:
    meter = Meter("tools.indicators", "_by_ta")
    with tempfile.TemporaryDirectory() as folder:  # imports pandas and ta before anything is timed
        asyncio.run(run(SYMBOLS, Path(folder), Watch(meter), cycles=3))
    for count in (2, 3):
        show_cycles(SYMBOLS[:count], meter)
    show_startup()


if __name__ == "__main__":
    main()
