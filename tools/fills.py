"""What one closed bar does to one order: the fill model, without any state.

An order fills on bars that opened at or after its submission only. A market order, and a limit order
that the open already satisfies, take liquidity at the open: half the quoted spread, slippage and
impact against the trader, rounded against the trader. A limit order that rests is filled at its limit
when the bar trades through it; touching it isn't enough, since others were in the queue before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from domain.candle import Candle, Quote
from domain.instrument import Instrument
from domain.money import BPS, against, floor_to
from domain.order import OrderRequest
from tools.costs import PaperCosts

INSTANT = timedelta(microseconds=1)


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
    half_spread = (quote.ask - quote.bid) / (quote.ask + quote.bid)
    touch = bar.open * (1 + sign * half_spread)
    if order.limit_price is not None and sign * (touch - order.limit_price) > 0:
        return None
    slippage = (costs.slippage_bps + costs.impact_bps * depth) / BPS
    price = against(touch * (1 + sign * slippage), step=instrument.tick_size, side=order.side)
    if order.limit_price is not None and sign * (price - order.limit_price) > 0:
        price = order.limit_price
    return Chance(max(price, instrument.tick_size), instrument.taker_fee, bar.opened_at)


def resting(order: OrderRequest, bar: Candle, *, instrument: Instrument) -> Chance | None:
    """The chance of a limit order that waited in the book through `bar`.

    It is dated to the bar's last instant, since `closed_at` is the first of the next bar: so fills in
    the order of their times are fills in the order in which they were made.
    """
    limit = order.limit_price
    if limit is None:
        return None
    through = bar.low < limit if order.side == "buy" else bar.high > limit
    return Chance(limit, instrument.maker_fee, bar.closed_at - INSTANT) if through else None
