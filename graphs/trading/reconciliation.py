"""Reconciliation: what the ledger holds against what the venue says it holds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from pydantic import TypeAdapter

from agents.desk import Desk
from domain.effects import Answer
from domain.errors import LedgerBroken
from domain.instrument import Instrument
from domain.order import OrderReport
from domain.statement import Difference
from domain.venue import AccountVenue, Suspends, Venue
from graphs.account.books import Books
from graphs.account.survey import Evidence, Look, apart_in_words, evidence
from graphs.session.session import Session
from graphs.trading.cycle import Cycle
from memory.ledger.ledger import Ledger
from memory.store.records import RunHeader

_EVIDENCE: Final = TypeAdapter(Evidence)
_PAUSES_S: Final = (0.0, 1.0, 3.0)
"""Before each look at an account. Balances may lag behind trades by a moment."""
_OVERLAP: Final = timedelta(minutes=10)
"""Trades that a venue shows late are found by the next look."""


async def reconcile(session: Session) -> None:
    """Raises `LedgerBroken` naming every amount on which ledger and venue differ, and what does not add up.

    To be called between cycles, when all that the venue did is booked.
    """
    await session.ledger.check()
    if session.live:
        return  # held against the venue's at each tick, where what is found can be booked
    theirs = await session.venue.portfolio()
    ours = await session.ledger.portfolio(marks=theirs.marks, as_of=theirs.as_of)
    amounts = {"cash": (ours.cash, theirs.cash)} | {
        symbol: (ours.quantity(symbol), theirs.quantity(symbol))
        for symbol in sorted({*ours.positions, *theirs.positions})
    }
    apart = [Difference(asset=name, ours=a, theirs=b) for name, (a, b) in amounts.items() if a != b]
    if apart:
        raise LedgerBroken(f"ledger and venue differ: {apart_in_words(apart)}", remedy="Nothing more is sent")


async def take_account(cycle: Cycle, desk: Desk) -> Evidence:
    """Look at a live account until it is proven, and book what is found: the one path of every start and every tick.

    A second look finds nothing new. Where no look proves the account the cycle goes on without entries. What comes
    back has the reports of all looks, and of the last one the events and what it left unproven.
    """
    session = cycle.session
    header, ledger = session.header, session.ledger
    await desk.orders.withdraw_unsent()
    reports: tuple[OrderReport, ...] = ()
    for attempt, pause_s in enumerate(_PAUSES_S):

        async def look(pause_s: float = pause_s, wide: bool = attempt > 0) -> Evidence:
            await session.plumbing.sleep(pause_s)
            venue = account_venue(session.venue)
            since = None if wide or session.read_until is None else session.read_until - _OVERLAP
            at, instruments = session.clock.now(), session.settings.instruments
            account = await survey(header, venue, ledger, instruments=instruments, at=at, since=since, wide=wide)
            if account.proven:
                session.read_until = account.at
            return account

        answer = await desk.effects.answer("venue:account", attempt, returns=_EVIDENCE, perform=look)
        last = answer.value.proven or answer.value.refused or attempt == len(_PAUSES_S) - 1
        account = await _booked(answer, ledger, cycle=cycle.number, last=last)
        reports += account.reports
        if last:
            break
    return account.model_copy(update={"reports": reports})


async def _booked(answer: Answer[Evidence], ledger: Ledger, *, cycle: int, last: bool) -> Evidence:
    """One look with what is booked of it, in one commit; without its events where the books can't take them.

    Events are those of the last look alone: the first reads no deposits, and takes a sale of what was deposited for
    one of the desk's.
    """
    account = answer.value
    events = account.events if last else ()
    try:
        await ledger.book_answer(account.reports, events=events, cycle=cycle, keep=answer.keep)
    except LedgerBroken as broken:  # played back, it is refused again
        if not events:
            raise
        await ledger.book_answer(account.reports, cycle=cycle, keep=answer.keep)
        return account.model_copy(update={"events": (), "unread": (*account.unread, f"what fits: {broken.message}")})
    return account


def account_venue(venue: Venue) -> AccountVenue:
    """`venue` as one with an account of its own. Raises `TypeError` for another: a live run has no other."""
    if not isinstance(venue, AccountVenue):
        raise TypeError("a live run needs a venue with an account")
    return venue


async def survey(
    header: RunHeader,
    venue: AccountVenue,
    ledger: Ledger,
    *,
    instruments: Mapping[str, Instrument],
    at: datetime,
    since: datetime | None = None,
    wide: bool = True,
) -> Evidence:
    """One look at a live account against the ledger; nothing is booked. Trades are read from `since` on.

    `wide`: also what moved balances without a trade. Without `since`, from the opening of the run on.
    """
    if isinstance(venue, Suspends):
        venue.expect(instruments)
    books = await ledger.portfolio(marks={}, as_of=at)
    opened_at = header.opened_at or header.created_at
    return await evidence(
        Look(
            venue=venue,
            known=ledger,
            books=Books(
                currency=header.currency,
                cash=books.cash,
                positions=books.positions,
                holdings=await ledger.holdings(),
                instruments=instruments,
            ),
            opened_at=opened_at,
            since=opened_at if since is None else max(opened_at, since),
            at=at,
            wide=wide,
        )
    )
