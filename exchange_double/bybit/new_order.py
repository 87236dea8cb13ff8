"""An order as Bybit takes it: what its parameters mean, and what of it the double does not speak."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from domain.money import on_grid
from domain.order import OrderType, Side, TimeInForce
from exchange_double.bybit import new_stop
from exchange_double.bybit.call import Call, Fields, decimal, one_of, refuse_unknown, word
from exchange_double.bybit.errors import below_notional, refused, wrong
from exchange_double.bybit.listings import QUOTE_PRECISION
from exchange_double.listing import Listing
from exchange_double.orders import NewOrder, Reason
from exchange_double.stops import Trigger

_LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_SIDES: dict[str, Side] = {"Buy": "buy", "Sell": "sell"}
_TYPES: dict[str, OrderType] = {"Market": "market", "Limit": "limit"}
_TIMES: dict[str, TimeInForce] = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK", "PostOnly": "GTC"}
_UNITS = {"baseCoin": False, "quoteCoin": True}
_SWITCHES = {"False": False, "True": True, "false": False, "true": True}

_NEUTRAL: dict[str, tuple[object, ...]] = {
    "isLeverage": (0, "0"),
    "positionIdx": (0, "0"),
    "closeOnTrigger": (False, "false"),
}
"""Parameters that are taken as long as they ask for nothing: no borrowing, one-way mode, nothing else to cancel."""

_KNOWN = (frozenset(_NEUTRAL) | new_stop.FIELDS) | {
    "orderFilter",
    "category",
    "symbol",
    "side",
    "orderType",
    "qty",
    "price",
    "timeInForce",
    "orderLinkId",
    "reduceOnly",
    "marketUnit",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An order, of which kind it is, and what it waits for."""

    new: NewOrder
    kind: str
    trigger: Trigger | None


def asked(fields: Fields, call: Call) -> Asked:
    """Raises `BybitError` for what Bybit would not take, and for what the double does not speak."""
    refuse_unknown(fields, _KNOWN)
    for name, neutral in _NEUTRAL.items():
        if fields.get(name, neutral[0]) not in neutral:
            raise wrong(name, "is not spoken by the double")
    listing = call.listing(fields)
    kind = new_stop.kind_of(fields, listing)
    side, order_type = one_of(fields, "side", _SIDES), one_of(fields, "orderType", _TYPES)
    time_in_force = one_of(fields, "timeInForce", _TIMES, "GTC")
    link_id = word(fields, "orderLinkId")
    if link_id and not _LINK_ID.fullmatch(link_id):
        raise wrong("orderLinkId")
    post_only = fields.get("timeInForce") == "PostOnly"
    if post_only and order_type == "market":
        raise wrong("timeInForce")
    in_quote = _in_quote(fields, listing, side=side, order_type=order_type)
    quantity = decimal(fields, "qty")
    price = decimal(fields, "price") if order_type == "limit" else None
    trigger = new_stop.trigger_of(fields, kind, listing, call)
    expected = trigger.price if trigger else call.engine.last(listing.symbol)
    _check(listing, quantity=quantity, price=expected if price is None else price, in_quote=in_quote)
    # ccxt sends it with a stop loss or a take profit, and Bybit reads it on perpetuals only.
    reduce_only = kind != new_stop.TPSL and one_of(fields, "reduceOnly", _SWITCHES, "false")
    new = NewOrder(
        symbol=listing.symbol,
        side=side,
        type=order_type,
        quantity=quantity,
        limit_price=price,
        time_in_force=time_in_force if order_type == "limit" else "IOC",
        post_only=post_only,
        reduce_only=reduce_only,
        in_quote=in_quote,
        client_order_id=link_id,
    )
    return Asked(new=new, kind=kind, trigger=trigger)


def _in_quote(fields: Fields, listing: Listing, *, side: Side, order_type: OrderType) -> bool:
    """Whether a spot market order spends its quantity: without a word a buy does, and a sell does not."""
    if listing.swap or order_type == "limit":
        if "marketUnit" in fields:
            raise wrong("marketUnit")
        return False
    in_quote = one_of(fields, "marketUnit", _UNITS, "quoteCoin" if side == "buy" else "baseCoin")
    if in_quote and side == "sell":
        raise wrong("marketUnit", "of a sell in quote currency is not spoken by the double")
    return in_quote


def _check(listing: Listing, *, quantity: Decimal, price: Decimal | None, in_quote: bool) -> None:
    """The rules that the engine does not have. `price` is what the order is valued at: its own, or what is expected."""
    if quantity <= 0:
        raise refused(Reason.BELOW_MINIMUM, swap=listing.swap)
    if in_quote and not on_grid(quantity, QUOTE_PRECISION):
        raise refused(Reason.OFF_LOT, swap=False)
    valued_at = Decimal(1) if in_quote else price
    if valued_at is not None and quantity * valued_at < listing.min_notional:
        raise below_notional(swap=listing.swap)
