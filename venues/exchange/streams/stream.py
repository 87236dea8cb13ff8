"""An exchange's streams: quotes as they are now, bars as they close, and hints of what should be looked at now.

Streams are a source of hints and of fresh quotes, never of what is true of the account: a change of an own order says
that the venue should be asked. What a stream misses is read by REST, and so is everything while it is down.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Self

from domain.candle import Quote, Timeframe
from domain.clock import Clock, Sleep
from domain.errors import UsageError, VenueUnavailable
from domain.venue import Levels
from venues.exchange.bars import Bars
from venues.exchange.client import ExchangeClient, Row
from venues.exchange.feed import ExchangeFeed
from venues.exchange.instruments import carried, listed
from venues.exchange.stream_health import StreamHealth
from venues.exchange.streams.ccxt_pro import has_streams
from venues.exchange.streams.changes import Change
from venues.exchange.streams.client import MarketKind, StreamClient, kinds_apart, tells_stops_apart
from venues.exchange.streams.intake import Intake
from venues.exchange.streams.limits import StreamLimits
from venues.exchange.streams.rest_fallback import Filler
from venues.exchange.streams.shard import Follower, Shard
from venues.exchange.streams.subscriptions import bars_of, book_of, own_orders


class ExchangeStream:
    """Some symbols of one exchange, streamed while entered. Everything it gives may be asked for at any time."""

    def __init__(
        self,
        client: ExchangeClient,
        *,
        symbols: Sequence[str],
        timeframe: Timeframe,
        wall: Clock,
        sleep: Sleep = asyncio.sleep,
        settings: Mapping[str, object] | None = None,
        prepare: Callable[[Any], None] | None = None,
        own_orders: bool = False,
        limits: StreamLimits | None = None,
    ) -> None:
        """`client` is for this alone; `settings` are ccxt's own, with keys where own orders are watched, and `prepare`
        is given each of ccxt's objects before it is used.

        Raises `UsageError` for an exchange that ccxt does not stream.
        """
        if not has_streams(client.exchange):
            raise UsageError(f"{client.exchange} has no streams in ccxt", remedy="Its market is read without them")
        self._client = client
        self._symbols = tuple(dict.fromkeys(symbols))
        self._timeframe = timeframe
        self._wall = wall
        self._sleep = sleep
        self._settings = dict(settings or {})
        self._prepare = prepare
        self._own_orders = own_orders
        self._limits = limits or StreamLimits()
        stale_after = timedelta(seconds=self._limits.stale_after_s)
        self._intake = Intake(self._symbols, timeframe, wall=wall, stale_after=stale_after)
        feed = ExchangeFeed(client, timeframe)
        self._filler = Filler(client, feed, self._intake, limits=self._limits, wall=wall)
        self._shards: tuple[Shard, ...] = ()
        self._running: asyncio.Task[None] | None = None
        self._begun_at: datetime | None = None

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        self._begun_at = self._wall.now()
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *error: object) -> None:
        """Everything is closed by then. What ended the streams before, if anything has, is in `health`."""
        try:
            if self._running is not None:
                self._running.cancel()
                await asyncio.wait([self._running])
        finally:
            await self._client.__aexit__(*error)

    def quote(self, symbol: str) -> Quote | None:
        """Bid and ask as they are now; `None` while that isn't known. Raises `KeyError` for another symbol.

        The time is that of the last change: a book that hasn't changed is still the book.
        """
        quote = self._intake.quotes.get(symbol)
        return quote if self._failure is None else None

    def bars(self, symbol: str, *, close: datetime) -> Bars | None:
        """The newest bars that closed by `close`, by when they opened; `None` where they are not all known yet."""
        return self._intake.bars.until(symbol, close)

    def watch_prices(self, levels: Mapping[str, Levels]) -> None:
        """Tell when a quote crosses one of these from now on: for each symbol a price below and one above."""
        self._intake.prices.watch(levels)

    def changes(self) -> AsyncIterator[Change]:
        """What happened, without end. For one reader."""
        return aiter(self._intake.changes)

    @property
    def urgent(self) -> asyncio.Event:
        """Set by a change that should not wait for the next bar; to be cleared by who acts on it."""
        return self._intake.changes.urgent

    @property
    def health(self) -> StreamHealth:
        shards = tuple(shard.health for shard in self._shards)
        return StreamHealth(
            begun_at=self._begun_at,
            shards=shards,
            unread=self._intake.lost,
            gaps=sum(shard.gaps for shard in shards),
            backfills=self._filler.backfills,
            polls=self._filler.polls,
            reconnects=sum(shard.reconnects for shard in shards),
            failed="" if self._failure is None else f"{type(self._failure).__name__}: {self._failure}",
        )

    @property
    def _failure(self) -> BaseException | None:
        """What ended the streams, though nobody had asked for it."""
        running = self._running
        failure = None if running is None or not running.done() or running.cancelled() else running.exception()
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        return failure

    async def _run(self) -> None:
        """Everything at once. What ends it is a mistake in here, or a symbol that can't be traded."""
        await self._load()
        self._shards = (*self._market_shards(), *self._order_shards())
        async with asyncio.TaskGroup() as group:
            for number, shard in enumerate(self._shards):
                group.create_task(shard.run(after_s=number * self._limits.stagger_s))
            group.create_task(self._filler.run())
            group.create_task(self._keep_listed())

    async def _load(self) -> None:
        """The markets, asked for until they are there. Raises what `listed` does, where not one symbol trades."""
        while not self._intake.markets:
            try:
                markets = await self._client.markets()
                self._take(markets)
            except VenueUnavailable:
                await self._sleep(self._limits.poll_every_s)
                continue
            if self._intake.idle == {*self._symbols}:
                listed(markets, self._symbols[0], exchange=self._client.exchange)

    async def _keep_listed(self) -> None:
        """Read again what is listed after a connection was made anew, and while a symbol does not trade.

        A connection on which one symbol is refused is of no use to the others, however often it is tried.
        """
        known = 0
        while True:
            await self._sleep(self._limits.relist_every_s)
            reconnects = sum(shard.health.reconnects for shard in self._shards)
            if reconnects == known and not self._intake.idle:
                continue
            known, before = reconnects, self._intake.idle
            with suppress(VenueUnavailable):
                self._take(await self._client.markets(again=True))
            changed = before ^ self._intake.idle
            for symbol in changed:
                self._intake.lose([symbol])
            for part, shard in zip(self._parts, self._shards, strict=False):
                if changed & {*part}:
                    shard.renew()

    def _take(self, markets: Mapping[str, Row]) -> None:
        """Raises `VenueUnavailable` for a list that is broken, and what `listed` does for a market of another kind."""
        rows, idle = carried(markets, self._symbols, exchange=self._client.exchange, recorded=frozenset(self._symbols))
        self._intake.markets = {**self._intake.markets, **rows}
        self._intake.idle = frozenset(idle)

    def _trading(self, part: Sequence[str]) -> Sequence[str]:
        return [symbol for symbol in part if symbol not in self._intake.idle]

    def _market_shards(self) -> Sequence[Shard]:
        return [
            self._shard(
                f"market {number}",
                partial(self._trading, part),
                partial(self._market_followers, part),
                lost=partial(self._intake.lose, part),
            )
            for number, part in enumerate(self._parts, start=1)
        ]

    @property
    def _parts(self) -> Sequence[Sequence[str]]:
        """The symbols of each connection."""
        size = self._limits.per_connection
        return [self._symbols[start : start + size] for start in range(0, len(self._symbols), size)]

    def _market_followers(self, part: Sequence[str]) -> Sequence[Follower]:
        trading = self._trading(part)
        return [
            *[book_of(symbol, self._intake, resync_s=self._limits.resync_s) for symbol in trading],
            *[bars_of(symbol, self._timeframe, self._intake) for symbol in trading],
        ]

    def _order_shards(self) -> Sequence[Shard]:
        if not self._own_orders:
            return []
        apart = (False, True) if tells_stops_apart(self._client.exchange) else (False,)
        followers = [own_orders(self._intake, stops=stops) for stops in apart]
        lost, back = (partial(self._intake.doubt, f"their stream is {state}") for state in ("down", "back"))
        return [
            self._shard(
                "own orders" if kind is None else f"own orders ({kind})",
                lambda: (),
                lambda: followers,
                lost=lost,
                back=back,
                kind=kind,
            )
            for kind in kinds_apart(self._client.exchange, self._symbols)
        ]

    def _shard(
        self,
        name: str,
        symbols: Callable[[], Sequence[str]],
        followers: Callable[[], Sequence[Follower]],
        *,
        lost: Callable[[], None],
        back: Callable[[], None] = lambda: None,
        kind: MarketKind | None = None,
    ) -> Shard:
        return Shard(
            name,
            symbols=symbols,
            connect=partial(self._connect, kind),
            followers=followers,
            lost=lost,
            back=back,
            limits=self._limits,
            wall=self._wall,
            sleep=self._sleep,
        )

    def _connect(self, kind: MarketKind | None) -> StreamClient:
        return StreamClient(
            self._client.exchange,
            markets=self._intake.markets,
            wall=self._wall,
            ping_every_s=self._limits.ping_every_s,
            settings=self._settings,
            prepare=self._prepare,
            kind=kind,
        )
