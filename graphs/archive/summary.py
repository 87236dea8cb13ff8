"""A run put together from the archive: the same document after the run, after a resume, and ever after."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from agents.models import RULES
from domain.decision import Decision
from domain.errors import LedgerBroken
from graphs.archive.result import Cost, EquityLine, OrderLine, RunResult, Timings
from graphs.session.ending import OpenPosition, open_positions
from graphs.session.eras import era_lines
from graphs.session.session import RunSettings
from graphs.session.trading_halt import Brake, braked
from memory.archive.archive import Archive
from memory.ledger.ledger import Ledger
from memory.operators.controls import Control, Controls
from memory.store.database import Database
from memory.store.records import Figures, RunRecord


async def summary(
    record: RunRecord,
    *,
    database: Database,
    timings: Timings,
    notes: tuple[str, ...] = (),
    brake: Brake | None = None,
) -> RunResult:
    """Everything that a run decided and did, read back from what was committed, and what it leaves open.

    `brake` is that of the process that ran it.
    """
    header = record.header
    archive = Archive(database)
    ledger = Ledger(database, account=header.run_id, run_id=header.run_id)
    made: list[Decision] = []
    tokens = 0
    usd: Decimal | None = Decimal(0)
    figures: Figures | None = None
    as_of = header.created_at
    cut_short: list[int] = []
    async for closed in archive.cycles(header.run_id):
        made += closed.record.decisions
        tokens += closed.record.tokens if header.era(closed.record.cycle).model != RULES else 0
        usd = None if usd is None or closed.record.usd is None else usd + closed.record.usd
        figures = closed.record.figures or figures
        as_of = closed.record.as_of
        if closed.record.cut_short:
            cut_short.append(closed.record.cycle)
    snapshots = await archive.snapshot_ids(header.run_id)
    settings = RunSettings.model_validate_json(record.era.settings)
    models = {header.model, *(era.model for era in header.eras)}
    return RunResult(
        run_id=header.run_id,
        status=record.status,
        graph=header.graph,
        market=header.market,
        timeframe=header.timeframe,
        symbols=header.symbols,
        model=record.era.model,
        mode=header.mode,
        seed=header.seed,
        cycles=record.cycles,
        asked=header.planned_cycles,
        seal=record.seal,
        decisions=tuple(made),
        orders=tuple(OrderLine.of(order) for order in await ledger.orders()),
        snapshots=snapshots,
        equity=await equity_line(ledger, header.start_cash, figures),
        cost=Cost(tokens=tokens, usd=usd),
        timings=timings,
        costs=settings.costs if header.mode == "paper" else None,
        notes=notes,
        trading=await _restriction(header.run_id, database, brake or Brake()),
        open_positions=await still_open(ledger, settings, at=as_of),
        version=header.version_at(max(0, record.cycles - 1)),
        eras=era_lines(header),
        cut_short=tuple(cut_short),
        model_failures=await archive.model_failures(header.run_id) if models != {"rules"} else {},
    )


async def still_open(ledger: Ledger, settings: RunSettings, *, at: datetime) -> tuple[OpenPosition, ...]:
    """The positions in the books, each with its stop and where that rests."""
    books = await ledger.portfolio(marks={}, as_of=at)
    working = await ledger.orders(working_only=True) if books.positions else ()
    return open_positions(books, working, instruments=settings.instruments, stops={})


async def _restriction(run_id: str, database: Database, brake: Brake) -> Control | None:
    control = await Controls(database).state(run_id)
    restriction = braked(control, brake).model_copy(update={"scope": control.scope})
    return None if restriction.state == "active" else restriction


async def equity_line(ledger: Ledger, start: Decimal, figures: Figures | None) -> EquityLine:
    """Equity at both ends, and whether it is exactly what fills and fees make of it."""
    if figures is None:
        zero = Decimal(0)
        return EquityLine(start=start, end=start, realized=zero, unrealized=zero, fees=zero, reconciled=True)
    try:
        await ledger.check()
        adds_up = figures.own == start + figures.realized + figures.unrealized - figures.fees
    except LedgerBroken:
        adds_up = False
    return EquityLine(
        start=start,
        end=figures.equity,
        realized=figures.realized,
        unrealized=figures.unrealized,
        fees=figures.fees,
        funding=sum((e.cash for e in await ledger.external() if e.own and e.kind == "funding"), Decimal(0)),
        contributed=figures.contributed,
        reconciled=adds_up,
    )
