"""Certifications that were killed on their way: found in the ledger, and cleaned up after before the next one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from domain.errors import AgentctlError, Refused
from graphs.certification.bench import Bench
from graphs.certification.cleaning import Cleaning, left_by
from graphs.certification.report import Step, StepResult
from graphs.certification.steps import Steps
from graphs.certification.table import Table
from graphs.certification.trial import Trial
from graphs.runs.cut_short import close_as_it_stands
from graphs.runs.open import resume
from graphs.runs.open_live import CERTIFY
from graphs.session.eras import this_version
from graphs.session.session import RunSettings
from memory.archive.archive import Archive
from memory.archive.tape import Tape
from memory.ledger.ledger import Ledger
from memory.store.database import Database
from memory.store.leases import hold_lease
from memory.store.records import RunHeader
from policy.account import Arming


class Settled:
    """The earlier certifications of an account."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account

    async def left_open(self) -> Sequence[RunHeader]:
        """Those of which an order may trade, or something is held that can be sold."""
        records = await Archive(self._database).runs(limit=None)
        mine = [r.header for r in records if r.header.graph == CERTIFY and r.header.account == self._account]
        return [run for run in mine if await self._open(run)]

    async def _open(self, run: RunHeader) -> bool:
        ledger = Ledger(self._database, account=run.run_id, run_id=run.run_id)
        instruments = RunSettings.model_validate_json(run.settings).instruments
        books = await ledger.portfolio(marks={}, as_of=run.created_at)
        held_lots = any(p.quantity >= instruments[symbol].lot_size for symbol, p in books.positions.items())
        return held_lots or bool(await ledger.orders(working_only=True))


async def settle(bench: Bench, run: RunHeader, *, authorization: Arming) -> None:
    """Cancel and sell what `run` left. Raises `Refused` naming what is left even then."""
    (symbol,) = run.symbols
    database, market = bench.database, bench.market(symbol)
    async with hold_lease(database, run.run_id, tell=bench.notice) as lease:
        await lease.take(run.account)
        record = await Archive(database).run(run.run_id)
        if await Tape(database, run_id=run.run_id).holds(record.cycles):
            await close_as_it_stands(record, market, database=database, version=this_version(), why="it was killed")
        session = bench.at_work(
            await resume(run.run_id, database=database, opener=lambda *_, **__: market, desk=bench.desk)
        )
        session.authorization = authorization
        record = await Archive(database).run(run.run_id)
        trial = Trial(session=session, market=market, symbol=symbol, number=record.cycles, seal=record.seal)
        instrument = session.settings.instruments[symbol]
        table = Table(_Nobody(), bench.wall)
        steps = Steps(trial, table, witness=bench.witness, instrument=instrument)
        clean = await Cleaning(trial, table, steps=steps).run()
        with suppress(AgentctlError):
            await session.archive.end_run(run.run_id, "finished" if clean else "failed", at=bench.wall.now())
        remaining = await left_by(session)
    if remaining:
        raise Refused(f"certification {run.run_id} left: {'; '.join(remaining)}")
    bench.notice(f"certification {run.run_id} was killed on its way; nothing is left of it now")


class _Nobody:
    """Watches nothing."""

    def began(self, step: Step) -> None:
        pass

    def ended(self, row: StepResult) -> None:
        pass
