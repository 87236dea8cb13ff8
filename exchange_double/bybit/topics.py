"""Which of Bybit's topics are on which address, and the feed behind each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from exchange_double.bybit.feeds import Books, Feed, Klines, Orders
from exchange_double.bybit.market import INTERVALS
from exchange_double.bybit.text import category_of, symbol_id
from exchange_double.engine import Engine
from exchange_double.listing import Listing

_DEPTHS = frozenset({"1", "50", "200", "1000"})
_CATEGORIES: Mapping[str, frozenset[str]] = {
    "order": frozenset({"spot", "linear"}),
    "order.spot": frozenset({"spot"}),
    "order.linear": frozenset({"linear"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address. `feed` raises `LookupError` for a topic that there isn't."""

    feed: Callable[[str, Engine], Feed]
    private: bool = False


def _public(topic: str, engine: Engine, *, category: str) -> Feed:
    match topic.split("."):
        case ["orderbook", depth, market] if depth in _DEPTHS:
            return Books(topic, engine, _listing(engine, category, market), levels=int(depth))
        case ["kline", interval, market] if interval in INTERVALS:
            length = timedelta(seconds=INTERVALS[interval])
            return Klines(topic, engine, _listing(engine, category, market), interval=interval, length=length)
        case _:
            raise LookupError(topic)


def _private(topic: str, engine: Engine) -> Feed:
    wanted = _CATEGORIES[topic]
    symbols = {listing.symbol for listing in engine.listings.values() if category_of(listing) in wanted}
    return Orders(topic, engine, frozenset(symbols))


def _listing(engine: Engine, category: str, market: str) -> Listing:
    for listing in engine.listed:
        if category_of(listing) == category and symbol_id(listing.symbol) == market:
            return listing
    raise LookupError(market)


ENDPOINTS: Mapping[str, Endpoint] = {
    "public/spot": Endpoint(feed=partial(_public, category="spot")),
    "public/linear": Endpoint(feed=partial(_public, category="linear")),
    "private": Endpoint(feed=_private, private=True),
}
"""By what follows `/v5/`."""
