"""An account looked at whole, or as far as it went on: every row against its digest, then the sums."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from sqlalchemy import ColumnElement, Table, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.money import ZERO
from memory.ledger.balance import Accounts, Event, Sums, imbalances
from memory.ledger.books import account_row, read_orders, read_positions
from memory.ledger.external_events import external_from, read_holdings
from memory.ledger.orders import OrderRecord
from memory.ledger.position_entries import moves_from
from memory.store.fault import Fault
from memory.store.raw_rows import Raw, checked
from memory.store.schema import accounts, external_events, fills, holdings, order_events, orders, positions, tickets

_ATTACHED: Final = '"attached_to":'
"""In canonical JSON: a text that held it would have its quotes escaped."""


async def account_faults(connection: AsyncConnection, account: str) -> list[Fault]:
    """What is wrong with `account`: rows that were changed, or, with all rows sound, what doesn't add up."""
    faults, _ = await look(connection, account)
    return faults


async def look(
    connection: AsyncConnection, account: str, *, proven: Sums | None = None
) -> tuple[list[Fault], Sums | None]:
    """What is wrong with `account`, and what it is proven to have come to; `None` when something is.

    With what an earlier look proved, only what was booked since is looked at, and it is added to that: so a look
    costs what the account did since, however old it is. Rows from before are then taken as they were.
    """
    first = 0 if proven is None else proven.entries
    faults: list[Fault] = []
    booked = await _checked(connection, fills, fills.c.account == account, fills.c.n >= first, faults=faults)
    ids = None if proven is None else {str(row["client_order_id"]) for row in booked}
    if ids:
        ids |= await _entries_of(connection, account, ids)
    for table in (accounts, orders, order_events, tickets, external_events, positions, holdings):
        where = [table.c.account == account]
        if table is external_events:
            where.append(table.c.n >= first)
        elif ids is not None and "client_order_id" in table.c:
            where.append(table.c.client_order_id.in_(ids))
        rows = await _checked(connection, table, *where, faults=faults)
        if table is accounts and not rows and not faults:
            faults.append(Fault("accounts", f"account={account}", "is missing"))
    if faults:
        return faults, None
    books = await _read(connection, account, proven=proven, ids=ids)
    faults = imbalances(books)
    entries = len({move.n for move in books.moves} | books.external.keys())
    return faults, None if faults else replace(books.current, entries=books.before.entries + entries)


async def _checked(
    connection: AsyncConnection, table: Table, *where: ColumnElement[bool], faults: list[Fault]
) -> list[Raw]:
    return [row async for row in checked(connection, table, where=and_(*where), faults=faults)]


async def _read(
    connection: AsyncConnection, account: str, *, proven: Sums | None, ids: Collection[str] | None
) -> Accounts:
    row = await account_row(connection, account)
    before = proven or Sums(entries=0, cash=row["start_cash"])
    current = Sums(
        entries=before.entries,
        cash=row["cash"],
        realized=row["realized"],
        fees=row["fees"],
        contributed=row["contributed"] or ZERO,
        holdings=await read_holdings(connection, account),
        positions=await read_positions(connection, account),
    )
    others = select(external_events).where(external_events.c.account == account, external_events.c.n >= before.entries)
    event = order_events.c
    happened = select(event.client_order_id, event.n, event.run_id, event.state).where(event.account == account)
    ticketed = select(tickets.c.client_order_id).where(tickets.c.account == account)
    if ids is not None:
        happened = happened.where(event.client_order_id.in_(ids))
        ticketed = ticketed.where(tickets.c.client_order_id.in_(ids))
    known = await read_orders(connection, account, ids=ids)
    with_ticket = frozenset(await connection.scalars(ticketed))
    return Accounts(
        name=account,
        before=before,
        current=current,
        orders=known,
        moves=await moves_from(connection, account, first=before.entries),
        external={row["n"]: external_from(row) for row in (await connection.execute(others)).mappings()},
        events=sorted((Event(*row) for row in await connection.execute(happened)), key=_place),
        ticketed=with_ticket | _let_through_with_entries(known, with_ticket),
    )


async def _entries_of(connection: AsyncConnection, account: str, ids: Collection[str]) -> set[str]:
    """The entries to which the venue attached those of the orders `ids` that are stops."""
    rows = await connection.execute(
        select(orders.c.client_order_id, orders.c.request).where(
            orders.c.account == account, orders.c.client_order_id.in_(ids), orders.c.request.contains(_ATTACHED)
        )
    )
    named: set[str] = set()
    for _, body in rows:
        with suppress(ValueError):  # changed, and found so by its digest
            named.add(str(json.loads(body).get("attached_to")))
    return named


def _let_through_with_entries(known: Mapping[str, OrderRecord], ticketed: Collection[str]) -> frozenset[str]:
    """Stops that are exactly what an entry with a ticket had the venue attach: that ticket is theirs too."""
    return frozenset(
        key
        for key, order in known.items()
        if (entry := known.get(order.request.attached_to or "")) is not None
        and entry.client_order_id in ticketed
        and entry.request.stop_price is not None
        and entry.request.exit_order(order.request.quantity) == order.request
    )


def _place(event: Event) -> tuple[str, int]:
    return event.client_order_id, event.n
