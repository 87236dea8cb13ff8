"""Whether an account adds up: cash, positions and orders against the fills they came from. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain.money import ZERO
from domain.order import Fill
from domain.portfolio import Position
from memory.fault import Fault
from memory.orders import OrderRecord, position_after


@dataclass(frozen=True, slots=True)
class Booked:
    """A fill as it was booked: its place in the account's order, and the position it led to."""

    n: int
    fill: Fill
    held: Decimal


@dataclass(frozen=True, slots=True)
class Event:
    """An order's event, as far as it must agree with the order."""

    client_order_id: str
    n: int
    run_id: str
    state: str


@dataclass(frozen=True, slots=True)
class Accounts:
    """One account, whole."""

    name: str
    start_cash: Decimal
    cash: Decimal
    realized: Decimal
    fees: Decimal
    orders: Mapping[str, OrderRecord]
    booked: Sequence[Booked]
    positions: Mapping[str, Position]
    events: Sequence[Event]
    ticketed: frozenset[str]
    """The orders that have a ticket."""


def imbalances(books: Accounts) -> Iterator[Fault]:
    """Everything that does not add up, rows first, then sums."""
    yield from _strays(books)
    yield from _orders(books)
    folded: dict[str, Position] = {}
    for place, entry in enumerate(books.booked):
        fill = entry.fill
        key = f"client_order_id={fill.client_order_id} trade_id={fill.trade_id}"
        order = books.orders.get(fill.client_order_id)
        if order is None:
            continue
        after = position_after(folded.get(fill.symbol) or Position(symbol=fill.symbol), fill, order)
        folded[fill.symbol] = after
        if entry.n != place:
            yield Fault("fills", key, f"is number {entry.n} where {place} was due: a fill is missing")
        if entry.held != after.quantity:
            yield Fault("fills", key, f"says {entry.held} is held after it, and the fills make {after.quantity}")
    for symbol in sorted(folded.keys() | books.positions.keys()):
        if symbol not in books.positions:
            yield Fault("positions", f"symbol={symbol}", "is missing")
        elif books.positions[symbol] != folded.get(symbol):
            yield Fault("positions", f"symbol={symbol}", "is not what its fills make")
    yield from _sums(books, folded)


def _strays(books: Accounts) -> Iterator[Fault]:
    """Rows of orders that are not there."""
    for event in books.events:
        if event.client_order_id not in books.orders:
            yield Fault("orders", f"client_order_id={event.client_order_id}", "is missing, and has events")
    for entry in books.booked:
        if entry.fill.client_order_id not in books.orders:
            yield Fault("orders", f"client_order_id={entry.fill.client_order_id}", "is missing, and has fills")
    for key in sorted(books.ticketed - books.orders.keys()):
        yield Fault("orders", f"client_order_id={key}", "is missing, and has a ticket")


def _orders(books: Accounts) -> Iterator[Fault]:
    events: dict[str, list[Event]] = {}
    for event in books.events:
        events.setdefault(event.client_order_id, []).append(event)
    for key, order in books.orders.items():
        name = f"client_order_id={key}"
        mine = sorted(events.get(key, []), key=lambda event: event.n)
        numbers = [event.n for event in mine]
        if missing := sorted(set(range(max(numbers, default=0) + 1)) - set(numbers)):
            yield Fault("order_events", f"{name} n={missing[0]}", "is missing")
            continue
        if order.state != mine[-1].state:
            yield Fault("order_events", f"{name} n={len(mine)}", f"is missing: the order is {order.state}")
        if order.run_id != mine[0].run_id:
            yield Fault("orders", name, "belongs to another run than its first event")
        if key not in books.ticketed:
            yield Fault("tickets", name, "is missing: no order without a ticket")
        if order.filled != sum((fill.quantity for fill in order.fills), ZERO):
            yield Fault("orders", name, f"says {order.filled} filled, and its fills differ: one is missing")
        if order.fee != sum((fill.fee for fill in order.fills), ZERO):
            yield Fault("orders", name, f"says fees of {order.fee}, and its fills differ")


def _sums(books: Accounts, folded: Mapping[str, Position]) -> Iterator[Fault]:
    paid = sum((b.fill.signed_quantity * b.fill.price + b.fill.fee for b in books.booked), ZERO)
    sums = {
        "cash": (books.cash, books.start_cash - paid),
        "realized": (books.realized, sum((position.realized for position in folded.values()), ZERO)),
        "fees": (books.fees, sum((b.fill.fee for b in books.booked), ZERO)),
    }
    for name, (kept, due) in sums.items():
        if kept != due:
            yield Fault("accounts", f"account={books.name}", f"is {kept}, and the fills make {due}", field=name)
