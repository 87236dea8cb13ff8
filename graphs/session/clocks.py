"""The wall clock: when people act, whatever time it is in the market."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.clock import Clock, TickClock


class WallClock:
    """The present moment. A `Clock` for questions to people and their answers; no decision depends on it."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class RunningClock:
    """Of a live desk: it goes on within a cycle, so that a ticket expires and a quote ages while a model thinks.

    Never earlier than the cycle's own moment, whatever is done to the machine's time.
    """

    def __init__(self, wall: Clock, *, at: datetime) -> None:
        self._wall = wall
        self._tick = TickClock(at)

    def now(self) -> datetime:
        return max(self._tick.now(), self._wall.now())

    def set(self, at: datetime) -> None:
        self._tick.set(at)
