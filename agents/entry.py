"""An entry in numbers: how far its price may go, where it is left, how much it is for. Pure arithmetic, costs first.

An entry is a limit order a set way beyond the touch, so that it fills at once or not at all. Its size is computed at
the dearest price that this leaves open: every cap holds wherever it fills.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal, localcontext
from typing import Final

from agents.settings import RiskSettings
from domain.instrument import Instrument
from domain.money import BPS, ceil_to, floor_to
from domain.order import Side
from domain.payoff import payoff, round_trip
from tools.quotes import QuoteReading

_DOWN: Final = Context(prec=50, rounding=ROUND_FLOOR)
"""Sizes are never rounded up, whatever the caller's context is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPrices:
    """The prices of one entry; limit, stop and target are on the tick grid."""

    limit: Decimal
    """The furthest that it may fill at."""
    dearest: Decimal
    """The most that one unit may be worth at the gate and when it fills: a sale is counted at the ask."""
    stop: Decimal
    target: Decimal

    @property
    def risk(self) -> Decimal:
        """What one unit loses from the furthest fill to the stop."""
        return abs(self.limit - self.stop)


def entry_prices(
    side: Side, reading: QuoteReading, *, atr: Decimal, instrument: Instrument, settings: RiskSettings
) -> EntryPrices | str:
    """The prices of an entry on what the market shows, or why it has none."""
    touch, spread = reading.ask if side == "buy" else reading.bid, reading.ask - reading.bid
    limit = furthest(side, touch, instrument=instrument, bound_bps=settings.entry_bound_bps)
    if limit is None:
        return "the tick leaves no limit price at the touch"
    costs = round_trip(instrument, price=touch, spread=spread, slippage_bps=settings.slippage_bps)
    distance = max(atr * settings.stop_atr, touch * settings.min_stop, costs * settings.stop_costs)
    if distance <= 0:
        return "the market does not move: no distance to put a stop at"
    stop, target = exits(side, touch, distance, instrument=instrument, settings=settings)
    below, above = (stop, target) if side == "buy" else (target, stop)
    if below <= 0:
        return "the exits would lie below zero"
    expected = payoff(
        side,
        entry=touch,
        stop=stop,
        target=target,
        instrument=instrument,
        spread=spread,
        slippage_bps=settings.slippage_bps,
    )
    if not expected.covers(settings.min_reward_risk):
        return expected.shortfall(settings.min_reward_risk)
    if not below < min(reading.bid, limit) <= max(reading.ask, limit) < above:
        return "the spread, the tick and the bound leave no room for the exits"
    dearest = reading.ask * (1 + settings.entry_bound_bps / BPS)
    return EntryPrices(limit=limit, dearest=dearest, stop=stop, target=target)


def furthest(side: Side, touch: Decimal, *, instrument: Instrument, bound_bps: Decimal) -> Decimal | None:
    """The limit price on the tick grid that is furthest beyond the touch and within the bound; none where it is short
    of the touch."""
    if side == "buy":
        limit = floor_to(touch * (1 + bound_bps / BPS), instrument.tick_size)
        return limit if limit >= touch else None
    limit = ceil_to(touch * (1 - bound_bps / BPS), instrument.tick_size)
    return limit if limit <= touch else None


def exits(
    side: Side, price: Decimal, distance: Decimal, *, instrument: Instrument, settings: RiskSettings
) -> tuple[Decimal, Decimal]:
    """(stop, target) on the tick grid: the stop no closer than `distance`, the target no further than its reach."""
    reach = distance * settings.target_atr / settings.stop_atr
    tick = instrument.tick_size
    if side == "buy":
        return floor_to(price - distance, tick), floor_to(price + reach, tick)
    return ceil_to(price + distance, tick), ceil_to(price - reach, tick)


def size(
    *,
    equity: Decimal,
    price: Decimal,
    risk: Decimal,
    conviction: Decimal,
    instrument: Instrument,
    settings: RiskSettings,
) -> Decimal:
    """Base quantity by fixed fractional risk (Vince, The Mathematics of Money Management), capped by notional and fee.

    `price` is the most that a unit may be worth, and `risk` the most that it may lose, when it fills.
    """
    if equity <= 0:
        return Decimal(0)
    fee = max(instrument.maker_fee, instrument.taker_fee)
    with localcontext(_DOWN):
        by_risk = equity * settings.risk_per_trade / risk
        by_notional = equity * settings.max_position * conviction / (price * (1 + fee))
    return floor_to(min(by_risk, by_notional), instrument.lot_size)
