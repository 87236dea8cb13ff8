"""When a day and a week began, as a policy counts them, and how far back it looks at closed trades."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from policy import Policy
from policy.limits.conduct import DayLimits


def day_start(as_of: datetime, day: DayLimits) -> datetime:
    """The last moment at or before `as_of` when a day began; in UTC."""
    zone = ZoneInfo(day.time_zone)
    here = as_of.astimezone(zone)
    begins = datetime.combine(here.date(), time.fromisoformat(day.starts), tzinfo=zone)
    if begins.astimezone(UTC) > as_of:
        begins = datetime.combine(here.date() - timedelta(days=1), begins.timetz())
    return begins.astimezone(UTC)


def week_start(as_of: datetime, day: DayLimits) -> datetime:
    """When the day began that was the last Monday's; in UTC."""
    zone = ZoneInfo(day.time_zone)
    today = day_start(as_of, day).astimezone(zone)
    monday = today.date() - timedelta(days=today.weekday())
    return datetime.combine(monday, time.fromisoformat(day.starts), tzinfo=zone).astimezone(UTC)


def lookback(policy: Policy) -> timedelta:
    """How long a closed trade bears on what may be entered."""
    rest = policy.cooldown
    return timedelta(seconds=0 if rest is None else max(rest.after_loss_s, rest.pause_s))
