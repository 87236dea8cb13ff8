"""A circuit breaker: a source that keeps failing is left alone, then tried by one call at a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

State = Literal["closed", "open", "half-open"]


class Breaker:
    """Opens after `after` failures in a row; `probe_after_s` later it lets one call through.

    Each admitted call ends in exactly one of `settle` and `release`.
    """

    def __init__(self, *, after: int, probe_after_s: float) -> None:
        self._after = after
        self._probe_after = timedelta(seconds=probe_after_s)
        self._failures = 0
        self._opened_at: datetime | None = None
        self._probing = False

    @property
    def failures(self) -> int:
        """In a row, up to now."""
        return self._failures

    @property
    def probes_at(self) -> datetime | None:
        """When the next call is let through; `None` while every call is."""
        return None if self._opened_at is None else self._opened_at + self._probe_after

    def state(self, now: datetime) -> State:
        """`half-open` from the moment on at which one call may try."""
        if self.probes_at is None:
            return "closed"
        return "half-open" if self._probing or now >= self.probes_at else "open"

    def admits(self, now: datetime) -> bool:
        if self._opened_at is None:
            return True
        if self._probing or now < self._opened_at + self._probe_after:
            return False
        self._probing = True
        return True

    def settle(self, now: datetime, *, answered: bool) -> None:
        """The call came back: with the service's answer, of whatever kind, or without one."""
        self._probing = False
        if answered:
            self._failures, self._opened_at = 0, None
            return
        self._failures += 1
        if self._failures >= self._after:
            self._opened_at = now

    def release(self) -> None:
        """The call was cancelled and proves nothing."""
        self._probing = False
