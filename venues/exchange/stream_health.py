"""How an exchange's streams are: for `doctor`, for an operator, and for tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

GRACE: Final = timedelta(seconds=30)
"""For connecting at first: markets are loaded, and a connection that says nothing is given up once."""


class ShardState(StrEnum):
    """`connecting` until something was heard; `down` while nothing is connected, and REST is asked instead."""

    CONNECTING = "connecting"
    LIVE = "live"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardHealth:
    """One client of the streams, on one connection or a few."""

    name: str
    state: ShardState
    symbols: tuple[str, ...]
    heard_at: datetime | None
    """When the connection that has been silent longest last said anything."""
    gaps: int
    reconnects: int
    said: str
    """Why it was last down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHealth:
    """All of them."""

    begun_at: datetime | None
    """When it was entered; `None` before."""
    shards: tuple[ShardHealth, ...]
    unread: tuple[str, ...]
    """Symbols whose quotes no stream tells at the moment."""
    gaps: int
    backfills: int
    """How often REST was asked to fill in what a stream had missed."""
    polls: int
    """How often it was asked again, while a stream was down."""
    reconnects: int
    failed: str
    """What ended all of it, which must not happen; empty while it runs."""

    def connecting(self, *, at: datetime) -> bool:
        """Whether nothing is wrong but that it began so shortly before `at`, or not yet, that not all is heard."""
        new = self.begun_at is None or at - self.begun_at < GRACE
        down = any(shard.state is ShardState.DOWN or shard.reconnects for shard in self.shards)
        return new and not (self.well or self.failed or down)

    @property
    def well(self) -> bool:
        return not self.failed and not self.unread and all(shard.state is ShardState.LIVE for shard in self.shards)
