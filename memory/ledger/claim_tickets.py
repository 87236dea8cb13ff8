"""Taking the one right to send: tickets are used up, and their orders SUBMITTING, before anything goes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.clearance import Cleared, copied, differences
from domain.decision import Ticket
from domain.effects import Effects
from domain.errors import TicketRefused
from domain.order import OrderRequest, OrderState
from memory.ledger.books import NUMBERED, Books, from_numbered
from memory.ledger.gate_transaction import ticket_row
from memory.operators.audit_log import hold_acts
from memory.operators.controls import Control, control_of
from memory.store.rows import put
from memory.store.schema import orders, tickets, with_digest

_CONTROL: Final = TypeAdapter(Control)
_TICKET = "ticket_"
_OFFERED = NUMBERED.outerjoin(
    tickets, and_(tickets.c.account == orders.c.account, tickets.c.client_order_id == orders.c.client_order_id)
).add_columns(*(column.label(f"{_TICKET}{column.name}") for column in tickets.c))
"""Orders with their tickets. In one statement: on a server each is a journey, and an order waits for it."""


async def claimed(
    connection: AsyncConnection,
    requests: Sequence[tuple[OrderRequest, Ticket]],
    *,
    account: dict[str, Any],
    run_id: str,
    cycle: int,
    at: datetime,
    reducing: bool,
    protecting: bool,
    effects: Effects,
) -> tuple[bool | str, ...]:
    """What `Ledger.claim` says of each order, while the row of `account` is held."""
    name = account["account"]
    offered = [_copied(order, ticket) for order, ticket in requests]
    ids = [each.order.client_order_id for each in offered if isinstance(each, Cleared)]
    rows = (await connection.execute(_OFFERED, {"account": name, "ids": ids})).mappings().all()
    known, numbers = await from_numbered(connection, name, rows)
    books = Books(account=account, run_id=run_id, cycle=cycle, orders=known, positions={}, numbers=numbers)
    issued = {row[f"{_TICKET}id"]: {c.name: row[f"{_TICKET}{c.name}"] for c in tickets.c} for row in rows}
    await hold_acts(connection, shared=True)
    in_force: list[Control] = []

    async def look() -> Control:
        if not in_force:  # it stands while the acts are held
            in_force.append((await control_of(connection, name)).unnamed)
        return in_force[0]

    words: list[bool | str] = []
    for each in offered:
        if isinstance(each, str):
            words.append(each)
            continue
        id, ticket = each.order.client_order_id, each.ticket
        order, row = known.get(id), issued.get(ticket.id)
        if order is None or row is None:
            words.append(f"the ledger has no such ticket for {id}")
            continue
        if unlike := differences(each.order, order.request) or _unlike(row, ticket, account=name):
            words.append(f"{id} is not as it was approved: {unlike}")
            continue
        control = await effects.once("ledger:control", id, returns=_CONTROL, perform=look)
        if row["used_at"] is not None or order.state is not OrderState.APPROVED:
            words.append(False)
        elif at >= ticket.expires_at:
            words.append(f"the ticket for {id} has expired")
        elif control.refuses(reducing=reducing, protecting=protecting):
            words.append(f"trading is {control.in_words}")
        else:
            sent = {"state": OrderState.SUBMITTING, "submitted_at": at, "updated_at": at}
            books.change(order.model_copy(update=sent), at=at, evidence={"ticket": ticket.id})
            words.append(True)
    claims = zip(offered, words, strict=True)
    used = [issued[each.ticket.id] for each, word in claims if word is True and isinstance(each, Cleared)]
    await put(connection, tickets, [with_digest(tickets, {**row, "used_at": at}) for row in used])
    await books.write(connection)
    return tuple(words)


def _copied(order: OrderRequest, ticket: Ticket) -> Cleared | str:
    """Both as copies, or why there are none."""
    try:
        return copied(ticket, order)
    except TicketRefused as refused:
        return refused.message


def _unlike(row: Mapping[str, Any], ticket: Ticket, *, account: str) -> str:
    """What of the ticket is not as the ledger knows it; empty when all is."""
    offer = ticket_row(ticket, account=account)
    names = [name for name in offer if name != "used_at" and offer[name] != row[name]]
    return "; ".join(f"{name} is {offer[name]}, not {row[name]}" for name in names)
