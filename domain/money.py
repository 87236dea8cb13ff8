"""Decimal arithmetic on prices and quantities, and the one door from floats to decimals."""

from __future__ import annotations

import math
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)
from typing import Final, Literal

BPS = Decimal(10_000)
"""Basis points in one."""

ZERO = Decimal(0)

EXACT: Final = Context(prec=200, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
"""For `localcontext`, around sums of money: every digit is kept, or it raises. Python's own rounds at 28 digits."""

_EXACT = Context(prec=100)
_READING = Context(prec=10, rounding=ROUND_HALF_EVEN)


def _steps(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    """`value` in whole steps. Computed with room for every digit, whatever the caller's context is."""
    return _EXACT.multiply(_EXACT.divide(value, step).to_integral_value(rounding=rounding), step)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `value`."""
    return _steps(value, step, ROUND_FLOOR)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` that is not below `value`."""
    return _steps(value, step, ROUND_CEILING)


def against(value: Decimal, *, step: Decimal, side: Literal["buy", "sell"]) -> Decimal:
    """`value` on the grid of `step`, rounded to the trader's disadvantage."""
    return ceil_to(value, step) if side == "buy" else floor_to(value, step)


def on_grid(value: Decimal, step: Decimal) -> bool:
    """Whether `value` is a whole multiple of `step`."""
    return _EXACT.remainder(value, step) == 0


def reading(value: float) -> Decimal | None:
    """The one place where a float becomes a decimal: ten significant digits, `None` for NaN and infinities.

    Indicators and statistics are floats; ten digits hide the last bits, in which machines differ.
    """
    if not math.isfinite(value):
        return None
    return _READING.create_decimal(repr(float(value))).normalize(_READING) + ZERO
