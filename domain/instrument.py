"""Instruments: what can be traded, on which grid of prices and quantities."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from domain.money import ZERO
from domain.value import Instant, NonNegative, Positive, Share, Symbol, Value, absent, unset

InstrumentKind = Literal["spot", "swap", "option"]
AssetClass = Literal["crypto", "equity", "fx", "commodity"]


class OptionTerms(Value):
    """What an option is on. Its price and quantity are per unit of the underlying."""

    right: Literal["call", "put"]
    strike: Positive
    expires_at: Instant


class MarginTier(Value):
    """What a perpetual's position of a size takes, from `above` on up to the next tier's.

    `above` is a notional in quote currency, or with `in_base` a quantity. The maintenance margin of a position is its
    notional times `rate` less `deduction`, by the tier that it is in.
    """

    above: NonNegative
    in_base: bool = Field(default=False, exclude_if=absent)
    rate: Share
    deduction: NonNegative = Field(default=ZERO, exclude_if=absent)
    """In quote currency: what makes the margin go on without a jump, where the exchange has it so."""
    max_leverage: Positive | None = Field(default=None, exclude_if=unset)


class Instrument(Value):
    """One tradable symbol. Prices move in ticks, quantities in lots, both in plain units.

    Notionals are in the quote currency. Fees are parts of one of the notional: 0.001 is 10 bps. What an exchange
    states of the size of one order is here in the instrument's own units; what it does not state, binds nothing:
    see `domain.sizing`.
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

    min_quantity: NonNegative = Field(default=ZERO, exclude_if=absent)
    max_quantity: Positive | None = Field(default=None, exclude_if=absent)
    max_notional: Positive | None = Field(default=None, exclude_if=absent)
    market_min_quantity: NonNegative = Field(default=ZERO, exclude_if=absent)
    """Those with `market_` bind market orders, and stops, which end as such, besides the others."""
    market_max_quantity: Positive | None = Field(default=None, exclude_if=absent)
    market_max_notional: Positive | None = Field(default=None, exclude_if=absent)
    market_without_minimum: bool = Field(default=False, exclude_if=absent)
    """Whether `min_notional` does not bind market orders."""
    exits_without_minimum: bool = Field(default=False, exclude_if=absent)
    """Whether `min_notional` does not bind orders that say reduce-only."""
    stop_max_quantity: Positive | None = Field(default=None, exclude_if=absent)
    stop_max_notional: Positive | None = Field(default=None, exclude_if=absent)
    margin_tiers: tuple[MarginTier, ...] = Field(default=(), exclude_if=absent)
    """Of a perpetual, the smallest first, where the exchange states them; empty where it states none."""

    @property
    def base(self) -> str:
        return self.symbol.split("/")[0]

    @property
    def quote(self) -> str:
        """The currency in which the price, the cash and the fees are counted."""
        return self.symbol.split("/")[1].split(":")[0]
