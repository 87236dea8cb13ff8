"""A new order as Binance reads it: its parameters, and what it refuses before the order reaches the engine.

Stops are read in `new_stop`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from domain.money import ZERO, on_grid
from domain.order import OrderType, Side, TimeInForce
from exchange_double.binance.call import Call, decimal, required
from exchange_double.binance.errors import (
    BinanceError,
    bad_combination,
    below_notional,
    illegal,
    not_required,
    rejected,
    too_precise,
    unsupported,
    wrong,
)
from exchange_double.binance.text import units
from exchange_double.listing import Listing
from exchange_double.matcher import other
from exchange_double.orders import NewOrder

_ORDER = "symbol side type timeInForce quantity price newClientOrderId newOrderRespType selfTradePreventionMode"
SPOT = f"{_ORDER} quoteOrderQty stopPrice"
FUTURES = f"{_ORDER} positionSide reduceOnly"
"""The parameters of an order. Any other would change what it does, and is refused."""

_SIDES: dict[str, Side] = {"BUY": "buy", "SELL": "sell"}
_TYPES: dict[str, OrderType] = {"LIMIT": "limit", "LIMIT_MAKER": "limit", "MARKET": "market"}
_LASTS: dict[str, TimeInForce] = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK"}
_TRUTHS = {"true": True, "false": False}
_SPOT_ID = r"^[a-zA-Z0-9-_]{1,36}$"
_FUTURES_ID = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
_FUTURES_STOPS = frozenset({"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"})
_SPOT_PLACES = Decimal("1e-8")


def new_order(call: Call) -> NewOrder:
    """The order that the parameters ask for. Raises `BinanceError` for what Binance, or the double, does not take."""
    new = asked(call)
    if "stopPrice" in call.params:
        raise not_required("stopPrice")
    price = new.limit_price if new.limit_price is not None else call.engine.last(new.symbol)
    check_notional(new, call.listing(), price=price)
    _check_book(new, call)
    return new


def asked(call: Call) -> NewOrder:
    """The order as it is read, whatever the market is like. Raises `BinanceError`."""
    listing, params = call.listing(), call.params
    side, kind = _SIDES.get(required(params, "side")), _kind(required(params, "type"), futures=call.futures)
    if side is None:
        raise BinanceError(-1117, "Invalid side.")
    _check_modes(params)
    lasts = _lasts(params, kind, futures=call.futures)
    price = _price(params, kind, listing)
    in_quote = "quoteOrderQty" in params
    return NewOrder(
        symbol=listing.symbol,
        side=side,
        type=_TYPES[kind],
        quantity=_spend(params, kind, side) if in_quote else _quantity(params, listing),
        limit_price=price,
        time_in_force=_LASTS.get(lasts, "GTC"),
        post_only=kind == "LIMIT_MAKER" or lasts == "GTX",
        reduce_only=_truth(params, "reduceOnly"),
        in_quote=in_quote,
        client_order_id=_client_order_id(params, futures=call.futures),
    )


def _kind(kind: str, *, futures: bool) -> str:
    if futures and kind in _FUTURES_STOPS:
        raise BinanceError(
            -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
        )
    if kind not in _TYPES or (futures and kind == "LIMIT_MAKER"):
        raise BinanceError(-1116, "Invalid orderType.")
    return kind


def _check_modes(params: Mapping[str, str]) -> None:
    """One-way positions, and of two orders of ours that meet the resting one goes: the engine knows no other way."""
    if params.get("positionSide", "BOTH") != "BOTH":
        raise BinanceError(-4061, "Order's position side does not match user's setting.")
    if params.get("selfTradePreventionMode", "EXPIRE_MAKER") != "EXPIRE_MAKER":
        raise wrong("selfTradePreventionMode")


def _lasts(params: Mapping[str, str], kind: str, *, futures: bool) -> str:
    """`timeInForce`, which limit orders need and no others may have. On futures it also says post-only."""
    if kind != "LIMIT":
        if "timeInForce" in params:
            raise not_required("timeInForce")
        return "GTC"
    lasts = required(params, "timeInForce")
    if lasts not in _LASTS and not (futures and lasts == "GTX"):
        raise BinanceError(-1115, "Invalid timeInForce.")
    return lasts


def _price(params: Mapping[str, str], kind: str, listing: Listing) -> Decimal | None:
    if kind == "MARKET":
        if "price" in params:
            raise not_required("price")
        return None
    return read_price(params, "price", listing)


def read_price(params: Mapping[str, str], name: str, listing: Listing) -> Decimal:
    """Raises `BinanceError`."""
    return _read(params, name, grid=listing.tick_size, listing=listing)


def _quantity(params: Mapping[str, str], listing: Listing) -> Decimal:
    return _read(params, "quantity", grid=units(listing.lot_size, listing), listing=listing) / listing.contract_size


def _spend(params: Mapping[str, str], kind: str, side: Side) -> Decimal:
    """`quoteOrderQty`, of market orders alone. The engine has it for buys only."""
    if kind != "MARKET" or "quantity" in params:
        raise bad_combination()
    if side == "sell":
        raise unsupported()
    return decimal(params, "quoteOrderQty")


def _read(params: Mapping[str, str], name: str, *, grid: Decimal, listing: Listing) -> Decimal:
    """A number with as many decimals as are read at all: eight on spot, those of the grid on futures."""
    value = decimal(params, name)
    finest = Decimal(1).scaleb(int(grid.normalize().as_tuple().exponent)) if listing.swap else _SPOT_PLACES
    if not on_grid(value, finest):
        raise too_precise(name, futures=listing.swap)
    return value


def _truth(params: Mapping[str, str], name: str) -> bool:
    value = params.get(name, "false")
    if value not in _TRUTHS:
        raise wrong(name)
    return _TRUTHS[value]


def _client_order_id(params: Mapping[str, str], *, futures: bool) -> str:
    if "newClientOrderId" not in params:
        return ""
    given, legal = params["newClientOrderId"], _FUTURES_ID if futures else _SPOT_ID
    if not re.fullmatch(legal, given):
        raise BinanceError(-4015, "Client order id is not valid.") if futures else illegal("newClientOrderId", legal)
    return given


def check_notional(new: NewOrder, listing: Listing, *, price: Decimal | None) -> None:
    """A price or a size that is too small by itself is left to the engine: Binance looks at those first."""
    if new.reduce_only or not price or (not new.in_quote and new.quantity < listing.min_size):
        return
    notional = new.quantity if new.in_quote else units(new.quantity, listing) * price
    if notional < listing.min_notional:
        raise below_notional(listing)


def _check_book(new: NewOrder, call: Call) -> None:
    """A post-only order that would take is never taken on, nor is a futures order to fill at once that can't be."""
    reached = [level for level in call.engine.depth(new.symbol, other(new.side)) if new.reaches(level.price)]
    if new.post_only and reached:
        if call.futures:
            raise BinanceError(
                -5022,
                "Due to the order could not be executed as maker, the Post Only order will be rejected. "
                "The order will not be recorded in the order history",
            )
        raise rejected("Order would immediately match and take.")
    if new.time_in_force == "FOK" and call.futures:
        ours = sum((order.remaining for order in call.engine.open_orders if _in_the_way(order.new, new)), ZERO)
        if sum((level.size for level in reached), ZERO) - ours < new.quantity:
            raise BinanceError(
                -5021,
                "Due to the order could not be filled immediately, the FOK order has been rejected. "
                "The order will not be recorded in the order history",
            )


def _in_the_way(resting: NewOrder, new: NewOrder) -> bool:
    """Whether `new` would meet an order of our own."""
    meets = resting.symbol == new.symbol and resting.side == other(new.side)
    return meets and resting.limit_price is not None and new.reaches(resting.limit_price)
