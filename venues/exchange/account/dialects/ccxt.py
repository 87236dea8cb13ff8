"""Any exchange that ccxt knows, by ccxt's unified calls alone. What ccxt has no call for is not there.

Pages are followed forward in time. Where that can't be done without doubt, a full page is an error: what may be
hidden behind it is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain.errors import UsageError, VenueUnavailable
from domain.order import OrderRequest
from domain.statement import KeyRights, Transfer
from venues.exchange.account.dialects.dialect import Asks, Listing, Name, Params, Placed, Quirks, as_rows, call, done
from venues.exchange.account.dialects.pages import every, millis, moment, one_page
from venues.exchange.client import Row
from venues.exchange.failures import Declined, code_in
from venues.exchange.numbers import exact

_PAGE = 100


def any_exchange(exchange: str) -> Quirks:
    return Quirks(
        exchange=exchange,
        code=code,
        whole=whole,
        headers=no_headers,
        sandbox=sandbox,
        begin=begin,
        order=order,
        stops_apart=no_stops_apart,
        batch=alone,
        placed=no_placed,
        find=find,
        cancel=cancel,
        orders=orders,
        trades=trades,
        order_trades=order_trades,
        child=no_child,
        client_order_id=no_client_order_id,
        balances=balances,
        funding_account=no_funding_account,
        positions=positions,
        transfers=transfers,
        rights=rights,
        prepare=prepare,
        keep_alive=keep_alive,
    )


def code(answer: object) -> tuple[str, str]:
    return code_in(answer, "code", "msg")


def whole(answer: object) -> bool:
    return isinstance(answer, Mapping | list)


def no_headers(theirs: datetime) -> Mapping[str, str]:
    return {}


def sandbox(ccxt: Any) -> None:
    """Raises `UsageError` where ccxt knows none."""
    from ccxt.base.errors import NotSupported

    try:
        ccxt.set_sandbox_mode(True)
    except (NotSupported, TypeError):  # the latter where ccxt lists a sandbox that is None
        raise UsageError(
            f"ccxt knows no sandbox of {ccxt.id}", remedy=f"Remove sandbox = true from [exchanges.{ccxt.id}]"
        ) from None


async def begin(ccxt: Any) -> None:
    """Nothing."""


def order(request: OrderRequest) -> Params:
    """What goes beside symbol, type, side, amount and price."""
    params: Params = {"clientOrderId": request.client_order_id}
    if request.post_only:
        params["postOnly"] = True
    elif request.type == "limit":
        params["timeInForce"] = request.time_in_force
    if request.reduce_only and ":" in request.symbol:
        params["reduceOnly"] = True
    return params


def no_stops_apart(symbol: str) -> bool:
    return False


def alone(symbol: str) -> int:
    return 1


def no_placed(answer: object, names: Sequence[str]) -> Mapping[str, Placed]:
    """Orders go out one by one."""
    return {}


def no_child(row: Row) -> str:
    return ""


def no_client_order_id(row: Row) -> str:
    return ""


async def find(api: Asks, symbol: str, name: Name) -> Row | None:
    params = {} if name.venue_order_id else {"clientOrderId": name.client_order_id}

    async def ask(ccxt: Any) -> Row:
        row: Row = await ccxt.fetch_order(name.venue_order_id or None, symbol, {**params, **trigger(name.stop)})
        return row

    return await or_none(api, f"the order {name.client_order_id}", ask)


async def or_none(api: Asks, what: str, ask: Any) -> Row | None:
    """The answer, or `None` where the venue says that there is no such order."""
    try:
        row: Row = await api.ask(what, ask, urgent=True)
    except Declined as declined:
        if declined.kind == "absent":
            return None
        raise
    return row


def trigger(stop: bool) -> Params:
    return {"trigger": True} if stop else {}


async def cancel(api: Asks, symbol: str, name: Name) -> None:
    params = {} if name.venue_order_id else {"clientOrderId": name.client_order_id}
    await api.send(
        f"the cancel of {name.client_order_id}",
        call("cancel_order", name.venue_order_id or None, symbol, {**params, **trigger(name.stop)}, read=done),
        cancel=True,
    )


async def orders(api: Asks, symbol: str, listing: Listing) -> Sequence[Row]:
    what = f"the {listing.which} orders of {symbol}"
    since = None if listing.since is None else millis(listing.since)

    async def page(params: Params) -> Sequence[Row]:
        rows: Sequence[Row] = await api.ask(what, ask, urgent=True)
        return rows

    async def ask(ccxt: Any) -> Sequence[Row]:
        extra = trigger(listing.stop)
        if listing.which == "open":
            rows: Sequence[Row] = await ccxt.fetch_open_orders(symbol, None, _PAGE, extra)
        elif ccxt.has.get("fetchOrders"):
            rows = await ccxt.fetch_orders(symbol, since, _PAGE, extra)
        else:
            closed = await ccxt.fetch_closed_orders(symbol, since, _PAGE, extra)
            gone = (
                await ccxt.fetch_canceled_orders(symbol, since, _PAGE, extra)
                if ccxt.has.get("fetchCanceledOrders")
                else []
            )
            if len(closed) >= _PAGE or len(gone) >= _PAGE:
                raise VenueUnavailable(f"{what} may be more than it shows at once")
            return [*closed, *gone]
        return rows

    return await one_page(page, size=_PAGE, what=what)


async def trades(api: Asks, symbol: str, since: datetime) -> Sequence[Row]:
    what = f"the trades of {symbol}"

    async def page(params: Params) -> Sequence[Row]:
        start = params.get("since", millis(since))
        return await api.ask(what, call("fetch_my_trades", symbol, start, _PAGE, read=as_rows), urgent=True)

    return await every(
        page, size=_PAGE, after=lambda rows: {"since": max(int(str(row["timestamp"])) for row in rows)}, what=what
    )


async def order_trades(api: Asks, symbol: str, row: Row) -> Sequence[Row]:
    """By the order's own list of trades, else those of the symbol since it was made."""
    what = f"the trades of the order {row['id']}"

    async def ask(ccxt: Any) -> Sequence[Row] | None:
        if not ccxt.has.get("fetchOrderTrades"):
            return None
        rows: Sequence[Row] = await ccxt.fetch_order_trades(row["id"], symbol, None, _PAGE)
        return rows

    rows = await api.ask(what, ask, urgent=True)
    if rows is not None and len(rows) < _PAGE:
        return rows
    every_one = await trades(api, symbol, moment(row["timestamp"]))
    return [trade for trade in every_one if trade["order"] == row["id"]]


async def balances(api: Asks, symbols: Sequence[str]) -> Mapping[str, Decimal]:
    kind = {"type": "swap"} if any(":" in symbol for symbol in symbols) else {}
    return await api.ask("the balances", call("fetch_balance", kind, read=totals))


def totals(balance: Any) -> Mapping[str, Decimal]:
    """Of ccxt's balance: free and used together."""
    return {name: exact(total) for name, total in balance["total"].items() if total is not None}


async def no_funding_account(api: Asks) -> Mapping[str, Decimal]:
    return {}


async def positions(api: Asks, symbols: Sequence[str]) -> Sequence[Row]:
    return await api.ask("the positions", call("fetch_positions", list(symbols), read=as_rows))


async def transfers(api: Asks, symbols: Sequence[str], since: datetime) -> Sequence[Transfer] | None:
    return None


async def rights(api: Asks) -> KeyRights:
    return KeyRights(account="", trade=None, withdraw=None)


async def prepare(api: Asks, symbols: Sequence[str]) -> Sequence[str]:
    return (
        ("this exchange's position mode is not known here: check that it nets positions",)
        if any(":" in symbol for symbol in symbols)
        else ()
    )


async def keep_alive(api: Asks, symbols: Sequence[str], timeout_s: int) -> bool:
    return False
