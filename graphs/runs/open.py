"""Ways to open a session: a new run, a run that goes on, a run that is played back."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

from agents.model import LanguageModel
from agents.models import open_model
from domain.candle import Timeframe
from domain.clock import Clock, CycleClock, TickClock
from domain.digest import canonical
from domain.errors import LedgerBroken, NotFound, UsageError
from domain.portfolio import Portfolio
from domain.venue import MakesQuotes, Market, Suspends, Venue
from graphs.runs.cut_short import close_as_it_stands, matched_until
from graphs.runs.open_live import TICKET_TTL_S, LiveDesk, require_same
from graphs.runs.replay_stubs import ClosedVenue, RecordedTicks
from graphs.session.clocks import WallClock
from graphs.session.eras import NOTHING, Change, this_version
from graphs.session.options import RunOptions
from graphs.session.perpetuals import on_paper, require_rates
from graphs.session.session import RunSettings, Session
from graphs.trading.dated_quotes import last_quotes
from memory.archive.archive import Archive
from memory.archive.eras import begin_era
from memory.archive.tape import Recording, Tape
from memory.ledger.state_at import stand_at
from memory.operators.audit_log import HOUSE, Acts
from memory.store.database import Database
from memory.store.records import Era, RunHeader, RunRecord
from policy import TicketOffice
from tools.resilience import Plumbing
from venues.costs import PaperCosts
from venues.open import open_market
from venues.paper.order import RestoredOrder
from venues.paper.venue import PaperVenue

GRAPHS = ("trading",)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Where a market's clock stands before the first tick."""


class OpenMarket(Protocol):
    """How a market is opened by its name: `venues.open.open_market`, or a test's own way."""

    def __call__(
        self, spec: str, *, symbols: Sequence[str] | None, timeframe: Timeframe | None, seed: int, wall: Clock
    ) -> Market: ...


def one_currency(quotes: Iterable[str]) -> str:
    """What an account is counted in. Raises `UsageError` when its symbols are priced in several currencies."""
    currencies = set(quotes)
    if len(currencies) != 1:
        raise UsageError(
            f"one account can't trade against {', '.join(sorted(currencies))}",
            remedy="Choose --symbols of one quote currency",
        )
    return currencies.pop()


async def prepare(
    options: RunOptions, *, run_id: str, at: datetime, opener: OpenMarket = open_market, live: bool = False
) -> tuple[RunHeader, Market, LanguageModel]:
    """Everything that can be wrong with a run's options is found here, before anything is written.

    Unless it will go `live`, perpetuals get their terms, with the margin tiers and the rates that the market tells.

    Raises `NotFound` for an unknown graph and what the market and the model raise.
    """
    if options.graph not in GRAPHS:
        raise NotFound(f"there is no graph {options.graph!r}", remedy=f"There are: {', '.join(GRAPHS)}")
    model = open_model(options.model, asking=True, prices=options.prices)
    timeframe = Timeframe(options.timeframe) if options.timeframe else None
    market = opener(options.market, symbols=options.symbols, timeframe=timeframe, seed=options.seed, wall=WallClock())
    _quote_by(options.costs, market)
    instruments = {s: options.costs.applied(i) for s, i in (await market.instruments()).items()}
    currency = one_currency(i.quote for i in instruments.values())
    costs = options.costs.model_copy(update={"perpetuals": None})
    if not live:
        costs, instruments = await on_paper(options.costs, instruments, market=market)
    symbols = options.symbols or tuple(sorted(instruments))
    settings = RunSettings(
        desk=options.desk,
        lanes=options.lanes,
        policy=options.policy,
        costs=costs,
        instruments=instruments,
        prices=options.prices,
    )
    header = RunHeader(
        run_id=run_id,
        graph=options.graph,
        market=options.market,
        model=options.model,
        mode="paper",
        seed=options.seed,
        symbols=symbols,
        timeframe=str(market.timeframe),
        currency=currency,
        start_cash=options.cash,
        policy_digest=options.policy.digest,
        settings=canonical(settings),
        planned_cycles=options.planned_cycles,
        venue_stops=symbols,
        attaches=symbols,
        version=this_version(),
        created_at=at,
    )
    return header, market, model


def _quote_by(costs: PaperCosts, market: Market) -> None:
    """Have `market` make its quotes as wide as it was set, where it was and where it makes some."""
    if costs.spread_bps is not None and isinstance(market, MakesQuotes):
        market.set_spread(costs.spread_bps)


async def start(
    header: RunHeader, market: Market, model: LanguageModel, *, database: Database, desk: LiveDesk | None = None
) -> Session:
    """Write the header and open the account; `desk` is where a live run trades, see `graphs.runs.open_live.went_live`.

    Raises `UsageError` when there is such a run, and `LedgerBroken` when what people did was changed: a halt may
    have been lifted so.
    """
    if faults := await Acts(database).faults():
        raise LedgerBroken(f"{faults[0]}")
    session = _recording(header, market, model, era=header.era(0), database=database, desk=desk)
    await _begin(session)
    return session


async def resume(
    run_id: str,
    *,
    database: Database,
    cycles: int | None = None,
    opener: OpenMarket = open_market,
    desk: LiveDesk | None = None,
    change: Change | None = None,
) -> Session:
    """Go on with a run where it ended: finished cycles stay, an unfinished one runs again from its tape.

    A `change` decides from the next cycle on that is not begun; one that is begun ends as it began. So does another
    version of agentctl than the one before, but for a cycle that the other one began: that is closed as it stands.

    A live run needs its `desk`, and its account is held against the venue's in its next cycle, before anything else.

    `cycles` says how far: a run that has got there asks no model, and needs no key.

    Raises `NotFound`, `UsageError` for a fork that was cut short before its own first cycle, and
    `LedgerBroken` when the books do not add up.
    """
    record = await Archive(database).run(run_id)
    header = record.header
    timeframe = Timeframe(header.timeframe)
    market = opener(header.market, symbols=header.symbols, timeframe=timeframe, seed=header.seed, wall=WallClock())
    costs = RunSettings.model_validate_json(header.settings).costs
    _quote_by(costs, market)
    if isinstance(market, Suspends):
        market.expect(RunSettings.model_validate_json(header.era(record.cycles).settings).instruments)
    require_rates(costs, market)
    forked = [era.from_cycle for era in header.eras if era.at is None]
    if forked and record.cycles < forked[-1]:
        raise UsageError(f"the fork {header.run_id} was cut short before it began", remedy="Fork its parent again")
    await _require_desk(header, desk)
    if cycles is None or record.cycles < cycles:
        record = await _renewed(record, market, change=change, database=database)
        header = record.header
    elif change is not None and change.changes != NOTHING:
        raise UsageError(f"{header.run_id} has closed all its {record.cycles} cycles", remedy="Give more with --cycles")
    era = header.era(record.cycles)
    asking = cycles is None or record.cycles < cycles
    # What decides from now on was seen to; a cycle that is begun ends without its model where that has no key any more.
    prices = RunSettings.model_validate_json(era.settings).prices
    model = open_model(era.model, asking=asking and era == header.last_era, prices=prices)
    session = _recording(header, market, model, era=era, database=database, desk=desk)
    session.asking = asking
    await _take_up(session, cycle=record.cycles)
    session.clock.set(session.last_at or _EPOCH)
    return session


async def reopen(session: Session) -> None:
    """Go on in this process as another would by `resume`: from what is committed, without what was under way.

    For a run whose lease ran out, or whose database was away for a while. Raises as `resume` does.
    """
    record = await session.archive.run(session.header.run_id)
    if isinstance(session.venue, PaperVenue):
        session.venue = _paper_venue(
            session.header, session.market, session.clock, office=session.office, settings=session.settings
        )
    session.read_until = None  # what happened on the account meanwhile is looked for from the opening on
    session.forget()
    await _take_up(session, cycle=record.cycles)


async def _take_up(session: Session, *, cycle: int) -> None:
    """Bring a session to where the archive is: before the unfinished `cycle`, which runs again from its tape."""
    header = session.header
    await session.ledger.open(currency=header.currency, start_cash=header.start_cash, opening=header.opening)
    await session.ledger.check()
    await _recall(session)
    session.marks |= await marks_of(session.archive, header.run_id, cycle=cycle - 1)
    session.quotes |= await last_quotes(session, cycle=cycle - 1)
    await session.archive.discard_open_cycle(header.run_id, cycle=cycle)
    await _restore(session, cycle=cycle)
    await session.archive.resume_run(header.run_id)


async def _renewed(record: RunRecord, market: Market, *, change: Change | None, database: Database) -> RunRecord:
    """The run with the era that begins now, where anything is otherwise than before; see `resume`."""
    header, now = record.header, this_version()
    begun = await Tape(database, run_id=header.run_id).holds(record.cycles)
    change = change or Change(by=HOUSE, at=WallClock().now())
    era = change.begun(header, from_cycle=record.cycles + begun)
    if era is None:
        return record
    open_model(era.model, asking=True)
    if begun and header.version_at(record.cycles) != now:
        await close_as_it_stands(record, market, database=database, version=now)
    await begin_era(database, header.run_id, era)
    return await Archive(database).run(header.run_id)


async def playback(
    header: RunHeader, *, source: Database, into: Database, parent: str | None = None, from_cycle: int = 0
) -> Session:
    """A run again, with a tape as the only source of effects: its own, or that of the `parent` it is forked from.

    With `from_cycle` from there on, upon what the archive says of the cycles before.
    """
    recorded = parent or header.run_id
    clock, era = TickClock(_EPOCH), header.era(from_cycle)
    settings = RunSettings.model_validate_json(era.settings)
    session = Session(
        header=header,
        era=era,
        settings=settings,
        database=into,
        tape=Tape(into, run_id=header.run_id, recording=Recording(source, recorded)),
        clock=clock,
        market=RecordedTicks(header, source, run_id=recorded),
        venue=ClosedVenue(),
        model=open_model(era.model, asking=False, prices=settings.prices),
        plumbing=Plumbing(clock),
        office=_office(),
    )
    if from_cycle:
        await stand_at(source, into, header, recorded=recorded, cycle=from_cycle)
        await _recall(session)
        session.clock.set(session.last_at or _EPOCH)
    else:
        await _begin(session)
    return session


async def _recall(session: Session) -> None:
    """Give a session what it would know if it had come through the closed cycles itself."""
    last = await session.archive.last_cycle(session.header.run_id)
    session.remember(await session.archive.episodes(session.header.run_id))
    session.step = last.record.step if last else "none"
    session.last_at = last.record.as_of if last else None


async def _require_desk(header: RunHeader, desk: LiveDesk | None) -> None:
    if header.mode == "paper":
        return
    if desk is None:
        raise UsageError(f"{header.run_id} trades with money", remedy=f"agentctl run --live --resume {header.run_id}")
    await require_same(header, desk)


def _recording(
    header: RunHeader, market: Market, model: LanguageModel, *, era: Era, database: Database, desk: LiveDesk | None
) -> Session:
    settings = RunSettings.model_validate_json(era.settings)
    clock: CycleClock
    venue: Venue
    if desk is not None:
        clock, office, venue = desk.clock, desk.office, desk.venue
    else:
        clock, office = TickClock(_EPOCH), _office()
        venue = _paper_venue(header, market, clock, office=office, settings=settings)
    return Session(
        header=header,
        era=era,
        settings=settings,
        database=database,
        tape=Tape(database, run_id=header.run_id),
        clock=clock,
        market=market,
        venue=venue,
        model=model,
        plumbing=Plumbing(clock),
        office=office,
    )


def _paper_venue(
    header: RunHeader, market: Market, clock: Clock, *, office: TicketOffice, settings: RunSettings
) -> PaperVenue:
    return PaperVenue(
        market,
        clock,
        currency=header.currency,
        start_cash=header.start_cash,
        check=office.check,
        costs=settings.costs,
        recorded=settings.instruments,
    )


async def marks_of(archive: Archive, run_id: str, *, cycle: int) -> Mapping[str, Decimal]:
    """The mark prices of what was held that `cycle` found, as far as its steps are kept."""
    for step in await archive.steps(run_id, cycle):
        portfolio = json.loads(step.body).get("portfolio") if step.node == "tick" and step.body else None
        if portfolio is not None:
            return Portfolio.model_validate_json(json.dumps(portfolio)).marks
    return {}


async def _begin(session: Session) -> None:
    header = session.header
    await session.archive.begin_run(header)
    await session.ledger.open(currency=header.currency, start_cash=header.start_cash, opening=header.opening)


def _office() -> TicketOffice:
    """A ticket office of this process: tickets of any other are not valid here."""
    return TicketOffice(secrets.token_bytes(32), ttl_s=TICKET_TTL_S)


async def _restore(session: Session, *, cycle: int) -> None:
    """Give the paper venue back what it had said by the end of the cycle before `cycle`.

    What it did in the unfinished cycle it will do again, from the same bars; orders that it took then are
    handed over as it took them, since their answers are on the tape and won't be asked for again.
    """
    if not isinstance(session.venue, PaperVenue):
        return
    orders = await session.ledger.orders_as_of(before=cycle)
    seen_until = await matched_until(session, before=cycle) or _EPOCH
    session.venue.restore(
        [
            RestoredOrder(request=o.request, submitted_at=o.submitted_at, report=o.report)
            for o in orders
            if o.submitted_at
        ],
        # Of a cycle that was cut short before it had asked, the bars come again, and with them what happened in them.
        events=[event for event in await session.ledger.settled(before=cycle) if event.at <= seen_until],
        seen_until=seen_until,
    )
