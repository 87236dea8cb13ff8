"""The closed bars of one symbol in time order, and windows of them that never look ahead."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime

from domain.candle import Candle


class CandleSeries:
    """Bars, oldest first. A window costs a search and a slice, however long the series is."""

    def __init__(self, candles: Sequence[Candle] = ()) -> None:
        self._candles = list(candles)
        self._closes = [candle.closed_at for candle in self._candles]

    def __len__(self) -> int:
        return len(self._candles)

    @property
    def closes(self) -> Sequence[datetime]:
        """When each bar closed, ascending."""
        return self._closes

    def append(self, candle: Candle) -> None:
        self._candles.append(candle)
        self._closes.append(candle.closed_at)

    def forget(self, count: int) -> None:
        """Drop the oldest `count` bars."""
        del self._candles[:count]
        del self._closes[:count]

    def window(self, *, limit: int, until: datetime) -> Sequence[Candle]:
        """The last `limit` bars with closed_at <= until. Raises `ValueError` for a negative limit."""
        if limit < 0:
            raise ValueError(f"limit is {limit}, and must be 0 or more")
        end = bisect_right(self._closes, until)
        return self._candles[max(0, end - limit) : end]

    def last(self, until: datetime) -> Candle | None:
        """The newest bar that had closed by `until`."""
        end = bisect_right(self._closes, until)
        return self._candles[end - 1] if end else None
