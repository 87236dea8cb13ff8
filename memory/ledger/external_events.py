"""What moved the account besides orders as rows: what others did, what is held beside the desk's own because of it, and
what the venue did to the desk's own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal, localcontext

from sqlalchemy import RowMapping, Text, bindparam, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import LedgerBroken
from domain.money import EXACT
from domain.order import Fill
from domain.portfolio import Position
from domain.statement import ExternalEvent, adoption, is_swap
from memory.store.blobs import in_parts
from memory.store.fault import as_written
from memory.store.schema import external_events, holdings

ADOPTION = "adoption"
LIQUIDATION = "liquidation"
_FIELDS = tuple(ExternalEvent.model_fields)

# Built once: building a statement costs more than running it.
_BY_ID = select(external_events).where(
    external_events.c.account == bindparam("account"), external_events.c.id.in_(bindparam("ids", expanding=True))
)
_HOLDINGS = select(holdings).where(holdings.c.account == bindparam("account"))


def require_sound(event: ExternalEvent, *, currency: str) -> None:
    """Raises `LedgerBroken` for an event that would bring the books apart."""
    if event.kind == ADOPTION:
        price, asset = event.price, event.asset
        if price is None or not event.quantity or asset == currency:
            raise LedgerBroken(f"the event {event.id} adopts nothing: it needs an asset, a quantity and a price")
        due = adoption(asset, quantity=-event.quantity, price=price, id=event.id, at=event.at).cash
        if event.cash != due:
            raise LedgerBroken(f"the event {event.id} adopts {asset} with cash of {event.cash}, and {due} is due")
    elif event.kind == LIQUIDATION:
        if event.price is None or not event.quantity or not is_swap(event.asset) or event.fee < 0:
            raise LedgerBroken(
                f"the event {event.id} liquidates nothing: it needs a swap, a quantity, a price and a fee"
            )
    elif event.own and event.quantity:
        raise LedgerBroken(f"the event {event.id} is funding, and moves a quantity")
    elif event.asset == currency and event.quantity:
        raise LedgerBroken(f"the event {event.id} holds {currency} beside the account's own: that is cash")


def moved_symbol(event: ExternalEvent, *, currency: str) -> str | None:
    """The desk's own position that the event changes; `None` where it changes none."""
    if event.own:
        return event.asset
    if event.kind != ADOPTION:
        return None
    return event.asset if is_swap(event.asset) else f"{event.asset}/{currency}"


def event_fill(event: ExternalEvent, *, symbol: str) -> Fill | None:
    """An event that moved a position in the form of a fill, of no order; `None` for funding, which moves no quantity.

    An adoption gives up what it says, and has no fee.
    """
    if event.own or event.price is None:
        return event.trade
    return Fill(
        trade_id=event.id,
        client_order_id=ADOPTION,
        symbol=symbol,
        side="sell" if event.quantity > 0 else "buy",
        quantity=abs(event.quantity),
        price=event.price,
        at=event.at,
    )


def position_with(position: Position, event: ExternalEvent) -> Position:
    """The position after an event that changes it."""
    if event.own or event.price is None:
        return position.settled(event)
    with localcontext(EXACT):
        return position.adopting(-event.quantity, price=event.price, at=event.at)


def external_row(event: ExternalEvent) -> dict[str, object]:
    return {name: getattr(event, name) for name in _FIELDS}


def external_from(row: RowMapping) -> ExternalEvent:
    with as_written(external_events, row):
        return ExternalEvent(**{name: row[name] for name in _FIELDS})


async def read_external(connection: AsyncConnection, account: str, *, ids: Collection[str]) -> dict[str, ExternalEvent]:
    """The events that are booked among `ids`."""
    events: dict[str, ExternalEvent] = {}
    for part in in_parts(ids):
        rows = await connection.execute(_BY_ID, {"account": account, "ids": list(part)})
        events |= {row["id"]: external_from(row) for row in rows.mappings()}
    return events


async def read_holdings(connection: AsyncConnection, account: str) -> dict[str, Decimal]:
    """By asset, also what has come down to nothing."""
    rows = await connection.execute(_HOLDINGS, {"account": account})
    return {row["asset"]: row["quantity"] for row in sorted(rows.mappings(), key=lambda row: str(row["asset"]))}


def holding_rows(account: str, balances: Mapping[str, Decimal]) -> list[dict[str, object]]:
    return [{"account": account, "asset": asset, "quantity": quantity} for asset, quantity in sorted(balances.items())]


async def list_external(
    connection: AsyncConnection,
    account: str,
    *,
    run_id: str,
    cycle: int | None,
    since: datetime | None,
    limit: int | None,
) -> tuple[ExternalEvent, ...]:
    """See `Ledger.external`."""
    column = external_events.c
    query = select(external_events).where(column.account == account)
    if cycle is not None:
        query = query.where(column.run_id == run_id, column.cycle == cycle)
    if since is not None:
        # Fractions of a second do not sort as text: the database gives whole seconds, and the rest is left out here.
        query = query.where(column.at >= type_coerce(since.replace(microsecond=0, tzinfo=None).isoformat(), Text))
    query = query.order_by(column.n.desc()).limit(limit)
    events = [external_from(row) for row in (await connection.execute(query)).mappings()]
    return tuple(event for event in reversed(events) if since is None or event.at >= since)
