"""How Bybit writes things: numbers and times are text, and one id may name a spot pair and a perpetual."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

from domain.digest import plain
from domain.order import Side
from exchange_double.listing import Listing

Row = dict[str, object]
"""One object of an answer's list."""

Category = Literal["spot", "linear"]

_PLACES = Decimal("1e-18")


def text(value: Decimal | None) -> str:
    """Plain decimal text without trailing zeros, at most 18 places; nothing for nothing."""
    if value is None:
        return ""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -18:
        value = value.quantize(_PLACES, rounding=ROUND_HALF_EVEN)
    return plain(value)


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def millis(at: datetime) -> str:
    return str(ms(at))


def symbol_id(symbol: str) -> str:
    """`BTC/USDT` and `BTC/USDT:USDT` are both `BTCUSDT`; the category says which is meant."""
    return symbol.partition(":")[0].replace("/", "")


def category_of(listing: Listing) -> Category:
    return "linear" if listing.swap else "spot"


def side_text(side: Side) -> str:
    return side.capitalize()
