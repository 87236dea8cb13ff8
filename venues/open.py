"""Markets by the name they have on the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from domain.candle import Timeframe
from domain.clock import Clock
from domain.errors import UsageError
from domain.venue import Market
from venues.exchange.client import ExchangeClient
from venues.exchange.connection import move
from venues.exchange.failover import FailoverMarket
from venues.exchange.market import DEFAULT_TIMEFRAME, ExchangeMarket
from venues.exchange.streams.ccxt_pro import has_streams
from venues.exchange.streams.stream import ExchangeStream
from venues.files.market import FileMarket
from venues.sim.market import SimMarket

_FILE = "file:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How an exchange's public data is read."""

    base_url: str | None = None
    """Another address than the exchange's."""
    streams: bool = False
    """Whether it is heard between bars too, where ccxt streams it."""


def _plainly(exchange: str) -> Reach:
    return Reach()


def open_market(
    spec: str,
    *,
    symbols: Sequence[str] | None,
    timeframe: Timeframe | None,
    seed: int,
    wall: Clock,
    reach: Callable[[str], Reach] = _plainly,
) -> Market:
    """The market that `spec` names: `sim`, `file:PATH` for recorded candles, or an exchange by its name in ccxt.

    Two exchanges, as `okx,binance`, are one market: the second stands in for the first, and checks its quotes.
    `symbols` and `timeframe` left open take the market's own; on an exchange symbols must be chosen. `wall` is
    the clock by which an exchange's bars are waited for, and `reach` says how each exchange is read. Nothing is
    asked of one yet. Raises `UsageError` for another name, and what `FileMarket.open`, `SimMarket` and
    `ExchangeMarket` raise.
    """
    if spec == "sim":
        return SimMarket(seed=seed, symbols=symbols, timeframe=timeframe)
    if spec.startswith(_FILE):
        if spec == _FILE:
            raise UsageError("file: names no file or folder", remedy="Write file:PATH")
        return FileMarket.open(Path(spec.removeprefix(_FILE)), symbols=symbols, timeframe=timeframe)
    first, *others = (
        exchange_market(exchange, reach(exchange), symbols=symbols, timeframe=timeframe, wall=wall)
        for exchange in exchanges(spec)
    )
    return FailoverMarket(first, others[0], wall=wall) if others else first


def is_exchange(spec: str) -> bool:
    """Whether `spec` names a market that goes on while nobody looks, and not a simulated or recorded one."""
    return spec != "sim" and not spec.startswith(_FILE)


def exchanges(spec: str) -> list[str]:
    """The one or two exchanges that `spec` names. Raises `UsageError` for more."""
    named = spec.split(",")
    if len(named) > 2:
        raise UsageError(f"{spec!r} names more than two exchanges", remedy="Write the first and one to stand in for it")
    return named


def exchange_market(
    exchange: str, reach: Reach, *, symbols: Sequence[str] | None, timeframe: Timeframe | None, wall: Clock
) -> ExchangeMarket:
    """One exchange's public data. Raises what `ExchangeMarket` does."""
    client = ExchangeClient(exchange, base_url=reach.base_url)
    stream = None
    if reach.streams and symbols and client.shows and has_streams(exchange):
        stream = ExchangeStream(
            ExchangeClient(exchange, base_url=reach.base_url),
            symbols=symbols,
            timeframe=timeframe or DEFAULT_TIMEFRAME,
            wall=wall,
            prepare=None if reach.base_url is None else partial(move, base_url=reach.base_url),
        )
    return ExchangeMarket(client, symbols=symbols, timeframe=timeframe, wall=wall, stream=stream)
