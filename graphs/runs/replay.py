"""Exact replay: the same run from its tape alone, compared row by row with what was recorded.

A run that several versions of agentctl decided is replayed stretch by stretch, each upon what the archive says of the
cycles before it. So what this version decided is compared to the byte, whatever an older one decided before it; and
what an older one decided is decided again by this one, which may do so otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from pydantic import Field, ValidationError

from domain.errors import AgentctlError, DatabaseUnavailable, NotFound
from domain.value import Value, absent
from graphs.runs.open import playback
from graphs.runs.open_live import require_decided
from graphs.runs.runner import Runner
from graphs.session.eras import Stretch, stretches, this_version
from graphs.trading.cycle import Cycle
from graphs.trading.events import silent
from graphs.trading.graph import build
from memory.archive.archive import Archive
from memory.archive.compare import compare, compare_books, sealed_rows
from memory.store.database import Database
from memory.store.fault import Fault
from memory.store.records import RunRecord
from memory.verify import verify


class ReplayPart(Value):
    """A stretch of cycles that one version decided, and what became of it when it was decided again."""

    first: int
    last: int
    version: str
    identical: bool
    replayed: int
    """Cycles that came out the same."""
    steps: int
    first_difference: str | None
    cut_short: str = Field(default="", exclude_if=absent)
    """Why it was not decided again: it came to no end of its own, and stands as it was left."""


class ReplayReport(Value):
    """`identical` only when the archive is whole and every step came out the same."""

    run_id: str
    identical: bool
    cycles: int
    """Replayed and compared."""
    steps: int
    """Rows compared: effects, node results, snapshots, verdicts, order events, fills, equity."""
    first_difference: str | None
    parts: tuple[ReplayPart, ...] = Field(default=(), exclude_if=absent)
    """Of a run that another version than this one decided, or several."""


Progress = Callable[[int, int], None]


async def replay_run(run_id: str, *, source: Database, progress: Progress) -> ReplayReport:
    """Verify the archive of a run, then run it again from its tape in memory and compare every cycle.

    `progress` is told (cycles done, cycles in all). Raises `NotFound` for an unknown run, and `UsageError` when several
    begin with `run_id` and for a certification, in which nothing was decided.
    """
    archive = Archive(source)
    # Verified before anything of it is read: what was changed can't be read, or says something else.
    with suppress(NotFound):  # the run's own row may be what is gone
        run_id = await archive.run_id(run_id)
    faults = await verify(source, run_id)
    if faults:
        return ReplayReport(
            run_id=run_id,
            identical=False,
            cycles=0,
            steps=0,
            first_difference=f"the archive was changed: {faults[0]}",
        )
    record = await archive.run(run_id)
    require_decided(record.header)
    cut_short = [closed.record.cut_short async for closed in archive.cycles(record.header.run_id)]
    parts = [
        await _part(_Stretch(record, stretch, source, progress)) for stretch in stretches(record.header, cut_short)
    ]
    alone = len(parts) <= 1 and all(part.version == this_version() for part in parts)
    return ReplayReport(
        run_id=record.header.run_id,
        identical=all(part.identical for part in parts),
        cycles=sum(part.replayed for part in parts),
        steps=sum(part.steps for part in parts),
        first_difference=next((part.first_difference for part in parts if part.first_difference), None),
        parts=() if alone else tuple(parts),
    )


@dataclass(slots=True)
class _Stretch:
    """A stretch that is being replayed, and how far that has come."""

    run: RunRecord
    of: Stretch
    source: Database
    progress: Progress
    replayed: int = 0
    steps: int = 0

    @property
    def foreign(self) -> bool:
        return self.of.version != this_version()

    @property
    def cycle(self) -> int:
        """The one that is due."""
        return self.of.first + self.replayed


async def _part(stretch: _Stretch) -> ReplayPart:
    difference = None if stretch.of.cut_short else await _difference(stretch)
    if difference is not None and stretch.foreign:
        difference = f"written by version {stretch.of.version}, which decided differently: {difference}"
    return ReplayPart(
        **stretch.of.model_dump(),
        identical=difference is None,
        replayed=stretch.replayed,
        steps=stretch.steps,
        first_difference=difference,
    )


async def _difference(stretch: _Stretch) -> str | None:
    """Decide the stretch again, upon what the archive says of the cycles before it, and find what is not the same."""
    run_id, last = stretch.run.header.run_id, stretch.of.last
    async with await Database.in_memory() as into:
        try:
            fault = await _decide_again(stretch, into)
        except DatabaseUnavailable:
            raise  # of the run it says nothing
        except AgentctlError as error:
            return f"cycle {stretch.cycle}: {error.message}"
        except ValidationError as error:
            if not stretch.foreign:
                raise
            return f"cycle {stretch.cycle}: this version can't read it: {error}"
        if fault is not None:
            return f"cycle {stretch.cycle}: {fault}"
        if stretch.run.status != "finished" or last != stretch.run.cycles - 1:
            return None  # later cycles, or one that was left unfinished, have changed the books
        apart = await compare_books(into, stretch.source, account=run_id)
        return None if apart is None else f"books: {apart}"


async def _decide_again(stretch: _Stretch, into: Database) -> Fault | None:
    header, source = stretch.run.header, stretch.source
    session = await playback(header, source=source, into=into, from_cycle=stretch.of.first)
    runner = Runner(session, build(), listen=silent)
    seal = (await session.archive.run(header.run_id)).seal
    async for closed in Archive(source).cycles(header.run_id, after=stretch.of.first - 1):
        if stretch.cycle > stretch.of.last:
            break
        session.enter(stretch.cycle)
        cycle = Cycle(session=session, number=stretch.cycle, as_of=closed.record.as_of, previous_seal=seal)
        seal = await runner.cycle(cycle)
        fault = await compare(into, source, run_id=header.run_id, cycle=stretch.cycle)
        if fault is not None:
            return fault
        stretch.steps += await sealed_rows(into, run_id=header.run_id, cycle=stretch.cycle)
        stretch.replayed += 1
        stretch.progress(stretch.cycle, stretch.run.cycles)
    return None
