"""Limits on one order by itself: what it is, how large, at which price."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.order import OrderType, TimeInForce
from domain.value import NonNegative, Positive, Share, Symbol, absent, unset
from policy.limits.conduct import Mode
from policy.limits.section import Count, Graded, Section, Soft, Switch, Tighter

_ALL_BPS = Field(le=10_000)
Band = Annotated[Positive, _ALL_BPS]
"""Basis points of a price, up to all of it."""


class PricingLimits(Section):
    """How an order without a price of its own is valued."""

    market_slippage_bps: Annotated[NonNegative, _ALL_BPS, Tighter.HIGHER]
    """A market order is counted at the touch made this much worse."""


class SymbolLimits(Section):
    """Which symbols of the run's universe may be traded."""

    allow: Annotated[frozenset[Symbol] | None, Tighter.FEWER] = None
    """Only these; without the key, every symbol of the universe."""
    deny: Annotated[frozenset[Symbol], Tighter.MORE] = frozenset()
    """Never these, whatever `allow` says."""


class OrderTypeLimits(Section):
    """What kinds of order may be sent."""

    types: Annotated[frozenset[OrderType], Tighter.FEWER]
    """A `stop` is taken only where it reduces a position, and waits."""
    times_in_force: Annotated[frozenset[TimeInForce], Tighter.FEWER]
    market_entries: Annotated[Switch, Tighter.FALSE] = Field(default=False, exclude_if=absent)
    """Whether an entry may be a market order. It fills at any price: no size and no risk is certain before."""


class QuantityLimits(Graded):
    """How much of a symbol one order may be for. Where both are set, both bind."""

    share_of_bar_volume: Annotated[Positive | None, Tighter.LOWER] = None
    """For entries: of what is traded in an average bar. Leaving can't wait for volume."""
    per_symbol: Annotated[Mapping[Symbol, Positive], Tighter.LOWER] = Field(default_factory=dict)
    """In base currency, for every order in these symbols, exits too."""

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.share_of_bar_volume is None and not self.per_symbol:
            raise ValueError("set share_of_bar_volume, per_symbol, or both")
        return self


class NotionalLimits(Graded):
    """The size of one order. The smaller of the two counts where both are set."""

    share_of_equity: Annotated[Share | None, Tighter.LOWER] = None
    """For entries: leaving is not sized by what is left."""
    absolute: Annotated[Positive | None, Tighter.LOWER] = None
    """For every order, also one that reduces: the mark of a slipped finger."""

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.share_of_equity is None and self.absolute is None:
            raise ValueError("set share_of_equity, absolute, or both")
        return self


class CollarLimits(Graded):
    """How far a price may lie from the middle of the market."""

    band_bps: Annotated[Band, Tighter.LOWER]
    """Of a limit price, or the touch that a market order meets."""
    stop_band_bps: Annotated[Band, Tighter.LOWER]
    """Of an entry's stop price and of a stop's trigger, which lie further out by their nature."""


class DriftLimits(Soft):
    """How far the market may have moved against an entry since it was decided."""

    maximum_bps: Annotated[NonNegative, Tighter.LOWER]


class SpreadLimits(Soft):
    """How wide the market may be to enter."""

    maximum_bps: Annotated[NonNegative, Tighter.LOWER]


class DepthLimits(Soft):
    """How much of what the touch shows an entry may take."""

    share_of_touch: Annotated[Positive, Tighter.LOWER]
    """Above one, an entry may eat into the book."""
    allow_unknown: Annotated[frozenset[Mode], Tighter.FEWER] = Field(default=frozenset(), exclude_if=absent)
    """Desks that may enter where the market shows no size: recorded candles and the simulated market show none."""


class ShortLimits(Section):
    """Whether more may be sold than is held."""

    allow: Annotated[Switch, Tighter.FALSE] = False
    """Of swaps, and of options where the policy does not hold them to longs; spot can't be sold short."""


class StopLimits(Section):
    """Whether an entry must name its stop."""

    required: Annotated[Switch, Tighter.TRUE] = True


class RewardRiskLimits(Soft):
    """What an entry must stand to gain for what it risks, once costs are counted."""

    minimum: Annotated[NonNegative, Tighter.HIGHER]
    """Reward at the target, as a multiple of the risk at the stop, both after costs."""
    slippage_bps: Annotated[NonNegative, _ALL_BPS, Tighter.HIGHER]
    """Counted each way among the costs: what a market order is expected to fill beyond the touch."""


class OptionLimits(Graded):
    """What options may be entered. Without this section none may; it can't be turned off, as that would open them."""

    minimum_days: Annotated[Count, Tighter.HIGHER]
    """Days to expiry, of 24 hours."""
    maximum_days: Annotated[Count | None, Tighter.LOWER] = Field(default=None, exclude_if=unset)
    minimum_delta: Annotated[Share, Tighter.HIGHER]
    maximum_delta: Annotated[Share, Tighter.LOWER]
    """Both by size: a put's delta counts without its sign."""
    share_of_equity: Annotated[Share, Tighter.LOWER]
    """The worth of all options, held and on order."""
    trade_share_of_equity: Annotated[Share | None, Tighter.LOWER] = Field(default=None, exclude_if=unset)
    """The worth of one order."""
    maximum_positions: Annotated[Count | None, Tighter.LOWER] = Field(default=None, exclude_if=unset)
    """In how many options there may be exposure at once."""
    averaging_down: Annotated[Switch, Tighter.FALSE] = Field(default=False, exclude_if=absent)
    """Whether more may be entered of an option that is held at a loss."""
    long_only: Annotated[Switch, Tighter.TRUE] = True
    """Whether no more may be sold than is held."""
