"""OKX's public data: time, status, instruments, fundings, position tiers, tickers, books, candles."""

from __future__ import annotations

from exchange_double.okx import market_rows as rows
from exchange_double.okx.call import Call, answer, number, page
from exchange_double.okx.errors import wrong
from exchange_double.okx.text import Row, millis
from exchange_double.wire import Answer

BARS = {
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1H": 3_600,
    "2H": 7_200,
    "4H": 14_400,
    "6Hutc": 21_600,
    "12Hutc": 43_200,
    "1Dutc": 86_400,
    "1Wutc": 604_800,
}
"""OKX's names of candle intervals, in seconds."""


def time(call: Call) -> Answer:
    """The exchange's time."""
    return answer([{"ts": millis(call.now)}])


def status(call: Call) -> Answer:
    """Nothing, or the maintenance that goes on."""
    ongoing: Row = {"title": "Maintenance", "state": "ongoing", "begin": millis(call.now), "end": "", "href": ""}
    return answer([ongoing] if call.effects.maintenance else [])


def instruments(call: Call) -> Answer:
    """The listings of one kind; futures and options are none."""
    suspended = call.engine.suspended
    return answer([rows.instrument(one, suspended=one.symbol in suspended) for one in call.listings()])


def funding_rates(call: Call) -> Answer:
    """Those of a swap up to now."""
    listing = call.listing()
    fundings = call.engine.fundings(listing.symbol)
    found = page(sorted(fundings, reverse=True), call.query, key=lambda at: int(millis(at)))
    return answer([rows.funding_rate(listing, rate=fundings[at], at=at) for at in found])


def position_tiers(call: Call) -> Answer:
    """Those of the swap on a pair, by the number of contracts."""
    pair = call.query.get("uly", "")
    found = [one for one in call.engine.listed if one.swap and pair == f"{one.base}-{one.quote}"]
    return answer([row for listing in found for row in rows.position_tiers(listing)])


def ticker(call: Call) -> Answer:
    """The touch, with our own orders in it. There is no volume."""
    return answer([rows.ticker(call.listing(), call.engine, now=call.now)])


def tickers(call: Call) -> Answer:
    """The tickers of one kind."""
    return answer([rows.ticker(listing, call.engine, now=call.now) for listing in call.listings()])


def book(call: Call) -> Answer:
    """The best `sz` levels of either side."""
    symbol, levels = call.listing().symbol, number(call.query, "sz", 1)
    bids, asks = call.engine.depth(symbol, "buy")[:levels], call.engine.depth(symbol, "sell")[:levels]
    return answer([rows.book(bids, asks, now=call.now)])


def candles(call: Call) -> Answer:
    """Those that have opened by now; the last may not be closed."""
    listing, interval_s = call.listing(), BARS.get(call.query.get("bar", "1m"))
    if interval_s is None:
        raise wrong("bar")
    bars = [bar for bar in call.engine.bars(listing.symbol, interval_s) if bar.opened_at <= call.now]
    found = page(reversed(bars), call.query, key=lambda bar: int(millis(bar.opened_at)), most=300)
    return answer([rows.candle(bar, listing=listing, interval_s=interval_s, now=call.now) for bar in found])
