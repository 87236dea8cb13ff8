"""Placing and cancelling at Bybit.

An answer acknowledges and no more: the ids, and nothing of what became of the order. A stop is an order like others,
and stays the same one when it triggers.
"""

from __future__ import annotations

from exchange_double.bybit.call import Call, Fields, category, number, objects, one_of, refuse_unknown, word
from exchange_double.bybit.errors import BybitError, refused, would_trigger, wrong
from exchange_double.bybit.new_order import asked
from exchange_double.bybit.new_stop import ORDER, TPSL
from exchange_double.bybit.text import Row, millis
from exchange_double.engine import Engine
from exchange_double.orders import Order, Reason, Refused
from exchange_double.shown import (
    as_order,
    cancel_order,
    every_open_order,
    fill_order,
    find_order,
    stop_of,
)
from exchange_double.wire import Answer

_CANCEL = frozenset({"category", "symbol", "orderId", "orderLinkId", "orderFilter"})
_PRODUCTS = {"DERIVATIVES": "linear", "SPOT": "spot", "OPTIONS": "option"}


def place(call: Call) -> Answer:
    """One order."""
    return call.answer(_acknowledged(_place(call.fields, call)))


def place_several(call: Call) -> Answer:
    """A batch: the answer is `OK` whatever becomes of its orders, whose codes stand beside them in `retExtInfo`."""
    results: list[Row] = []
    codes: list[Row] = []
    for fields in _batch(call):
        row: Row = {"category": category(fields), "symbol": word(fields, "symbol")}
        try:
            placed = _place(fields, call)
            results.append(row | _acknowledged(placed) | {"createAt": millis(placed.created_at)})
            codes.append({"code": 0, "msg": "OK"})
        except BybitError as error:
            results.append(row | {"orderId": "", "orderLinkId": word(fields, "orderLinkId"), "createAt": ""})
            codes.append({"code": error.code, "msg": error.message})
    return call.answer({"list": results}, ext={"list": codes})


def cancel(call: Call) -> Answer:
    """One order, by either id."""
    return call.answer(_acknowledged(_cancel(call.fields, call)))


def cancel_several(call: Call) -> Answer:
    """A batch, answered as a batch of orders is."""
    results: list[Row] = []
    codes: list[Row] = []
    for fields in _batch(call):
        row: Row = {"category": category(fields), "symbol": word(fields, "symbol")}
        try:
            results.append(row | _acknowledged(_cancel(fields, call)))
            codes.append({"code": 0, "msg": "OK"})
        except BybitError as error:
            results.append(row | {name: word(fields, name) for name in ("orderId", "orderLinkId")})
            codes.append({"code": error.code, "msg": error.message})
    return call.answer({"list": results}, ext={"list": codes})


def cancel_all(call: Call) -> Answer:
    """Every open order of the category, or of one market or currency, of which linear needs one.

    Without a word stops are among them on perpetuals, and not on spot.
    """
    if category(call.fields) == "linear" and not {"symbol", "baseCoin", "settleCoin"} & set(call.fields):
        raise wrong("symbol", "or baseCoin or settleCoin is required")
    symbols = {listing.symbol for listing in call.listings()}
    kind = word(call.fields, "orderFilter") or ("" if category(call.fields) == "linear" else ORDER)
    wanted = [
        order
        for order in every_open_order(call.engine)
        if order.new.symbol in symbols and kind in ("", kind_of(order, call.engine))
    ]
    if call.effects.fill_before_cancel:
        for order in wanted:
            fill_order(order, call.engine)
    still = {order.order_id for order in every_open_order(call.engine)}
    done = [cancel_order(order, call.engine) for order in wanted if order.order_id in still]
    return call.answer({"list": [_acknowledged(order) for order in done], "success": "1"})


def disconnect_protection(call: Call) -> Answer:
    """The dead-man switch: taken, and without effect.

    Bybit counts from when the last private stream that subscribed to `dcp` is lost. The double's streams do not
    have that topic, so nothing is ever lost and nothing ever cancelled.
    """
    one_of(call.fields, "product", _PRODUCTS, "OPTIONS")
    if not 3 <= number(call.fields, "timeWindow", 0) <= 300:
        raise wrong("timeWindow", "must be 3 to 300 seconds")
    return call.answer({})


def _batch(call: Call) -> list[Fields]:
    kind = category(call.fields)
    return [{"category": kind, **item} for item in objects(call.fields, "request", most=10 if kind == "spot" else 20)]


def _place(fields: Fields, call: Call) -> Order:
    """Raises `BybitError`."""
    wanted = asked(fields, call)
    new, trigger, reused = wanted.new, wanted.trigger, call.effects.ids_unique_when_open
    try:
        if trigger is None:
            return call.engine.place(new, ids_unique_when_open=reused, stop_after=call.effects.stop_after)
        stop = call.engine.place_stop(
            new,
            trigger,
            client_order_id=new.client_order_id,
            form=wanted.kind,
            ids_unique_when_open=reused,
            stop_after=call.effects.stop_after,
            same_order=True,
            holds=wanted.kind == TPSL,
        )
    except Refused as error:
        swap = ":" in new.symbol
        if trigger is not None and swap and error.reason is Reason.WOULD_TRIGGER:
            raise would_trigger(trigger) from None
        raise refused(error.reason, swap=swap) from None
    return as_order(stop, call.engine)


def _cancel(fields: Fields, call: Call) -> Order:
    """Raises `BybitError`; Bybit does not tell an order that has ended from one that never was."""
    refuse_unknown(fields, _CANCEL)
    listing, order_id, link_id = call.listing(fields), word(fields, "orderId"), word(fields, "orderLinkId")
    if not order_id and not link_id:
        raise wrong("orderId", "or orderLinkId is required")
    found = find_order(call.engine, order_id=order_id, client_order_id=link_id)
    kind = word(fields, "orderFilter") or ORDER
    if found is None or found.new.symbol != listing.symbol:
        raise refused(Reason.UNKNOWN_ORDER, swap=listing.swap)
    if not listing.swap and kind != kind_of(found, call.engine):
        raise refused(Reason.UNKNOWN_ORDER, swap=listing.swap)
    try:
        if call.effects.fill_before_cancel:
            fill_order(found, call.engine)
        return cancel_order(found, call.engine)
    except Refused as error:
        raise refused(error.reason, swap=listing.swap) from None


def kind_of(order: Order, engine: Engine) -> str:
    """What `orderFilter` calls it: a stop stays one when it has triggered."""
    stop = stop_of(order, engine)
    return stop.form if stop else ORDER


def _acknowledged(order: Order) -> Row:
    return {"orderId": order.order_id, "orderLinkId": order.new.client_order_id}
