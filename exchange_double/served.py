"""A double that is being served: what the fixture hands out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from domain.clock import Clock, TickClock
from exchange_double import binance, bybit
from exchange_double.double import ExchangeDouble
from exchange_double.listing import LISTINGS, Listing
from exchange_double.okx import OkxWire
from exchange_double.server import Server
from exchange_double.wire import Credentials, Wire

START = datetime(2026, 1, 1, tzinfo=UTC)


class RunningClock:
    """A clock that starts at `START` and goes on as fast as the machine's."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()

    def now(self) -> datetime:
        return START + timedelta(seconds=time.monotonic() - self._began_s)


class ServedDouble(ExchangeDouble):
    """An exchange double with an address."""

    url = ""

    def client_settings(self) -> dict[str, object]:
        """What a ccxt client is built with to trade here: `ccxt.async_support.okx(double.client_settings())`,
        or the class of the exchange that it is.

        A client goes by the machine's clock, so it is told how far that is from the double's. After `advance`,
        `await client.load_time_difference()`.
        """
        ahead_ms = round((time.time() - self.now.timestamp()) * 1000)
        return self.wire.client_settings(self.url, ahead_ms=ahead_ms)


@contextmanager
def okx_double(
    *,
    credentials: Credentials | None = None,
    cash: int = 100_000,
    listings: Sequence[Listing] = LISTINGS,
    clock: Clock | None = None,
) -> Iterator[ServedDouble]:
    """An OKX on 127.0.0.1 with `cash` in USDT, gone at the end.

    Without a clock its time stands at `START` until it is advanced. OKX refuses what was signed more than 30 s
    away from its own time, so a test that takes longer, or a process that keeps the machine's time, needs a
    clock that runs.
    """
    with _served(OkxWire(credentials), clock or TickClock(START), cash=cash, listings=listings) as double:
        yield double


@contextmanager
def binance_double(
    *,
    credentials: Credentials | None = None,
    cash: int = 100_000,
    listings: Sequence[Listing] = binance.LISTINGS,
    clock: Clock | None = None,
) -> Iterator[ServedDouble]:
    """A Binance on 127.0.0.1 with `cash` in USDT, gone at the end.

    Without a clock its time runs on from `START`: Binance refuses what was signed a second ahead of its own time,
    so that a client could not go on long with a clock that stands.
    """
    with _served(binance.BinanceWire(credentials), clock or RunningClock(), cash=cash, listings=listings) as double:
        yield double


@contextmanager
def bybit_double(
    *,
    credentials: Credentials | None = None,
    cash: int = 100_000,
    listings: Sequence[Listing] = bybit.LISTINGS,
    clock: Clock | None = None,
) -> Iterator[ServedDouble]:
    """A Bybit on 127.0.0.1 with `cash` in USDT, gone at the end.

    Without a clock its time runs from `START`: Bybit refuses what was signed more than a second after its own
    time, so that a clock that stands would refuse a client that asks for the time once and goes on for longer.
    Raises `ValueError` for a swap whose contract is not one of its base currency.
    """
    listed = bybit.listable(listings)
    with _served(bybit.BybitWire(credentials), clock or RunningClock(), cash=cash, listings=listed) as double:
        yield double


@contextmanager
def _served(wire: Wire, clock: Clock, *, cash: int, listings: Sequence[Listing]) -> Iterator[ServedDouble]:
    double = ServedDouble(wire, clock, listings=listings)
    double.engine.deposit("USDT", cash)
    with Server(double) as server:
        double.url = server.url
        yield double
