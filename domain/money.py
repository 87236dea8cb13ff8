"""Decimal arithmetic on prices and quantities, and the one door from floats to decimals."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import Literal

BPS = Decimal(10_000)
"""Basis points in one."""

ZERO = Decimal(0)

_READING = Context(prec=10, rounding=ROUND_HALF_EVEN)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `value`."""
    return (value / step).to_integral_value(rounding=ROUND_FLOOR) * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` that is not below `value`."""
    return (value / step).to_integral_value(rounding=ROUND_CEILING) * step


def against(value: Decimal, *, step: Decimal, side: Literal["buy", "sell"]) -> Decimal:
    """`value` on the grid of `step`, rounded to the trader's disadvantage."""
    return ceil_to(value, step) if side == "buy" else floor_to(value, step)


def on_grid(value: Decimal, step: Decimal) -> bool:
    """Whether `value` is a whole multiple of `step`."""
    return value % step == 0


def reading(value: float) -> Decimal | None:
    """The one place where a float becomes a decimal: ten significant digits, `None` for NaN and infinities.

    Indicators and statistics are floats; ten digits hide the last bits, in which machines differ.
    """
    if not math.isfinite(value):
        return None
    return _READING.create_decimal(repr(float(value))).normalize(_READING) + ZERO
