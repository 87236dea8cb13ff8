"""What a venue had said by the end of a cycle: for a paper venue that must go on where it stood."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.money import ZERO
from domain.order import OrderState
from domain.statement import ExternalEvent
from memory.ledger.books import read_orders
from memory.ledger.external_events import external_from
from memory.ledger.orders import OrderRecord, sized
from memory.store.schema import external_events, fills, order_events

_UNSAID = frozenset({OrderState.PLANNED, OrderState.APPROVED, OrderState.SUBMITTING, OrderState.UNKNOWN})
"""States that are not a venue's word."""


async def orders_as_of(connection: AsyncConnection, account: str, *, before: int) -> tuple[OrderRecord, ...]:
    """Every order that the venue took, as it stood before the unfinished cycle `before`.

    What that cycle booked on older orders is left out, for the venue will say it again. Orders of the
    cycle itself are as they are: their answers are on the tape, and won't be asked for again.
    """
    event = order_events.c
    happened = select(event.client_order_id, event.state, event.at, event.body).where(
        event.account == account, event.cycle < before
    )
    rows = await connection.execute(happened.order_by(event.client_order_id, event.n))
    last: dict[str, tuple[OrderState, datetime, str]] = {}
    names: dict[str, str] = {}
    for client_order_id, state, at, body in rows:
        last[client_order_id] = (OrderState(state), at, body)
        names[client_order_id] = json.loads(body).get("venue_order_id") or names.get(client_order_id, "")
    late = set(
        await connection.scalars(select(fills.c.trade_id).where(fills.c.account == account, fills.c.cycle >= before))
    )
    records = []
    for order in (await read_orders(connection, account)).values():
        if order.cycle < before:
            if order.client_order_id not in last:
                continue  # a stop of an entry that this cycle filled
            state, at, body = last[order.client_order_id]
            booked = tuple(fill for fill in order.fills if fill.trade_id not in late)
            filled = sum((fill.quantity for fill in booked), ZERO)
            name = names[order.client_order_id]
            then = {"state": state, "updated_at": at, "fills": booked, "filled": filled, "venue_order_id": name}
            order = sized(order.model_copy(update=then), json.loads(body))
        if order.state not in _UNSAID or order.request.attached_to is not None:
            records.append(order)
    return tuple(records)


async def settled(connection: AsyncConnection, account: str, *, before: int) -> tuple[ExternalEvent, ...]:
    """What the venue did to the desk's own perpetuals, as booked before the unfinished cycle `before`."""
    column = external_events.c
    booked = select(external_events).where(column.account == account, column.cycle < before).order_by(column.n)
    events = [external_from(row) for row in (await connection.execute(booked)).mappings()]
    return tuple(event for event in events if event.own)
