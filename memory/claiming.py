"""Taking the one right to send: tickets are used up, and their orders SUBMITTING, before anything goes out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter
from sqlalchemy import RowMapping, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.decision import Ticket
from domain.effects import Effects
from domain.order import OrderState
from memory.acts import hold_acts
from memory.admission import ticket_row
from memory.books import Books
from memory.controls import Control, control_of
from memory.rows import put
from memory.schema import tickets, with_digest

_CONTROL: Final = TypeAdapter(Control)
_TICKETS = select(tickets).where(
    tickets.c.account == bindparam("account"), tickets.c.id.in_(bindparam("ids", expanding=True))
)


async def claimed(
    connection: AsyncConnection,
    books: Books,
    given: Sequence[Ticket],
    *,
    at: datetime,
    reducing: bool,
    effects: Effects,
) -> tuple[bool | str, ...]:
    """What `Ledger.claim` says of each ticket. `books` hold their orders, and the account's row is held."""
    account = books.account["account"]
    found = await connection.execute(_TICKETS, {"account": account, "ids": [ticket.id for ticket in given]})
    issued = {row["id"]: row for row in found.mappings()}
    await hold_acts(connection, shared=True)
    in_force: list[Control] = []

    async def look() -> Control:
        if not in_force:  # it stands while the acts are held
            in_force.append((await control_of(connection, account)).unnamed)
        return in_force[0]

    words: list[bool | str] = []
    for ticket in given:
        name = ticket.client_order_id
        row, order = issued.get(ticket.id), books.orders.get(name)
        if row is None or order is None or not _same(row, ticket, account=account):
            words.append(f"the ledger has no such ticket for {name}")
            continue
        control = await effects.once("ledger:control", name, returns=_CONTROL, perform=look)
        if row["used_at"] is not None or order.state is not OrderState.APPROVED:
            words.append(False)
        elif at >= ticket.expires_at:
            words.append(f"the ticket for {name} has expired")
        elif control.refuses(reducing=reducing):
            words.append(f"trading is {control.in_words}")
        else:
            sent = {"state": OrderState.SUBMITTING, "submitted_at": at, "updated_at": at}
            books.change(order.model_copy(update=sent), at=at, evidence={"ticket": ticket.id})
            words.append(True)
    used = [issued[ticket.id] for ticket, word in zip(given, words, strict=True) if word is True]
    await put(connection, tickets, [with_digest(tickets, {**row, "used_at": at}) for row in used])
    await books.write(connection)
    return tuple(words)


def _same(row: RowMapping, ticket: Ticket, *, account: str) -> bool:
    """Whether the ledger knows the ticket so."""
    known = ticket_row(ticket, account=account)
    return all(row[name] == known[name] for name in known if name != "used_at")
