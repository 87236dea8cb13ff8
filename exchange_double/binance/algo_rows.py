"""The rows of Binance's algo orders, of which the double has stops only."""

from __future__ import annotations

from exchange_double.binance.new_stop import WATCHED
from exchange_double.binance.text import Row, market_id, millis, text, units
from exchange_double.listing import Listing
from exchange_double.orders import Order
from exchange_double.stops import Stop, StopStatus

_STATES = {
    StopStatus.WAITING: "NEW",
    StopStatus.TRIGGERED: "TRIGGERED",
    StopStatus.CANCELLED: "CANCELED",
    StopStatus.FAILED: "REJECTED",
}
_WORKING_TYPES = {by: name for name, by in WATCHED.items()}


def algo(stop: Stop, listing: Listing) -> Row:
    """What a new one is answered with."""
    new, triggered = stop.new, stop.status is StopStatus.TRIGGERED
    return {
        "algoId": int(stop.stop_id),
        "clientAlgoId": _client_id(stop),
        "algoType": "CONDITIONAL",
        "orderType": stop.form,
        "symbol": market_id(new.symbol),
        "side": new.side.upper(),
        "positionSide": "BOTH",
        "timeInForce": "GTX" if new.post_only else new.time_in_force,
        "quantity": text(units(new.quantity, listing)),
        "algoStatus": _STATES[stop.status],
        "triggerPrice": text(stop.trigger.price),
        "price": text(new.limit_price),
        "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": _WORKING_TYPES[stop.trigger.by],
        "priceMatch": "NONE",
        "closePosition": False,
        "priceProtect": False,
        "reduceOnly": new.reduce_only,
        "createTime": millis(stop.created_at),
        "updateTime": millis(stop.updated_at),
        "triggerTime": millis(stop.updated_at) if triggered else 0,
        "goodTillDate": 0,
    }


def algo_with_order(stop: Stop, listing: Listing, *, became: Order | None) -> Row:
    """What one is shown as: with the order that it became, and finished once that has ended."""
    ended = {"algoStatus": "FINISHED"} if became is not None and not became.open else {}
    price = became.value / became.filled if became is not None and became.filled else None
    return algo(stop, listing) | ended | {"actualOrderId": stop.order_id, "actualPrice": text(price)}


def cancelled(stop: Stop) -> Row:
    return {"algoId": int(stop.stop_id), "clientAlgoId": _client_id(stop), "code": "200", "msg": "success"}


def _client_id(stop: Stop) -> str:
    """The exchange makes one up where the client gave none."""
    return stop.client_order_id or f"web_{stop.stop_id}"
