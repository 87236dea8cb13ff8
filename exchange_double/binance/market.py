"""Binance's public data, of spot and of futures: time, status, tickers, books, candles, mark prices."""

from __future__ import annotations

from datetime import datetime, timedelta

from exchange_double.binance.call import Call, Window, answer, limit, one_or_all, required
from exchange_double.binance.errors import BinanceError
from exchange_double.binance.feeds import update_id
from exchange_double.binance.text import Row, market_id, millis, text, units
from exchange_double.book import Level
from exchange_double.candles import Bar
from exchange_double.listing import Listing
from exchange_double.wire import Answer

INTERVALS = {
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1h": 3_600,
    "2h": 7_200,
    "4h": 14_400,
    "6h": 21_600,
    "8h": 28_800,
    "12h": 43_200,
    "1d": 86_400,
    "3d": 259_200,
    "1w": 604_800,
}
"""Binance's names of candle intervals, in seconds."""

_FUNDING_EVERY_MS = 8 * 3_600 * 1_000


def ping(call: Call) -> Answer:
    """That it is there."""
    return answer({})


def time(call: Call) -> Answer:
    """The exchange's time."""
    return answer({"serverTime": millis(call.now)})


def status(call: Call) -> Answer:
    """Normal, or under maintenance."""
    maintained = call.effects.maintenance
    return answer({"status": int(maintained), "msg": "system_maintenance" if maintained else "normal"})


def day_ticker(call: Call) -> Answer:
    """The last price and, on spot, the touch. There is no volume."""
    return one_or_all([_day_ticker(listing, call) for listing in call.wanted()], call)


def price_ticker(call: Call) -> Answer:
    """The last price alone."""
    return one_or_all([_named(listing, call) | {"price": _last(listing, call)} for listing in call.wanted()], call)


def book_ticker(call: Call) -> Answer:
    """The touch, with our own orders in it."""
    return one_or_all([_named(listing, call) | _touch(listing, call) for listing in call.wanted()], call)


def book(call: Call) -> Answer:
    """The best levels of either side."""
    listing, levels = call.listing(), limit(call, default=500 if call.futures else 100, most=5_000)
    if call.futures and levels not in (5, 10, 20, 50, 100, 500, 1_000):
        raise BinanceError(-4021, f"{levels} is not valid depth limit")
    at = millis(call.now)
    return answer(
        {
            "lastUpdateId": update_id(listing.symbol, call.engine),
            **({"E": at, "T": at} if call.futures else {}),
            "bids": [_level(level, listing) for level in call.engine.depth(listing.symbol, "buy")[:levels]],
            "asks": [_level(level, listing) for level in call.engine.depth(listing.symbol, "sell")[:levels]],
        }
    )


def candles(call: Call) -> Answer:
    """Those that have opened by now; the last may not be closed."""
    listing, interval_s = call.listing(), INTERVALS.get(required(call.params, "interval"))
    if interval_s is None:
        raise BinanceError(-1120, "Invalid interval.")
    window = Window.of(call)
    bars = [
        bar
        for bar in call.engine.bars(listing.symbol, interval_s)
        if bar.opened_at <= call.now and window.holds(bar.opened_at)
    ]
    shown = window.page(bars, limit(call, default=500, most=1_500 if call.futures else 1_000))
    return answer([_candle(bar, listing, timedelta(seconds=interval_s)) for bar in shown])


def mark_price(call: Call) -> Answer:
    """The mark price, and when funding is next due. The rate is told by nobody before it is settled: zero."""
    return one_or_all([_mark_price(listing, call) for listing in call.wanted()], call)


def _day_ticker(listing: Listing, call: Call) -> Row:
    last, at = _last(listing, call), call.now
    return {
        "symbol": market_id(listing.symbol),
        "priceChange": text(None),
        "priceChangePercent": "0.000",
        "weightedAvgPrice": last,
        "lastPrice": last,
        "lastQty": text(None),
        "openPrice": last,
        "highPrice": last,
        "lowPrice": last,
        "volume": text(None),
        "quoteVolume": text(None),
        "openTime": millis(at - timedelta(days=1)),
        "closeTime": millis(at),
        "firstId": -1,
        "lastId": -1,
        "count": 0,
        **({} if call.futures else {"prevClosePrice": last} | _touch(listing, call)),
    }


def _mark_price(listing: Listing, call: Call) -> Row:
    mark, at = text(call.engine.mark(listing.symbol)), millis(call.now)
    return {
        "symbol": market_id(listing.symbol),
        "markPrice": mark,
        "indexPrice": mark,
        "estimatedSettlePrice": mark,
        "lastFundingRate": text(None),
        "interestRate": text(None),
        "nextFundingTime": (at // _FUNDING_EVERY_MS + 1) * _FUNDING_EVERY_MS,
        "time": at,
    }


def _named(listing: Listing, call: Call) -> Row:
    return {"symbol": market_id(listing.symbol), **({"time": millis(call.now)} if call.futures else {})}


def _last(listing: Listing, call: Call) -> str:
    return text(call.engine.last(listing.symbol))


def _touch(listing: Listing, call: Call) -> Row:
    bids, asks = call.engine.depth(listing.symbol, "buy"), call.engine.depth(listing.symbol, "sell")
    bid, ask = (_level(side[0], listing) if side else [text(None)] * 2 for side in (bids, asks))
    return {"bidPrice": bid[0], "bidQty": bid[1], "askPrice": ask[0], "askQty": ask[1]}


def _level(level: Level, listing: Listing) -> list[str]:
    return [text(level.price), text(units(level.size, listing))]


def _candle(bar: Bar, listing: Listing, length: timedelta) -> list[object]:
    base = units(bar.volume, listing)
    prices = (bar.open, bar.high, bar.low, bar.close)
    return [
        millis(bar.opened_at),
        *(text(price) for price in prices),
        text(base),
        _last_ms(bar.opened_at, length),
        text(base * bar.close),
        0,
        text(None),
        text(None),
        "0",
    ]


def _last_ms(opened_at: datetime, length: timedelta) -> int:
    return millis(opened_at + length) - 1
