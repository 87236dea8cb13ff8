"""Trading hours of exchanges that close: their sessions, from the calendars of pandas_market_calendars.

That library, and pandas with it, is imported where a calendar is first opened, and nowhere else.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from typing import Any, Final, NamedTuple

from domain.candle import Session, Timeframe
from domain.errors import UsageError

_DAY: Final = timedelta(days=1)

_OWN: Final = {"XNYS": "NYSE", "XNAS": "NASDAQ"}
"""By these names of ISO 10383 the library has the regular hours alone, or none."""


class Span(NamedTuple):
    """From a moment on, until before another one."""

    start: datetime
    end: datetime


class Hours(NamedTuple):
    """One session: the spans in which it is open, and all of it with the hours before and after."""

    regular: tuple[Span, ...]
    whole: Span


class TradingHours:
    """The sessions of one calendar, each by the day that it is called after; read a year at a time."""

    def __init__(self, calendar: str) -> None:
        """Raises `UsageError` for a name that the library doesn't have."""
        self.calendar = calendar
        self._calendar = _opened(calendar)
        self._years: dict[int, dict[date, Hours]] = {}

    def on(self, day: date) -> Hours | None:
        """The session of `day`; none on a weekend or a holiday."""
        if day.year not in self._years:
            self._years[day.year] = dict(_sessions(self._calendar, day.year))
        return self._years[day.year].get(day)

    def at(self, moment: datetime) -> Session:
        """Whether the exchange is open at `moment`, in the hours before or after that, or closed."""
        near = [hours for hours in self._near(moment, moment) if _holds(hours.whole, moment)]
        if any(_holds(span, moment) for hours in near for span in hours.regular):
            return "open"
        extended = any(moment < hours.regular[0].start or moment >= hours.regular[-1].end for hours in near)
        return "extended" if extended else "closed"

    def decided_at(self, close: datetime, timeframe: Timeframe) -> Session:
        """The session of who decides on a recorded bar that closed at `close`.

        A bar of a day or longer stands for its sessions, wherever its hours lie on the clock: deciding on it is
        deciding in them, and `open`. A shorter one closes at a moment, which is in a session or not.
        """
        if timeframe.length < _DAY:
            return self.at(close)
        return "open" if self.traded(close - timeframe.length, timeframe) else "closed"

    def traded(self, opened_at: datetime, timeframe: Timeframe) -> bool:
        """Whether there may be a bar that opened then: some of it lies in a session, or a day of it is one."""
        end = opened_at + timeframe.length
        if timeframe.length >= _DAY:
            return any(map(self.on, _days(opened_at.date(), (end - timedelta(microseconds=1)).date())))
        return any(_meet(hours.whole, opened_at, end) for hours in self._near(opened_at, end))

    def missing(self, start: datetime, end: datetime, timeframe: Timeframe) -> int:
        """How many bars there should have been from `start` to `end`: those that meet the regular hours."""
        length = timeframe.length
        if length >= _DAY:
            return sum(self.traded(start + n * length, timeframe) for n in range((end - start) // length))
        count, counted = 0, 0
        for span in (span for hours in self._near(start, end) for span in hours.regular):
            first = max(counted, (span.start - start) // length)
            counted = max(counted, min(-((start - span.end) // length), (end - start) // length))
            count += max(0, counted - first)
        return count

    def _near(self, start: datetime, end: datetime) -> Iterator[Hours]:
        """The sessions that may hold any of it: one may begin on the evening before its day."""
        for day in _days(start.date() - _DAY, end.date() + _DAY):
            if hours := self.on(day):
                yield hours


def _holds(span: Span, moment: datetime) -> bool:
    return span.start <= moment < span.end


def _meet(span: Span, start: datetime, end: datetime) -> bool:
    return span.start < end and start < span.end


def _days(first: date, last: date) -> Iterator[date]:
    for n in range((last - first).days + 1):
        yield first + n * _DAY


@cache
def trading_hours(calendar: str) -> TradingHours:
    """Those of a calendar, read once in a process. Raises `UsageError` for one that isn't there."""
    return TradingHours(calendar)


def _opened(calendar: str) -> Any:
    with _quiet():
        import pandas_market_calendars

        names = pandas_market_calendars.get_calendar_names()
        name = _OWN.get(calendar, calendar)
        if name not in names:
            near = get_close_matches(calendar, names, n=3) or ["NYSE", "NASDAQ", "XLON", "XETR", "XTKS"]
            raise UsageError(f"there is no calendar {calendar!r}", remedy=f"There are, among others, {', '.join(near)}")
        return pandas_market_calendars.get_calendar(name)


def _sessions(calendar: Any, year: int) -> Iterator[tuple[date, Hours]]:
    with _quiet():
        table = calendar.schedule(start_date=date(year, 1, 1), end_date=date(year, 12, 31), market_times="all")
        table = table.astype(object).where(table.notna(), None)
    for day, row in table.iterrows():
        times = {name: at.to_pydatetime().astimezone(UTC) for name, at in row.items() if at is not None}
        opened, closed = times["market_open"], times["market_close"]
        pause = (times.get("break_start"), times.get("break_end"))
        regular: tuple[Span, ...] = (Span(opened, closed),)
        if pause[0] is not None and pause[1] is not None and pause[0] < pause[1]:
            regular = (Span(opened, pause[0]), Span(pause[1], closed))
        yield day.date(), Hours(regular, Span(times.get("pre", opened), times.get("post", closed)))


def _quiet() -> warnings.catch_warnings[None]:
    """The library uses what the newest pandas is about to change."""
    return warnings.catch_warnings(action="ignore")
