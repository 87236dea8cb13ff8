"""The rows of OKX's algo orders, of which the double has stops only."""

from __future__ import annotations

from decimal import Decimal

from exchange_double.listing import Listing
from exchange_double.okx.errors import REFUSALS
from exchange_double.okx.text import Row, inst_id, inst_type, millis, text
from exchange_double.orders import Order
from exchange_double.stops import Stop, StopStatus

STATES = {
    StopStatus.WAITING: "live",
    StopStatus.TRIGGERED: "effective",
    StopStatus.CANCELLED: "canceled",
    StopStatus.FAILED: "order_failed",
}

NAMES = {
    "sl": ("slTriggerPx", "slTriggerPxType", "slOrdPx"),
    "tp": ("tpTriggerPx", "tpTriggerPxType", "tpOrdPx"),
    "trigger": ("triggerPx", "triggerPxType", "ordPx"),
}
"""What OKX calls the trigger's price, which price it watches, and the order's price."""


def stop(row: Stop, *, listing: Listing, became: Order | None, leverage: Decimal, last: Decimal | None) -> Row:
    """A stop with the order that it became, if it has become one."""
    new, triggered = row.new, row.status is StopStatus.TRIGGERED
    return {
        "instType": inst_type(listing),
        "instId": inst_id(new.symbol),
        "algoId": row.stop_id,
        "algoClOrdId": row.client_order_id,
        "clOrdId": "",
        "ordId": row.order_id,
        "ordIdList": [row.order_id] if row.order_id else [],
        "ordType": row.form,
        "state": STATES[row.status],
        "failCode": REFUSALS[row.reason][0] if row.reason else "",
        "tag": new.tag,
        "ccy": "",
        "side": new.side,
        "posSide": "net",
        "tdMode": "cross" if listing.swap else "cash",
        "sz": text(new.quantity),
        "closeFraction": "",
        "tgtCcy": "" if listing.swap else "quote_ccy" if new.in_quote else "base_ccy",
        "reduceOnly": "true" if new.reduce_only else "false",
        "lever": text(leverage) if listing.swap else "",
        **_prices(row),
        "actualPx": text(became.value / became.filled) if became and became.filled else "",
        "actualSz": text(became.filled) if became else "0",
        "actualSide": ("sl" if (row.met or row.trigger).is_stop_loss(new.side) else "tp") if triggered else "",
        "triggerTime": millis(row.updated_at) if triggered else "",
        "last": text(last),
        "cTime": millis(row.created_at),
        "uTime": millis(row.updated_at),
    }


def _prices(row: Stop) -> Row:
    """The trigger and the price of the order, under the names of this kind of stop; the other names are empty."""
    limit = row.new.limit_price
    prices: Row = {name: "" for kind in NAMES.values() for name in kind}
    for trigger in (row.trigger, row.target):
        if trigger is not None:
            kind = "trigger" if row.form == "trigger" else "sl" if trigger.is_stop_loss(row.new.side) else "tp"
            at, by, price = NAMES[kind]
            prices |= {at: text(trigger.price), by: trigger.by, price: "-1" if limit is None else text(limit)}
    return prices
