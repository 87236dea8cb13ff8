"""When exchanges that close are open: sessions, the hours around them, pauses, holidays and the bars between."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.candle import Timeframe
from domain.errors import UsageError
from venues.files.trading_hours import trading_hours

DAY, HOUR, FIVE = Timeframe("1d"), Timeframe("1h"), Timeframe("5m")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("calendar", "moment", "session"),
    [
        ("NYSE", "2025-01-08 14:29:59", "extended"),
        ("NYSE", "2025-01-08 14:30", "open"),
        ("NYSE", "2025-01-08 20:59:59", "open"),
        ("NYSE", "2025-01-08 21:00", "extended"),
        ("NYSE", "2025-01-09 00:59:59", "extended"),
        ("NYSE", "2025-01-09 01:00", "closed"),
        ("NYSE", "2025-01-08 08:59:59", "closed"),
        ("NYSE", "2025-01-08 09:00", "extended"),
        ("XNYS", "2025-01-08 09:00", "extended"),
        ("XNAS", "2025-01-08 09:00", "extended"),
        ("NYSE", "2025-07-08 13:30", "open"),  # summer
        ("NYSE", "2025-01-09 15:00", "closed"),  # a day of mourning
        ("NYSE", "2025-07-03 16:59:59", "open"),  # closes early
        ("NYSE", "2025-07-03 17:00", "extended"),
        ("NYSE", "2025-07-04 15:00", "closed"),
        ("NYSE", "2025-01-11 15:00", "closed"),  # a Saturday
        ("XLON", "2025-01-08 08:00", "open"),
        ("XLON", "2025-01-08 16:30", "closed"),
        ("XTKS", "2025-01-08 02:29:59", "open"),
        ("XTKS", "2025-01-08 02:30", "closed"),  # noon
        ("XTKS", "2025-01-08 03:30", "open"),
        ("CMEGlobex_FX", "2025-01-05 23:30", "open"),  # Monday's session, from Sunday evening on
        ("CMEGlobex_FX", "2025-01-04 12:00", "closed"),
    ],
)
def test_an_exchange_is_open_extended_or_closed(calendar: str, moment: str, session: str) -> None:
    assert trading_hours(calendar).at(utc(moment)) == session


@pytest.mark.parametrize(
    ("close", "timeframe", "session"),
    [
        ("2025-01-11", "1d", "open"),  # Friday's bar, known when Saturday begins
        ("2025-01-12", "1d", "closed"),
        ("2025-01-13", "1d", "closed"),
        ("2025-01-10", "1d", "closed"),  # the day of mourning
        ("2025-01-13", "1w", "open"),
        ("2025-01-13", "3d", "open"),
        ("2025-01-08 21:00", "5m", "extended"),
        ("2025-01-08 20:55", "5m", "open"),
        ("2025-01-08 06:00", "1h", "closed"),
    ],
)
def test_a_bar_of_a_day_stands_for_its_session_and_a_shorter_one_for_its_close(
    close: str, timeframe: str, session: str
) -> None:
    assert trading_hours("NYSE").decided_at(utc(close), Timeframe(timeframe)) == session


@pytest.mark.parametrize(
    ("start", "end", "timeframe", "count"),
    [
        ("2025-01-11", "2025-01-13", DAY, 0),
        ("2025-01-11", "2025-01-14", DAY, 1),
        ("2025-02-11", "2025-02-20", DAY, 6),
        ("2025-01-08 21:00", "2025-01-10 14:30", FIVE, 0),  # a closed day between
        ("2025-01-08 20:50", "2025-01-10 14:40", FIVE, 4),
        ("2025-01-08 21:00", "2025-01-10 14:00", HOUR, 0),
        ("2025-01-08 21:00", "2025-01-10 15:00", HOUR, 1),  # half of it
        ("2025-01-08 15:00", "2025-01-08 16:00", FIVE, 12),
    ],
)
def test_no_bar_is_missing_while_the_exchange_is_closed(start: str, end: str, timeframe: Timeframe, count: int) -> None:
    assert trading_hours("NYSE").missing(utc(start), utc(end), timeframe) == count


def test_a_bar_over_the_pause_counts_once() -> None:
    four = Timeframe("4h")
    assert trading_hours("XTKS").missing(utc("2025-01-08 00:00"), utc("2025-01-09 00:00"), four) == 2


@settings(max_examples=40)
@given(
    st.integers(0, 365 * 24 * 12),
    st.integers(0, 2_000),
    st.sampled_from([FIVE, HOUR]),
    st.sampled_from(["NYSE", "XTKS", "XLON"]),
)
def test_the_missing_bars_are_those_that_meet_the_regular_hours(
    offset: int, length: int, timeframe: Timeframe, calendar: str
) -> None:
    hours = trading_hours(calendar)
    start = utc("2024-06-01") + offset // 12 * timedelta(hours=1)
    slots = [start + n * timeframe.length for n in range(length)]

    def meets(slot: datetime) -> bool:
        days = [slot.date() + timedelta(days=n) for n in (-1, 0, 1)]
        spans = [span for day in days if (found := hours.on(day)) for span in found.regular]
        return any(span.start < slot + timeframe.length and slot < span.end for span in spans)

    assert hours.missing(start, start + length * timeframe.length, timeframe) == sum(map(meets, slots))


def test_sessions_are_named_after_their_days() -> None:
    hours = trading_hours("NYSE")
    assert hours.on(date(2025, 1, 9)) is None
    found = hours.on(date(2025, 1, 8))
    assert found is not None
    assert found.whole == (utc("2025-01-08 09:00"), utc("2025-01-09 01:00"))


def test_a_calendar_that_is_not_there_is_refused_with_near_ones() -> None:
    with pytest.raises(UsageError, match="there is no calendar 'NYSEE'") as refused:
        trading_hours("NYSEE")
    assert "NYSE" in (refused.value.remedy or "")


def test_nothing_heavy_is_imported_before_a_calendar_is_opened() -> None:
    code = "import sys, tools.market, tools.sessions; print({'pandas', 'exchange_calendars'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
