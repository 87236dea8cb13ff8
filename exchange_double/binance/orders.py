"""Placing and cancelling at Binance. A client order id is taken only while its order is open."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial

from domain.money import ZERO
from exchange_double.binance import new_order
from exchange_double.binance import order_rows as rows
from exchange_double.binance.call import Call, answer, required, whole
from exchange_double.binance.errors import BinanceError, refusal_of, unread, wrong
from exchange_double.binance.lookup import find
from exchange_double.binance.new_stop import SPOT_KINDS, spot_stop
from exchange_double.binance.text import Row, market_id
from exchange_double.orders import Order, Reason, Refused, Status
from exchange_double.shown import as_order, cancel_order, every_open_order, fill_order, stop_of
from exchange_double.wire import Answer

_LARGEST_BATCH, _LARGEST_CANCEL = 5, 10


def place(call: Call) -> Answer:
    """One order."""
    return answer(_place(call))


def place_several(call: Call) -> Answer:
    """A batch of futures orders. What is refused is a row of its own."""
    batch = _list(call.params, "batchOrders")
    if not 0 < len(batch) <= _LARGEST_BATCH:
        raise BinanceError(-4082, "Invalid number of batch place orders.")
    return answer([_or_refused(partial(_place_from, fields, call)) for fields in batch])


def cancel(call: Call) -> Answer:
    """One order, by either id."""
    return answer(_cancel(call))


def cancel_several(call: Call) -> Answer:
    """Several futures orders, by either kind of id."""
    by_id = "orderIdList" if "orderIdList" in call.params else "orderidlist"
    by_client_id = "origClientOrderIdList" if "origClientOrderIdList" in call.params else "origclientorderidlist"
    name, ids = ("orderId", by_id) if by_id in call.params else ("origClientOrderId", by_client_id)
    wanted = _list(call.params, ids)
    if not 0 < len(wanted) <= _LARGEST_CANCEL:
        raise BinanceError(-4032, "Exceed max cancel order size")
    symbol = required(call.params, "symbol")
    named = [replace(call, params={"symbol": symbol, name: str(key)}) for key in wanted]
    return answer([_or_refused(partial(_cancel, one)) for one in named])


def cancel_all(call: Call) -> Answer:
    """Every open order of one market. On spot there must be one."""
    symbol = call.listing().symbol
    wanted = [order for order in every_open_order(call.engine) if order.new.symbol == symbol]
    if not wanted and not call.futures:
        raise Refused(Reason.UNKNOWN_ORDER)
    done = [_or_refused(partial(_cancelled, order, call), futures=call.futures) for order in wanted]
    if call.futures:
        return answer({"code": 200, "msg": "The operation of cancel all open order is done."})
    return answer(done)


def cancel_after(call: Call) -> Answer:
    """The dead-man switch of one futures market: 0 disarms it."""
    listing, after_ms = call.listing(), whole(call.params, "countdownTime", None)
    if after_ms is None:
        raise wrong("countdownTime")
    at = call.now + timedelta(milliseconds=after_ms) if after_ms else None
    call.engine.cancel_all_at(at, symbol=listing.symbol)
    return answer({"symbol": market_id(listing.symbol), "countdownTime": str(after_ms)})


def _place(call: Call) -> Row:
    if not call.futures and call.params.get("type") in SPOT_KINDS:
        return _place_stop(call)
    new = new_order.new_order(call)
    row = _response(call)
    order = call.engine.place(new, ids_unique_when_open=True, stop_after=call.effects.stop_after)
    return row(order)


def _place_stop(call: Call) -> Row:
    """On spot a stop is an order like others, and holds back what it would pay with."""
    new, trigger = spot_stop(call)
    row = _response(call)
    stop = call.engine.place_stop(
        new,
        trigger,
        client_order_id=new.client_order_id,
        form=call.params["type"],
        ids_unique_when_open=True,
        stop_after=call.effects.stop_after,
        same_order=True,
        holds=True,
    )
    return row(as_order(stop, call.engine))


def _place_from(fields: object, call: Call) -> Row:
    """One order of a batch, whose parameters need not be text."""
    if not isinstance(fields, dict):
        raise wrong("batchOrders")
    known = fields.keys() & set(new_order.FUTURES.split())
    if len(known) < len(fields):
        raise unread(len(known), len(fields))
    params = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in fields.items()}
    return _place(replace(call, params=params))


def _response(call: Call) -> Callable[[Order], Row]:
    """How the client wants to hear of its new order."""
    kind = call.params["type"]
    if call.futures:
        listing = call.listing()
        match call.params.get("newOrderRespType", "ACK"):
            case "ACK":
                return lambda order: rows.futures_order(_as_accepted(order), listing)
            case "RESULT":
                return lambda order: rows.futures_order(order, listing)
        raise wrong("newOrderRespType")
    match call.params.get("newOrderRespType", "FULL" if kind in ("LIMIT", "MARKET") else "ACK"):
        case "ACK":
            return rows.spot_ack
        case "RESULT":
            return lambda order: rows.spot_result(order, stop_of(order, call.engine))
        case "FULL":
            return lambda order: rows.spot_full(
                order,
                stop_of(order, call.engine),
                fills=[fill for fill in call.engine.fills if fill.order_id == order.order_id],
            )
    raise wrong("newOrderRespType")


def _as_accepted(order: Order) -> Order:
    """The order before it met the book."""
    return replace(order, status=Status.LIVE, cause=None, filled=ZERO, value=ZERO, updated_at=order.created_at)


def _cancel(call: Call) -> Row:
    found = find(call.params, call)
    if found is None:
        raise Refused(Reason.UNKNOWN_ORDER)
    return _cancelled(found, call)


def _cancelled(order: Order, call: Call) -> Row:
    if call.effects.fill_before_cancel:
        fill_order(order, call.engine)
    done = cancel_order(order, call.engine)
    if call.futures:
        return rows.futures_order(done, call.listing())
    cancel_id = call.params.get("newClientOrderId", f"cancel_{order.order_id}")
    return rows.spot_cancel(done, stop_of(done, call.engine), cancel_id=cancel_id)


def _or_refused(act: Callable[[], Row], *, futures: bool = True) -> Row:
    """The row of one out of several: a refusal is a row too."""
    try:
        return act()
    except BinanceError as error:
        refused = error
    except Refused as refusal:
        refused = refusal_of(refusal.reason, futures=futures)
    return {"code": refused.code, "msg": refused.message}


def _list(params: Mapping[str, str], name: str) -> list[object]:
    try:
        found = json.loads(required(params, name))
    except ValueError:
        raise wrong(name) from None
    if not isinstance(found, list):
        raise wrong(name)
    return found
