"""Markets by the name they have on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domain.candle import Timeframe
from domain.clock import Clock
from domain.errors import UsageError
from domain.venue import Market
from tools.exchange_client import ExchangeClient
from tools.exchange_failover import FailoverMarket
from tools.exchange_market import ExchangeMarket
from tools.recorded import FileMarket
from tools.sim import SimMarket

_FILE = "file:"


def open_market(
    spec: str, *, symbols: Sequence[str] | None, timeframe: Timeframe | None, seed: int, wall: Clock
) -> Market:
    """The market that `spec` names: `sim`, `file:PATH` for recorded candles, or an exchange by its name in ccxt.

    Two exchanges, as `okx,binance`, are one market: the second stands in for the first, and checks its quotes.
    `symbols` and `timeframe` left open take the market's own; on an exchange symbols must be chosen. `wall` is
    the clock by which an exchange's bars are waited for. Raises `UsageError` for another name, and what
    `FileMarket.open`, `SimMarket` and `ExchangeMarket` raise. Nothing is asked of an exchange yet.
    """
    if spec == "sim":
        return SimMarket(seed=seed, symbols=symbols, timeframe=timeframe)
    if spec.startswith(_FILE):
        if spec == _FILE:
            raise UsageError("file: names no file or folder", remedy="Write file:PATH")
        return FileMarket.open(Path(spec.removeprefix(_FILE)), symbols=symbols, timeframe=timeframe)
    exchanges = spec.split(",")
    if len(exchanges) > 2:
        raise UsageError(f"{spec!r} names more than two exchanges", remedy="Write the first and one to stand in for it")
    first, *others = (
        ExchangeMarket(ExchangeClient(exchange), symbols=symbols, timeframe=timeframe, wall=wall)
        for exchange in exchanges
    )
    return FailoverMarket(first, others[0], wall=wall) if others else first
