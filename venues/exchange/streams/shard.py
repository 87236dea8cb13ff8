"""One client of the streams, kept alive: connected, watched for silence, given up when it is no use, tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import TypeAlias

from domain.clock import Clock, Sleep
from domain.errors import VenueUnavailable
from venues.exchange.stream_health import ShardHealth, ShardState
from venues.exchange.streams.client import StreamClient
from venues.exchange.streams.limits import StreamLimits

Follower: TypeAlias = Callable[[StreamClient, "Shard"], Coroutine[None, None, None]]
"""Reads one thing from a client, without end. Raises `VenueUnavailable` when the connection is no good any more."""

_SURELY = 2
"""So many pings after a connection was first heard, it has logged in and subscribed, or it has failed."""


class Shard:
    """Runs its followers on one client after another.

    What these are is asked for before each; without any it waits until it is renewed. `lost` is told whenever what
    they told is worth nothing, `back` once a connection has been heard for a while: what happened before that may have
    been missed.
    """

    def __init__(
        self,
        name: str,
        *,
        symbols: Callable[[], Sequence[str]],
        connect: Callable[[], StreamClient],
        followers: Callable[[], Sequence[Follower]],
        lost: Callable[[], None],
        back: Callable[[], None],
        limits: StreamLimits,
        wall: Clock,
        sleep: Sleep,
    ) -> None:
        self._name = name
        self._symbols = symbols
        self._connect = connect
        self._followers = followers
        self._lost = lost
        self._back = back
        self._limits = limits
        self._wall = wall
        self._sleep = sleep
        self._state = ShardState.CONNECTING
        self._heard_at: datetime | None = None
        self._last_failure = ""
        self._failed = 0
        self._reconnects = 0
        self._renewed = asyncio.Event()
        self.gaps = 0

    @property
    def health(self) -> ShardHealth:
        return ShardHealth(
            name=self._name,
            state=self._state,
            symbols=tuple(self._symbols()),
            heard_at=self._heard_at,
            gaps=self.gaps,
            reconnects=self._reconnects,
            said=self._last_failure,
        )

    async def run(self, *, after_s: float) -> None:
        """Until cancelled."""
        await self._sleep(after_s)
        while True:
            self._renewed.clear()
            if not (followers := self._followers()):
                self._state = ShardState.LIVE  # there is nothing to hear
                await self._renewed.wait()
                continue
            try:
                async with self._connect() as client:
                    await self._follow(client, followers)
            except VenueUnavailable as error:
                self._last_failure = error.message
            if self._state is not ShardState.DOWN:  # else all is lost since, and has been said
                self._state = ShardState.DOWN
                self._lost()
            if self._renewed.is_set():
                continue
            pause_s = self._limits.pauses_s[min(self._failed, len(self._limits.pauses_s) - 1)]
            self._failed += 1
            await self._sleep(pause_s)
            self._reconnects += 1

    def works(self) -> None:
        """Something of use has come: the next pause is a short one again."""
        self._state = ShardState.LIVE
        self._failed = 0

    def renew(self) -> None:
        """Connect anew, at once: what is to be followed has changed."""
        self._failed = 0
        self._renewed.set()

    async def _follow(self, client: StreamClient, followers: Sequence[Follower]) -> None:
        """All followers at once; the first that fails ends the others. Raises what it raised."""
        following = [asyncio.create_task(follower(client, self)) for follower in followers]
        tasks = [*following, asyncio.create_task(self._listen(client)), asyncio.create_task(self._until_renewed())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        bugs = [error for error in ended if isinstance(error, Exception) and not isinstance(error, VenueUnavailable)]
        for error in (*bugs, *ended):
            if isinstance(error, Exception):
                raise error

    async def _until_renewed(self) -> None:
        await self._renewed.wait()
        raise VenueUnavailable("what is followed has changed")

    async def _listen(self, client: StreamClient) -> None:
        """Give the client up once one of its connections has been silent for too long."""
        since, rounds, suspected = self._wall.now(), 0, False
        while True:
            await self._sleep(self._limits.ping_every_s)
            heard_at = client.silent_since()
            self._heard_at = heard_at or since
            rounds += client.connected
            if rounds == _SURELY:
                self.works()
                self._back()
            silent_s = (self._wall.now() - self._heard_at).total_seconds()
            silent = silent_s > self._limits.silent_after_s
            if silent and suspected:
                raise VenueUnavailable(f"nothing was heard for {silent_s:.0f} s")
            suspected = silent  # once more: it may be we who were held up, and what came waits to be read
