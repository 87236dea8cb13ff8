"""What a Binance lists unless a test says otherwise: grids and minimums as it has them, fees of its first level."""

from __future__ import annotations

from decimal import Decimal

from exchange_double.listing import Listing

LISTINGS = (
    Listing(
        symbol="BTC/USDT",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.00001"),
        min_size=Decimal("0.00001"),
        min_notional=Decimal(5),
        maker_fee=Decimal("0.001"),
    ),
    Listing(
        symbol="ETH/USDT",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.0001"),
        min_size=Decimal("0.0001"),
        min_notional=Decimal(5),
        maker_fee=Decimal("0.001"),
    ),
    Listing(
        symbol="BTC/USDT:USDT",
        tick_size=Decimal("0.1"),
        lot_size=Decimal("0.001"),
        min_size=Decimal("0.001"),
        min_notional=Decimal(100),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
    ),
    Listing(
        symbol="ETH/USDT:USDT",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.001"),
        min_size=Decimal("0.001"),
        min_notional=Decimal(20),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
    ),
)
"""One contract is one of the base: Binance counts swaps in the base currency, like spot."""
