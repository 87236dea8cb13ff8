"""What an order or a stop must satisfy before the exchange accepts it."""

from __future__ import annotations

from decimal import Decimal

from domain.money import ZERO, on_grid
from exchange_double.funds import held_by
from exchange_double.listing import Listing
from exchange_double.matcher import Matcher, other
from exchange_double.orders import NewOrder, Reason, Refused
from exchange_double.stops import Trigger


def check(new: NewOrder, listing: Listing, matcher: Matcher) -> None:
    """Form first, then what it may do, then whether it can be paid. Raises `Refused` for the first that fails."""
    _check_price(new.limit_price, listing)
    _check_size(matcher.on_offer(new) if new.in_quote else new.quantity, listing)
    _check_reduction(new, listing)
    if new.reduce_only:
        if not matcher.closable(new):
            raise Refused(Reason.NOTHING_TO_REDUCE)
        return
    pays_in = listing.base if new.side == "sell" and not listing.swap else listing.quote
    if _needs(new, listing, matcher) > matcher.funds().available(pays_in):
        raise Refused(Reason.NO_FUNDS)


def check_stop(
    new: NewOrder,
    trigger: Trigger,
    listing: Listing,
    matcher: Matcher,
    *,
    holds: bool,
    target: Trigger | None = None,
) -> None:
    """Form, and that it has something to wait for. Whether it can be paid is seen when it triggers.

    One that `holds` must be paid for now. Raises `Refused` for the first that fails.
    """
    _check_price(trigger.price, listing)
    _check_price(target.price if target else None, listing)
    _check_price(new.limit_price, listing)
    if not new.in_quote:
        _check_size(new.quantity, listing)
    _check_reduction(new, listing)
    price = matcher.price(new.symbol, trigger.by)
    if price is None:
        raise Refused(Reason.NO_MARKET)
    if trigger.reached(price) or (target is not None and target.reached(price)):
        raise Refused(Reason.WOULD_TRIGGER)
    if holds:
        currency, amount = held_by(new, trigger, listing)
        if amount > matcher.funds().available(currency):
            raise Refused(Reason.NO_FUNDS)


def _check_price(price: Decimal | None, listing: Listing) -> None:
    if price is not None and (price <= 0 or not on_grid(price, listing.tick_size)):
        raise Refused(Reason.OFF_TICK)


def _check_size(size: Decimal, listing: Listing) -> None:
    if size < listing.min_size:
        raise Refused(Reason.BELOW_MINIMUM)
    if not on_grid(size, listing.lot_size):
        raise Refused(Reason.OFF_LOT)


def _check_reduction(new: NewOrder, listing: Listing) -> None:
    if new.reduce_only and not listing.swap:
        raise Refused(Reason.REDUCE_ONLY_ON_SPOT)


def _needs(new: NewOrder, listing: Listing, matcher: Matcher) -> Decimal:
    """The most that the order takes of the currency it pays in: on swaps the margin of what it opens."""
    if listing.swap:
        opens = new.quantity - matcher.closable(new)
        return _cost(new, opens, matcher) * listing.contract_size / matcher.leverage[new.symbol]
    if new.side == "sell" or new.in_quote:
        return new.quantity
    return _cost(new, new.quantity, matcher)


def _cost(new: NewOrder, quantity: Decimal, matcher: Matcher) -> Decimal:
    """Price times size: at the limit, or of what a market order finds in the book."""
    if new.limit_price is not None:
        return quantity * new.limit_price
    cost, left = ZERO, quantity
    for level in matcher.books[new.symbol].side(other(new.side)):
        part = min(level.size, left)
        cost, left = cost + part * level.price, left - part
    return cost
