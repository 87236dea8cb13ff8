"""Finding an order by the venue's id or the client's, which more than one order may have had."""

from __future__ import annotations

from collections.abc import Mapping

from exchange_double.binance.call import Call, whole
from exchange_double.binance.errors import BinanceError
from exchange_double.binance.order_rows import client_id
from exchange_double.orders import Order
from exchange_double.shown import every_order, find_order


def find(params: Mapping[str, str], call: Call) -> Order | None:
    """The order of `orderId`, and else the newest of `origClientOrderId`, that can be seen. Raises `BinanceError`.

    With both, the order must have both.
    """
    order_id, wanted = whole(params, "orderId", None), params.get("origClientOrderId", "")
    if order_id is None and not wanted:
        raise BinanceError(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    symbol = call.listing().symbol
    if order_id is not None:
        found = find_order(call.engine, order_id=str(order_id))
    else:
        found = find_order(call.engine, client_order_id=wanted)
        if found is None or found.new.symbol != symbol or found.order_id in call.effects.hidden:
            found = next(
                (order for order in reversed(every_order(call.engine)) if _is(order, wanted, symbol, call)), None
            )
    if found is None or not _is(found, wanted, symbol, call):
        return None
    return found


def _is(order: Order, wanted: str, symbol: str, call: Call) -> bool:
    seen = order.new.symbol == symbol and order.order_id not in call.effects.hidden
    return seen and wanted in ("", client_id(order))
