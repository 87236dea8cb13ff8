"""OKX's orders and fills, as a client asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from exchange_double.okx import order_rows as rows
from exchange_double.okx.call import Call, answer, between, page
from exchange_double.okx.errors import OkxError, missing
from exchange_double.okx.text import Row, millis, whole
from exchange_double.orders import Order, Status
from exchange_double.wire import Answer

_FORGOTTEN_AFTER = timedelta(hours=2)
_FILLS_KEPT = timedelta(days=3)


def order(call: Call) -> Answer:
    """One order by either id: 51603 when it is unknown, hidden or forgotten."""
    listing = call.listing()
    order_id, client_order_id = call.query.get("ordId", ""), call.query.get("clOrdId", "")
    if not order_id and not client_order_id:
        raise OkxError("51003", "Either client order ID or order ID is required.")
    found = call.engine.find(order_id=order_id, client_order_id=client_order_id)
    if found is None or found.new.symbol != listing.symbol or not _shown(found, call):
        raise OkxError("51603", "Order does not exist")
    return answer([_order_row(found, call)])


def open_orders(call: Call) -> Answer:
    """Those that may still trade."""
    return _order_page(call, call.engine.open_orders)


def history(call: Call) -> Answer:
    """Those that have ended."""
    if not call.query.get("instType"):
        raise missing("instType")
    return _order_page(call, [order for order in call.engine.orders if not order.open])


def _order_page(call: Call, orders: Sequence[Order]) -> Answer:
    """The newest first, by the filters that OKX has."""
    symbols = {listing.symbol for listing in call.listings()}
    seen = [
        _order_row(order, call) for order in reversed(orders) if order.new.symbol in symbols and _shown(order, call)
    ]
    wanted = {key: call.query.get(key, "").split(",") for key in ("ordType", "state") if call.query.get(key)}
    matching = [row for row in seen if all(str(row[key]) in values for key, values in wanted.items())]
    timely = [row for row in matching if between(call.query, whole(row, "cTime"))]
    shown = page(timely, call.query, key=lambda row: whole(row, "ordId"))
    return answer(shown)


def recent_fills(call: Call) -> Answer:
    """Of the last three days."""
    return _fill_page(call, since=call.now - _FILLS_KEPT)


def all_fills(call: Call) -> Answer:
    """Of all times; OKX keeps three months."""
    return _fill_page(call, since=None)


def _fill_page(call: Call, *, since: datetime | None) -> Answer:
    wanted, order_id = {listing.symbol: listing for listing in call.listings()}, call.query.get("ordId", "")
    found = [
        fill
        for fill in reversed(call.engine.fills)
        if fill.symbol in wanted
        and fill.order_id not in call.effects.hidden
        and order_id in ("", fill.order_id)
        and (since is None or fill.at >= since)
        and between(call.query, int(millis(fill.at)))
    ]
    shown = page(found, call.query, key=lambda fill: int(rows.bill_id(fill)))
    bent = call.effects.fills(shown)
    tags = {order.order_id: order.new.tag for order in call.engine.orders}
    return answer([rows.fill(fill, listing=wanted[fill.symbol], tag=tags[fill.order_id]) for fill in bent])


def _order_row(order: Order, call: Call) -> Row:
    engine, symbol = call.engine, order.new.symbol
    stop = engine.find_stop(stop_id=order.stop_id) if order.stop_id else None
    return rows.order(order, listing=engine.listings[symbol], leverage=engine.leverage(symbol), stop=stop)


def _shown(order: Order, call: Call) -> bool:
    never_traded = order.status is Status.CANCELLED and not order.filled
    forgotten = never_traded and order.updated_at + _FORGOTTEN_AFTER <= call.now
    return order.order_id not in call.effects.hidden and not forgotten
