"""Days and weeks as a policy counts them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphs.session.trading_day import day_start, week_start
from policy.limits.conduct import DayLimits

UTC_DAY = DayLimits()
NEW_YORK = DayLimits(starts="17:00", time_zone="America/New_York")


@pytest.mark.parametrize(
    ("as_of", "day", "began"),
    [
        ("2025-03-05T00:00:00Z", UTC_DAY, "2025-03-05T00:00:00Z"),
        ("2025-03-05T23:59:59Z", UTC_DAY, "2025-03-05T00:00:00Z"),
        ("2025-01-15T21:59:59Z", NEW_YORK, "2025-01-14T22:00:00Z"),
        ("2025-01-15T22:00:00Z", NEW_YORK, "2025-01-15T22:00:00Z"),
        ("2025-07-15T20:59:59Z", NEW_YORK, "2025-07-14T21:00:00Z"),
    ],
)
def test_a_day_begins_where_the_policy_says(as_of: str, day: DayLimits, began: str) -> None:
    assert day_start(datetime.fromisoformat(as_of), day) == datetime.fromisoformat(began)


@pytest.mark.parametrize(
    ("as_of", "day", "began"),
    [
        ("2025-03-05T12:00:00Z", UTC_DAY, "2025-03-03T00:00:00Z"),
        ("2025-03-03T00:00:00Z", UTC_DAY, "2025-03-03T00:00:00Z"),
        ("2025-03-02T23:59:59Z", UTC_DAY, "2025-02-24T00:00:00Z"),
        ("2025-03-10T20:00:00Z", NEW_YORK, "2025-03-03T22:00:00Z"),
        ("2025-03-10T21:00:00Z", NEW_YORK, "2025-03-10T21:00:00Z"),
    ],
)
def test_a_week_begins_with_the_day_that_begins_on_monday(as_of: str, day: DayLimits, began: str) -> None:
    assert week_start(datetime.fromisoformat(as_of), day) == datetime.fromisoformat(began)


@given(
    st.integers(0, 50 * 365 * 86_400),
    st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "Europe/London"]),
    st.sampled_from(["00:00", "02:30", "17:00", "23:59"]),
)
def test_a_day_has_begun_and_is_not_over(seconds: int, zone: str, starts: str) -> None:
    as_of = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    day = DayLimits(starts=starts, time_zone=zone)
    began = day_start(as_of, day)
    assert began <= as_of < began + timedelta(hours=25, minutes=1)
    assert week_start(as_of, day) <= began
