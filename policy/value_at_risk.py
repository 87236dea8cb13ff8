"""Value at risk by historical simulation: what the bars of the past would cost the portfolio of today.

Whole numbers throughout: worth in millionths of the currency, returns in millionths, losses in the
product of the two. Every rounding is to the portfolio's disadvantage.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import isqrt
from typing import Literal, NamedTuple

from domain.money import ZERO

_MICRO = 1_000_000


class Stake(NamedTuple):
    """One symbol: the range that its signed worth may lie in, in quote currency, and its returns."""

    low: Decimal
    high: Decimal
    returns_ppm: Sequence[int]
    """The newest last, as long as those of every other stake."""


def value_at_risk(
    stakes: Sequence[Stake], *, confidence: Decimal, horizon_bars: int, others: Sequence[int] = ()
) -> Decimal:
    """The loss in quote currency that `confidence` of all past bars stay within, by nearest rank.

    `others` are the losses by bar of further stakes, worked out before. The loss of one bar grows with the
    root of `horizon_bars`; the result is rounded up to twelve places, and nothing where even that bar would
    have been a gain. Raises `ValueError` without bars, or for stakes with different numbers of them.
    """
    losses = losses_by_bar(stakes, others=others)
    bars = len(losses)
    if not bars:
        raise ValueError("there are no bars to look back on")
    numerator, denominator = confidence.as_integer_ratio()
    rank = -(-numerator * bars // denominator)
    loss = sorted(losses)[rank - 1]
    if loss <= 0:
        return ZERO
    scaled = isqrt(loss * loss * horizon_bars - 1) + 1  # the root, rounded up
    return Decimal(f"{scaled}E-12")


def losses_by_bar(stakes: Sequence[Stake], *, others: Sequence[int] = ()) -> Sequence[int]:
    """What each past bar would cost all `stakes` and the `others`, a gain being negative.

    In each bar each stake has the worst worth of its range: the high end when the price falls, the low
    end when it rises. Raises `ValueError` for stakes with different numbers of bars.
    """
    losses = others or ([0] * len(stakes[0].returns_ppm) if stakes else ())
    for stake in stakes:
        high, low = -_millionths(stake.high, sign=-1), _millionths(stake.low, sign=1)
        moves = zip(losses, stake.returns_ppm, strict=True)
        losses = [loss - (high if move < 0 else low) * move for loss, move in moves]
    return losses


def _millionths(worth: Decimal, *, sign: Literal[1, -1]) -> int:
    """`sign` times `worth` in millionths, rounded down. By its ratio, so that no decimal context rounds before."""
    numerator, denominator = worth.as_integer_ratio()
    return sign * numerator * _MICRO // denominator
