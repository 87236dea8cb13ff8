"""What the streams don't tell at the moment, read by REST: once to fill a gap, again and again while they are down."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from domain.clock import Clock
from domain.errors import VenueUnavailable
from venues.exchange.client import ExchangeClient
from venues.exchange.feed import GRACE, ExchangeFeed
from venues.exchange.streams.intake import Intake
from venues.exchange.streams.limits import StreamLimits


class Filler:
    """Reads quotes and bars that are lacking. An exchange that answers nothing is asked again later."""

    def __init__(
        self, client: ExchangeClient, feed: ExchangeFeed, intake: Intake, *, limits: StreamLimits, wall: Clock
    ) -> None:
        self._client = client
        self._feed = feed
        self._intake = intake
        self._limits = limits
        self._wall = wall
        self._filled: frozenset[str] = frozenset()
        self.backfills = 0
        self.polls = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._intake.lacking.clear()
            quotes, bars = self._intake.lost, self._intake.unread(at=self._wall.now() - GRACE)
            await asyncio.gather(*map(self._quote, quotes), *map(self._bars, bars))
            self._filled &= frozenset(self._intake.lost)
            await self._pause()

    async def _pause(self) -> None:
        """Until something is lost, at most for as long as a quote may be left unread."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.poll_every_s):
                await self._intake.lacking.wait()

    async def _quote(self, symbol: str) -> None:
        try:
            self._intake.book_read(symbol, await self._client.book(symbol))
        except VenueUnavailable:
            return
        if symbol in self._filled:
            self.polls += 1
        else:
            self.backfills += 1
            self._filled |= {symbol}

    async def _bars(self, symbol: str) -> None:
        try:
            newest = await self._intake.bars.read(symbol, self._feed, at=self._wall.now() - GRACE)
        except VenueUnavailable:
            return
        self.backfills += 1
        if newest is not None:
            self._intake.bar_closed(symbol, newest)
