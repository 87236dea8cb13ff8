"""An account looked at whole: every row against its digest, then the sums."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.money import ZERO
from memory.balance import Accounts, Event, imbalances
from memory.books import read_orders, read_positions
from memory.external import external_from, read_holdings
from memory.fault import Fault
from memory.moves import all_moves
from memory.raw import checked
from memory.schema import accounts, external_events, fills, holdings, order_events, orders, positions, tickets


async def account_faults(connection: AsyncConnection, account: str) -> list[Fault]:
    """What is wrong with `account`: rows that were changed, or, with all rows sound, what doesn't add up."""
    faults: list[Fault] = []
    for table in (accounts, orders, order_events, tickets, fills, external_events, positions, holdings):
        rows = [row async for row in checked(connection, table, where=table.c.account == account, faults=faults)]
        if table is accounts and not rows and not faults:
            faults.append(Fault("accounts", f"account={account}", "is missing"))
    return faults or imbalances(await _whole(connection, account))


async def _whole(connection: AsyncConnection, account: str) -> Accounts:
    row = (await connection.execute(select(accounts).where(accounts.c.account == account))).mappings().one()
    others = await connection.execute(select(external_events).where(external_events.c.account == account))
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
        contributed=row["contributed"] or ZERO,
        orders=await read_orders(connection, account),
        moves=await all_moves(connection, account),
        external={event["n"]: external_from(event) for event in others.mappings()},
        holdings=await read_holdings(connection, account),
        positions=await read_positions(connection, account),
        events=[Event(*event) for event in happened],
        ticketed=frozenset(ticketed),
    )
