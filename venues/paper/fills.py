"""What one closed bar does to one order: the fill model, without any state.

An order fills on bars that opened at or after its submission only. A market order, and a limit order
that the open already satisfies, take liquidity at the open: half the quoted spread, slippage and
impact against the trader, rounded against the trader. A limit order that rests is filled at its limit
when the bar trades through it; touching it isn't enough, since others were in the queue before.

A stop sends once the bar trades at its trigger or beyond, and takes liquidity there; where the bar opens beyond it, at
the open. So does its target, on the other side. Which of both came first a bar does not tell: it is the stop.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from domain.candle import Candle, Quote
from domain.instrument import Instrument
from domain.money import BPS, against, floor_to
from domain.order import OrderRequest
from venues.costs import PaperCosts

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Chance:
    """At which price, fee and moment an order can trade in a bar."""

    price: Decimal
    rate: Decimal
    at: datetime


def liquidity(bar: Candle, instrument: Instrument, *, costs: PaperCosts) -> Decimal:
    """How much all our orders together may trade in `bar`, in whole lots."""
    return floor_to(bar.volume * costs.participation, instrument.lot_size)


def at_open(
    order: OrderRequest,
    bar: Candle,
    *,
    instrument: Instrument,
    quote: Quote,
    costs: PaperCosts,
    depth: Decimal,
) -> Chance | None:
    """The chance to take at the open; none for a limit order that the open doesn't satisfy.

    `quote` is the one in force when the bar opened: its spread, in proportion to its middle, is paid
    around the open. `depth`, from 0 to 1, is the part of the bar's permitted volume that is gone once
    the order has traded.
    """
    sign = 1 if order.side == "buy" else -1
    touch = bar.open * (1 + sign * _half_spread(quote))
    if order.limit_price is not None and sign * (touch - order.limit_price) > 0:
        return None
    chance = taken(order, bar.open, instrument=instrument, quote=quote, costs=costs, depth=depth, at=bar.opened_at)
    if order.limit_price is not None and sign * (chance.price - order.limit_price) > 0:
        return replace(chance, price=order.limit_price)
    return chance


def taken(
    order: OrderRequest,
    price: Decimal,
    *,
    instrument: Instrument,
    quote: Quote,
    costs: PaperCosts,
    depth: Decimal,
    at: datetime,
) -> Chance:
    """The chance to take liquidity around `price`."""
    sign = 1 if order.side == "buy" else -1
    slippage = (costs.slippage_bps + costs.impact_bps * depth) / BPS
    touch = price * (1 + sign * _half_spread(quote))
    paid = against(touch * (1 + sign * slippage), step=instrument.tick_size, side=order.side)
    return Chance(max(paid, instrument.tick_size), instrument.taker_fee, at)


def opens_beyond(stop: OrderRequest, bar: Candle) -> bool:
    """Whether a stop sends at the open: the bar opens at its trigger or its target, or beyond."""
    return _met(stop, losing=bar.open, gaining=bar.open) is not None


def met_within(stop: OrderRequest, bar: Candle, *, late: bool) -> Decimal | None:
    """The price at which a stop sends within a bar; `None` where the bar met neither its trigger nor its target.

    `late`: it is there only since a limit order was filled within the bar, which the price reached coming from the
    gaining side. What lies on the losing side came after that, and a target is known to have only where the bar closed
    there.
    """
    sells = stop.side == "sell"
    best = bar.close if late else bar.high if sells else bar.low
    return _met(stop, losing=bar.low if sells else bar.high, gaining=best)


def _met(stop: OrderRequest, *, losing: Decimal, gaining: Decimal) -> Decimal | None:
    """The stop's trigger, or else its target, that these prices reach on its losing and on its gaining side."""
    sells, trigger, target = stop.side == "sell", stop.trigger_price, stop.target_price
    if trigger is not None and (losing <= trigger if sells else losing >= trigger):
        return trigger
    if target is not None and (gaining >= target if sells else gaining <= target):
        return target
    return None


def _half_spread(quote: Quote) -> Decimal:
    """Of the quoted spread, in proportion to its middle."""
    return (quote.ask - quote.bid) / (quote.ask + quote.bid)


def resting(order: OrderRequest, bar: Candle, *, instrument: Instrument) -> Chance | None:
    """The chance of a limit order that waited in the book through `bar`.

    It is dated to the bar's last instant, since `closed_at` is the first of the next bar: so fills in
    the order of their times are fills in the order in which they were made.
    """
    return _at_limit(order, bar.low if order.side == "buy" else bar.high, instrument=instrument, at=within(bar))


def gapped(order: OrderRequest, bar: Candle, *, instrument: Instrument) -> Chance | None:
    """The chance of a limit order that has waited in the book since an earlier bar, where this one opens beyond it.

    What comes through the book meets it before the price is where the bar opens.
    """
    return _at_limit(order, bar.open, instrument=instrument, at=bar.opened_at)


def within(bar: Candle, *, first: bool = False) -> datetime:
    """To when fills within a bar are dated; `first` are those of stops."""
    return bar.closed_at - (2 * _INSTANT if first else _INSTANT)


def _at_limit(order: OrderRequest, reached: Decimal, *, instrument: Instrument, at: datetime) -> Chance | None:
    limit = order.limit_price
    if limit is None:
        return None
    through = reached < limit if order.side == "buy" else reached > limit
    return Chance(limit, instrument.maker_fee, at) if through else None
