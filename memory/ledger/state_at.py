"""A run as it stood when one of its cycles began, put into another place: for a replay or a fork from there on.

Sealed rows are copied as they are. What changes as a run goes on (its own row, orders, tickets, positions, sums) is
made again from them, so that nothing of what came later is in it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from sqlalchemy import RowMapping, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.digest import canonical
from domain.errors import NotFound
from domain.order import Fill, OrderState
from memory.ledger.balance import Sums, come_to
from memory.ledger.books import position_row, read_orders
from memory.ledger.external_events import external_from, holding_rows
from memory.ledger.orders import OrderRecord, money_of, order_row, sized
from memory.ledger.position_entries import moves_from
from memory.store.database import Database
from memory.store.fault import as_written, genuine
from memory.store.records import RunHeader
from memory.store.rows import insert_new
from memory.store.schema import (
    accounts,
    cycles,
    external_events,
    holdings,
    order_events,
    orders,
    positions,
    runs,
    tickets,
    with_digest,
)
from memory.store.seal import SEALED

_COPIED: Final = (*SEALED, cycles)
_AT_ONCE: Final = 500


async def stand_at(source: Database, into: Database, header: RunHeader, *, recorded: str, cycle: int) -> None:
    """Write the run `recorded` of `source` into `into` as it stood before `cycle`, under the header and id of `header`.

    Raises `NotFound` for a run that has not closed the cycle before. The archive is taken to be verified.
    """
    async with source.reading() as connection:
        seal = await connection.scalar(
            select(cycles.c.seal).where(cycles.c.run_id == recorded, cycles.c.cycle == cycle - 1)
        )
        if seal is None:
            raise NotFound(
                f"{recorded} has closed no cycle {cycle - 1}", remedy="agentctl runs show says how many it has"
            )
        derived = await _derived(connection, recorded, cycle=cycle, name=header.run_id)
    run = {
        "run_id": header.run_id,
        "body": canonical(header),
        "status": "running",
        "created_at": header.created_at,
        "ended_at": None,
        "parent": header.parent,
        "cycles": cycle,
        "seal": seal,
    }
    async with into.transaction() as connection:
        await insert_new(connection, runs, [with_digest(runs, run)])
        for table, rows in derived.items():
            await insert_new(connection, table, [with_digest(table, row) for row in rows])
    for table in _COPIED:
        async for rows in _sealed(source, table, recorded, cycle=cycle, name=header.run_id):
            async with into.transaction() as connection:
                await insert_new(connection, table, rows)


async def _sealed(
    source: Database, table: Table, recorded: str, *, cycle: int, name: str
) -> AsyncIterator[list[dict[str, Any]]]:
    """The rows of earlier cycles, some at a time: a database that is read can't be written to meanwhile."""
    last = -1
    while last < cycle - 1:
        upto = min(last + _AT_ONCE, cycle - 1)
        query = select(table).where(table.c.run_id == recorded, table.c.cycle > last, table.c.cycle <= upto)
        async with source.reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
        mine = {"run_id": name} | ({"account": name} if "account" in table.c else {})
        yield [{**row, **mine} for row in rows]
        last = upto


async def _derived(
    connection: AsyncConnection, recorded: str, *, cycle: int, name: str
) -> dict[Table, list[dict[str, Any]]]:
    """The rows that follow from the sealed ones, as they were before `cycle`."""
    event = order_events.c
    happened = select(order_events).where(event.account == recorded, event.cycle < cycle)
    events: dict[str, list[RowMapping]] = {}
    for row in (await connection.execute(happened.order_by(event.client_order_id, event.n))).mappings():
        events.setdefault(row["client_order_id"], []).append(row)
    moves = [move for move in await moves_from(connection, recorded, first=0) if move.cycle < cycle]
    fills = [move.of for move in moves if isinstance(move.of, Fill)]
    now = await read_orders(connection, recorded)
    then = {
        key: order_then(now[key], mine, [fill for fill in fills if fill.client_order_id == key])
        for key, mine in events.items()
    }
    others = select(external_events).where(external_events.c.account == recorded, external_events.c.cycle < cycle)
    external = {row["n"]: external_from(row) for row in (await connection.execute(others)).mappings()}
    account = (await connection.execute(select(accounts).where(accounts.c.account == recorded))).mappings().one()
    genuine(accounts, account)
    sums = come_to(Sums(entries=0, cash=account["start_cash"]), orders=then, moves=moves, external=external)
    came_to = {"cash": sums.cash, "realized": sums.realized, "fees": sums.fees}
    brought = {"contributed": sums.contributed if any(not event.own for event in external.values()) else None}
    return {
        accounts: [{**account, **came_to, **brought, "account": name}],
        orders: [order_row(name, order.model_copy(update={"run_id": name})) for order in then.values()],
        tickets: await _tickets(connection, recorded, then, name=name),
        positions: [position_row(name, position) for position in sums.positions.values()],
        holdings: holding_rows(name, sums.holdings),
    }


async def _tickets(
    connection: AsyncConnection, recorded: str, then: dict[str, OrderRecord], *, name: str
) -> list[dict[str, Any]]:
    rows = (await connection.execute(select(tickets).where(tickets.c.account == recorded))).mappings()
    mine = [dict(row) for row in rows if row["client_order_id"] in then]
    return [
        {**row, "account": name, "used_at": row["used_at"] if then[row["client_order_id"]].submitted_at else None}
        for row in mine
    ]


def order_then(order: OrderRecord, events: Sequence[RowMapping], fills: Sequence[Fill]) -> OrderRecord:
    """An order as these of its events and fills left it, whatever became of it later. `events` in their order."""
    sent_at = order.submitted_at if order.request.attached_to is not None else None  # with its entry
    first = {"state": OrderState.APPROVED, "submitted_at": sent_at, "reason": "", "venue_order_id": ""}
    then: dict[str, Any] = {**first, **money_of(fills), "fills": tuple(fills)}
    for row in events:
        with as_written(order_events, row):
            body: dict[str, str] = json.loads(row["body"])
            then |= {"state": OrderState(row["state"]), "updated_at": row["at"]}
        if "ticket" in body:
            then["submitted_at"] = row["at"]
        order = sized(order, body)
        then["reason"] = body.get("reason", then["reason"])
        named = body.get("venue_order_id", "")
        if named and (order.request.type == "stop" or not then["venue_order_id"]):
            then["venue_order_id"] = named
    return order.model_copy(update=then)
