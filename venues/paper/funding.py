"""Funding of perpetuals: the rates where nobody tells any, and what a position is paid at one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Final

from domain.candle import EPOCH, FundingRate
from domain.money import EXACT

EVERY: Final = timedelta(hours=8)
"""Between two fundings at most exchanges, from midnight UTC on."""

_GRAIN: Final = Decimal("1e-8")


def even_rates(rate: Decimal, *, since: datetime, until: datetime) -> Iterator[FundingRate]:
    """One and the same rate at every funding with since < at <= until."""
    at = EPOCH + ((since - EPOCH) // EVERY + 1) * EVERY
    while at <= until:
        yield FundingRate(at, rate)
        at += EVERY


def payment(quantity: Decimal, *, mark: Decimal, rate: Decimal) -> Decimal:
    """What a position of signed `quantity` is paid, or pays where it is negative: a long pays a positive rate.

    Its notional at the mark price times the rate (Binance, "Introduction to Futures Funding Rates"; OKX, "Perpetual
    swap funding fee"), rounded half-even to eight places.
    """
    with localcontext(EXACT):
        exact = -quantity * mark * rate
    return exact.quantize(_GRAIN, rounding=ROUND_HALF_EVEN)
