"""The quote that a closed bar stands for, where a market has candles and no order book."""

from __future__ import annotations

from decimal import Decimal

from domain.candle import Candle, Quote
from domain.instrument import Instrument
from domain.money import BPS, ceil_to, floor_to

_NARROWEST_BPS = Decimal(1)
_WIDEST_BPS = Decimal(50)
_PART_OF_RANGE = Decimal("0.05")


def spread_bps(bar: Candle) -> Decimal:
    """The whole spread: 1 bps and a twentieth of the bar's range, at most 50 bps."""
    return min(_WIDEST_BPS, _NARROWEST_BPS + _PART_OF_RANGE * BPS * (bar.high - bar.low) / bar.close)


def quote_from(bar: Candle, instrument: Instrument, *, width_bps: Decimal | None = None) -> Quote:
    """Bid and ask around the close, rounded outward to ticks, known since the bar closed.

    `width_bps` is the whole spread where it was set, and not the bar's own. The bid is at least one tick and the ask
    above it, whatever the price.
    """
    tick = instrument.tick_size
    half = bar.close * (spread_bps(bar) if width_bps is None else width_bps) / BPS / 2
    bid = max(tick, floor_to(bar.close - half, tick))
    ask = max(bid + tick, ceil_to(bar.close + half, tick))
    return Quote(symbol=instrument.symbol, bid=bid, ask=ask, at=bar.closed_at)
