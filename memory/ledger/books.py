"""The books of one account as rows: read for a transaction, changed in memory, written once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, localcontext
from operator import itemgetter
from typing import Any, assert_never

from sqlalchemy import BindParameter, RowMapping, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.digest import canonical, plain
from domain.errors import LedgerBroken
from domain.money import EXACT, ZERO
from domain.order import CONTRADICTION, Fill, OrderReport, OrderState, exit_id
from domain.portfolio import Position
from domain.statement import ExternalEvent
from memory.ledger.external_events import (
    external_row,
    holding_rows,
    moved_symbol,
    position_with,
    require_sound,
)
from memory.ledger.orders import (
    OrderRecord,
    attached,
    fill_from,
    fill_row,
    order_after,
    order_from,
    order_row,
    position_after,
)
from memory.store.fault import as_written
from memory.store.rows import Row, insert_new, put
from memory.store.schema import accounts, external_events, fills, holdings, order_events, orders, positions, with_digest

# Built once: building a statement costs more than running it.
_MINE: BindParameter[str] = bindparam("account")
_IDS: BindParameter[str] = bindparam("ids", expanding=True)
_ACCOUNT = select(accounts).where(accounts.c.account == _MINE)
_HELD_ACCOUNT = _ACCOUNT.with_for_update()
_ORDERS = select(orders).where(orders.c.account == _MINE)
_ORDERS_BY_ID = _ORDERS.where(orders.c.client_order_id.in_(_IDS))
NUMBERED = _ORDERS_BY_ID.add_columns(
    select(func.count())
    .where(order_events.c.account == orders.c.account, order_events.c.client_order_id == orders.c.client_order_id)
    .scalar_subquery()
    .label("events")
)
_ORDERS_BY_STATE = _ORDERS.where(orders.c.state.in_(bindparam("states", expanding=True)))
# Fills are put in order here: asked to, SQLite would walk all of an account's for the few that are wanted.
_FILLS = select(fills).where(fills.c.account == _MINE)
_FILLS_BY_ID = _FILLS.where(fills.c.client_order_id.in_(_IDS))
_POSITIONS = select(positions).where(positions.c.account == _MINE)
_LAST_ENTRIES = select(
    *(select(func.max(t.c.n)).where(t.c.account == _MINE).scalar_subquery() for t in (fills, external_events))
)
_EVENTS = (
    select(order_events.c.client_order_id, func.count())
    .where(order_events.c.account == _MINE, order_events.c.client_order_id.in_(_IDS))
    .group_by(order_events.c.client_order_id)
)


async def account_row(connection: AsyncConnection, account: str, *, lock: bool = False) -> dict[str, Any]:
    """The account's row. `lock` keeps it until the transaction ends, so that writers of one account take turns.

    Raises `LedgerBroken` for an account that was never opened.
    """
    query = _HELD_ACCOUNT if lock else _ACCOUNT
    row = (await connection.execute(query, {"account": account})).mappings().one_or_none()
    if row is None:
        raise LedgerBroken(f"the account {account} was never opened")
    return dict(row)


async def read_orders(
    connection: AsyncConnection, account: str, *, ids: Collection[str] | None = None, states: Collection[str] = ()
) -> dict[str, OrderRecord]:
    """Orders with their fills, by id, in the order in which they were decided: all, or by `ids` or `states`."""
    mine: dict[str, object] = {"account": account}
    if ids is not None:
        result = await connection.execute(_ORDERS_BY_ID, {**mine, "ids": list(ids)})
    elif states:
        result = await connection.execute(_ORDERS_BY_STATE, {**mine, "states": list(states)})
    else:
        result = await connection.execute(_ORDERS, mine)
    rows = result.mappings().all()
    return await _with_fills(connection, account, rows, all_of_them=ids is None and not states)


async def numbered_orders(
    connection: AsyncConnection, account: str, *, ids: Collection[str]
) -> tuple[dict[str, OrderRecord], dict[str, int]]:
    """Orders as by `read_orders`, and how many events each has."""
    rows = (await connection.execute(NUMBERED, {"account": account, "ids": list(ids)})).mappings().all()
    return await from_numbered(connection, account, rows)


async def from_numbered(
    connection: AsyncConnection, account: str, rows: Sequence[RowMapping]
) -> tuple[dict[str, OrderRecord], dict[str, int]]:
    """What `rows` of `NUMBERED` say, whatever stands beside it."""
    numbers = {row["client_order_id"]: row["events"] for row in rows}
    return await _with_fills(connection, account, rows, all_of_them=False), numbers


async def _with_fills(
    connection: AsyncConnection, account: str, rows: Sequence[RowMapping], *, all_of_them: bool
) -> dict[str, OrderRecord]:
    """The orders in `rows`, which are `all_of_them` or some. Most have no fill, and none are asked for."""
    by_order: dict[str, list[Fill]] = {}
    if filled := [row["client_order_id"] for row in rows if row["filled"]]:
        if all_of_them:
            booked = await connection.execute(_FILLS, {"account": account})
        else:
            booked = await connection.execute(_FILLS_BY_ID, {"account": account, "ids": filled})
        for row in sorted(booked.mappings(), key=itemgetter("n")):
            by_order.setdefault(row["client_order_id"], []).append(fill_from(row))
    read = [order_from(row, tuple(by_order.get(row["client_order_id"], ()))) for row in rows]
    return {order.client_order_id: order for order in sorted(read, key=lambda o: (o.cycle, o.client_order_id))}


async def read_positions(connection: AsyncConnection, account: str) -> dict[str, Position]:
    """Every position ever held, flat ones too, by symbol."""
    records = []
    for row in (await connection.execute(_POSITIONS, {"account": account})).mappings():
        with as_written(positions, row):
            records.append(Position.model_validate_json(row["body"]))
    return {position.symbol: position for position in sorted(records, key=lambda p: p.symbol)}


def position_row(account: str, position: Position) -> dict[str, object]:
    return {"account": account, "symbol": position.symbol, "body": canonical(position)}


@dataclass(frozen=True, slots=True)
class _Entry:
    """A fill or an event, with the position that it changed and what that held after it."""

    of: Fill | ExternalEvent
    symbol: str | None = None
    held: Decimal | None = None


@dataclass(slots=True)
class Books:
    """The part of an account that some reports and events are about. `apply` and `take` them, then `write`."""

    account: dict[str, Any]
    run_id: str
    cycle: int
    orders: dict[str, OrderRecord]
    positions: dict[str, Position]
    holdings: dict[str, Decimal] = field(default_factory=dict)
    """What is held beside the positions: read where something may change it."""
    external: dict[str, ExternalEvent] = field(default_factory=dict)
    """The events that were booked before, of those that come."""
    traders: dict[tuple[str, str], str] = field(default_factory=dict)
    """Whose the trades are that were booked before, by symbol and trade id, of those that come: an order's, or no
    order's of this account."""
    numbers: dict[str, int] = field(default_factory=dict)
    """How many events each order has, as far as that was read with it."""
    _entries: list[_Entry] = field(default_factory=list)
    _events: list[dict[str, object]] = field(default_factory=list)
    _changed: dict[str, OrderRecord] = field(default_factory=dict)

    def apply(self, report: OrderReport) -> bool:
        """Book one report; `False` when it says nothing new.

        Raises `LedgerBroken` for an order that was never approved here: whoever asks about one has made a mistake.
        """
        before = self.orders.get(report.client_order_id)
        if before is None and report.client_order_id in map(exit_id, self.orders):
            return False  # a stop that was attached to what the books don't take for filled
        if before is None:
            raise LedgerBroken(f"the venue reports {report.client_order_id}, an order that this ledger never approved")
        others = sorted(fill.trade_id for fill in report.fills if self._is_anothers(fill))
        if others and report.venue_order_id:  # else it has ids of its own for each order, as paper has
            why = f"the trade {others[0]} is in the books already, and not as one of this order"
            report = report.model_copy(update={"evidence": CONTRADICTION, "reason": why})
        after = order_after(before, report)
        if after is before:
            return False
        new = after.fills[len(before.fills) :]
        for fill in new:
            self._book(fill, after)
        evidence = {"filled": report.filled, "reason": after.reason, "trades": [fill.trade_id for fill in new]}
        details = {"evidence": report.evidence, "venue_order_id": report.venue_order_id}
        self.change(after, at=report.at, evidence=evidence | {name: word for name, word in details.items() if word})
        exit = attached(after, self.orders.get(after.request.exit_id)) if new else None
        if exit is not None:
            self.change(exit, at=exit.updated_at, evidence={"trades": [fill.trade_id for fill in new]})
        return True

    def _is_anothers(self, fill: Fill) -> bool:
        return self.traders.get((fill.symbol, fill.trade_id), fill.client_order_id) != fill.client_order_id

    def take(self, event: ExternalEvent) -> bool:
        """Book what moved the account besides orders; `False` when it was booked before. Raises `LedgerBroken`."""
        known = self.external.get(event.id)
        if known is not None:
            if known != event:
                raise LedgerBroken(f"the event {event.id} is booked, and comes again with other content")
            return False
        require_sound(event, currency=self.account["currency"])
        self.external[event.id] = event
        symbol = moved_symbol(event, currency=self.account["currency"])
        with localcontext(EXACT):
            self.account["cash"] += event.cash
            if event.own:
                self._settle(event)
            else:
                brought = event.cash + (self._adopt(event, symbol) if symbol is not None else ZERO)
                if event.quantity:
                    self._hold(event.asset, event.quantity)
                self.account["contributed"] = (self.account["contributed"] or ZERO) + brought
        self._entries.append(_Entry(event, symbol, self.positions[symbol].quantity if symbol else None))
        return True

    def _settle(self, event: ExternalEvent) -> None:
        """What the venue did to the desk's own position. Raises `LedgerBroken` where it closes more than is held."""
        before = self.positions.get(event.asset) or Position(symbol=event.asset)
        remaining = before.quantity + event.quantity
        if event.quantity and (remaining * before.quantity < 0 or abs(remaining) >= abs(before.quantity)):
            quantity = plain(before.quantity)
            raise LedgerBroken(f"the event {event.id} liquidates {plain(event.quantity)}, and {quantity} is held")
        self._move(position_with(before, event))
        self.account["fees"] += event.fee

    def _adopt(self, event: ExternalEvent, symbol: str) -> Decimal:
        """Take over what the event gives up, and return what it was taken over at. Raises `LedgerBroken`.

        Or the other way: give up a part of the desk's own position, as what is too small to be sold.
        """
        holding = self.holdings.get(event.asset, ZERO)
        before = self.positions.get(symbol) or Position(symbol=symbol)
        remaining = holding + event.quantity
        taken = holding * remaining >= 0 and abs(remaining) <= abs(holding)
        given_up = before.quantity * event.quantity > 0 and abs(event.quantity) <= abs(before.quantity)
        if not (taken or given_up):
            raise LedgerBroken(f"the event {event.id} adopts more {event.asset} than is held: {plain(holding)}")
        self._move(position_with(before, event))
        return -event.quantity * (event.price or ZERO)

    def _hold(self, asset: str, quantity: Decimal) -> None:
        self.holdings[asset] = self.holdings.get(asset, ZERO) + quantity

    def _move(self, after: Position) -> None:
        """Put a position where it is now, and what that realised into the account's sum."""
        before = self.positions.get(after.symbol) or Position(symbol=after.symbol)
        self.account["realized"] += after.realized - before.realized
        self.positions[after.symbol] = after

    def change(self, order: OrderRecord, *, at: datetime, evidence: Row) -> None:
        """Put `order` in its new state, with an event that says why, and how large one is whose size may change."""
        self.orders[order.client_order_id] = self._changed[order.client_order_id] = order
        size = {} if order.request.attached_to is None else {"quantity": order.request.quantity}
        body = canonical({**evidence, **size, "state": order.state})
        self._events.append(
            {"client_order_id": order.client_order_id, "state": order.state.value, "at": at, "body": body}
        )

    def _book(self, fill: Fill, order: OrderRecord) -> None:
        before = self.positions.get(fill.symbol) or Position(symbol=fill.symbol)
        self.traders[fill.symbol, fill.trade_id] = fill.client_order_id
        with localcontext(EXACT):
            after = position_after(before, fill, order)
            self._move(after)
            self.account["cash"] += fill.cash
            self.account["fees"] += fill.fees
            if fill.commission is not None:
                self._hold(fill.commission.currency, -fill.commission.amount)
        self._entries.append(_Entry(fill, fill.symbol, after.quantity))

    async def write(self, connection: AsyncConnection) -> None:
        """Everything that was changed since it was last written, in rows."""
        name = self.account["account"]
        place = {"account": name, "run_id": self.run_id, "cycle": self.cycle}
        if self._entries:
            await self._write_entries(connection, place)
        if self._changed:
            numbers = self.numbers
            if unread := self._changed.keys() - numbers.keys():
                numbers |= await _events_so_far(connection, name, ids=unread)
            happened = []
            for event in self._events:
                key = str(event["client_order_id"])
                happened.append(with_digest(order_events, {**event, **place, "n": numbers.get(key, 0)}))
                numbers[key] = numbers.get(key, 0) + 1
            rows = [order_row(name, order) for order in self._changed.values()]
            await put(connection, orders, [with_digest(orders, row) for row in rows])
            await insert_new(connection, order_events, happened)
        self._entries, self._events, self._changed = [], [], {}

    async def _write_entries(self, connection: AsyncConnection, place: Row) -> None:
        """Fills and events in their one order, and the sums that they led to."""
        name = self.account["account"]
        first = await _next(connection, name)
        booked: list[Row] = []
        happened: list[Row] = []
        for n, entry in enumerate(self._entries, start=first):
            match entry.of:
                case Fill() as fill:
                    row = {**fill_row(fill), **place, "n": n, "held": entry.held}
                    booked.append(with_digest(fills, row))
                case ExternalEvent() as event:
                    row = {**external_row(event), **place, "n": n, "symbol": entry.symbol, "held": entry.held}
                    happened.append(with_digest(external_events, row))
                case never:
                    assert_never(never)
        await insert_new(connection, fills, booked)
        await insert_new(connection, external_events, happened)
        symbols = sorted({entry.symbol for entry in self._entries if entry.symbol is not None})
        moved = [position_row(name, self.positions[symbol]) for symbol in symbols]
        await put(connection, positions, [with_digest(positions, row) for row in moved])
        rows = holding_rows(name, self.holdings)
        await put(connection, holdings, [with_digest(holdings, row) for row in rows])
        await put(connection, accounts, [with_digest(accounts, self.account)])


async def _next(connection: AsyncConnection, account: str) -> int:
    last = (await connection.execute(_LAST_ENTRIES, {"account": account})).one()
    return max((n for n in last if n is not None), default=-1) + 1


async def _events_so_far(connection: AsyncConnection, account: str, *, ids: Collection[str]) -> dict[str, int]:
    return dict((await connection.execute(_EVENTS, {"account": account, "ids": list(ids)})).all())


def working_states() -> tuple[str, ...]:
    return tuple(state.value for state in OrderState if state.working)
