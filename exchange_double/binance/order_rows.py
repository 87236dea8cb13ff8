"""The rows of Binance's orders and trades. A trade never carries the client's order id.

On spot a stop is an order like others, whose rows also need the `Stop`.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.money import ZERO
from exchange_double.binance.text import Row, market_id, millis, text, units
from exchange_double.listing import Listing
from exchange_double.orders import Cause, Fill, Order, Status
from exchange_double.stops import Stop, StopStatus

_STATES = {Status.LIVE: "NEW", Status.PARTIAL: "PARTIALLY_FILLED", Status.FILLED: "FILLED"}
_CANCELLED_BY_US = (Cause.USER, Cause.TIMER)


def client_id(order: Order) -> str:
    """Every order at Binance has one; the exchange makes one up where the client gave none."""
    return order.new.client_order_id or f"web_{order.order_id}"


def state(order: Order) -> str:
    """What nobody asked to cancel has expired."""
    if order.status is not Status.CANCELLED:
        return _STATES[order.status]
    if order.cause in _CANCELLED_BY_US:
        return "CANCELED"
    return "EXPIRED_IN_MATCH" if order.cause is Cause.SELF_TRADE else "EXPIRED"


def spot_ack(order: Order) -> Row:
    """What an order is answered with at least."""
    return {
        "symbol": market_id(order.new.symbol),
        "orderId": int(order.order_id),
        "orderListId": -1,
        "clientOrderId": client_id(order),
        "transactTime": millis(order.updated_at),
    }


def spot_result(order: Order, stop: Stop | None) -> Row:
    working = _working(order, stop)
    del working["isWorking"]
    shown = spot_ack(order) | _spot_body(order, stop) | working
    return shown | ({"stopPrice": text(stop.trigger.price)} if stop else {})


def spot_full(order: Order, stop: Stop | None, *, fills: Sequence[Fill]) -> Row:
    return spot_result(order, stop) | {
        "fills": [
            {
                "price": text(fill.price),
                "qty": text(fill.size),
                "commission": text(fill.fee),
                "commissionAsset": fill.fee_currency,
                "tradeId": int(fill.trade_id),
            }
            for fill in fills
        ]
    }


def spot_cancel(order: Order, stop: Stop | None, *, cancel_id: str) -> Row:
    """The id of the cancel takes the place of the order's own, which moves aside."""
    row = spot_ack(order) | _spot_body(order, stop)
    return row | {"origClientOrderId": client_id(order), "clientOrderId": cancel_id}


def spot_order(order: Order, stop: Stop | None) -> Row:
    row = spot_ack(order) | _spot_body(order, stop)
    del row["transactTime"]
    return row | {
        "stopPrice": text(stop.trigger.price if stop else None),
        "icebergQty": text(None),
        "time": millis(order.created_at),
        "updateTime": millis(order.updated_at),
        **_working(order, stop),
    }


def _working(order: Order, stop: Stop | None) -> Row:
    """Whether it has come to the book, and when: a stop does when it triggers."""
    if stop is None:
        return {"isWorking": True, "workingTime": millis(order.created_at)}
    triggered = stop.status is StopStatus.TRIGGERED
    return {"isWorking": triggered, "workingTime": millis(stop.updated_at) if triggered else -1}


def _spot_body(order: Order, stop: Stop | None) -> Row:
    new = order.new
    return {
        "price": text(new.limit_price),
        "origQty": text(order.filled if new.in_quote else new.quantity),
        "executedQty": text(order.filled),
        "origQuoteOrderQty": text(new.quantity if new.in_quote else ZERO),
        "cummulativeQuoteQty": text(order.value),
        "status": state(order),
        "timeInForce": new.time_in_force,
        "type": stop.form if stop else "LIMIT_MAKER" if new.post_only else new.type.upper(),
        "side": new.side.upper(),
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def futures_order(order: Order, listing: Listing) -> Row:
    """The answer to a new order and to a cancel, too: there the order keeps its own client id."""
    new = order.new
    kind = new.type.upper()
    return {
        "orderId": int(order.order_id),
        "symbol": market_id(new.symbol),
        "status": state(order),
        "clientOrderId": client_id(order),
        "price": text(new.limit_price),
        "avgPrice": text(order.value / order.filled) if order.filled else text(None),
        "origQty": text(units(new.quantity, listing)),
        "executedQty": text(units(order.filled, listing)),
        "cumQty": text(units(order.filled, listing)),
        "cumQuote": text(units(order.value, listing)),
        "timeInForce": "GTX" if new.post_only else new.time_in_force,
        "type": kind,
        "reduceOnly": new.reduce_only,
        "closePosition": False,
        "side": new.side.upper(),
        "positionSide": "BOTH",
        "stopPrice": text(None),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": kind,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "time": millis(order.created_at),
        "updateTime": millis(order.updated_at),
    }


def spot_trade(fill: Fill) -> Row:
    return {
        "symbol": market_id(fill.symbol),
        "id": int(fill.trade_id),
        "orderId": int(fill.order_id),
        "orderListId": -1,
        "price": text(fill.price),
        "qty": text(fill.size),
        "quoteQty": text(fill.size * fill.price),
        "commission": text(fill.fee),
        "commissionAsset": fill.fee_currency,
        "time": millis(fill.at),
        "isBuyer": fill.side == "buy",
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


def futures_trade(fill: Fill, listing: Listing) -> Row:
    size = units(fill.size, listing)
    return {
        "symbol": market_id(fill.symbol),
        "id": int(fill.trade_id),
        "orderId": int(fill.order_id),
        "side": fill.side.upper(),
        "price": text(fill.price),
        "qty": text(size),
        "realizedPnl": text(fill.profit),
        "quoteQty": text(size * fill.price),
        "commission": text(fill.fee),
        "commissionAsset": fill.fee_currency,
        "time": millis(fill.at),
        "positionSide": "BOTH",
        "buyer": fill.side == "buy",
        "maker": fill.maker,
    }
