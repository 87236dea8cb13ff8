"""What the double's exchange lists: spot pairs and linear perpetual swaps, with their grids and fees."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One market under its unified symbol: `BTC/USDT` is spot, `BTC/USDT:USDT` a linear perpetual.

    Sizes are in the base currency on spot and in contracts on swaps; one contract is `contract_size` of the
    base. Fees are parts of one of the notional.
    """

    symbol: str
    tick_size: Decimal
    lot_size: Decimal
    min_size: Decimal
    min_notional: Decimal = Decimal(0)
    """Price times size that an order must come to, where the exchange asks for that."""
    contract_size: Decimal = Decimal(1)
    maker_fee: Decimal = Decimal("0.0008")
    taker_fee: Decimal = Decimal("0.001")
    leverage: Decimal = Decimal(10)
    """Of swaps: the notional that one of margin carries."""
    tiers: tuple[tuple[Decimal, Decimal, Decimal], ...] = ()
    """Of swaps: the size up to which a tier goes, its maintenance margin and its leverage. Empty: one for any size."""

    @property
    def swap(self) -> bool:
        return ":" in self.symbol

    @property
    def base(self) -> str:
        return self.symbol.split("/")[0]

    @property
    def quote(self) -> str:
        """What prices are in; on a swap also what it settles in."""
        return self.symbol.split("/")[1].split(":")[0]


LISTINGS = (
    Listing(symbol="BTC/USDT", tick_size=Decimal("0.1"), lot_size=Decimal("0.00000001"), min_size=Decimal("0.00001")),
    Listing(symbol="ETH/USDT", tick_size=Decimal("0.01"), lot_size=Decimal("0.000001"), min_size=Decimal("0.0001")),
    Listing(
        symbol="BTC/USDT:USDT",
        tick_size=Decimal("0.1"),
        lot_size=Decimal("0.01"),
        min_size=Decimal("0.01"),
        contract_size=Decimal("0.01"),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
    ),
    Listing(
        symbol="ETH/USDT:USDT",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.01"),
        min_size=Decimal("0.01"),
        contract_size=Decimal("0.1"),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
    ),
)
"""What is listed unless a test says otherwise: sizes and steps as OKX has them, fees of its first level."""
