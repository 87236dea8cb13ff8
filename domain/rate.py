"""A token bucket: how often a source may be called. Calls queue by reservation, so nothing polls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_s` calls a second on average, at most `burst` at once."""

    per_s: float
    burst: int = 1

    def __post_init__(self) -> None:
        if self.per_s <= 0 or self.burst < 1:
            raise ValueError("a rate needs per_s above 0 and burst of at least 1")


class Bucket:
    """Full at first; refills with the clock it is shown. Below zero stands what is promised already."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._level = float(rate.burst)
        self._at: datetime | None = None

    def level(self, now: datetime) -> float:
        """What could be taken at once; below zero, what is promised beyond it."""
        if self._at is None:
            return self._level
        elapsed_s = max(0.0, (now - self._at).total_seconds())
        return min(float(self._rate.burst), self._level + elapsed_s * self._rate.per_s)

    def reserve(self, cost: int, *, now: datetime, within_s: float) -> float | None:
        """Take `cost` and return the seconds to wait before using it; `None` takes nothing.

        `None` when the wait would be longer than `within_s`. A caller that is cancelled while it waits
        forfeits its turn.
        """
        self._level = self.level(now)
        self._at = now if self._at is None else max(self._at, now)
        wait_s = max(0.0, (cost - self._level) / self._rate.per_s)
        if wait_s > within_s:
            return None
        self._level -= cost
        return wait_s
