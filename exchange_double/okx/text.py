"""How OKX writes things: every value is text, times are milliseconds, markets have ids of its own."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from exchange_double.listing import Listing

Row = dict[str, object]
"""One object of an answer's `data`."""

_PLACES = Decimal("1e-20")


def text(value: Decimal | None) -> str:
    """Plain decimal text without trailing zeros, at most 20 places; nothing for nothing."""
    if value is None:
        return ""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -20:
        value = value.quantize(_PLACES, rounding=ROUND_HALF_EVEN)
    plain = format(value, "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain == "-0" else plain


def whole(row: Row, name: str) -> int:
    """A field that is a whole number in text."""
    return int(str(row[name]))


def millis(at: datetime) -> str:
    return str(round(at.timestamp() * 1000))


def inst_id(symbol: str) -> str:
    """`BTC/USDT` is `BTC-USDT` at OKX, and `BTC/USDT:USDT` is `BTC-USDT-SWAP`."""
    pair, _, settles = symbol.partition(":")
    return pair.replace("/", "-") + ("-SWAP" if settles else "")


def inst_type(listing: Listing) -> str:
    return "SWAP" if listing.swap else "SPOT"
