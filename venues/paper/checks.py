"""Why a venue turns an order away at the door."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from domain.candle import Quote
from domain.digest import plain
from domain.instrument import Instrument
from domain.money import BPS, ZERO, on_grid
from domain.order import OrderRequest
from domain.sizing import too_large, too_small
from venues.costs import PaperCosts
from venues.paper.account import Books
from venues.paper.order import PaperOrder

_MOST_LOTS = 10**17
"""So that every product of a price and a quantity stays exact."""


def worst_price(order: OrderRequest, quote: Quote, *, costs: PaperCosts) -> Decimal:
    """What an order may have to pay for one unit: its limit, or the quote with all slippage and impact."""
    if order.limit_price is not None:
        return order.limit_price
    slippage = (costs.slippage_bps + costs.impact_bps) / BPS
    return quote.ask * (1 + slippage) if order.side == "buy" else quote.bid


def would_send_at_once(stop: OrderRequest, quote: Quote) -> str:
    """Why a stop can't wait on this market, in words; empty where it can."""
    sells, trigger, target = stop.side == "sell", stop.trigger_price, stop.target_price
    price = quote.bid if sells else quote.ask
    if trigger is not None and (price <= trigger if sells else price >= trigger):
        return f"the market has met its trigger {plain(trigger)}"
    if target is not None and (price >= target if sells else price <= target):
        return f"the market has met its target {plain(target)}"
    return ""


def _prices(order: OrderRequest) -> Iterator[tuple[str, Decimal]]:
    """The prices that an order states."""
    for name, price in (
        ("limit price", order.limit_price),
        ("trigger price", order.trigger_price),
        ("stop price", order.stop_price),
        ("target price", order.target_price),
    ):
        if price is not None:
            yield name, price


def rejection(
    order: OrderRequest,
    *,
    instrument: Instrument,
    quote: Quote,
    books: Books,
    working: Iterable[PaperOrder],
    locked_cash: Decimal,
    costs: PaperCosts,
) -> str:
    """The reason to reject `order`; empty when it is taken.

    `locked_cash` is what `working`, the account's open orders, may still cost.
    """
    if (
        order.quantity > _MOST_LOTS * instrument.lot_size
        or (order.limit_price or ZERO) > _MOST_LOTS * instrument.tick_size
    ):
        return "the quantity or the limit price is larger than any venue counts"
    if not on_grid(order.quantity, instrument.lot_size):
        return f"quantity {plain(order.quantity)} is not a multiple of the lot {plain(instrument.lot_size)}"
    for name, level in _prices(order):
        if not on_grid(level, instrument.tick_size):
            return f"{name} {plain(level)} is not a multiple of the tick {plain(instrument.tick_size)}"
    if order.type == "stop" and (why := would_send_at_once(order, quote)):
        return why
    price = worst_price(order, quote, costs=costs)
    if why := too_small(order.quantity, instrument, type=order.type, price=price, reduces=order.reduce_only):
        return why
    if why := too_large(order.quantity, instrument, type=order.type, price=price):
        return why
    closing = books.closing(order)
    if order.reduce_only:
        return "" if closing else "reduce-only, and there is no position on the other side to reduce"
    promised = sum((o.remaining for o in working if _closes_with(o.request, order)), ZERO)
    free_to_close = max(ZERO, closing - promised)
    if instrument.kind == "spot" and order.side == "sell":
        return (
            "" if order.quantity <= free_to_close else f"only {plain(free_to_close)} {instrument.base} are free to sell"
        )
    opening = order.quantity - free_to_close
    if opening <= 0:
        return ""
    rate = instrument.taker_fee
    cost = opening * price * (books.margin_for(order, opening, price=price) + rate)
    free = books.free_after_closing(order, free_to_close, price=price, rate=rate) - locked_cash
    return "" if cost <= free else f"it may cost {plain(cost)} {instrument.quote}, and {plain(free)} are free"


def _closes_with(one: OrderRequest, other: OrderRequest) -> bool:
    return one.symbol == other.symbol and one.side == other.side
