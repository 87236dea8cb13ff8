"""What stands between a tool and the world and outlives a cycle: answers kept, buckets, breakers."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import datetime

from domain.breaker import Breaker
from domain.clock import Clock, Sleep
from domain.rate import Bucket, Rate

Monotonic = Callable[[], float]
"""Seconds on a clock that nobody sets, for how long something takes."""


class Cache:
    """The last `entries` answers, least recently used out first."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._answers: OrderedDict[Hashable, object] = OrderedDict()

    def get(self, key: Hashable) -> object | None:
        if key not in self._answers:
            return None
        self._answers.move_to_end(key)
        return self._answers[key]

    def put(self, key: Hashable, value: object) -> None:
        self._answers[key] = value
        self._answers.move_to_end(key)
        if len(self._answers) > self._entries:
            self._answers.popitem(last=False)

    def __len__(self) -> int:
        return len(self._answers)


class Plumbing:
    """One for each market and run, shared by the toolboxes of all its cycles and agents."""

    def __init__(
        self,
        clock: Clock,
        *,
        sleep: Sleep = asyncio.sleep,
        monotonic: Monotonic = time.monotonic,
        cache_entries: int = 1_024,
        break_after: int = 5,
        probe_after_s: float = 30,
    ) -> None:
        self.cache = Cache(cache_entries)
        self.sleep = sleep
        self.monotonic = monotonic
        self._clock = clock
        self._break_after = break_after
        self._probe_after_s = probe_after_s
        self._buckets: dict[str, Bucket] = {}
        self._breakers: dict[tuple[str, str], Breaker] = {}

    def now(self) -> datetime:
        return self._clock.now()

    def bucket(self, name: str, rate: Rate) -> Bucket:
        return self._buckets.setdefault(name, Bucket(rate))

    def breaker(self, name: str, symbol: str = "") -> Breaker:
        """That of a tool in one symbol; without one that of the tool, which any symbol's answer closes."""
        key = (name, symbol)
        if key not in self._breakers:
            self._breakers[key] = Breaker(after=self._break_after, probe_after_s=self._probe_after_s)
        return self._breakers[key]
