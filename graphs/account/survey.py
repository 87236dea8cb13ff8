"""Evidence: one look at a live account, as the venue tells it, held against the ledger. Nothing is written here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol

from pydantic import Field

from agents.reports import MISSING, missing_report, word_on
from domain.digest import plain
from domain.errors import NotTold, VenueUnavailable, worth_asking_again
from domain.money import ZERO, floor_to
from domain.order import Fill, OrderReport, OrderState, exit_id
from domain.sizing import too_small
from domain.statement import (
    Difference,
    ExternalEvent,
    Statement,
    Trade,
    Transfer,
    adoption,
    differences,
    trade_event_id,
)
from domain.value import Instant, Value, absent
from domain.venue import AccountVenue, Suspends
from graphs.account.books import Books
from memory.ledger.orders import OrderRecord, attached, order_after

DUST: Final = Decimal("1e-8")
"""Of the account's currency, while a swap is held: venues and we round the cost of what was closed differently."""


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
    untold: str = Field(default="", exclude_if=absent)
    """Why the venue tells no deposits and the like, in words: what differs may be one."""
    strangers: int = 0
    """Open orders that this desk did not send."""
    refused: bool = Field(default=False, exclude_if=absent)
    """Whether the venue refused to tell something, as it would again: another look finds no more."""
    suspended: tuple[str, ...] = Field(default=(), exclude_if=absent)
    """In words, what is not proven of symbols that the venue does not trade: the rest may be proven without them."""

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

    async def traded(self, symbol: str, trade_ids: Collection[str]) -> frozenset[str]:
        """Which of these trades in a symbol are fills in the books."""
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
    opened_at: datetime
    """What happened by then is in the balances that the books were opened with."""
    since: datetime
    at: datetime
    wide: bool
    refusals: list[str] = field(default_factory=list)
    """What the venue refused to tell, as it is found."""

    def describe(self, error: VenueUnavailable) -> str:
        """In words, for what is unread."""
        if not worth_asking_again(error):
            self.refusals.append(error.message)
            return str(error)
        return error.message


async def evidence(look: Look) -> Evidence:
    """Never raises for what the venue does not answer: that is unread, and then nothing is proven.

    Trades are read before orders are asked about, so that every trade of an order is in the word on it, and balances
    last: what happens meanwhile shows as a difference. A trade in a symbol in which an order is in doubt is nobody's
    yet, for it may be that order's; and none is anybody else's before the order behind it was asked for.
    """
    unread = _Unread()
    trades = await _trades(look, unread)
    ours = {o.client_order_id: o for o in await look.known.orders(working_only=True) if o.submitted_at}
    owners = await look.known.owned(
        client_order_ids={trade.client_order_id for trade in trades if trade.client_order_id},
        venue_order_ids={trade.venue_order_id for trade in trades},
    )
    orders = {**ours, **{o.client_order_id: o for o in owners if _misses(o, trades)}}
    reports = await _words(look, orders, unread)
    later = [trade for trade in trades if trade.at > look.opened_at]
    foreign = await _foreign(look, later, orders=orders, owners=owners, reports=reports, unread=unread)
    fills = _new_fills(reports, orders)
    try:  # a sale by hand is told with the deposits that it may have come from, or not yet
        transfers, untold = await _transfers(look) if look.wide else ((), "")
        statement = await look.venue.statement()
    except VenueUnavailable as error:
        unread.add("", look.describe(error))
        return _with_unread(
            look, unread, Evidence(at=look.at, reports=tuple(reports.values()), refused=bool(look.refusals))
        )
    books = look.books.after(fills)
    candidates = [*_of_trades(foreign, books), *_of_transfers(transfers, books)]
    booked = await look.known.booked([event.id for event in candidates])
    news = _each_once([event for event in candidates if event.id not in booked], unread)
    events = tuple(_adopting(news, books, statement))
    ended = {key for key, report in reports.items() if report.state.terminal}
    suspended = _suspended(look.venue)
    busy = {order.request.symbol for key, order in ours.items() if key not in ended} | suspended.keys()
    events += tuple(_dust(books.after(events=events), statement, busy=busy))
    balances = {asset: quantity for asset, quantity in statement.balances.items() if asset in books.counted}
    positions = {symbol: quantity for symbol, quantity in statement.positions.items() if symbol in books.instruments}
    comparable = statement.model_copy(update={"balances": balances, "positions": positions})
    account = Evidence(
        at=look.at,
        reports=tuple(reports.values()),
        events=events,
        differences=differences(books.after(events=events).expected(), comparable, dust=DUST),
        untold=untold,
        strangers=statement.strangers,
        refused=bool(look.refusals),
    )
    account = _with_unread(look, unread, account)
    if not account.proven:
        return account
    settled = {key: report for key, report in reports.items() if report.symbol not in suspended}
    return account.model_copy(
        update={"reports": tuple((reports | _without_the_missing(settled, orders, at=look.at)).values())}
    )


class _Unread(dict[str, list[str]]):
    """By symbol, what the venue did not tell."""

    def add(self, symbol: str, what: str) -> None:
        self.setdefault(symbol, []).append(what)


def _suspended(venue: AccountVenue) -> Mapping[str, str]:
    return venue.suspended if isinstance(venue, Suspends) else {}


def _with_unread(look: Look, unread: _Unread, account: Evidence) -> Evidence:
    """`account`, with what was not told, and what of both is of suspended symbols set apart."""
    suspended = {symbol: why for symbol, why in _suspended(look.venue).items() if symbol in look.books.instruments}
    apart = [d for d in account.differences if look.books.symbol_of(d.asset) in suspended]
    notes: list[str] = []
    for symbol, why in suspended.items():
        differing = [d for d in apart if look.books.symbol_of(d.asset) == symbol]
        parts = [*unread.get(symbol, ()), *([apart_in_words(differing)] if differing else [])]
        notes.append("; ".join(dict.fromkeys([why, *parts])))
    return account.model_copy(
        update={
            "differences": tuple(d for d in account.differences if d not in apart),
            "unread": (
                *(what for symbol, parts in unread.items() if symbol not in suspended for what in parts),
                *account.unread,
            ),
            "suspended": tuple(notes),
        }
    )


def apart_in_words(apart: Sequence[Difference]) -> str:
    return "; ".join(f"{each.asset} is {plain(each.ours)} here and {plain(each.theirs)} there" for each in apart)


def account_in_words(account: Evidence) -> str:
    """What an operator must know of an account; empty where it is as it should be."""
    notes = [
        f"{e.kind}: {plain(e.quantity)} {e.asset} {e.note}".rstrip() for e in account.events if e.kind != "funding"
    ]
    notes += [f"not traded and not proven, {why}; the rest goes on" for why in account.suspended]
    if account.unread:
        notes.append(f"not proven, for the venue did not tell {', '.join(account.unread)}; nothing is entered")
    if account.differences:
        why = f"; {account.untold}" if account.untold else ""
        notes.append(f"not proven, {apart_in_words(account.differences)}{why}; nothing is entered")
    return "; ".join(notes)


def doubt_in_words(report: OrderReport) -> str:
    """What an operator must know of an order of which the venue says what can't be true."""
    return (
        f"{report.client_order_id} is in doubt: {report.reason}; nothing is entered in {report.symbol} until the venue "
        "reports what can be. If it lasts, look at the order at the exchange"
    )


async def _words(look: Look, orders: dict[str, OrderRecord], unread: _Unread) -> dict[str, OrderReport]:
    """By id. The stops that the venue attached to what these orders filled are added to `orders`, and asked about."""
    reports: dict[str, OrderReport] = {}
    remaining = [*orders.values()]
    while remaining:
        order = remaining.pop(0)
        report = await word_on(order, look.venue, at=look.at)
        if report is None:
            unread.add(order.request.symbol, f"the order {order.client_order_id}")
            continue
        reports[order.client_order_id] = report
        exit = attached(order_after(order, report), None) if report.fills else None
        if exit is not None and exit.client_order_id not in orders:
            orders[exit.client_order_id] = exit
            remaining.append(exit)
    return reports


async def _trades(look: Look, unread: _Unread) -> list[Trade]:
    trades: list[Trade] = []
    for symbol in look.books.instruments:
        try:
            trades += await look.venue.trades(symbol, since=look.since)
        except VenueUnavailable as error:
            unread.add(symbol, look.describe(error))
    return trades


async def _transfers(look: Look) -> tuple[Sequence[Transfer], str]:
    """Those that are in no balance the books were opened with, and why there are none where the venue tells none."""
    try:
        transfers = await look.venue.transfers(since=look.since)
    except NotTold as error:
        return (), error.message
    if transfers is None:
        return (), "the venue tells no deposits and withdrawals"
    return [transfer for transfer in transfers if transfer.at > look.opened_at], ""


def _misses(order: OrderRecord, trades: Sequence[Trade]) -> bool:
    """Whether the venue shows a trade of `order` that is not booked."""
    booked = {fill.trade_id for fill in order.fills}
    mine = (t for t in trades if order.client_order_id == t.client_order_id or order.venue_order_id == t.venue_order_id)
    return any(trade.trade_id not in booked for trade in mine)


async def _foreign(
    look: Look,
    trades: Sequence[Trade],
    *,
    orders: dict[str, OrderRecord],
    owners: Sequence[OrderRecord],
    reports: dict[str, OrderReport],
    unread: _Unread,
) -> list[Trade]:
    """The trades of orders that this desk did not send. A stop's trades have the id of the order that it became.

    An order of ours that turns out to be behind a trade is added to `orders`, with the word on it to `reports`.
    """
    unclear = {key: report.evidence for key, report in reports.items() if report.state is OrderState.UNKNOWN}
    doubtful = {orders[key].request.symbol for key, evidence in unclear.items() if evidence != MISSING}
    doubtful |= {order.request.symbol for key, order in orders.items() if key not in reports}
    denied = {orders[key].request.symbol for key, evidence in unclear.items() if evidence == MISSING}
    own = {i for o in owners for i in (o.client_order_id, o.venue_order_id)}
    own |= {i for report in reports.values() for i in (report.client_order_id, report.venue_order_id)}
    filled = {(fill.symbol, fill.trade_id) for report in reports.values() for fill in report.fills}
    other = [
        trade
        for trade in trades
        if not {trade.client_order_id, trade.venue_order_id} & (own - {""})
        and (trade.symbol, trade.trade_id) not in filled
    ]
    foreign: list[Trade] = []
    for symbol in sorted({trade.symbol for trade in other}):
        new = await _unbooked(look, symbol, [trade for trade in other if trade.symbol == symbol])
        if new and symbol in doubtful:
            unread.add(symbol, f"whose {len(new)} trades in {symbol} are, while an order there is in doubt")
            continue
        for order_id in dict.fromkeys(trade.venue_order_id for trade in new):
            behind = [trade for trade in new if trade.venue_order_id == order_id]
            if await _is_anothers(look, behind, denied=symbol in denied, orders=orders, reports=reports, unread=unread):
                foreign += behind
    return foreign


async def _unbooked(look: Look, symbol: str, trades: Sequence[Trade]) -> list[Trade]:
    """Those of a symbol that are in the books neither as fills nor as what others did."""
    known = await look.known.traded(symbol, [trade.trade_id for trade in trades])
    events = await look.known.booked([trade_event_id(symbol, trade.trade_id) for trade in trades])
    return [t for t in trades if t.trade_id not in known and trade_event_id(symbol, t.trade_id) not in events]


async def _is_anothers(
    look: Look,
    trades: Sequence[Trade],
    *,
    denied: bool,
    orders: dict[str, OrderRecord],
    reports: dict[str, OrderReport],
    unread: _Unread,
) -> bool:
    """Whether `trades`, all of one order that the books don't know by its name, are somebody else's.

    The order is asked for: it may be one of ours that the venue hid while it was looked for. Where it shows none, the
    trades are nobody's yet while it denies one of ours in the symbol.
    """
    symbol, order_id = trades[0].symbol, trades[0].venue_order_id
    if trades[0].client_order_id:
        return True  # and that is none of ours
    try:
        name = await look.venue.client_order_id_of(order_id, symbol) if order_id else None
    except VenueUnavailable as error:
        unread.add(symbol, look.describe(error))
        return False
    if name is None and denied:
        unread.add(
            symbol,
            f"the order {order_id} behind {len(trades)} trades in {symbol}, while one of ours there is missing",
        )
        return False
    if name and name in map(exit_id, orders):
        unread.add(symbol, f"the entry behind {len(trades)} trades in {symbol} of the stop {name}")
        return False
    for order in await look.known.owned(client_order_ids={name} if name else (), venue_order_ids=()):
        ours = {order.client_order_id: order}
        reports |= await _words(look, ours, unread)
        orders |= ours
        report = reports.get(order.client_order_id)
        trade_ids = {fill.trade_id for fill in report.fills} if report else set()
        if any(trade.trade_id not in trade_ids for trade in trades):
            unread.add(symbol, f"all trades of the order {order.client_order_id}")
        return False
    return True


_DENIED_FOR: Final = timedelta(minutes=30)
"""How long a venue must deny an order that it has named before that is believed: some forget what was cancelled."""


def _without_the_missing(
    reports: Mapping[str, OrderReport], orders: Mapping[str, OrderRecord], *, at: datetime
) -> dict[str, OrderReport]:
    """`reports` of a look that proved the account: what the venue denies has ended there, and traded nothing.

    That takes the venue's word that it has none, by id, among the open, the ended and the traded, and the balances as
    they are without it. Of an order that the venue itself has named it takes that for a while.
    """
    final = dict(reports)
    for key, report in reports.items():
        order = orders[key]
        since = order.updated_at if order.state is OrderState.UNKNOWN else at
        if report.evidence == MISSING and (not order.venue_order_id or at - since >= _DENIED_FOR):
            final[key] = missing_report(order.request, proven=True, at=at, name=order.venue_order_id)
    return final


def _each_once(events: Sequence[ExternalEvent], unread: _Unread) -> list[ExternalEvent]:
    """Of an event that comes twice with other content neither is believed."""
    by_id: dict[str, ExternalEvent] = {}
    twice: set[str] = set()
    for event in events:
        if by_id.setdefault(event.id, event) != event:
            twice.add(event.id)
    for id in sorted(twice):
        unread.add("", f"one thing of {id}, but two")
    return [event for id, event in by_id.items() if id not in twice]


def _new_fills(reports: Mapping[str, OrderReport], ours: Mapping[str, OrderRecord]) -> list[Fill]:
    """As the ledger will book them."""
    return [
        fill for key, report in reports.items() for fill in order_after(ours[key], report).fills[len(ours[key].fills) :]
    ]


def _of_trades(trades: Sequence[Trade], books: Books) -> Iterator[ExternalEvent]:
    for trade in trades:
        instrument = books.instruments[trade.symbol]
        signed = trade.quantity if trade.side == "buy" else -trade.quantity
        spot = instrument.kind == "spot"
        yield ExternalEvent(
            id=trade_event_id(trade.symbol, trade.trade_id),
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
    for transfer in transfers:
        if transfer.currency not in books.counted:
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
    desk bought has closed that position, as far as it goes, at the price of the sale. What was withdrawn goes at the
    mark price, and where the venue shows none at what was paid for it."""
    for event in sorted(events, key=lambda each: (each.at, each.id)):
        books = books.after(events=(event,))
        yield event
        symbol = books.symbol_of(event.asset)
        if symbol is None:
            continue
        price = event.price or statement.marks.get(symbol) or books.average_price(symbol)
        if price is None:
            continue
        beside, managed = books.holdings.get(event.asset, ZERO), books.managed(symbol)
        if beside * managed < 0:
            taken = max(beside, -managed) if beside < 0 else min(beside, -managed)
            id, note = f"adoption:{event.id}", f"follows from {event.kind}"
            taking = adoption(event.asset, quantity=taken, price=price, id=id, at=event.at, note=note)
            books = books.after(events=(taking,))
            yield taking


def _dust(books: Books, statement: Statement, *, busy: Collection[str]) -> Iterator[ExternalEvent]:
    """What is left of a spot position and too small to be sold, given up to what stands beside the desk's own.

    Where fees are taken out of what is bought, every trade leaves some: kept as a position, it would never be flat.
    What could be sold at what was paid for it is no remainder, but a position whose price fell: that one is kept, and
    Risk says in each cycle why it can't be sold. Symbols in `busy` have orders that may still trade.
    """
    for symbol, position in sorted(books.positions.items()):
        instrument = books.instruments.get(symbol)
        price = statement.marks.get(symbol) or position.average_price
        if instrument is None or instrument.kind != "spot" or symbol in busy or not position.quantity or price is None:
            continue
        sellable = floor_to(abs(position.quantity), instrument.lot_size)
        worth = max(price, position.average_price or price)
        if not too_small(sellable, instrument, type="market", price=worth, reduces=True):
            continue
        opened_at = position.opened_at or statement.at
        id = f"dust:{symbol}:{opened_at.isoformat()}"
        yield adoption(
            instrument.base, quantity=-position.quantity, price=price, id=id, at=statement.at, note="too small to sell"
        )
