"""Which of OKX's channels are on which address, which of them need a login, and the feed behind each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exchange_double.engine import Engine
from exchange_double.listing import Listing
from exchange_double.okx.feeds import Account, Algos, Books, Candles, Feed, Orders, Tickers, Top, symbols_of
from exchange_double.okx.market import BARS
from exchange_double.okx.text import Row, inst_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """`make` raises `LookupError` for a market that there isn't."""

    make: Callable[[Row, Engine], Feed]
    private: bool = False


Endpoint = Mapping[str, Channel]


def _listing(arg: Row, engine: Engine) -> Listing:
    found = {inst_id(listing.symbol): listing for listing in engine.listed}
    return found[str(arg.get("instId", ""))]


def _symbols(arg: Row, engine: Engine) -> frozenset[str]:
    found = symbols_of(engine, kind=str(arg.get("instType", "")), wanted=str(arg.get("instId", "")))
    if not found:
        raise LookupError("no such markets")
    return found


def _candles(interval_s: int) -> Channel:
    return Channel(make=lambda arg, engine: Candles(arg, engine, _listing(arg, engine), interval_s=interval_s))


def _top(levels: int) -> Channel:
    return Channel(make=lambda arg, engine: Top(arg, engine, _listing(arg, engine), levels=levels))


ENDPOINTS: Mapping[str, Endpoint] = {
    "public": {
        "books": Channel(make=lambda arg, engine: Books(arg, engine, _listing(arg, engine))),
        "books5": _top(5),
        "bbo-tbt": _top(1),
        "tickers": Channel(make=lambda arg, engine: Tickers(arg, engine, _listing(arg, engine))),
    },
    "private": {
        "orders": Channel(make=lambda arg, engine: Orders(arg, engine, _symbols(arg, engine)), private=True),
        "account": Channel(make=Account, private=True),
    },
    "business": {
        "orders-algo": Channel(make=lambda arg, engine: Algos(arg, engine, _symbols(arg, engine)), private=True),
        **{f"candle{name}": _candles(interval_s) for name, interval_s in BARS.items()},
    },
}
"""By the last part of the address."""
