"""What is followed on a stream: the book of a symbol, its bars, our own orders. Each goes on until it is no use."""

from __future__ import annotations

import asyncio

from domain.candle import Timeframe
from domain.errors import VenueUnavailable
from venues.exchange.client import Row
from venues.exchange.streams.client import StreamClient, StreamGap
from venues.exchange.streams.intake import Intake
from venues.exchange.streams.shard import Follower, Shard


def book_of(symbol: str, intake: Intake, *, resync_s: float) -> Follower:
    """Its quotes. After a gap the whole book is sent again; meanwhile the quote is lost."""

    async def follow(client: StreamClient, shard: Shard) -> None:
        whole = False
        while True:
            try:
                book = await (client.book(symbol) if whole else _first_book(client, symbol, within_s=resync_s))
            except StreamGap:
                shard.gaps += 1
                whole = False
                intake.lose_book(symbol)
                continue
            whole = True
            shard.works()
            try:
                intake.take_book(symbol, book)
            except VenueUnavailable:  # a side without orders is a market without a quote, and no fault of the stream
                intake.lose_book(symbol)

    return follow


async def _first_book(client: StreamClient, symbol: str, *, within_s: float) -> Row:
    """All of it. Raises `VenueUnavailable` also when it does not come."""
    try:
        async with asyncio.timeout(within_s):
            return await client.book(symbol)
    except TimeoutError:
        raise VenueUnavailable(f"the order book of {symbol} did not come within {within_s:g} s") from None


def bars_of(symbol: str, timeframe: Timeframe, intake: Intake) -> Follower:
    """Its bars as they close."""

    async def follow(client: StreamClient, shard: Shard) -> None:
        while True:
            update = await client.bars(symbol, timeframe)
            shard.works()
            intake.take_bars(symbol, update)

    return follow


def own_orders(intake: Intake, *, stops: bool) -> Follower:
    """That some have changed, and which."""

    async def follow(client: StreamClient, shard: Shard) -> None:
        while True:
            rows = await client.orders(stops=stops)
            shard.works()
            intake.take_orders(rows)

    return follow
