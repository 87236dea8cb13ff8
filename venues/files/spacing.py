"""How far apart the bars of a file lie: bars that are longer than its name says would show what comes later."""

from __future__ import annotations

from collections import Counter
from typing import Final

from domain.candle import Timeframe

_FEWEST: Final = 3
"""Equal distances, of which fewer may be gaps."""

_ROW_OF: Final = 24
"""Equal distances one after another, which no thin market has by chance: a part of the file is of longer bars."""

_UNITS: Final = (("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60))


class Spacing:
    """Told of every step that is longer than a bar, but for those over which the exchange is closed."""

    def __init__(self, timeframe: Timeframe) -> None:
        self._timeframe = timeframe
        self._steps: Counter[int] = Counter()
        self._last = (0, 0)
        self._in_row = 0
        self._suspect = 0

    def add(self, bars: int, *, line: int) -> None:
        """The bar at `line` opens `bars` bars after the one before it, two or more."""
        self._steps[bars] += 1
        self._in_row = self._in_row + 1 if self._last == (bars, line - 1) else 1
        self._last = (bars, line)
        if self._in_row == _ROW_OF:
            self._suspect = self._suspect or bars

    def wrong(self, steps: int) -> str:
        """Why bars that lie `steps` steps apart in all are longer ones; empty when they aren't."""
        (bars, count), *_ = self._steps.most_common(1) or [(0, 0)]
        single = steps - self._steps.total()
        mostly = count >= _FEWEST and 2 * count >= steps and 20 * single <= steps
        if not mostly and not self._suspect:
            return ""
        bars = bars if mostly else self._suspect
        length = _text(bars * int(self._timeframe.length.total_seconds()))
        where = "they are" if mostly else f"{_ROW_OF} of them in a row are"
        return (
            f"these look like {length} bars: {where} {bars} × {self._timeframe} apart, and read as {self._timeframe} "
            f"bars they would show what comes later. Name the file ..._{length}, or if the market is closed "
            "meanwhile, state its calendar in market.toml"
        )


def _text(seconds: int) -> str:
    return next(f"{seconds // size}{unit}" for unit, size in _UNITS if seconds % size == 0)
