"""Whether two series of returns move together: Pearson's correlation, compared in whole numbers.

The coefficient itself is never computed: its square is compared with the threshold's, cross-multiplied,
so that no root and no quotient is rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from operator import mul
from typing import Literal

Movement = Literal["together", "opposed", "apart", "unknown"]


def movement(first: Sequence[int], second: Sequence[int], *, threshold: Decimal, minimum: int) -> Movement:
    """How two series, aligned at their ends, move over the bars that they have in common.

    `together` when they correlate by at least `threshold`, `opposed` by at most minus that. With fewer
    than `minimum` (at least one) bars in common, or when either never moves, there is no correlation
    to speak of, and it is `unknown`.
    """
    count = min(len(first), len(second))
    if count < max(minimum, 1):
        return "unknown"
    xs, ys = first[-count:], second[-count:]
    sum_x, sum_y = sum(xs), sum(ys)
    spread_x = count * sum(map(mul, xs, xs)) - sum_x * sum_x
    spread_y = count * sum(map(mul, ys, ys)) - sum_y * sum_y
    if not spread_x or not spread_y:
        return "unknown"
    shared = count * sum(map(mul, xs, ys)) - sum_x * sum_y
    numerator, denominator = threshold.as_integer_ratio()
    if (shared * denominator) ** 2 < numerator * numerator * spread_x * spread_y:
        return "apart"
    return "together" if shared >= 0 else "opposed"
