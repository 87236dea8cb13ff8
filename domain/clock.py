"""The one clock. Nothing else in the house reads the time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class TickClock:
    """A clock that stands still until it is set: market time in simulation, backtest and tests."""

    def __init__(self, at: datetime) -> None:
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        return self._at

    def set(self, at: datetime) -> None:
        """Move forward to `at`. Raises `ValueError` when that lies in the past."""
        if at < self._at:
            raise ValueError(f"the clock stands at {self._at.isoformat()} and can't go back to {at.isoformat()}")
        self._at = at.astimezone(UTC)
