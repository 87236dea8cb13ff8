"""The gate's own arithmetic, whatever the caller's is. Nothing of it is left to decimal's defaults: they can change."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, DivisionByZero, Inexact, InvalidOperation, Overflow

EXACT = Context(
    prec=100,
    rounding=ROUND_HALF_EVEN,
    Emin=-999_999,
    Emax=999_999,
    clamp=0,
    traps=[Inexact, InvalidOperation, DivisionByZero, Overflow],
)
"""A result that would be rounded raises, and so refuses."""

DOWN = Context(
    prec=100,
    rounding=ROUND_DOWN,
    Emin=-999_999,
    Emax=999_999,
    clamp=0,
    traps=[InvalidOperation, DivisionByZero, Overflow],
)
"""For quotients that are handed out; nothing is compared by them but sizes, which may only shrink."""
