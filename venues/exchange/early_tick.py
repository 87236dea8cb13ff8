"""What should not wait for the next bar, and how often it may be heeded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.clock import Clock, Sleep


class Urgency:
    """Events that others set, and `call`. One is due once `every_s` has passed since anything was looked at."""

    def __init__(self, events: Sequence[asyncio.Event], *, wall: Clock, every_s: float) -> None:
        self._called = asyncio.Event()
        self._heard = bool(events)
        self._events = (*events, self._called)
        self._wall = wall
        self._every = timedelta(seconds=every_s)
        self._looked_at: datetime | None = None

    @property
    def due(self) -> bool:
        return self._is_set and not self._rest_s()

    def looked(self) -> None:
        """A look begins: it sees what has happened so far."""
        self._looked_at = self._wall.now()
        for event in self._events:
            event.clear()

    def call(self) -> None:
        """Something is urgent now, whatever the events say."""
        self._called.set()

    def again(self) -> None:
        """The look saw nothing: what was urgent still is."""
        for event in self._events[:1]:
            event.set()

    async def nap(self, seconds: float, *, sleep: Sleep) -> None:
        """Sleep for so long, or until it is due."""
        if self._is_set:
            await sleep(min(seconds, self._rest_s() or seconds))
            return
        if not self._heard:
            await sleep(seconds)
            return
        tasks = [asyncio.ensure_future(sleep(seconds)), *(asyncio.ensure_future(e.wait()) for e in self._events)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def _is_set(self) -> bool:
        return any(event.is_set() for event in self._events)

    def _rest_s(self) -> float:
        """How long it must wait yet. A clock that was put back does not make it longer than it was."""
        if self._looked_at is None:
            return 0
        since = max(timedelta(0), self._wall.now() - self._looked_at)
        return max(timedelta(0), self._every - since).total_seconds()
