"""Instruments: what can be traded, on which grid of prices and quantities."""

from __future__ import annotations

from typing import Literal

from domain.money import ZERO
from domain.value import Instant, NonNegative, Positive, Symbol, Value

InstrumentKind = Literal["spot", "swap", "option"]
AssetClass = Literal["crypto", "equity", "fx", "commodity"]


class OptionTerms(Value):
    """What an option is on. Its price and quantity are per unit of the underlying."""

    right: Literal["call", "put"]
    strike: Positive
    expires_at: Instant


class Instrument(Value):
    """One tradable symbol. Prices move in ticks, quantities in lots, both in plain units.

    `min_notional` is in the quote currency. Fees are parts of one of the notional: 0.001 is 10 bps.
    """

    symbol: Symbol
    kind: InstrumentKind
    asset_class: AssetClass = "crypto"
    option: OptionTerms | None = None
    """Of options only."""
    tick_size: Positive
    lot_size: Positive
    min_notional: NonNegative = ZERO
    maker_fee: NonNegative = ZERO
    taker_fee: NonNegative = ZERO

    @property
    def base(self) -> str:
        return self.symbol.split("/")[0]

    @property
    def quote(self) -> str:
        """The currency in which the price, the cash and the fees are counted."""
        return self.symbol.split("/")[1].split(":")[0]
