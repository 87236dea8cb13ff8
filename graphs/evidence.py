"""Evidence: one look at a live account, as the venue tells it, held against the ledger. Nothing is written here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol

from domain.digest import plain
from domain.errors import VenueUnavailable
from domain.money import ZERO
from domain.order import Fill, OrderReport
from domain.statement import Difference, ExternalEvent, Statement, Trade, Transfer, differences
from domain.value import Instant, Value
from domain.venue import AccountVenue
from graphs.books import Books
from memory.orders import OrderRecord

DUST: Final = Decimal("1e-8")
"""Of the account's currency, while a swap is held: venues and we round the cost of what was closed differently."""

WordOn = Callable[[OrderRecord], Awaitable[OrderReport | None]]
"""The venue's word on an order of ours; `None` when it could not be asked."""


class Evidence(Value):
    """What one look showed. The account is proven where nothing differs and nothing was left unread."""

    at: Instant
    reports: tuple[OrderReport, ...] = ()
    """News of the desk's own orders."""
    events: tuple[ExternalEvent, ...] = ()
    """What others did, as far as it is not booked yet."""
    differences: tuple[Difference, ...] = ()
    """Between the statement and the books with all of the above booked."""
    unread: tuple[str, ...] = ()
    """What the venue did not tell, in words."""
    strangers: int = 0
    """Open orders that this desk did not send."""

    @property
    def proven(self) -> bool:
        return not self.differences and not self.unread


class Known(Protocol):
    """What a look asks of the ledger."""

    async def orders(self, *, working_only: bool = False) -> tuple[OrderRecord, ...]: ...

    async def owned(
        self, *, client_order_ids: Collection[str], venue_order_ids: Collection[str]
    ) -> Sequence[OrderRecord]:
        """The account's orders that have one of these ids, with their fills."""
        ...

    async def booked(self, event_ids: Collection[str]) -> frozenset[str]:
        """Which of these external events are in the books."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How to look: what was traded from `since` on, and when `wide` also what moved balances without a trade."""

    venue: AccountVenue
    known: Known
    books: Books
    word_on: WordOn
    since: datetime
    at: datetime
    wide: bool


async def evidence(look: Look) -> Evidence:
    """Never raises for what the venue does not answer: that is unread, and then nothing is proven.

    Orders are asked about before trades, and trades before balances: what happens meanwhile shows as a difference,
    and not as a trade that is in the balances already.
    """
    unread: list[str] = []
    ours = {o.client_order_id: o for o in await look.known.orders(working_only=True) if o.submitted_at}
    reports = await _words(look, ours.values(), unread)
    trades = await _trades(look, unread)
    owners = await look.known.owned(
        client_order_ids={trade.client_order_id for trade in trades if trade.client_order_id},
        venue_order_ids={trade.venue_order_id for trade in trades},
    )
    late = [o for o in owners if o.client_order_id not in ours and _misses(o, trades)]
    ours |= {order.client_order_id: order for order in owners}
    reports |= await _words(look, late, unread)
    transfers = await _transfers(look, unread) if look.wide else ()
    try:
        statement = await look.venue.statement()
    except VenueUnavailable as error:
        return Evidence(at=look.at, reports=tuple(reports.values()), unread=(*unread, error.message))
    books = look.books.after(_new_fills(reports, ours), ())
    told = [*_of_trades(_foreign(trades, ours, reports), books), *_of_transfers(transfers, books)]
    booked = await look.known.booked([event.id for event in told])
    events = tuple(_adopting([e for e in told if e.id not in booked], books, statement))
    return Evidence(
        at=look.at,
        reports=tuple(reports.values()),
        events=events,
        differences=differences(books.after((), events).expected(), statement, dust=DUST),
        unread=tuple(unread),
        strangers=statement.strangers,
    )


def apart_in_words(apart: Sequence[Difference]) -> str:
    return "; ".join(f"{each.asset} is {plain(each.ours)} here and {plain(each.theirs)} there" for each in apart)


def account_in_words(found: Evidence) -> str:
    """What an operator must know of an account; empty where it is as it should be."""
    said = [f"by hand: {e.note or e.kind} {plain(e.quantity)} {e.asset}" for e in found.events if e.kind != "funding"]
    if found.unread:
        said.append(f"not proven, for the venue did not tell {', '.join(found.unread)}; nothing is entered")
    if found.differences:
        said.append(f"not proven, {apart_in_words(found.differences)}; nothing is entered")
    return "; ".join(said)


async def _words(look: Look, orders: Collection[OrderRecord], unread: list[str]) -> dict[str, OrderReport]:
    reports: dict[str, OrderReport] = {}
    for order in orders:
        report = await look.word_on(order)
        if report is None:
            unread.append(f"the order {order.client_order_id}")
        else:
            reports[order.client_order_id] = report
    return reports


async def _trades(look: Look, unread: list[str]) -> list[Trade]:
    found: list[Trade] = []
    for symbol in look.books.instruments:
        try:
            found += await look.venue.trades(symbol, since=look.since)
        except VenueUnavailable as error:
            unread.append(error.message)
    return found


async def _transfers(look: Look, unread: list[str]) -> Sequence[Transfer]:
    try:
        return await look.venue.transfers(since=look.since) or ()
    except VenueUnavailable as error:
        unread.append(error.message)
        return ()


def _misses(order: OrderRecord, trades: Sequence[Trade]) -> bool:
    """Whether the venue shows a trade of `order` that is not booked."""
    booked = {fill.trade_id for fill in order.fills}
    mine = (t for t in trades if order.client_order_id == t.client_order_id or order.venue_order_id == t.venue_order_id)
    return any(trade.trade_id not in booked for trade in mine)


def _foreign(
    trades: Sequence[Trade], ours: Mapping[str, OrderRecord], reports: Mapping[str, OrderReport]
) -> Iterator[Trade]:
    """The trades of orders that this desk did not send."""
    own = {*ours, *(o.venue_order_id for o in ours.values()), *(r.venue_order_id for r in reports.values())} - {""}
    return (trade for trade in trades if trade.client_order_id not in own and trade.venue_order_id not in own)


def _new_fills(reports: Mapping[str, OrderReport], ours: Mapping[str, OrderRecord]) -> list[Fill]:
    booked = {(key, fill.trade_id) for key, order in ours.items() for fill in order.fills}
    return [f for key, report in reports.items() for f in report.fills if (key, f.trade_id) not in booked]


def _of_trades(trades: Iterator[Trade], books: Books) -> Iterator[ExternalEvent]:
    for trade in trades:
        instrument = books.instruments[trade.symbol]
        signed = trade.quantity if trade.side == "buy" else -trade.quantity
        spot = instrument.kind == "spot"
        yield ExternalEvent(
            id=f"trade:{trade.symbol}:{trade.trade_id}",
            kind="trade",
            asset=instrument.base if spot else trade.symbol,
            quantity=signed - trade.fee_base,
            cash=-(signed * trade.price if spot else ZERO) - trade.fee,
            price=trade.price,
            at=trade.at,
            note=f"{trade.side} by hand, order {trade.venue_order_id}",
        )


def _of_transfers(transfers: Sequence[Transfer], books: Books) -> Iterator[ExternalEvent]:
    """Those in a currency that this account counts; the others are nobody's business here."""
    bases = {instrument.base for instrument in books.instruments.values() if instrument.kind == "spot"}
    for transfer in transfers:
        if transfer.currency != books.currency and transfer.currency not in bases:
            continue
        cash = transfer.currency == books.currency
        yield ExternalEvent(
            id=f"transfer:{transfer.id}",
            kind="funding" if transfer.kind == "funding" else "transfer",
            asset=transfer.currency,
            quantity=ZERO if cash else transfer.amount,
            cash=transfer.amount if cash else ZERO,
            at=transfer.at,
            note=transfer.kind,
        )


def _adopting(events: Sequence[ExternalEvent], books: Books, statement: Statement) -> Iterator[ExternalEvent]:
    """`events` in their order, and after each what it takes from the desk's own position: a sale by hand of what the
    desk bought has closed that position, as far as it goes, at the price of the sale."""
    for event in sorted(events, key=lambda each: (each.at, each.id)):
        books = books.after_event(event)
        yield event
        symbol = books.symbol_of(event.asset)
        price = event.price or (statement.marks.get(symbol) if symbol else None)
        if symbol is None or price is None:
            continue
        beside, held = books.holdings.get(event.asset, ZERO), books.managed(symbol)
        if beside * held < 0:
            taken = max(beside, -held) if beside < 0 else min(beside, -held)
            taking = adoption(f"adoption:{event.id}", event.asset, taken, price=price, at=event.at, books=books)
            books = books.after_event(taking)
            yield taking


def adoption(id: str, asset: str, quantity: Decimal, *, price: Decimal, at: datetime, books: Books) -> ExternalEvent:
    """`quantity` of what stands beside becomes the desk's own, at `price`.

    What a swap costs is not paid, and so our fully funded cash moves with it; spot was paid for before.
    """
    cash = -quantity * price if asset in books.instruments else ZERO
    return ExternalEvent(id=id, kind="adoption", asset=asset, quantity=quantity, cash=cash, price=price, at=at)
