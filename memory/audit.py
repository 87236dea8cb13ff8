"""An account looked at whole: every row against its digest, then the sums."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from memory.balance import Accounts, Booked, Event, imbalances
from memory.books import read_orders, read_positions
from memory.fault import Fault
from memory.orders import fill_from
from memory.raw import checked
from memory.schema import accounts, fills, order_events, orders, positions, tickets


async def account_faults(connection: AsyncConnection, account: str) -> list[Fault]:
    """What is wrong with `account`: rows that were changed, or, with all rows sound, what doesn't add up."""
    faults: list[Fault] = []
    for table in (accounts, orders, order_events, tickets, fills, positions):
        rows = [row async for row in checked(connection, table, where=table.c.account == account, faults=faults)]
        if table is accounts and not rows and not faults:
            faults.append(Fault("accounts", f"account={account}", "is missing"))
    return faults or list(imbalances(await _whole(connection, account)))


async def _whole(connection: AsyncConnection, account: str) -> Accounts:
    row = (await connection.execute(select(accounts).where(accounts.c.account == account))).mappings().one()
    booked = await connection.execute(select(fills).where(fills.c.account == account).order_by(fills.c.n))
    happened = await connection.execute(
        select(order_events.c.client_order_id, order_events.c.n, order_events.c.run_id, order_events.c.state)
        .where(order_events.c.account == account)
        .order_by(order_events.c.client_order_id, order_events.c.n)
    )
    ticketed = await connection.scalars(select(tickets.c.client_order_id).where(tickets.c.account == account))
    return Accounts(
        name=account,
        start_cash=row["start_cash"],
        cash=row["cash"],
        realized=row["realized"],
        fees=row["fees"],
        orders=await read_orders(connection, account),
        booked=[Booked(n=fill["n"], fill=fill_from(fill), held=fill["held"]) for fill in booked.mappings()],
        positions=await read_positions(connection, account),
        events=[Event(*event) for event in happened],
        ticketed=frozenset(ticketed),
    )
