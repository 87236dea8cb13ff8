"""What the double's Bybit lists unless a test says otherwise: grids, minimums and fees of the first level."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from exchange_double.listing import Listing

LISTINGS = (
    Listing(
        symbol="BTC/USDT",
        tick_size=Decimal("0.1"),
        lot_size=Decimal("0.000001"),
        min_size=Decimal("0.000001"),
        min_notional=Decimal(5),
        maker_fee=Decimal("0.001"),
        taker_fee=Decimal("0.001"),
    ),
    Listing(
        symbol="ETH/USDT",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.00001"),
        min_size=Decimal("0.00001"),
        min_notional=Decimal(5),
        maker_fee=Decimal("0.001"),
        taker_fee=Decimal("0.001"),
    ),
    Listing(
        symbol="BTC/USDT:USDT",
        tick_size=Decimal("0.1"),
        lot_size=Decimal("0.001"),
        min_size=Decimal("0.001"),
        min_notional=Decimal(5),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.00055"),
    ),
    Listing(
        symbol="ETH/USDT:USDT",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.01"),
        min_size=Decimal("0.01"),
        min_notional=Decimal(5),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.00055"),
    ),
)

QUOTE_PRECISION = Decimal("0.0000001")
"""The step of a spot market order that is sized in quote currency."""


def listable(listings: Sequence[Listing]) -> Sequence[Listing]:
    """The same listings. Raises `ValueError` for a swap in contracts: Bybit's linear ones are in base currency."""
    for listing in listings:
        if listing.contract_size != 1:
            raise ValueError(f"{listing.symbol}: a contract at Bybit is 1 {listing.base}, not {listing.contract_size}")
    return listings
