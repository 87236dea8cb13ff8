"""Stops on futures, which are algo orders there: placed, cancelled and listed apart from orders, with their own ids.

Once one triggers, an order of the book is made with an id of its own and the same client id, and the algo order names
it as `actualOrderId`.
"""

from __future__ import annotations

from collections.abc import Sequence

from exchange_double.binance import algo_rows as rows
from exchange_double.binance.call import Call, Window, answer, limit, whole
from exchange_double.binance.errors import BinanceError, no_such_order, wrong
from exchange_double.binance.new_stop import algo_order
from exchange_double.binance.queries import UNTRADED_KEPT, WEEK
from exchange_double.binance.text import Row
from exchange_double.orders import Order, Reason, Refused
from exchange_double.stops import Stop
from exchange_double.wire import Answer


def place(call: Call) -> Answer:
    """One stop loss or take profit."""
    new, trigger = algo_order(call)
    if call.params.get("newOrderRespType", "ACK") not in ("ACK", "RESULT"):
        raise wrong("newOrderRespType")
    stop = call.engine.place_stop(
        new,
        trigger,
        client_order_id=new.client_order_id,
        form=call.params["type"],
        ids_unique_when_open=True,
        stop_after=call.effects.stop_after,
    )
    return answer(rows.algo(stop, call.engine.listings[new.symbol]))


def cancel(call: Call) -> Answer:
    """One that waits, by either id. Raises `Refused` for whatever does not wait."""
    found = _find(call)
    if found is None:
        raise Refused(Reason.UNKNOWN_ORDER)
    if call.effects.fill_before_cancel:
        call.engine.trigger(found.stop_id)
    return answer(rows.cancelled(call.engine.cancel_stop(found.stop_id)))


def cancel_all(call: Call) -> Answer:
    """Every one that waits in one market."""
    symbol = call.listing().symbol
    for stop in _of_futures(call.engine.waiting_stops):
        if stop.new.symbol == symbol:
            if call.effects.fill_before_cancel:
                call.engine.trigger(stop.stop_id)
            else:
                call.engine.cancel_stop(stop.stop_id)
    return answer({"code": 200, "msg": "The operation of cancel all open order is done."})


def one(call: Call) -> Answer:
    """By either id: -2013 when it is unknown, hidden or forgotten."""
    found = _find(call)
    if found is None or not _seen(found, call):
        raise no_such_order()
    return answer(_row(found, call))


def waiting(call: Call) -> Answer:
    """Those that have not triggered, of one market or of all."""
    symbols = {listing.symbol for listing in call.wanted()}
    found = [stop for stop in _of_futures(call.engine.waiting_stops) if stop.new.symbol in symbols]
    return answer([_row(stop, call) for stop in found if _seen(stop, call)])


def history(call: Call) -> Answer:
    """Those of one market, waiting or not: from an id on, or within a week, which without a word is the last."""
    symbol, most = call.listing().symbol, limit(call, default=500, most=1_000)
    found = [stop for stop in _of_futures(call.engine.stops) if stop.new.symbol == symbol and _seen(stop, call)]
    window, from_id = Window.of(call).checked(WEEK, futures=True), whole(call.params, "algoId", None)
    if from_id is not None and window.open:
        shown = [stop for stop in found if int(stop.stop_id) >= from_id][:most]
    else:
        window = window.filled_up(WEEK, call.now)
        shown = window.page([stop for stop in found if window.holds(stop.created_at)], most)
    return answer([_row(stop, call) for stop in shown])


def _of_futures(stops: Sequence[Stop]) -> list[Stop]:
    """Spot's stops are orders."""
    return [stop for stop in stops if not stop.same_order]


def _find(call: Call) -> Stop | None:
    """Of `algoId`, and else the newest of `clientAlgoId`. Raises `BinanceError` without either."""
    stop_id, client_id = whole(call.params, "algoId", None), call.params.get("clientAlgoId", "")
    if stop_id is None and not client_id:
        raise BinanceError(-1102, "Param 'algoid' or 'clientalgoid' must be sent, but both were empty/null!")
    found = call.engine.find_stop(stop_id="" if stop_id is None else str(stop_id), client_order_id=client_id)
    return None if found is None or found.same_order else found


def _seen(stop: Stop, call: Call) -> bool:
    became = _became(stop, call)
    untraded = not stop.waiting and (became is None or (not became.filled and not became.open))
    forgotten = untraded and stop.created_at + UNTRADED_KEPT[True] < call.now
    return stop.stop_id not in call.effects.hidden and not forgotten


def _row(stop: Stop, call: Call) -> Row:
    return rows.algo_with_order(stop, call.engine.listings[stop.new.symbol], became=_became(stop, call))


def _became(stop: Stop, call: Call) -> Order | None:
    return call.engine.find(order_id=stop.order_id) if stop.order_id else None
