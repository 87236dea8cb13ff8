"""When bars open and close: on whole multiples of their length, those of weeks on Mondays, all in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.candle import Timeframe

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_WEEK = timedelta(weeks=1)


def last_close(at: datetime, timeframe: Timeframe) -> datetime:
    """The newest moment, `at` included, at which a bar of this timeframe closes and the next one opens."""
    length = timeframe.length
    origin = EPOCH if length % _WEEK else _MONDAY
    return origin + (at - origin) // length * length
