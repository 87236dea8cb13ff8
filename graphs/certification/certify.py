"""A certification from its first question to its last: what is read, what an operator confirms, what is sent, and that
nothing is left of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from domain.errors import AgentctlError
from graphs.certification.bench import Bench
from graphs.certification.cleaning import Cleaning, left_by, stays_of
from graphs.certification.market import TIMEFRAME, VenueMarket
from graphs.certification.reading import Intent, Reading
from graphs.certification.report import Certification
from graphs.certification.rules import certify_policy
from graphs.certification.settling import Settled, settle
from graphs.certification.steps import Steps
from graphs.certification.table import Table
from graphs.certification.trial import Trial
from graphs.runs.open import prepare, start
from graphs.runs.open_live import CERTIFY, opened_live
from graphs.session.eras import this_version
from graphs.session.options import RunOptions
from graphs.session.session import Session
from memory.store.leases import Lease, hold_lease
from memory.store.records import EndStatus


async def certify(bench: Bench, *, symbol: str, most: Decimal | None, run_id: str) -> Certification:
    """Run every step that can be run. Whatever fails, and whenever it is asked to stop, its orders are cancelled and
    what it bought is sold; `Certification.left` is what that did not reach.

    Raises `UsageError` and `NotFound` for a symbol or a bound that does not fit and what the operator's answer raises,
    before anything was sent. Where the right to trade or the database is lost on the way, that ends it.
    """
    at, table = bench.wall.now(), Table(bench.watch, bench.wall)
    reading = Reading(
        bench.desk,
        table,
        exchange=bench.exchange,
        symbol=symbol,
        most=most,
        where=bench.where,
        wall=bench.wall,
    )
    ended = _Ended()
    if await reading.connection() and not bench.stop.requested:
        await _settle_earlier(bench, reading.account)
        intent = await reading.sizes()
        if intent is not None and not bench.stop.requested:
            ended = await _traded(bench, table, reading, intent=intent, run_id=run_id)
    return Certification(
        run_id=ended.run_id,
        exchange=bench.exchange,
        account=reading.account,
        symbol=symbol,
        where=bench.where,
        sandbox=bench.sandbox,
        version=this_version(),
        at=at,
        steps=table.rows(),
        interrupted=bench.stop.requested,
        left=ended.remaining,
        stays=ended.stays,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """How the steps that send ended, where there were any."""

    run_id: str = ""
    remaining: tuple[str, ...] = ()
    stays: str = ""


async def _settle_earlier(bench: Bench, account: str) -> None:
    settled = Settled(bench.database, account)
    if runs := await settled.left_open():
        authorization = bench.operator.confirm_cleaning(account, [run.run_id for run in runs])
        for run in runs:
            await settle(bench, run, authorization=authorization)


async def _traded(bench: Bench, table: Table, reading: Reading, *, intent: Intent, run_id: str) -> _Ended:
    """The steps that send; what is left of them."""
    authorization = bench.operator.confirm(intent)
    async with hold_lease(bench.database, run_id, tell=bench.notice) as lease:
        market = bench.market(intent.symbol)
        session = await _opened(bench, reading, market, intent=intent, run_id=run_id, lease=lease)
        session.authorization = authorization
        trial = Trial(
            session=session,
            market=market,
            symbol=intent.symbol,
            number=0,
            seal=session.header.config_digest,
        )
        status: EndStatus = "failed"
        try:
            await _steps(bench, table, trial)
            status = "interrupted" if bench.stop.requested else "finished"
            return _Ended(run_id=run_id, remaining=await left_by(session), stays=await stays_of(session))
        except BaseException:
            for line in await _left_as_known(session):
                bench.notice(line)
            raise
        finally:
            with suppress(AgentctlError):
                await session.archive.end_run(run_id, status, at=bench.wall.now())


async def _left_as_known(session: Session) -> tuple[str, ...]:
    """What is left, where the ledger still says it."""
    try:
        return await left_by(session)
    except AgentctlError as error:
        return (f"what is left at {session.header.exchange} is not known: {error.message}. Look there",)


async def _opened(
    bench: Bench, reading: Reading, market: VenueMarket, *, intent: Intent, run_id: str, lease: Lease
) -> Session:
    """A run of kind `certify` on the account, in the ledger like any other."""
    policy = certify_policy(intent.symbol, most=intent.most, equity=reading.cash, quantity=reading.largest * 2)
    options = RunOptions(policy=policy, market=bench.exchange, symbols=(intent.symbol,), timeframe=str(TIMEFRAME))
    header, _, model = await prepare(
        options, run_id=run_id, at=bench.wall.now(), opener=lambda *_, **__: market, live=True
    )
    header = header.model_copy(update={"graph": CERTIFY})
    header = await opened_live(header, bench.desk, database=bench.database, take=lease.take)
    await lease.regain()  # an operator may have read for long, and the loop stood still meanwhile
    return bench.at_work(await start(header, market, model, database=bench.database, desk=bench.desk))


async def _steps(bench: Bench, table: Table, trial: Trial) -> None:
    """In their order, as far as each rests on those before it; then whatever is left is cleaned up."""
    session = trial.session
    instrument = session.settings.instruments[trial.symbol]
    steps = Steps(trial, table, witness=bench.witness, instrument=instrument)
    broken: Exception | None = None
    try:
        await _groups(bench, steps, holds_stops=bool(session.header.venue_stops))
    except Exception as error:  # whatever it is, nothing may be left because of it
        table.fail(error.message if isinstance(error, AgentctlError) else f"unexpected {type(error).__name__}: {error}")
        broken = None if isinstance(error, AgentctlError) else error
    clean = await Cleaning(trial, table, steps=steps).run()
    if broken is not None:
        raise broken
    if table.passed("entry"):
        await steps.fees()
    if clean and table.ran("far limit"):
        await steps.reconcile()


async def _groups(bench: Bench, steps: Steps, *, holds_stops: bool) -> None:
    if not await steps.far_limit() or bench.stop.requested:
        return
    if not await steps.entry() or bench.stop.requested:
        return
    if holds_stops:
        stop_id = await steps.stop()
        if stop_id and not bench.stop.requested:
            await steps.amend(stop_id)
    if not bench.stop.requested and await steps.alone():
        await steps.exit()
