"""Streams of the exchange double, with a clock that runs with ours and jumps when the double's is moved on."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence, Set
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from builders.exchanges import DOUBLES, FAST, START, bar_at
from builders.patience import until
from domain.candle import Timeframe, last_close
from exchange_double.served import ServedDouble
from venues.exchange.client import ExchangeClient
from venues.exchange.streams.changes import Change
from venues.exchange.streams.limits import StreamLimits
from venues.exchange.streams.stream import ExchangeStream

MINUTE = Timeframe("1m")

QUICK = StreamLimits(
    ping_every_s=0.02,
    silent_after_s=3_600,
    resync_s=10,
    poll_every_s=0.02,
    stale_after_s=3_600,
    stagger_s=0,
    pauses_s=(0.01,),
)
"""Looks often, and gives up late: for a machine that is busy, and tests that move the clock on."""
NERVOUS_S = 0.3
"""Silence, where it is to be noticed."""
SUBSCRIBED: Mapping[str, tuple[Set[str], Set[str]]] = {
    "okx": ({"books", "candle1m"}, {"orders", "orders-algo"}),
    "binance": ({"depth", "kline_1m"}, {"userData"}),
    "bybit": ({"orderbook.50", "kline.1"}, {"order"}),
}
"""The channels of a market, and those of own orders."""


@dataclass
class Running:
    """The time since `START`."""

    begun_s: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        return START + timedelta(seconds=time.monotonic() - self.begun_s)


@dataclass
class DoubleClock:
    """Our clock agrees with the double's."""

    double: ServedDouble

    def now(self) -> datetime:
        return self.double.now


@dataclass
class StreamStage:
    """The double, and how to stream from it."""

    double: ServedDouble
    symbols: tuple[str, ...]
    exchange: str = "okx"

    def touch(self, bid: str = "60000", ask: str = "60000.1", *, size: str = "2", symbol: str = "BTC/USDT") -> None:
        self.double.engine.set_touch(symbol, bid=bid, ask=ask, size=size)

    def show_bars(self) -> None:
        """From long ago until long after."""
        now = last_close(START, MINUTE)
        for symbol in self.symbols:
            bars = [
                bar_at(now + n * MINUTE.length, length=MINUTE.length, base=Decimal(60_000)) for n in range(-900, 60)
            ]
            self.double.engine.set_bars(symbol, 60, bars)

    def settings(self, *, keys: bool = False) -> Mapping[str, object]:
        given = self.double.client_settings()
        return {**(given if keys else {"urls": given["urls"]}), **FAST, "enableRateLimit": False}

    def client(self) -> ExchangeClient:
        return ExchangeClient(self.exchange, settings=self.settings())

    def make(self, **over: Any) -> ExchangeStream:
        own = bool(over.get("own_orders"))
        given: dict[str, Any] = {
            "symbols": self.symbols,
            "timeframe": MINUTE,
            "wall": DoubleClock(self.double),
            "settings": self.settings(keys=own),
            "limits": QUICK,
        }
        return ExchangeStream(self.client(), **(given | over))

    @asynccontextmanager
    async def live(self, **over: Any) -> AsyncIterator[ExchangeStream]:
        """A stream that has begun to tell."""
        own = bool(over.get("own_orders"))
        async with self.make(**over) as stream:
            await until(lambda: stream.health.shards and stream.health.well)
            market, orders = SUBSCRIBED[self.exchange]
            await until(lambda: self.channels() >= (market | orders if own else market))
            yield stream

    def channels(self) -> set[str]:
        """What is subscribed to, without the market where that is in a channel's name."""
        named = {channel for connection in self.double.sockets.open for channel in connection.channels}
        return {channel.split("@")[1] if "@" in channel else channel for channel in named}


@contextmanager
def a_stream_stage(symbols: Sequence[str] = ("BTC/USDT",), *, exchange: str = "okx") -> Iterator[StreamStage]:
    """60,000 to 60,000.1 for two on either side."""
    with DOUBLES[exchange](clock=Running()) as double:
        stage = StreamStage(double, tuple(symbols), exchange)
        for symbol in symbols:
            stage.touch(symbol=symbol)
        stage.show_bars()
        yield stage


def bid(stream: ExchangeStream, symbol: str = "BTC/USDT") -> Decimal | None:
    quote = stream.quote(symbol)
    return quote.bid if quote else None


def shows(stream: ExchangeStream, price: str, symbol: str = "BTC/USDT") -> Callable[[], bool]:
    return lambda: bid(stream, symbol) == Decimal(price)


async def first(stream: ExchangeStream, kind: str) -> Change:
    """The first change of a kind from now on."""
    async for change in stream.changes():
        if change.kind == kind:
            return change
    raise AssertionError("changes end")
