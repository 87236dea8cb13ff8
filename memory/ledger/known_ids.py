"""What of a venue's account is known already: orders by either id, fills by their trades, events by their ids."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import BindParameter, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.order import Fill
from domain.statement import trade_event_id
from memory.ledger.books import read_orders
from memory.ledger.external_events import read_external
from memory.ledger.orders import OrderRecord
from memory.store.blobs import in_parts
from memory.store.schema import fills, orders

# Built once: building a statement costs more than running it.
_IDS: BindParameter[str] = bindparam("ids", expanding=True)
_NAMED = select(orders.c.client_order_id).where(
    orders.c.account == bindparam("account"), orders.c.venue_order_id.in_(_IDS)
)
_TRADED = select(fills.c.trade_id, fills.c.client_order_id).where(
    fills.c.account == bindparam("account"), fills.c.symbol == bindparam("symbol"), fills.c.trade_id.in_(_IDS)
)


async def owned(
    connection: AsyncConnection, account: str, *, client_order_ids: Collection[str], venue_order_ids: Collection[str]
) -> tuple[OrderRecord, ...]:
    """The account's orders that have one of these ids, with their fills, in the order in which they were decided."""
    ids = set(client_order_ids)
    for part in in_parts(venue_order_ids):
        ids |= set(await connection.scalars(_NAMED, {"account": account, "ids": part}))
    records: dict[str, OrderRecord] = {}
    for part in in_parts(ids):
        records |= await read_orders(connection, account, ids=part)
    return tuple(sorted(records.values(), key=lambda order: (order.cycle, order.client_order_id)))


async def traded(
    connection: AsyncConnection, account: str, *, symbol: str, trade_ids: Collection[str]
) -> frozenset[str]:
    """Which of these trades in a symbol are fills in the books."""
    known: set[str] = set()
    for part in in_parts(trade_ids):
        known |= set(await connection.scalars(_TRADED, {"account": account, "symbol": symbol, "ids": part}))
    return frozenset(known)


async def traders(connection: AsyncConnection, account: str, booking: Collection[Fill]) -> dict[tuple[str, str], str]:
    """By symbol and trade id, the order that a trade among `booking` is booked for; empty where it is no order's."""
    owners: dict[tuple[str, str], str] = {}
    for symbol in {fill.symbol for fill in booking}:
        ids = {fill.trade_id for fill in booking if fill.symbol == symbol}
        events = {trade_event_id(symbol, trade_id): trade_id for trade_id in ids}
        owners |= {(symbol, events[event]): "" for event in await booked(connection, account, event_ids=events)}
        for part in in_parts(ids):
            rows = await connection.execute(_TRADED, {"account": account, "symbol": symbol, "ids": part})
            owners |= {(symbol, trade_id): client_order_id for trade_id, client_order_id in rows}
    return owners


async def booked(connection: AsyncConnection, account: str, *, event_ids: Collection[str]) -> frozenset[str]:
    """Which of these events are in the books."""
    return frozenset(await read_external(connection, account, ids=event_ids))
