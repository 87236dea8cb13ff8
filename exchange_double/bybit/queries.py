"""Bybit's orders and executions, as a client asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from exchange_double.account import Kind, Movement
from exchange_double.bybit import order_rows as rows
from exchange_double.bybit.call import Call, category, number, one_of, word
from exchange_double.bybit.errors import wrong
from exchange_double.bybit.new_stop import ORDER, STOP, TPSL
from exchange_double.bybit.orders import kind_of
from exchange_double.bybit.pages import Key, inside, page, window
from exchange_double.bybit.replay import replay, size_at
from exchange_double.bybit.text import Row, ms
from exchange_double.orders import Fill, Order
from exchange_double.shown import every_open_order, every_order, stop_of
from exchange_double.wire import Answer

_WEEK, _DAY = timedelta(days=7), timedelta(days=1)
_CLOSED_KEPT = 500
_FILTERS = {name: name for name in ("", ORDER, STOP, TPSL, "OcoOrder", "BidirectionalTpslOrder")}
"""Kinds of orders; without a word every kind is shown. Of the last two there are none."""

_EXEC_TYPES = {"": ("Trade", "Funding"), "Trade": ("Trade",), "Funding": ("Funding",)}


def realtime(call: Call) -> Answer:
    """Open orders; with an id also the closed ones, and only those with `openOnly=1`, of the newest 500."""
    fields = call.fields
    if category(fields) == "linear" and not _named(call) and not {"symbol", "baseCoin", "settleCoin"} & set(fields):
        raise wrong("symbol", "or baseCoin or settleCoin is required")
    open_only = number(fields, "openOnly", 0)
    if open_only not in (0, 1):
        raise wrong("openOnly")
    closed = [order for order in every_order(call.engine) if not order.open][-_CLOSED_KEPT:]
    still_open = every_open_order(call.engine)
    if _named(call):
        return _order_page(call, [*closed, *still_open])
    return _order_page(call, closed if open_only else still_open)


def history(call: Call) -> Answer:
    """Orders that have ended, of a week; one that never traded is forgotten after a day."""
    span = window(call.fields, now=call.now, default=_WEEK)
    ended = [
        order
        for order in every_order(call.engine)
        if not order.open and inside(span, order.created_at) and (order.filled or order.updated_at + _DAY > call.now)
    ]
    return _order_page(call, ended)


def _named(call: Call) -> bool:
    return bool({"orderId", "orderLinkId"} & set(call.fields))


def _order_page(call: Call, orders: Sequence[Order]) -> Answer:
    """The newest first, by the filters that Bybit has; an id goes before a client's id."""
    listings = {listing.symbol: listing for listing in call.listings()}
    kind = one_of(call.fields, "orderFilter", _FILTERS)
    state = word(call.fields, "orderStatus")
    wanted = [
        order
        for order in orders
        if order.new.symbol in listings
        and kind in ("", kind_of(order, call.engine))
        and order.order_id not in call.effects.hidden
        and _is_named(order, call)
        and state in ("", rows.state(order, listings[order.new.symbol], stop=stop_of(order, call.engine)))
    ]
    shown, cursor = page(wanted, call.fields, key=_order_key)
    found = [rows.order(order, listing=listings[order.new.symbol], stop=stop_of(order, call.engine)) for order in shown]
    return call.answer({"category": category(call.fields), "list": found, "nextPageCursor": cursor})


def _is_named(order: Order | Fill, call: Call) -> bool:
    """Whether the query's id, where it has one, is this order's."""
    order_id, link_id = word(call.fields, "orderId"), word(call.fields, "orderLinkId")
    if order_id:
        return order.order_id == order_id
    client_order_id = order.client_order_id if isinstance(order, Fill) else order.new.client_order_id
    return link_id in ("", client_order_id)


def _order_key(order: Order) -> Key:
    return ms(order.created_at), int(order.order_id)


def executions(call: Call) -> Answer:
    """Trades and fundings of a week, newest first."""
    kinds = one_of(call.fields, "execType", _EXEC_TYPES)
    span, listings = window(call.fields, now=call.now, default=_WEEK), {item.symbol: item for item in call.listings()}
    trades: list[Fill | Movement] = [
        fill
        for fill in call.engine.fills
        if "Trade" in kinds
        and fill.symbol in listings
        and inside(span, fill.at)
        and fill.order_id not in call.effects.hidden
        and _is_named(fill, call)
    ]
    fundings = [
        move
        for move in call.engine.movements
        if "Funding" in kinds
        and move.kind is Kind.FUNDING
        and move.symbol in listings
        and inside(span, move.at)
        and not _named(call)
    ]
    shown, cursor = page([*trades, *fundings], call.fields, key=_execution_key, default=50, most=100)
    found = list(_execution_rows(shown, call))
    return call.answer({"category": category(call.fields), "list": found, "nextPageCursor": cursor})


def _execution_key(item: Fill | Movement) -> Key:
    return ms(item.at), int(item.trade_id if isinstance(item, Fill) else item.movement_id)


def _execution_rows(shown: Sequence[Fill | Movement], call: Call) -> Iterator[Row]:
    """The faults of an answer bend its trades; the fundings among them stay where they are."""
    engine = call.engine
    after, orders = replay(engine.fills, engine.orders), {order.order_id: order for order in engine.orders}
    trades = (
        rows.execution(
            fill,
            order=orders[fill.order_id],
            listing=engine.listings[fill.symbol],
            after=after[fill.trade_id],
            stop=stop_of(orders[fill.order_id], engine),
        )
        for fill in call.effects.fills([item for item in shown if isinstance(item, Fill)])
    )
    for item in shown:
        if isinstance(item, Movement):
            yield rows.funding(item, size=size_at(item, engine.movements, engine.fills))
        else:
            yield from (row for row in [next(trades, None)] if row is not None)
    yield from trades
