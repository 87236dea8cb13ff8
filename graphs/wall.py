"""The wall clock: when people act, whatever time it is in the market."""

from __future__ import annotations

from datetime import UTC, datetime


class WallClock:
    """The present moment. A `Clock` for questions to people and their answers; no decision depends on it."""

    def now(self) -> datetime:
        return datetime.now(UTC)
