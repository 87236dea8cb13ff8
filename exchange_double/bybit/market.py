"""Bybit's public data: time, status, instruments, tickers, books, candles."""

from __future__ import annotations

from exchange_double.bybit import market_rows as rows
from exchange_double.bybit.call import Call, category, number, one_of, word
from exchange_double.bybit.errors import wrong
from exchange_double.bybit.text import Row, millis, ms, symbol_id
from exchange_double.wire import Answer

INTERVALS = {
    "1": 60,
    "3": 180,
    "5": 300,
    "15": 900,
    "30": 1_800,
    "60": 3_600,
    "120": 7_200,
    "240": 14_400,
    "360": 21_600,
    "720": 43_200,
    "D": 86_400,
    "W": 604_800,
}
"""Bybit's names of candle intervals, in seconds."""


def time(call: Call) -> Answer:
    """The exchange's time."""
    seconds = ms(call.now) // 1000
    return call.answer({"timeSecond": str(seconds), "timeNano": f"{ms(call.now)}000000"})


def status(call: Call) -> Answer:
    """Nothing, or the maintenance that goes on."""
    ongoing: Row = {"id": "1", "title": "Maintenance", "state": "ongoing", "begin": millis(call.now), "end": ""}
    return call.answer({"list": [ongoing] if call.effects.maintenance else []})


def instruments(call: Call) -> Answer:
    """The listings of one category on one page; inverse contracts, options, and those before their launch or suspended,
    are none.
    """
    trading = word(call.fields, "status") in ("", "Trading")
    shown = [rows.instrument(listing) for listing in call.listings() if listing.symbol not in call.engine.suspended]
    shown = shown if trading else []
    return call.answer({"category": category(call.fields), "list": shown, "nextPageCursor": ""})


def tickers(call: Call) -> Answer:
    """The touch, with our own orders in it. There is no volume."""
    shown = [rows.ticker(listing, call.engine) for listing in call.listings()]
    return call.answer({"category": category(call.fields), "list": shown})


def book(call: Call) -> Answer:
    """The best `limit` levels of either side."""
    listing = call.listing(call.fields)
    limit = number(call.fields, "limit", 25 if listing.swap else 1)
    if not 1 <= limit <= (500 if listing.swap else 200):
        raise wrong("limit")
    bids, asks = (call.engine.depth(listing.symbol, side)[:limit] for side in ("buy", "sell"))
    return call.answer(rows.book(symbol_id(listing.symbol), bids, asks, now=call.now))


def candles(call: Call) -> Answer:
    """Newest first, the one that is still open with them: the first `limit` from `start` on, else the last."""
    listing, interval_s = call.listing(call.fields), one_of(call.fields, "interval", INTERVALS)
    start, end = number(call.fields, "start", None), number(call.fields, "end", None)
    limit = number(call.fields, "limit", 200)
    if not 1 <= limit <= 1_000:
        raise wrong("limit")
    bars = [
        bar
        for bar in call.engine.bars(listing.symbol, interval_s)
        if (start or 0) <= ms(bar.opened_at) <= (ms(call.now) if end is None else end) and bar.opened_at <= call.now
    ]
    shown = bars[:limit] if start is not None and end is None else bars[-limit:]
    return call.answer(
        {
            "category": category(call.fields),
            "symbol": symbol_id(listing.symbol),
            "list": [rows.candle(bar) for bar in reversed(shown)],
        }
    )
