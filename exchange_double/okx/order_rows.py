"""The rows of OKX's orders and fills. A fee that was paid is negative."""

from __future__ import annotations

from decimal import Decimal

from exchange_double.listing import Listing
from exchange_double.okx.errors import CANCEL_SOURCES
from exchange_double.okx.text import Row, inst_id, inst_type, millis, text
from exchange_double.orders import Attached, Fill, Order, Status
from exchange_double.stops import Stop

_STATES = {
    Status.LIVE: "live",
    Status.PARTIAL: "partially_filled",
    Status.FILLED: "filled",
    Status.CANCELLED: "canceled",
}

_SOURCES = {"trigger": "6", "conditional": "7", "oco": "7"}
"""Which kind of stop an order was."""


def order_type(order: Order) -> str:
    new = order.new
    if new.post_only:
        return "post_only"
    if new.time_in_force == "FOK":
        return "fok"
    if new.time_in_force == "IOC":
        return "ioc" if new.type == "limit" else "optimal_limit_ioc"
    return new.type


def order(row: Order, *, listing: Listing, leverage: Decimal, stop: Stop | None = None) -> Row:
    """`stop` is what it was before it triggered."""
    new, fill = row.new, row.last_fill
    source, reason = CANCEL_SOURCES[row.cause] if row.cause else ("", "")
    return {
        "instType": inst_type(listing),
        "instId": inst_id(new.symbol),
        "ordId": row.order_id,
        "clOrdId": new.client_order_id,
        "tag": new.tag,
        "category": "normal",
        "ccy": "",
        "side": new.side,
        "posSide": "net",
        "tdMode": "cross" if listing.swap else "cash",
        "ordType": order_type(row),
        "px": text(new.limit_price),
        "sz": text(new.quantity),
        "tgtCcy": "" if listing.swap else "quote_ccy" if new.in_quote else "base_ccy",
        "reduceOnly": "true" if new.reduce_only else "false",
        "lever": text(leverage) if listing.swap else "",
        "state": _STATES[row.status],
        "accFillSz": text(row.filled),
        "avgPx": text(row.value / row.filled) if row.filled else "",
        "fillPx": text(fill.price) if fill else "",
        "fillSz": text(fill.size) if fill else "0",
        "fillTime": millis(fill.at) if fill else "",
        "tradeId": fill.trade_id if fill else "",
        "fee": text(-row.fee),
        "feeCcy": row.fee_currency,
        "rebate": "0",
        "rebateCcy": listing.quote,
        "pnl": text(row.profit),
        "source": _SOURCES.get(stop.form, "") if stop else "",
        "cancelSource": source,
        "cancelSourceReason": reason,
        "algoId": stop.stop_id if stop else "",
        "algoClOrdId": stop.client_order_id if stop else "",
        "attachAlgoOrds": [_attached(new.attached)] if new.attached else [],
        "attachAlgoClOrdId": "",
        "slTriggerPx": "",
        "slOrdPx": "",
        "tpTriggerPx": "",
        "tpOrdPx": "",
        "stpMode": "cancel_maker",
        "cTime": millis(row.created_at),
        "uTime": millis(row.updated_at),
    }


def _attached(exit: Attached) -> Row:
    target = exit.target_price
    return {
        "attachAlgoClOrdId": exit.client_order_id,
        "slTriggerPx": text(exit.stop_price),
        "slTriggerPxType": "last",
        "slOrdPx": "-1",
        "tpTriggerPx": text(target),
        "tpTriggerPxType": "last" if target else "",
        "tpOrdPx": "-1" if target else "",
        "failCode": "",
    }


def bill_id(fill: Fill) -> str:
    """Pages of fills are walked by it; it grows with the trade id."""
    return str(4_000_000_000_000_000_000 + int(fill.trade_id))


def fill(row: Fill, *, listing: Listing, tag: str) -> Row:
    return {
        "instType": inst_type(listing),
        "instId": inst_id(row.symbol),
        "tradeId": row.trade_id,
        "ordId": row.order_id,
        "clOrdId": row.client_order_id,
        "billId": bill_id(row),
        "tag": tag,
        "side": row.side,
        "posSide": "net",
        "execType": "M" if row.maker else "T",
        "fillPx": text(row.price),
        "fillSz": text(row.size),
        "fillPnl": text(row.profit),
        "fillTime": millis(row.at),
        "fee": text(-row.fee),
        "feeCcy": row.fee_currency,
        "feeRate": text(-row.fee_rate),
        "ts": millis(row.at),
    }
