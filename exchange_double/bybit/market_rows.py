"""The rows of Bybit's public data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from exchange_double.book import Level
from exchange_double.bybit.listings import QUOTE_PRECISION
from exchange_double.bybit.text import Row, millis, ms, symbol_id, text
from exchange_double.candles import Bar
from exchange_double.engine import Engine
from exchange_double.listing import Listing


def instrument(listing: Listing) -> Row:
    named: Row = {
        "symbol": symbol_id(listing.symbol),
        "baseCoin": listing.base,
        "quoteCoin": listing.quote,
        "status": "Trading",
    }
    return named | (_linear(listing) if listing.swap else _spot(listing))


def _spot(listing: Listing) -> Row:
    return {
        "innovation": "0",
        "marginTrading": "none",
        "stTag": "0",
        "lotSizeFilter": {
            "basePrecision": text(listing.lot_size),
            "quotePrecision": text(QUOTE_PRECISION),
            "minOrderQty": text(listing.min_size),
            "maxOrderQty": "9999999999",
            "minOrderAmt": text(listing.min_notional),
            "maxOrderAmt": "9999999999",
        },
        "priceFilter": {"tickSize": text(listing.tick_size)},
    }


def _linear(listing: Listing) -> Row:
    return {
        "contractType": "LinearPerpetual",
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": "2",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100", "leverageStep": "0.01"},
        "priceFilter": {
            "minPrice": text(listing.tick_size),
            "maxPrice": "9999999999",
            "tickSize": text(listing.tick_size),
        },
        "lotSizeFilter": {
            "minOrderQty": text(listing.min_size),
            "maxOrderQty": "9999999999",
            "maxMktOrderQty": "1000000",
            "postOnlyMaxOrderQty": "9999999999",
            "qtyStep": text(listing.lot_size),
            "minNotionalValue": text(listing.min_notional),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": listing.quote,
        "copyTrading": "none",
        "isPreListing": False,
    }


def ticker(listing: Listing, engine: Engine) -> Row:
    bids, asks = engine.depth(listing.symbol, "buy"), engine.depth(listing.symbol, "sell")
    last = text(engine.last(listing.symbol))
    shown: Row = {
        "symbol": symbol_id(listing.symbol),
        "lastPrice": last,
        "bid1Price": text(bids[0].price) if bids else "",
        "bid1Size": text(bids[0].size) if bids else "",
        "ask1Price": text(asks[0].price) if asks else "",
        "ask1Size": text(asks[0].size) if asks else "",
        "prevPrice24h": last,
        "price24hPcnt": "0",
        "highPrice24h": last,
        "lowPrice24h": last,
        "turnover24h": "0",
        "volume24h": "0",
    }
    if not listing.swap:
        return shown
    mark = text(engine.mark(listing.symbol))
    return shown | {"markPrice": mark, "indexPrice": mark, "openInterest": "0", "openInterestValue": "0"}


def book(symbol: str, bids: Sequence[Level], asks: Sequence[Level], *, now: datetime) -> Row:
    return levels(symbol, bids, asks, number=1) | {"ts": ms(now), "cts": ms(now)}


def levels(symbol: str, bids: Sequence[Level], asks: Sequence[Level], *, number: int) -> Row:
    """`number` is that of the update; the sequence of the market's engine has holes."""
    return {
        "s": symbol,
        "b": [[text(level.price), text(level.size)] for level in bids],
        "a": [[text(level.price), text(level.size)] for level in asks],
        "u": number,
        "seq": 3 * number - 2,
    }


def candle(bar: Bar) -> list[str]:
    prices = (bar.open, bar.high, bar.low, bar.close)
    return [millis(bar.opened_at), *(text(price) for price in prices), text(bar.volume), text(bar.volume * bar.close)]


def kline(bar: Bar, *, interval: str, length: timedelta, now: datetime) -> Row:
    """A candle as it is pushed: `confirm` says that it has closed."""
    closes_at = bar.opened_at + length
    return {
        "start": ms(bar.opened_at),
        "end": ms(closes_at) - 1,
        "interval": interval,
        "open": text(bar.open),
        "close": text(bar.close),
        "high": text(bar.high),
        "low": text(bar.low),
        "volume": text(bar.volume),
        "turnover": text(bar.volume * bar.close),
        "confirm": closes_at <= now,
        "timestamp": min(ms(now), ms(closes_at) - 1),
    }
