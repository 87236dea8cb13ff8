"""Exact replay: the same run from its tape alone, compared row by row with what was recorded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from domain.errors import AgentctlError, DatabaseUnavailable, NotFound
from domain.value import Value
from graphs.cycle import Cycle
from graphs.events import silent
from graphs.opening import entered, playback
from graphs.runner import Runner
from graphs.trading import build
from memory.archive import Archive
from memory.compare import compare, compare_books, sealed_rows
from memory.database import Database
from memory.verify import verify


class ReplayReport(Value):
    """`identical` only when the archive is whole and every step came out the same."""

    run_id: str
    identical: bool
    cycles: int
    """Replayed and compared."""
    steps: int
    """Rows compared: effects, node results, snapshots, verdicts, order events, fills, equity."""
    first_difference: str | None


async def replay_run(run_id: str, *, source: Database, progress: Callable[[int, int], None]) -> ReplayReport:
    """Verify the archive of a run, then run it again from its tape in memory and compare every cycle.

    `progress` is told (cycles done, cycles in all). Raises `NotFound` for an unknown run,
    and `UsageError` when several begin with `run_id`.
    """
    archive = Archive(source)
    # Verified before anything of it is read: what was changed can't be read, or says something else.
    with suppress(NotFound):  # the run's own row may be what is gone
        run_id = await archive.run_id(run_id)
    faults = await verify(source, run_id)
    if faults:
        return _different(run_id, 0, 0, f"the archive was changed: {faults[0]}")
    record = await archive.run(run_id)
    header = record.header
    async with await Database.in_memory() as into:
        session = await playback(header, source=source, into=into)
        runner = Runner(session, build(), listen=silent)
        number, seal, steps = 0, header.config_digest, 0
        async for as_of in session.market.ticks():
            session = entered(session, cycle=number)
            try:
                seal = await runner.cycle(Cycle(session=session, number=number, as_of=as_of, previous_seal=seal))
                found = await compare(into, source, run_id=header.run_id, cycle=number)
            except DatabaseUnavailable:
                raise  # of the run it says nothing
            except AgentctlError as error:
                return _different(header.run_id, number, steps, f"cycle {number}: {error.message}")
            if found is not None:
                return _different(header.run_id, number, steps, f"cycle {number}: {found}")
            steps += await sealed_rows(into, run_id=header.run_id, cycle=number)
            number += 1
            progress(number, record.cycles)
        if record.status == "finished":  # else a cycle that was left unfinished has changed them
            found = await compare_books(into, source, account=header.run_id)
            if found is not None:
                return _different(header.run_id, number, steps, f"books: {found}")
    return ReplayReport(run_id=header.run_id, identical=True, cycles=number, steps=steps, first_difference=None)


def _different(run_id: str, cycles: int, steps: int, first_difference: str) -> ReplayReport:
    return ReplayReport(run_id=run_id, identical=False, cycles=cycles, steps=steps, first_difference=first_difference)
