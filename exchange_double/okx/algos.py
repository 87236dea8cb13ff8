"""Stops at OKX, which are algo orders there: placed, cancelled and listed apart from orders, under ids of their own.

A stop that has triggered is `effective`, and the order that it became names it by `algoId`. The client order id of a
stop is `algoClOrdId`; what is sent as `clOrdId` (ccxt's `clientOrderId`) finds nothing and goes to no order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domain.order import Side
from exchange_double.okx import algo_rows as rows
from exchange_double.okx.call import Call, answer, decimal, page
from exchange_double.okx.errors import REFUSALS, OkxError, missing, wrong
from exchange_double.okx.orders import asked_size, client_id, in_rows, side_of, spoken
from exchange_double.okx.text import Row, whole
from exchange_double.orders import NewOrder, Reason, Refused
from exchange_double.stops import Stop, Trigger, TriggerBy
from exchange_double.wire import Answer

_NOT_SPOKEN = (
    "attachAlgoOrds",
    "closeFraction",
    "cxlOnClosePos",
    "callbackRatio",
    "callbackSpread",
    "tradeQuoteCcy",
    "quickMgnType",
)
_WATCHED: dict[str, TriggerBy] = {"last": "last", "mark": "mark"}
_BEYOND: dict[tuple[str, Side], tuple[str, str]] = {
    ("tp", "buy"): ("51277", "TP trigger price cannot be higher than the last price"),
    ("sl", "buy"): ("51278", "SL trigger price cannot be lower than the last price"),
    ("tp", "sell"): ("51279", "TP trigger price cannot be lower than the last price"),
    ("sl", "sell"): ("51280", "SL trigger price cannot be higher than the last price"),
}
"""To a trigger that is reached already."""


def place(call: Call) -> Answer:
    """One stop: `conditional` with a stop loss or a take profit, `oco` with both, or `trigger`."""
    fields = call.fields()
    row = _row(fields)
    try:
        new, trigger = _new_order(fields, call), _trigger(fields, call)
        target = _trigger(fields, call, kind="tp") if fields["ordType"] == "oco" else None
        placed = call.engine.place_stop(
            new,
            trigger,
            target=target,
            client_order_id=client_id(fields, "algoClOrdId"),
            form=str(fields["ordType"]),
            ids_unique_when_open=call.effects.ids_unique_when_open,
            stop_after=call.effects.stop_after,
        )
        row |= {"algoId": placed.stop_id, "sCode": "0", "sMsg": ""}
    except Refused as refused:
        row |= _refused(refused, fields)
    except OkxError as error:
        row |= {"sCode": error.code, "sMsg": error.message}
    return in_rows([row])


def cancel(call: Call) -> Answer:
    """Several, each by either id."""
    done: list[Row] = []
    for fields in call.several():
        row = _row(fields)
        try:
            found = _wanted(fields, call)
            row |= {"algoId": found.stop_id, "algoClOrdId": found.client_order_id}
            if call.effects.fill_before_cancel:
                call.engine.trigger(found.stop_id)
            call.engine.cancel_stop(found.stop_id)
            row |= {"sCode": "0", "sMsg": ""}
        except Refused as refused:
            row |= _refused(refused, fields)
        except OkxError as error:
            row |= {"sCode": error.code, "sMsg": error.message}
        done.append(row)
    return in_rows(done)


def one(call: Call) -> Answer:
    """By either id: 51603 when it is unknown or hidden."""
    stop_id, client_order_id = call.query.get("algoId", ""), call.query.get("algoClOrdId", "")
    if not stop_id and not client_order_id:
        raise missing("algoId")
    found = call.engine.find_stop(stop_id=stop_id, client_order_id=client_order_id)
    if found is None or found.stop_id in call.effects.hidden:
        raise OkxError("51603", "Order does not exist")
    return answer([_shown(found, call)])


def waiting(call: Call) -> Answer:
    """Those that have not triggered."""
    return _page(call, call.engine.waiting_stops)


def history(call: Call) -> Answer:
    """Those that have triggered, failed or been cancelled: by state, or one by its id."""
    state, stop_id = call.query.get("state", ""), call.query.get("algoId", "")
    if not state and not stop_id:
        raise missing("state")
    ended = [stop for stop in call.engine.stops if not stop.waiting]
    return _page(call, [stop for stop in ended if state in ("", rows.STATES[stop.status])])


def _page(call: Call, stops: Sequence[Stop]) -> Answer:
    """The newest first, of the forms that are asked for: without any, OKX answers nothing."""
    forms, stop_id = call.query.get("ordType", ""), call.query.get("algoId", "")
    if not forms:
        raise missing("ordType")
    wanted = {listing.symbol for listing in call.listings()}
    found = [
        _shown(stop, call)
        for stop in reversed(stops)
        if stop.form in forms.split(",")
        and stop.new.symbol in wanted
        and stop.stop_id not in call.effects.hidden
        and stop_id in ("", stop.stop_id)
    ]
    shown = page(found, call.query, key=lambda row: whole(row, "algoId"))
    return answer(shown)


def _shown(stop: Stop, call: Call) -> Row:
    engine, symbol = call.engine, stop.new.symbol
    return rows.stop(
        stop,
        listing=engine.listings[symbol],
        became=engine.find(order_id=stop.order_id) if stop.order_id else None,
        leverage=engine.leverage(symbol),
        last=engine.last(symbol),
    )


def _row(fields: Mapping[str, object]) -> Row:
    return {
        "algoId": str(fields.get("algoId") or ""),
        "algoClOrdId": str(fields.get("algoClOrdId") or ""),
        "clOrdId": str(fields.get("clOrdId") or ""),
        "tag": str(fields.get("tag") or ""),
    }


def _refused(refused: Refused, fields: Mapping[str, object]) -> Row:
    code, message = REFUSALS[refused.reason]
    if refused.reason is Reason.WOULD_TRIGGER and fields.get("ordType") in ("conditional", "oco"):
        code, message = _BEYOND["sl" if fields.get("slTriggerPx") else "tp", side_of(fields)]
    elif refused.reason is Reason.DUPLICATE_ID:
        code, message = "51068", "algoClOrdId already exists within algoClOrdId and attachAlgoClOrdId."
    return {"sCode": code, "sMsg": message}


def _wanted(fields: Mapping[str, object], call: Call) -> Stop:
    """The stop that a cancel names. Raises `OkxError` or `Refused`."""
    listing = call.listing_of(str(fields.get("instId", "")))
    stop_id, client_order_id = str(fields.get("algoId") or ""), str(fields.get("algoClOrdId") or "")
    if not stop_id and not client_order_id:
        raise missing("algoId")
    found = call.engine.find_stop(stop_id=stop_id, client_order_id=client_order_id)
    if found is None or found.new.symbol != listing.symbol:
        raise Refused(Reason.UNKNOWN_ORDER)
    return found


def _new_order(fields: Mapping[str, object], call: Call) -> NewOrder:
    """What is placed when it triggers. Raises `OkxError` for what OKX would not take."""
    spoken(fields, required=("instId", "tdMode", "side", "ordType", "sz"), unknown=_NOT_SPOKEN)
    listing, side = call.listing_of(str(fields["instId"])), side_of(fields)
    # ccxt sends spot's stops as cross, since OKX does not take them as cash.
    if fields["tdMode"] not in (("cross",) if listing.swap else ("cash", "cross")):
        raise wrong("tdMode")
    limit = decimal(fields, _names(fields)[2])
    quantity, in_quote = asked_size(fields, listing=listing, side=side, market=limit < 0)
    return NewOrder(
        symbol=listing.symbol,
        side=side,
        type="market" if limit < 0 else "limit",
        quantity=quantity,
        limit_price=None if limit < 0 else limit,
        reduce_only=fields.get("reduceOnly") in (True, "true"),
        in_quote=in_quote,
        tag=str(fields.get("tag", "")),
    )


def _trigger(fields: Mapping[str, object], call: Call, *, kind: str = "") -> Trigger:
    """A stop loss is beyond the price on the losing side and a take profit on the other; a `trigger` on either. `kind`
    names one of the two of an `oco`, and without it is that of the stop.
    """
    at, watched, _ = rows.NAMES[kind] if kind else _names(fields)
    price, by = decimal(fields, at), _WATCHED.get(str(fields.get(watched) or "last"))
    if by is None:
        raise wrong(watched)
    if at == "triggerPx":
        last = call.engine.last(call.listing_of(str(fields["instId"])).symbol)
        below = last is not None and price <= last
    else:
        below = (at == "slTriggerPx") == (fields["side"] == "sell")
    return Trigger(price=price, direction="below" if below else "above", by=by)


def _names(fields: Mapping[str, object]) -> tuple[str, str, str]:
    """The names of the trigger's price, of what it watches and of the order's price in this request."""
    if fields["ordType"] == "trigger":
        return ("triggerPx", "triggerPxType", "orderPx")
    if fields["ordType"] not in ("conditional", "oco"):
        raise wrong("ordType")
    loss, profit = bool(fields.get("slTriggerPx")), bool(fields.get("tpTriggerPx"))
    if fields["ordType"] == "oco":
        if fields.get("tpOrdPx") != fields.get("slOrdPx"):
            raise OkxError("51000", "Parameter tpOrdPx error: the double does not speak two prices")
        return rows.NAMES["sl"]
    if loss == profit:
        raise OkxError("51000", "Parameter slTriggerPx error: one of slTriggerPx and tpTriggerPx")
    return rows.NAMES["sl" if loss else "tp"]
