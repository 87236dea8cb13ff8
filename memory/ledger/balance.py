"""Whether an account adds up: cash, holdings, positions and orders against what they came from. Pure.

That is fills, funding, liquidations, adoptions and what else others did, in the one order of their booking.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

from domain.money import EXACT, ZERO
from domain.order import Fill
from domain.portfolio import Position
from domain.statement import ExternalEvent
from memory.ledger.external_events import ADOPTION, position_with
from memory.ledger.orders import OrderRecord, position_after
from memory.ledger.position_entries import Move
from memory.store.fault import Fault


@dataclass(frozen=True, slots=True)
class Event:
    """An order's event, as far as it must agree with the order."""

    client_order_id: str
    n: int
    run_id: str
    state: str


@dataclass(frozen=True, slots=True)
class Sums:
    """What an account has come to after so many entries: fills and events."""

    entries: int
    cash: Decimal
    realized: Decimal = ZERO
    fees: Decimal = ZERO
    contributed: Decimal = ZERO
    holdings: Mapping[str, Decimal] = field(default_factory=dict)
    positions: Mapping[str, Position] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accounts:
    """One account: whole, or as far as it went on since it was proven."""

    name: str
    before: Sums
    """What is known to be right: the start, or what the last look proved."""
    current: Sums
    """What its rows say now. How many entries that are is not in them, and is counted from `before`."""
    orders: Mapping[str, OrderRecord]
    """Those that the entries since `before` are of; of a whole account all."""
    moves: Sequence[Move]
    """What changed positions since `before`, in its order."""
    external: Mapping[int, ExternalEvent]
    """What moved the account besides orders since `before`, by the place in the account's order."""
    events: Sequence[Event]
    ticketed: frozenset[str]
    """The orders that have a ticket."""


def imbalances(books: Accounts) -> list[Fault]:
    """Everything that does not add up, rows first, then sums."""
    with localcontext(EXACT):
        return list(_imbalances(books))


def come_to(
    before: Sums,
    *,
    orders: Mapping[str, OrderRecord],
    moves: Sequence[Move],
    external: Mapping[int, ExternalEvent],
) -> Sums:
    """What an account that stood at `before` has come to with what was booked since."""
    with localcontext(EXACT):
        folded = dict(before.positions)
        for move in moves:
            folded |= _moved(folded, move, orders)
        return _due(before, folded, moves, external)


def _moved(folded: Mapping[str, Position], move: Move, orders: Mapping[str, OrderRecord]) -> Mapping[str, Position]:
    """The position that `move` changes, after it; nothing for a fill of an order that is not there."""
    before = folded.get(move.symbol) or Position(symbol=move.symbol)
    if isinstance(move.of, ExternalEvent):
        return {move.symbol: position_with(before, move.of)}
    order = orders.get(move.of.client_order_id)
    return {} if order is None else {move.symbol: position_after(before, move.of, order)}


def _due(
    before: Sums, folded: Mapping[str, Position], moves: Sequence[Move], external: Mapping[int, ExternalEvent]
) -> Sums:
    traded = [move.of for move in moves if isinstance(move.of, Fill)]
    others = [event for event in external.values() if not event.own]
    adopted = [fill for move in moves if _adopts(move) and (fill := move.fill)]
    brought = sum((event.cash for event in others), ZERO)
    worth = sum((fill.signed_quantity * fill.price for fill in adopted), ZERO)
    liquidated = sum((event.fee for event in external.values()), ZERO)
    balances = dict(before.holdings)
    for event in others:
        if event.quantity:
            balances[event.asset] = balances.get(event.asset, ZERO) + event.quantity
    for coin in [fill.commission for fill in traded if fill.commission is not None]:
        balances[coin.currency] = balances.get(coin.currency, ZERO) - coin.amount
    return Sums(
        entries=before.entries + len({move.n for move in moves} | external.keys()),
        cash=before.cash
        + sum((fill.cash for fill in traded), ZERO)
        + sum((event.cash for event in external.values()), ZERO),
        realized=sum((position.realized for position in folded.values()), ZERO),
        fees=before.fees + sum((fill.fees for fill in traded), ZERO) + liquidated,
        contributed=before.contributed + brought + worth,
        holdings=balances,
        positions=folded,
    )


def _adopts(move: Move) -> bool:
    return isinstance(move.of, ExternalEvent) and move.of.kind == ADOPTION


def _imbalances(books: Accounts) -> Iterator[Fault]:
    yield from _strays(books)
    yield from _orders(books)
    yield from _gaps(books)
    folded = dict(books.before.positions)
    yield from _fold(books, folded)
    due = _due(books.before, folded, books.moves, books.external)
    positions = books.current.positions
    for symbol in sorted(folded.keys() | positions.keys()):
        if symbol not in positions:
            yield Fault("positions", f"symbol={symbol}", "is missing")
        elif positions[symbol] != folded.get(symbol):
            yield Fault("positions", f"symbol={symbol}", "is not what its fills make")
    yield from _sums(books, due)
    yield from _holdings(books.current.holdings, due.holdings)


def _gaps(books: Accounts) -> Iterator[Fault]:
    """Entries that don't follow each other: one between them is gone, and nothing says of which table it was."""
    named = {move.n: ("fills", _key(move)) for move in books.moves if isinstance(move.of, Fill)}
    named |= {n: ("external_events", f"id={event.id}") for n, event in books.external.items()}
    for place, n in enumerate(sorted(named), start=books.before.entries):
        if n != place:
            table, key = named[n]
            yield Fault(table, key, f"is number {n} where {place} was due: an entry before it is missing")
            return


def _fold(books: Accounts, folded: dict[str, Position]) -> Iterator[Fault]:
    """Every position made again, move by move, into `folded`."""
    for move in books.moves:
        moved = _moved(folded, move, books.orders)
        folded |= moved
        for after in moved.values():
            if move.held != after.quantity:
                table = "fills" if isinstance(move.of, Fill) else "external_events"
                what = f"says {move.held} is held after it, and the fills make {after.quantity}"
                yield Fault(table, _key(move), what)


def _key(move: Move) -> str:
    of = move.of
    return f"client_order_id={of.client_order_id} trade_id={of.trade_id}" if isinstance(of, Fill) else f"id={of.id}"


def _strays(books: Accounts) -> Iterator[Fault]:
    """Rows of orders that are not there."""
    for event in books.events:
        if event.client_order_id not in books.orders:
            yield Fault("orders", f"client_order_id={event.client_order_id}", "is missing, and has events")
    for move in books.moves:
        if isinstance(move.of, Fill) and move.of.client_order_id not in books.orders:
            yield Fault("orders", f"client_order_id={move.of.client_order_id}", "is missing, and has fills")
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
        if order.fee != sum((fill.fees for fill in order.fills), ZERO):
            yield Fault("orders", name, f"says fees of {order.fee}, and its fills differ")


def _sums(books: Accounts, due: Sums) -> Iterator[Fault]:
    for name in ("cash", "realized", "fees", "contributed"):
        current, made = getattr(books.current, name), getattr(due, name)
        if current != made:
            what = (
                f"is {current}, and the fills make {made}"
                if name != "contributed"
                else f"is {current}, and {made} came"
            )
            yield Fault("accounts", f"account={books.name}", what, field=name)


def _holdings(current: Mapping[str, Decimal], due: Mapping[str, Decimal]) -> Iterator[Fault]:
    for asset in sorted(due.keys() | current.keys()):
        if asset not in current:
            yield Fault("holdings", f"asset={asset}", "is missing")
        elif current[asset] != due.get(asset):
            made = due.get(asset, ZERO)
            what = f"is {current[asset]}, and what others did and commissions make {made}"
            yield Fault("holdings", f"asset={asset}", what, field="quantity")
