"""The rows of OKX's public data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from exchange_double.book import Level
from exchange_double.candles import Bar
from exchange_double.engine import Engine
from exchange_double.listing import Listing
from exchange_double.okx.text import Row, inst_id, inst_type, millis, text

_ANY_SIZE: Final = Decimal(10_000_000)
_HALF: Final = Decimal("0.005")


def instrument(listing: Listing, *, suspended: bool = False) -> Row:
    swap, pair = listing.swap, f"{listing.base}-{listing.quote}"
    return {
        "instType": inst_type(listing),
        "instId": inst_id(listing.symbol),
        "uly": pair if swap else "",
        "instFamily": pair if swap else "",
        "category": "1",
        "baseCcy": "" if swap else listing.base,
        "quoteCcy": "" if swap else listing.quote,
        "settleCcy": listing.quote if swap else "",
        "ctVal": text(listing.contract_size) if swap else "",
        "ctMult": "1" if swap else "",
        "ctValCcy": listing.base if swap else "",
        "ctType": "linear" if swap else "",
        "optType": "",
        "stk": "",
        "listTime": "1606468572000",
        "expTime": "",
        "lever": text(listing.leverage),
        "tickSz": text(listing.tick_size),
        "lotSz": text(listing.lot_size),
        "minSz": text(listing.min_size),
        "alias": "",
        "state": "suspend" if suspended else "live",
        "maxLmtSz": "9999999999",
        "maxMktSz": "1000000",
    }


def funding_rate(listing: Listing, *, rate: Decimal, at: datetime) -> Row:
    return {
        "instType": "SWAP",
        "instId": inst_id(listing.symbol),
        "fundingRate": text(rate),
        "realizedRate": text(rate),
        "fundingTime": millis(at),
        "method": "current_period",
    }


def position_tiers(listing: Listing) -> list[Row]:
    """Each begins where the one before it ends."""
    found: list[Row] = []
    least = Decimal(0)
    for number, (most, maintenance, leverage) in enumerate(listing.tiers or ((_ANY_SIZE, _HALF, listing.leverage),)):
        row: Row = {
            "uly": f"{listing.base}-{listing.quote}",
            "instFamily": f"{listing.base}-{listing.quote}",
            "instId": "",
            "tier": str(number + 1),
            "minSz": text(least),
            "maxSz": text(most),
            "mmr": text(maintenance),
            "imr": text(1 / leverage),
            "maxLever": text(leverage),
            "optMgnFactor": "0",
            "quoteMaxLoan": "",
            "baseMaxLoan": "",
        }
        least = most
        found.append(row)
    return found


def ticker(listing: Listing, engine: Engine, *, now: datetime) -> Row:
    bids, asks = engine.depth(listing.symbol, "buy"), engine.depth(listing.symbol, "sell")
    last = text(engine.last(listing.symbol))
    return {
        "instType": inst_type(listing),
        "instId": inst_id(listing.symbol),
        "last": last,
        "lastSz": "0",
        "bidPx": text(bids[0].price) if bids else "",
        "bidSz": text(bids[0].size) if bids else "",
        "askPx": text(asks[0].price) if asks else "",
        "askSz": text(asks[0].size) if asks else "",
        "open24h": last,
        "high24h": last,
        "low24h": last,
        "vol24h": "0",
        "volCcy24h": "0",
        "sodUtc0": last,
        "sodUtc8": last,
        "ts": millis(now),
    }


def book(bids: Sequence[Level], asks: Sequence[Level], *, now: datetime) -> Row:
    return {
        "bids": [[text(level.price), text(level.size), "0", "1"] for level in bids],
        "asks": [[text(level.price), text(level.size), "0", "1"] for level in asks],
        "ts": millis(now),
    }


def candle(bar: Bar, *, listing: Listing, interval_s: int, now: datetime) -> list[str]:
    base = bar.volume * listing.contract_size
    closed = bar.opened_at + timedelta(seconds=interval_s) <= now
    prices = (bar.open, bar.high, bar.low, bar.close)
    return [
        millis(bar.opened_at),
        *(text(price) for price in prices),
        text(bar.volume),
        text(base),
        text(base * bar.close),
        "1" if closed else "0",
    ]
