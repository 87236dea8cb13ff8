"""How Binance writes things: amounts are text, ids and times are numbers, markets have ids of their own."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from exchange_double.listing import Listing

Row = dict[str, object]
"""One object of an answer."""

_LEAST = 8
_MOST = Decimal("1e-20")


def text(value: Decimal | None) -> str:
    """Plain decimal text of at least 8 places, and of as many more, up to 20, as the value has; zero for nothing."""
    value = Decimal(0) if value is None else value
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -20:
        value = value.quantize(_MOST, rounding=ROUND_HALF_EVEN)
    whole, _, places = format(abs(value), "f").partition(".")
    sign = "-" if value < 0 else ""
    return f"{sign}{whole}.{places.rstrip('0').ljust(_LEAST, '0')}"


def millis(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def market_id(symbol: str) -> str:
    """`BTC/USDT` and `BTC/USDT:USDT` are both `BTCUSDT`: the address says which."""
    return symbol.partition(":")[0].replace("/", "")


def units(size: Decimal, listing: Listing) -> Decimal:
    """An engine's size in the base currency, in which Binance counts swaps too."""
    return size * listing.contract_size


def places(grid: Decimal) -> int:
    """How many decimals a grid of this step has."""
    exponent = grid.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
