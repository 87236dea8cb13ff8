"""The rows of Bybit's orders and executions. A fee that was paid is positive."""

from __future__ import annotations

from decimal import Decimal

from domain.money import ZERO
from exchange_double.account import Movement
from exchange_double.bybit.errors import end_of
from exchange_double.bybit.new_stop import DIRECTION_NUMBERS, STOP, TPSL, WATCHED_NAMES
from exchange_double.bybit.replay import After
from exchange_double.bybit.text import Row, category_of, millis, side_text, symbol_id, text
from exchange_double.listing import Listing
from exchange_double.orders import Fill, NewOrder, Order, Status
from exchange_double.stops import Stop, StopStatus

_STATES = {
    Status.LIVE: "New",
    Status.PARTIAL: "PartiallyFilled",
    Status.FILLED: "Filled",
    Status.CANCELLED: "Cancelled",
}


def state(order: Order, listing: Listing, *, stop: Stop | None) -> str:
    """Only spot tells apart what was cancelled after it had traded; ccxt reads that as closed."""
    if stop is not None and stop.status in _STOP_STATES:
        return _STOP_STATES[stop.status]
    if order.status is Status.CANCELLED and order.filled and not listing.swap:
        return "PartiallyFilledCanceled"
    return _STATES[order.status]


_STOP_STATES = {
    StopStatus.WAITING: "Untriggered",
    StopStatus.CANCELLED: "Deactivated",
    StopStatus.FAILED: "Rejected",
}
"""Of a stop that has not become an order of the book."""

_STOP_TYPES = {STOP: "Stop", TPSL: "tpslOrder"}


def _stop_type(stop: Stop | None) -> str:
    return _STOP_TYPES[stop.form] if stop else ""


def _time_in_force(new: NewOrder) -> str:
    return "PostOnly" if new.post_only else new.time_in_force


def _market_unit(new: NewOrder, listing: Listing) -> str:
    if listing.swap or new.type == "limit":
        return ""
    return "quoteCoin" if new.in_quote else "baseCoin"


def order(row: Order, *, listing: Listing, stop: Stop | None) -> Row:
    """`stop` is the one that the order is, or was before it triggered."""
    new = row.new
    left = row.remaining if row.open else ZERO
    cancel_type, reject_reason = end_of(row)
    shown: Row = {
        "orderId": row.order_id,
        "orderLinkId": new.client_order_id,
        "blockTradeId": "",
        "symbol": symbol_id(new.symbol),
        "price": text(new.limit_price or ZERO),
        "qty": text(new.quantity),
        "side": side_text(new.side),
        "isLeverage": "" if listing.swap else "0",
        "positionIdx": 0,
        "orderStatus": state(row, listing, stop=stop),
        "createType": "CreateByUser",
        "cancelType": cancel_type,
        "rejectReason": reject_reason,
        "avgPrice": text(row.value / row.filled) if row.filled else "",
        "leavesQty": text(left),
        "leavesValue": text(left * (new.limit_price or ZERO)),
        "cumExecQty": text(row.filled),
        "cumExecValue": text(row.value),
        "cumExecFee": text(row.fee),
        "cumFeeDetail": {row.fee_currency: text(row.fee)} if row.fee else {},
        "timeInForce": _time_in_force(new),
        "orderType": new.type.capitalize(),
        "marketUnit": _market_unit(new, listing),
        "stopOrderType": _stop_type(stop),
        "orderIv": "",
        "triggerPrice": text(stop.trigger.price) if stop else "",
        "triggerDirection": DIRECTION_NUMBERS[stop.trigger.direction] if stop else 0,
        "triggerBy": WATCHED_NAMES[stop.trigger.by] if stop else "",
        "takeProfit": "",
        "stopLoss": "",
        "tpTriggerBy": "",
        "slTriggerBy": "",
        "lastPriceOnCreated": "",
        "reduceOnly": new.reduce_only,
        "closeOnTrigger": False,
        "placeType": "",
        "smpType": "None",
        "smpGroup": 0,
        "smpOrderId": "",
        "createdTime": millis(row.created_at),
        "updatedTime": millis(row.updated_at),
    }
    return shown | ({"tpslMode": "", "tpLimitPrice": "", "slLimitPrice": ""} if listing.swap else {})


def pushed(row: Order, *, listing: Listing, stop: Stop | None) -> Row:
    """An order as a stream tells it."""
    shown: Row = {"category": category_of(listing), "feeCurrency": row.fee_currency if row.fee else ""}
    return order(row, listing=listing, stop=stop) | shown | ({"closedPnl": text(row.profit)} if listing.swap else {})


def execution(row: Fill, *, order: Order, listing: Listing, after: After, stop: Stop | None) -> Row:
    new = order.new
    shown: Row = {
        "symbol": symbol_id(row.symbol),
        "orderId": row.order_id,
        "orderLinkId": row.client_order_id,
        "side": side_text(row.side),
        "orderPrice": text(new.limit_price or ZERO),
        "orderQty": text(new.quantity),
        "leavesQty": text(after.left),
        "orderType": new.type.capitalize(),
        "stopOrderType": _stop_type(stop),
        "execFee": text(row.fee),
        "feeCurrency": row.fee_currency,
        "feeRate": text(row.fee_rate),
        "execId": row.trade_id,
        "execPrice": text(row.price),
        "execQty": text(row.size),
        "execType": "Trade",
        "execValue": text(row.price * row.size),
        "execTime": millis(row.at),
        "isMaker": row.maker,
        "marketUnit": _market_unit(new, listing),
        "blockTradeId": "",
        "markPrice": "",
        "indexPrice": "",
        "underlyingPrice": "",
        "tradeIv": "",
        "markIv": "",
        "closedSize": text(after.closed) if listing.swap else "",
        "execPnl": text(row.profit) if listing.swap else "",
        "seq": int(row.trade_id),
    }
    return shown | ({"createType": "CreateByUser"} if listing.swap else {})


def funding(row: Movement, *, size: Decimal) -> Row:
    """One settlement, which is an execution at Bybit too. The double keeps neither its rate nor its price."""
    return {
        "symbol": symbol_id(row.symbol),
        "orderId": "",
        "orderLinkId": "",
        "side": "Buy" if size > 0 else "Sell",
        "orderPrice": "0",
        "orderQty": "0",
        "leavesQty": "0",
        "orderType": "UNKNOWN",
        "stopOrderType": "UNKNOWN",
        "createType": "",
        "execFee": text(-row.amount),
        "feeCurrency": row.currency,
        "feeRate": "",
        "execId": row.movement_id,
        "execPrice": "",
        "execQty": text(abs(size)),
        "execType": "Funding",
        "execValue": "",
        "execTime": millis(row.at),
        "isMaker": False,
        "marketUnit": "",
        "blockTradeId": "",
        "markPrice": "",
        "indexPrice": "",
        "underlyingPrice": "",
        "tradeIv": "",
        "markIv": "",
        "closedSize": "0",
        "seq": int(row.movement_id),
    }
