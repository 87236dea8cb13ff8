"""Binance's orders and trades, as a client asks for them: the oldest first, in windows of time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from exchange_double.binance import order_rows as rows
from exchange_double.binance.call import Call, Window, answer, limit, whole
from exchange_double.binance.errors import BinanceError, bad_combination, no_such_order
from exchange_double.binance.lookup import find
from exchange_double.binance.text import Row
from exchange_double.orders import Fill, Order, Status
from exchange_double.shown import every_open_order, every_order, stop_of
from exchange_double.wire import Answer

_DAY, WEEK = timedelta(days=1), timedelta(days=7)
UNTRADED_KEPT = {True: timedelta(days=3), False: timedelta(days=90)}
"""How long what ended without a trade can be found, on futures and on spot."""

_TRADE_QUERIES = (
    {"orderId"},
    {"startTime"},
    {"endTime"},
    {"fromId"},
    {"startTime", "endTime"},
    {"orderId", "fromId"},
)
"""The optional parameters that spot trades may be asked for with, together."""


def order(call: Call) -> Answer:
    """One order by either id: -2013 when it is unknown or hidden."""
    found = find(call.params, call)
    if found is None:
        raise no_such_order()
    if _forgotten(found, call):
        if call.futures:
            raise no_such_order()
        raise BinanceError(
            -2026, "Order was canceled or expired with no executed qty over 90 days ago and has been archived."
        )
    return answer(_order_row(found, call))


def open_order(call: Call) -> Answer:
    """One futures order, if it may still trade."""
    found = find(call.params, call)
    if found is None or not found.open:
        raise no_such_order()
    return answer(_order_row(found, call))


def open_orders(call: Call) -> Answer:
    """Those that may still trade, of one market or of all."""
    symbols = {listing.symbol for listing in call.wanted()}
    seen = [order for order in every_open_order(call.engine) if order.new.symbol in symbols and _shown(order, call)]
    return answer([_order_row(order, call) for order in seen])


def all_orders(call: Call) -> Answer:
    """Those of one market, open and ended: from an id on, or within a window, or the newest."""
    symbol, most = call.listing().symbol, limit(call, default=500, most=1_000)
    seen = [order for order in every_order(call.engine) if order.new.symbol == symbol and _shown(order, call)]
    window, from_id = Window.of(call).checked(WEEK if call.futures else _DAY, futures=call.futures), _order_id(call)
    if from_id is not None and window.open:
        shown = [order for order in seen if int(order.order_id) >= from_id][:most]
    else:
        if call.futures:
            window = window.filled_up(WEEK, call.now)
        inside = [order for order in seen if window.holds(order.created_at if call.futures else order.updated_at)]
        shown = window.page(inside, most)
    return answer([_order_row(order, call) for order in shown])


def spot_trades(call: Call) -> Answer:
    """Of one market: of one order, from a trade on, within a day, or the newest."""
    given = call.params.keys() & {"orderId", "startTime", "endTime", "fromId"}
    if given and given not in _TRADE_QUERIES:
        raise bad_combination()
    window, most = Window.of(call).checked(_DAY, futures=False), limit(call, default=500, most=1_000)
    return answer([rows.spot_trade(fill) for fill in _page(_trades(window, call), window, most, call)])


def futures_trades(call: Call) -> Answer:
    """Of one market: from a trade on, or within a week, which without a word is the last."""
    window, most = Window.of(call).checked(WEEK, futures=True), limit(call, default=500, most=1_000)
    if "fromId" in call.params:
        if not window.open:
            raise bad_combination()
        found = _trades(window, call)
    else:
        found = _trades(window.filled_up(WEEK, call.now), call)
    listing = call.listing()
    return answer([rows.futures_trade(fill, listing) for fill in _page(found, window, most, call)])


def _trades(window: Window, call: Call) -> list[Fill]:
    """What the parameters ask for, oldest first."""
    symbol, order_id = call.listing().symbol, _order_id(call)
    from_id = whole(call.params, "fromId", 0)
    return [
        fill
        for fill in call.engine.fills
        if fill.symbol == symbol
        and fill.order_id not in call.effects.hidden
        and order_id in (None, int(fill.order_id))
        and int(fill.trade_id) >= from_id
        and window.holds(fill.at)
    ]


def _page(found: Sequence[Fill], window: Window, most: int, call: Call) -> Sequence[Fill]:
    shown = list(found[:most]) if "fromId" in call.params else window.page(found, most)
    return list(reversed(call.effects.fills(shown[::-1])))


def _order_id(call: Call) -> int | None:
    return whole(call.params, "orderId", None)


def _order_row(order: Order, call: Call) -> Row:
    if call.futures:
        return rows.futures_order(order, call.engine.listings[order.new.symbol])
    return rows.spot_order(order, stop_of(order, call.engine))


def _shown(order: Order, call: Call) -> bool:
    return order.order_id not in call.effects.hidden and not _forgotten(order, call)


def _forgotten(order: Order, call: Call) -> bool:
    untraded = order.status is Status.CANCELLED and not order.filled
    since = order.created_at if call.futures else order.updated_at
    return untraded and since + UNTRADED_KEPT[call.futures] < call.now
