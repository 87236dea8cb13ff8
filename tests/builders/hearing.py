"""Streams without sockets: they call for looks at moments of the test's, and remember what they were to watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from builders.exchanges import Stage
from domain.candle import Quote
from domain.venue import Levels
from venues.exchange.bars import Bars
from venues.exchange.market import ExchangeMarket
from venues.exchange.stream_health import StreamHealth


@dataclass
class Hearing:
    """A stream that tells nothing, and calls for a look when somebody sets `urgent`."""

    urgent: asyncio.Event = field(default_factory=asyncio.Event)
    watched: list[Mapping[str, Levels]] = field(default_factory=list)
    entered: bool = False
    failed: str = ""

    def quote(self, symbol: str) -> Quote | None:
        return None

    def bars(self, symbol: str, *, close: datetime) -> Bars | None:
        return None

    def watch_prices(self, levels: Mapping[str, Levels]) -> None:
        self.watched.append(levels)

    @property
    def health(self) -> StreamHealth:
        return StreamHealth(
            begun_at=None, shards=(), unread=(), gaps=0, backfills=0, polls=0, reconnects=0, failed=self.failed
        )

    async def __aenter__(self) -> None:
        assert not self.entered
        self.entered = True

    async def __aexit__(self, *error: object) -> None:
        self.entered = False


@dataclass
class Alarm:
    """Something urgent at some moments, noticed whenever somebody sleeps; sleeps are no longer than a second."""

    stage: Stage
    at: list[datetime]
    hearing: Hearing = field(default_factory=Hearing)
    happens: Callable[[], None] = lambda: None
    """What it is that is urgent."""

    async def sleep(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            await self._step(1)
            if self.hearing.urgent.is_set():  # let who waits for it be first
                for _ in range(5):
                    await asyncio.sleep(0)
        await self._step(seconds % 1)

    async def _step(self, seconds: float) -> None:
        await self.stage.wall.sleep(seconds)
        if self.at and self.stage.wall.at >= self.at[0]:
            self.at.pop(0)
            self.happens()
            self.hearing.urgent.set()

    def market(self, client: Any = None, **over: Any) -> ExchangeMarket:
        return self.stage.market(client, sleep=self.sleep, stream=self.hearing, **over)
