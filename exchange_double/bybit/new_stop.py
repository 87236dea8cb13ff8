"""What an order waits for at Bybit: a price, from below or from above.

On perpetuals a request says from which side. On spot it can't: the price lies above or below the last, and is reached
from there.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from exchange_double.bybit.call import Call, Fields, decimal, one_of, word
from exchange_double.bybit.errors import BybitError, wrong
from exchange_double.listing import Listing
from exchange_double.stops import Trigger, TriggerBy

ORDER, STOP, TPSL = "Order", "StopOrder", "tpslOrder"
"""Kinds of orders: `orderFilter` tells them apart, and must be given for a stop on spot."""

_SPOT_KINDS = {ORDER: ORDER, STOP: STOP, TPSL: TPSL}
_DIRECTIONS: dict[str, Literal["above", "below"]] = {"1": "above", "2": "below"}
DIRECTION_NUMBERS = {name: int(number) for number, name in _DIRECTIONS.items()}
_WATCHED: dict[str, TriggerBy] = {"LastPrice": "last", "MarkPrice": "mark"}
WATCHED_NAMES = {by: name for name, by in _WATCHED.items()}

FIELDS = frozenset({"triggerPrice", "triggerDirection", "triggerBy"})


def kind_of(fields: Fields, listing: Listing) -> str:
    """`Order`, or which kind of stop. Raises `BybitError`."""
    if listing.swap:
        if fields.get("orderFilter", ORDER) != ORDER:
            raise wrong("orderFilter", "is of spot only")
        return STOP if "triggerPrice" in fields else ORDER
    kind = one_of(fields, "orderFilter", _SPOT_KINDS, ORDER)
    if kind == ORDER and "triggerPrice" in fields:
        raise BybitError(170202, "Invalid orderFilter parameter.")
    return kind


def trigger_of(fields: Fields, kind: str, listing: Listing, call: Call) -> Trigger | None:
    """What an order of this kind waits for, which is nothing for a plain one. Raises `BybitError`."""
    if kind == ORDER:
        for name in FIELDS & fields.keys():
            raise wrong(name, "is of orders with a trigger")
        return None
    price, by = decimal(fields, "triggerPrice"), one_of(fields, "triggerBy", _WATCHED, "LastPrice")
    if listing.swap:
        return Trigger(price=price, direction=one_of(fields, "triggerDirection", _DIRECTIONS), by=by)
    # ccxt sends a direction with a stop loss or a take profit, which Bybit reads on perpetuals only.
    if kind == STOP and "triggerDirection" in fields:
        raise wrong("triggerDirection", "is of perpetuals only")
    if word(fields, "triggerBy") not in ("", "LastPrice"):
        raise wrong("triggerBy")
    last = call.engine.last(listing.symbol) or Decimal(0)
    return Trigger(price=price, direction="below" if price <= last else "above")
