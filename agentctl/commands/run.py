"""`agentctl run`: a new run, or one that goes on."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import Literal

from agentctl.archive import find_run, new_run_id
from agentctl.changes import ChangeOptions, changed_in_words, differing, hint, planned
from agentctl.clashes import require_own_packages
from agentctl.commands.approvals import waiting_questions
from agentctl.live import Screen, screen
from agentctl.money import Trading, agree, reach, require_tradable, trading
from agentctl.output import INTERRUPTED, print_json, steadily, warn
from agentctl.paper import one_fee
from agentctl.parting import Ended, parting, tell_failure
from agentctl.person import named
from agentctl.settings import Settings, load
from agentctl.show import show_result
from agentctl.tracing import require_untraced
from agentctl.vitals import publish_vitals, vitals_of
from agents.faults import KINDS
from agents.models import open_model
from agents.pricing import Prices
from agents.pulse import pulse, spent_on
from domain.errors import Refused, ServiceUnavailable, UsageError
from domain.symbols import meant_symbol
from domain.value import SYMBOL_FORM
from graphs.archive.summary import summary
from graphs.runs.checkpoints import checkpointer
from graphs.runs.dead_man_switch import heartbeat
from graphs.runs.fork import fork
from graphs.runs.open import OpenMarket, prepare, resume, start
from graphs.runs.open_live import require_decided, went_live
from graphs.runs.retention import Retention
from graphs.runs.runner import Runner, Status, Stop
from graphs.session.ending import OnExit
from graphs.session.eras import NOTHING, Change, Changes
from graphs.session.model_costs import outlook
from graphs.session.model_health import ModelHealth
from graphs.session.options import RunOptions
from graphs.session.perpetuals import outlook as perpetuals_outlook
from graphs.session.profiles import policy_in_effect
from graphs.session.session import RunSettings, Session
from graphs.session.trading_halt import HALT_FILE, Brake, halts
from graphs.trading.graph import build
from graphs.trading.reconciliation import account_venue
from memory.ledger.ledger import Ledger
from memory.operators.armings import Armings
from memory.store.database import Database
from memory.store.leases import hold_lease
from memory.store.records import EndStatus, RunHeader, RunRecord
from tools.indicators import load as load_indicators
from venues.costs import PaperCosts
from venues.open import open_market

WAITING = 6
"""The run waits for a person's word on an order, and goes on when it is resumed."""

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, what a service manager sends, and a terminal or connection that goes away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """The options as given; `None` is not given."""

    graph: str | None
    market: str | None
    symbols: str | None
    timeframe: str | None
    cycles: int | None
    options: ChangeOptions
    by: str | None
    reason: str
    seed: int | None
    cash: str | None
    fee_bps: str | None
    resume: str | None
    live: bool
    adopt: str | None
    on_exit: OnExit
    db: str | None
    as_json: bool


def run_command(request: RunRequest) -> None:
    require_own_packages()
    if request.resume is not None:
        _refuse_with_resume(request)
    elif request.options.reload or request.by is not None or request.reason:
        raise UsageError("--reload, --by and --reason are of a run that goes on", remedy="Say which: --resume RUN")
    elif request.live:
        _refuse_with_live(request)
    elif request.adopt is not None:
        raise UsageError("--adopt is of live runs", remedy="A paper account holds nothing before it starts")
    conclude(
        asyncio.run(_resume(request, request.resume) if request.resume else _new(request)), as_json=request.as_json
    )


def fork_command(
    run: str,
    *,
    from_cycle: int,
    model: str | None,
    policy: Path | None,
    cycles: int | None,
    db: str | None,
    as_json: bool,
) -> None:
    """A run that is another one up to a cycle, and goes on from there with what was changed."""
    require_own_packages()
    other = None if policy is None else policy_in_effect(policy)
    settings = load(db=db)
    changes = Changes(model=model, policy=other, lanes=settings.lanes_if_set, prices=settings.prices or None)

    async def work() -> Ended:
        async with await Database.open(settings.database_url, create=False) as database:
            now = datetime.now(UTC)
            run_id = new_run_id(now)
            async with hold_lease(database, run_id):
                child = await fork(
                    (await find_run(database, run)).header.run_id,
                    from_cycle=from_cycle,
                    changes=changes,
                    run_id=run_id,
                    at=now,
                    cycles=cycles,
                    database=database,
                    progress=steadily("played"),
                )
                session = await resume(run_id, database=database, opener=_on_paper(settings))
                return await _drive(session, settings, cycles=child.planned_cycles, on_exit="keep")

    conclude(asyncio.run(work()), as_json=as_json)


def conclude(ended: Ended, *, as_json: bool) -> None:
    """Print how a run went; exit code 130 when it was interrupted, 6 when it waits for a person, and 3 when trading
    was halted throughout."""
    status = ended.result.status
    if as_json:
        print_json(ended.result)
    else:
        show_result(ended.result)
    for line in parting(ended):
        warn(line)
    if status in ("interrupted", "waiting"):
        sys.exit(INTERRUPTED if status == "interrupted" else WAITING)
    if ended.halted_throughout:
        sys.exit(Refused.exit_code)


def _refuse_with_resume(request: RunRequest) -> None:
    fixed = ("graph", "market", "symbols", "timeframe", "seed", "cash", "fee_bps", "adopt")
    options = [_option(name) for name in fixed if getattr(request, name) is not None]
    if options:
        raise UsageError(
            f"{', '.join(options)} can't change in a run that goes on",
            remedy="--cycles, --model, --policy, --prompt and --set can; or start a new run",
        )


def _refuse_with_live(request: RunRequest) -> None:
    options = [_option(name) for name in ("seed", "cash", "fee_bps") if getattr(request, name) is not None]
    if options:
        raise UsageError(
            f"{', '.join(options)} is of paper", remedy="With --live the account, and what it costs, is what it is"
        )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


async def _new(request: RunRequest) -> Ended:
    settings = load(
        market=request.market,
        symbols=_symbols(request.symbols),
        timeframe=request.timeframe,
        cycles=request.cycles,
        model=request.options.model,
        policy=request.options.policy,
        seed=request.seed,
        cash=_number("--cash", request.cash, example="100000"),
        paper=one_fee(_number("--fee-bps", request.fee_bps, example="5")),
        db=request.db,
        **request.options.tree,
    )
    options = RunOptions(
        graph=request.graph or "trading",
        market=settings.market,
        symbols=settings.symbols,
        timeframe=settings.timeframe,
        cycles=settings.cycles,
        model=settings.model,
        policy=policy_in_effect(settings.policy),
        seed=settings.seed,
        cash=settings.cash,
        desk=settings.desk,
        lanes=settings.lane_settings,
        prices=settings.prices,
        costs=PaperCosts() if request.live else settings.paper.costs,
    )
    now = datetime.now(UTC)
    adopt = _adopted(request.adopt, options.symbols or ())
    if request.live:
        require_tradable(options.market)
    async with AsyncExitStack() as stack:
        at = await stack.enter_async_context(_trading(options.market, options.symbols, settings, live=request.live))
        health = await _first_question(options.model, options.prices) if at.desk is not None else ModelHealth()
        if health.dead:
            raise health.error(options.model)
        run_id = new_run_id(now)
        header, market, model = await prepare(options, run_id=run_id, at=now, opener=at.opener, live=request.live)
        database = await stack.enter_async_context(await Database.open(settings.database_url))
        lease = await stack.enter_async_context(hold_lease(database, header.run_id, tell=warn))
        if at.desk is not None:
            header = await went_live(header, at.desk, database=database, adopt=adopt, at=now, take=lease.take)
            armed = await Armings(database).in_force(header.exchange, at=now)
            agree(header, armed, where=at.where, certification=at.certification)
        await lease.regain()  # a person may have read for long, and the loop stood still meanwhile
        session = await start(header, market, model, database=database, desk=at.desk)
        session.health = health
        return await _drive(session, settings, cycles=header.planned_cycles, on_exit=request.on_exit)


async def _resume(request: RunRequest, run_id: str) -> Ended:
    settings = load(db=request.db)
    async with await Database.open(settings.database_url, create=False) as database, AsyncExitStack() as stack:
        record = await find_run(database, run_id)
        header = record.header
        require_decided(header)
        lease = await stack.enter_async_context(hold_lease(database, header.run_id, tell=warn))
        cycles = _bound(request.cycles, record)
        if request.live != (header.mode == "live"):
            raise UsageError(
                f"{header.run_id} trades {'with money' if header.mode == 'live' else 'on paper'}",
                remedy=f"Say --live {'too' if header.mode == 'live' else 'of live runs only'}",
            )
        change = _change(request, header, settings)
        at = await stack.enter_async_context(_trading(header.market, header.symbols, settings, live=request.live))
        renewed, health = planned(header, change), ModelHealth()
        if at.desk is not None and (cycles is None or record.cycles < cycles):
            health = await _first_question_again(renewed, database)
        if at.desk is not None:
            await lease.take(header.account)
            armed = await Armings(database).in_force(header.exchange, at=datetime.now(UTC))
            changes = changed_in_words(header, renewed)
            agree(renewed, armed, where=at.where, certification=at.certification, changes=changes)
        await lease.regain()  # as in `_new`
        session = await resume(
            header.run_id, database=database, cycles=cycles, opener=at.opener, desk=at.desk, change=change
        )
        session.health = health
        changed = changed_in_words(header, session.header)
        if not changed and (change is not None or request.by is not None or request.reason):
            warn("note: no setting of the run changes, so that nothing of a change is recorded")
        for line in changed:
            warn(f"from cycle {session.header.last_era.from_cycle} on: {line}")
        return await _drive(session, settings, cycles=cycles, on_exit=request.on_exit)


async def _first_question(model: str, prices: Prices) -> ModelHealth:
    """How the model of a live run is, before an exchange is asked for anything: a run that can decide nothing is not
    begun. It costs one short question; a model that costs nothing is not asked.
    """
    health, opened = ModelHealth(), open_model(model, asking=True, prices=prices)
    if not opened.paid:
        return health
    completion = await pulse(opened, at=datetime.now(UTC))
    health.begin(completion.failure, now=datetime.now(UTC))
    if completion.failure.partition(":")[0] not in KINDS:
        warn(f"{model} answers; asked one short question: {spent_on(completion)}")
    elif not health.dead:
        warn(f"note: {model} did not answer a first question: {completion.failure}. It is asked again in the cycles")
    return health


async def _first_question_again(header: RunHeader, database: Database) -> ModelHealth:
    """As before a new run; while the account may hold something, a run goes on without its model, to exit."""
    era = header.last_era
    health = await _first_question(era.model, RunSettings.model_validate_json(era.settings).prices)
    if health.dead:
        if not await Ledger(database, account=header.run_id, run_id=header.run_id).exposed():
            raise health.error(era.model)
        warn(health.alert(era.model))
    return health


def _bound(cycles: int | None, record: RunRecord) -> int | None:
    """After how many cycles a run that goes on ends; `None` for no end. Raises `UsageError` for fewer than it has."""
    planned = record.header.planned_cycles
    if cycles is None:
        return None if planned is None else max(planned, record.cycles)
    if 0 < cycles < record.cycles:
        raise UsageError(
            f"--cycles {cycles}: {record.header.run_id} has closed {record.cycles} already", remedy="Give more"
        )
    return cycles or None


def _change(request: RunRequest, header: RunHeader, settings: Settings) -> Change | None:
    """What the options change in a run that goes on; where they don't, say in what agentctl.toml differs from it."""
    changes = request.options.changes(header.last_era, settings)
    if not request.options.reload and (differences := differing(settings, header.last_era)):
        warn(hint(differences))
    if changes == NOTHING:
        return None
    return Change(changes=changes, by=named(request.by), at=datetime.now(UTC), reason=request.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnPaper:
    """What a run on paper has in place of a desk at an exchange."""

    opener: OpenMarket
    desk: None = None
    where: str = ""
    certification: str = ""


def _on_paper(settings: Settings) -> OpenMarket:
    return partial(open_market, reach=partial(reach, settings))


@asynccontextmanager
async def _trading(
    market: str, symbols: Sequence[str] | None, settings: Settings, *, live: bool
) -> AsyncGenerator[Trading | _OnPaper]:
    if not live:
        yield _OnPaper(opener=_on_paper(settings))
        return
    require_untraced(os.environ, allowed=settings.live.allow_tracing)
    async with trading(market, symbols=symbols or (), settings=settings) as at:
        yield at


async def _drive(session: Session, settings: Settings, *, cycles: int | None, on_exit: OnExit) -> Ended:
    """Run to the end, to Ctrl-C or to a question, and say in the archive how it ended."""
    stop = Stop(on_exit=on_exit)
    halt_file = settings.data_dir / HALT_FILE
    session.brake = Brake(halt_file)
    run_id = session.header.run_id
    foretold = (*outlook(session), *perpetuals_outlook(session))
    for each in foretold:
        warn(each)
    keep = settings.archive.keep_cycles
    async with checkpointer(settings.checkpoints) as saver, AsyncExitStack() as beside:
        with screen(session, cycles=cycles) as watching:
            if session.live and settings.live.dead_man_s is not None:
                venue, timeout_s = account_venue(session.venue), settings.live.dead_man_s
                sleep = session.plumbing.sleep
                await beside.enter_async_context(
                    heartbeat(
                        venue,
                        timeout_s=timeout_s,
                        sleep=sleep,
                        tell=watching.say,
                        ensure_lease=session.ledger.require_time,
                    )
                )
            await beside.enter_async_context(publish_vitals(settings.data_dir, partial(vitals_of, session)))
            runner = Runner(
                session,
                build(checkpointer=saver),
                listen=watching.hear,
                stop=stop,
                retention=Retention(keep_cycles=keep) if keep else None,
            )
            status: Status | Literal["failed"] = "failed"
            load_indicators()
            gc.freeze()  # a walk through all that was imported would be a pause of a tenth of a second before an order
            working = asyncio.create_task(runner.run(cycles=cycles))
            _heed_signals(stop, session, watching, working)
            try:
                status = await working
            except asyncio.CancelledError:
                if not stop.requested:
                    raise
                status = "interrupted"
            finally:
                end_status: EndStatus = "interrupted" if status == "waiting" else status
                if status == "failed":
                    await tell_failure(session)
                with suppress(ServiceUnavailable) if status == "failed" else nullcontext():
                    await session.archive.end_run(run_id, end_status, at=datetime.now(UTC))
    result = await summary(
        await session.archive.run(run_id),
        database=session.database,
        timings=runner.stopwatch.timings(),
        notes=(*session.market.notes, *foretold),
        brake=session.brake,
    )
    waiting = status == "waiting"
    return Ended(
        result=result.model_copy(update={"asked": cycles, "status": status}),
        questions=await waiting_questions(session.database, run_id, at=session.wall.now()) if waiting else (),
        on_exit=on_exit,
        halted_throughout=runner.halted_throughout,
        tried_to_close=runner.tried_to_close,
        nothing_left=runner.depleted,
        halt_file=halt_file.absolute() if halts(halt_file) else None,
    )


def _heed_signals(stop: Stop, session: Session, watching: Screen, working: asyncio.Task[Status]) -> None:
    """The first Ctrl-C ends the run after the current step, the second at once; both leave it resumable. A run that
    closes its positions does so after the first, and enters nothing from then on.

    SIGUSR1 pulls the brake: the run goes on, and nothing is sent any more. Heeded until the loop closes, so
    that a late signal does not cost the result of a run that is over.
    """
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        if stop.requested:
            working.cancel()
        elif not working.done():
            session.closing = stop.on_exit == "flatten"
            stop.ask()
            what = "closing all positions after this cycle" if session.closing else "stopping after this step"
            watching.say(f"{what}; Ctrl-C again to stop at once")

    def pulled() -> None:
        session.brake.pull("SIGUSR1")
        if not working.done():
            watching.heed()

    for each in _STOPS:
        if each is not signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN:  # under nohup the run goes on
            loop.add_signal_handler(each, interrupt)
    loop.add_signal_handler(signal.SIGUSR1, pulled)


def _symbols(text: str | None, *, option: str = "--symbols") -> tuple[str, ...] | None:
    if text is None:
        return None
    symbols = tuple(part.strip() for part in text.split(",") if part.strip())
    if not symbols:
        raise UsageError(f"{option} names none", remedy=f"Write {option} BTC/USDT,ETH/USDT")
    return symbols


def _adopted(text: str | None, symbols: Sequence[str]) -> tuple[str, ...]:
    """The symbols of --adopt. Raises `UsageError` naming each that is none, or not among those of the run."""
    adopted = _symbols(text, option="--adopt") or ()
    wrong = [
        f"{symbol!r} is no symbol{meant_symbol(symbol, there=symbols)}"
        if re.fullmatch(SYMBOL_FORM, symbol) is None
        else f"{symbol} is not among --symbols{meant_symbol(symbol, there=symbols)}"
        for symbol in adopted
        if symbol not in symbols
    ]
    if wrong:
        raise UsageError(f"--adopt: {', '.join(wrong)}", remedy="It takes symbols of the run, as --adopt BTC/USDT")
    return adopted


def _number(option: str, text: str | None, *, example: str) -> Decimal | None:
    if text is None:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        raise UsageError(f"{option} {text!r} is not a number", remedy=f"Write {option} {example}") from None
