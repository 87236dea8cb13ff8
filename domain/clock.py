"""The one clock. Nothing else in the house reads the time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class CycleClock(Clock, Protocol):
    """A clock that is told when a cycle begins."""

    def set(self, at: datetime) -> None:
        """A cycle begins at `at`: from now on it is not earlier. Raises `ValueError` when that lies in the past."""
        ...


class TickClock:
    """A clock that stands still until it is set: market time in simulation, backtest and tests."""

    def __init__(self, at: datetime) -> None:
        self._at = _utc(at)

    def now(self) -> datetime:
        return self._at

    def set(self, at: datetime) -> None:
        """Move forward to `at`. Raises `ValueError` when that lies in the past or has no zone."""
        at = _utc(at)
        if at < self._at:
            raise ValueError(f"the clock stands at {self._at.isoformat()} and can't go back to {at.isoformat()}")
        self._at = at


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no time zone")
    return at.astimezone(UTC)


Sleep = Callable[[float], Awaitable[None]]
"""Waits for so many seconds; a test waits for none."""
