"""Placing and cancelling at OKX: a refusal is a row of its own, in an answer with status 200."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from domain.order import OrderType, Side, TimeInForce
from exchange_double.listing import Listing
from exchange_double.okx.call import Call, answer, decimal
from exchange_double.okx.errors import REFUSALS, OkxError, missing, wrong
from exchange_double.okx.text import Row, millis
from exchange_double.orders import Attached, NewOrder, Order, Reason, Refused
from exchange_double.wire import Answer

_CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_TYPES: dict[str, tuple[OrderType, TimeInForce]] = {
    "market": ("market", "GTC"),
    "limit": ("limit", "GTC"),
    "post_only": ("limit", "GTC"),
    "ioc": ("limit", "IOC"),
    "fok": ("limit", "FOK"),
    "optimal_limit_ioc": ("market", "IOC"),
}
"""OKX's order types: what they are, and how long they last."""

_NOTHING: Mapping[str, object] = {}
_SIDES: dict[str, Side] = {"buy": "buy", "sell": "sell"}
_NOT_SPOKEN = ("pxUsd", "pxVol", "stpMode", "banAmend", "pxAmendType", "tradeQuoteCcy")
"""Parameters that would change what an order does, and that the double does not know: refused, not passed over."""

_ATTACHABLE = frozenset(
    {
        "attachAlgoClOrdId",
        *(f"{kind}{name}" for kind in ("sl", "tp") for name in ("TriggerPx", "TriggerPxType", "OrdPx")),
    }
)
_BEYOND: dict[tuple[bool, Side], tuple[str, str]] = {
    (True, "buy"): ("51047", "The stop-loss price must be lower than the order price."),
    (True, "sell"): ("51049", "The stop-loss price must be higher than the order price."),
    (False, "buy"): ("51051", "The stop-loss price must be lower than the best ask price."),
    (False, "sell"): ("51053", "The stop-loss price must be higher than the best bid price."),
}
"""To exits that the price of a limit order, or the market's, has reached already."""


def place(call: Call) -> Answer:
    """One order."""
    return _place([call.fields()], call)


def place_several(call: Call) -> Answer:
    """A batch. This is where ccxt sends a single order too."""
    return _place(call.several(), call)


def cancel(call: Call) -> Answer:
    """One order, by either id."""
    return _cancel([call.fields()], call)


def cancel_several(call: Call) -> Answer:
    """A batch."""
    return _cancel(call.several(), call)


def cancel_after(call: Call) -> Answer:
    """The dead-man switch: 0 disarms it, else 10 to 120 seconds."""
    seconds = int(decimal(call.fields(), "timeOut"))
    if seconds and not 10 <= seconds <= 120:
        raise wrong("timeOut")
    at = call.now + timedelta(seconds=seconds) if seconds else None
    call.engine.cancel_all_at(at)
    return answer([{"triggerTime": millis(at) if at else "0", "tag": "", "ts": millis(call.now)}])


def _place(requests: Sequence[Mapping[str, object]], call: Call) -> Answer:
    rows: list[Row] = []
    for fields in requests:
        row = _row(fields, call)
        try:
            placed = call.engine.place(
                _new_order(fields, call),
                ids_unique_when_open=call.effects.ids_unique_when_open,
                stop_after=call.effects.stop_after,
            )
            row |= {"ordId": placed.order_id, "sCode": "0", "sMsg": "Order placed"}
        except (OkxError, Refused) as error:
            row |= _refused(error, fields)
        rows.append(row)
    return in_rows(rows)


def _cancel(requests: Sequence[Mapping[str, object]], call: Call) -> Answer:
    rows: list[Row] = []
    for fields in requests:
        row = _row(fields, call) | {"ordId": str(fields.get("ordId", ""))}
        try:
            found = _wanted(fields, call)
            row |= {"ordId": found.order_id, "clOrdId": found.new.client_order_id}
            if call.effects.fill_before_cancel:
                call.engine.fill(found.order_id)
            call.engine.cancel(found.order_id)
            row |= {"sCode": "0", "sMsg": ""}
        except (OkxError, Refused) as error:
            row |= _refused(error)
        rows.append(row)
    return in_rows(rows)


def _row(fields: Mapping[str, object], call: Call) -> Row:
    return {
        "clOrdId": str(fields.get("clOrdId", "")),
        "ordId": "",
        "tag": str(fields.get("tag", "")),
        "ts": millis(call.now),
    }


def _refused(error: OkxError | Refused, fields: Mapping[str, object] = _NOTHING) -> Row:
    code, message = (error.code, error.message) if isinstance(error, OkxError) else REFUSALS[error.reason]
    if isinstance(error, Refused) and error.reason is Reason.WOULD_TRIGGER:
        code, message = _BEYOND[fields.get("ordType") != "market", side_of(fields)]
    return {"sCode": code, "sMsg": message}


def in_rows(rows: Sequence[Row]) -> Answer:
    """Code 0 when all went well, 1 when none did, 2 in between."""
    failed = sum(row["sCode"] != "0" for row in rows)
    if not failed:
        return answer(rows)
    if failed == len(rows):
        return answer(rows, code="1", message="All operations failed")
    return answer(rows, code="2", message="Bulk operation partially succeeded.")


def _wanted(fields: Mapping[str, object], call: Call) -> Order:
    """The order that a cancel names. Raises `OkxError` or `Refused`."""
    listing = call.listing_of(str(fields.get("instId", "")))
    order_id, client_order_id = str(fields.get("ordId", "")), str(fields.get("clOrdId", ""))
    if not order_id and not client_order_id:
        raise OkxError("51003", "Either client order ID or order ID is required.")
    found = call.engine.find(order_id=order_id, client_order_id=client_order_id)
    if found is None or found.new.symbol != listing.symbol:
        raise Refused(Reason.UNKNOWN_ORDER)
    return found


def _new_order(fields: Mapping[str, object], call: Call) -> NewOrder:
    """Raises `OkxError` for what OKX would not take, and for what the double does not speak."""
    spoken(fields, required=("instId", "tdMode", "side", "ordType", "sz"), unknown=_NOT_SPOKEN)
    listing = call.listing_of(str(fields["instId"]))
    kind, side = _TYPES.get(str(fields["ordType"])), side_of(fields)
    if kind is None or (fields["ordType"] == "optimal_limit_ioc" and not listing.swap):
        raise wrong("ordType")
    if fields["tdMode"] != ("cross" if listing.swap else "cash"):
        raise wrong("tdMode")
    order_type, time_in_force = kind
    quantity, in_quote = asked_size(fields, listing=listing, side=side, market=order_type == "market")
    return NewOrder(
        symbol=listing.symbol,
        side=side,
        type=order_type,
        quantity=quantity,
        limit_price=decimal(fields, "px") if order_type == "limit" else None,
        time_in_force=time_in_force,
        post_only=fields["ordType"] == "post_only",
        reduce_only=fields.get("reduceOnly") in (True, "true"),
        in_quote=in_quote,
        client_order_id=client_id(fields, "clOrdId"),
        tag=str(fields.get("tag", "")),
        attached=_attached(fields),
    )


def _attached(fields: Mapping[str, object]) -> Attached | None:
    """The one stop that comes with an order: at market, on the last price, with a target or without. Raises `OkxError`
    for what OKX would not take, and for what the double does not speak.
    """
    given = fields.get("attachAlgoOrds") or []
    if not given:
        return None
    if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], Mapping):
        raise wrong("attachAlgoOrds")
    exit: Mapping[str, object] = given[0]
    if unknown := sorted(set(exit) - _ATTACHABLE):
        raise OkxError("51000", f"Parameter {unknown[0]} error: the double does not speak it")
    targeted = bool(exit.get("tpTriggerPx"))
    for kind in ("sl", "tp") if targeted else ("sl",):
        if exit.get(f"{kind}OrdPx") != "-1":
            raise wrong(f"{kind}OrdPx")
        if exit.get(f"{kind}TriggerPxType", "last") != "last":
            raise wrong(f"{kind}TriggerPxType")
    return Attached(
        client_order_id=client_id(exit, "attachAlgoClOrdId"),
        stop_price=decimal(exit, "slTriggerPx"),
        target_price=decimal(exit, "tpTriggerPx") if targeted else None,
        form="oco" if targeted else "conditional",
    )


def spoken(fields: Mapping[str, object], *, required: Sequence[str], unknown: Sequence[str]) -> None:
    """All that must be there is, and nothing is that the double doesn't know. Raises `OkxError`."""
    for name in required:
        if fields.get(name) in (None, ""):
            raise missing(name)
    for name in unknown:
        if fields.get(name):
            raise OkxError("51000", f"Parameter {name} error: the double does not speak it")
    if fields.get("posSide", "net") not in ("net", ""):
        raise wrong("posSide")


def side_of(fields: Mapping[str, object]) -> Side:
    """Raises `OkxError`."""
    side = _SIDES.get(str(fields["side"]))
    if side is None:
        raise wrong("side")
    return side


def client_id(fields: Mapping[str, object], name: str) -> str:
    """A client's id, empty when there is none. Raises `OkxError`."""
    given = str(fields.get(name) or "")
    if given and not _CLIENT_ORDER_ID.fullmatch(given):
        raise wrong(name)
    return given


def asked_size(fields: Mapping[str, object], *, listing: Listing, side: Side, market: bool) -> tuple[Decimal, bool]:
    """The size, and whether it is in quote currency. Raises `OkxError`.

    Without a word, a market buy on spot is in quote currency and a sell in base.
    """
    target = str(fields.get("tgtCcy") or ("quote_ccy" if side == "buy" else "base_ccy"))
    in_quote = not listing.swap and market and target == "quote_ccy"
    if in_quote and side == "sell":
        raise wrong("tgtCcy")
    return decimal(fields, "sz"), in_quote
