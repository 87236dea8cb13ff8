"""The sections of a policy: every limit that a check reads, with its unit and what it bounds.

Shares are parts of one: 0.1 is ten per cent. Amounts are in the account's currency.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.order import OrderType, TimeInForce
from domain.value import NonNegative, Positive, Share, Symbol, Value


class GradedLimits(Value):
    """A limit that is approached by degrees."""

    warn_at: Share = Decimal("0.8")
    """The part of the limit from which a finding warns."""


class PricingLimits(Value):
    """How an order without a price of its own is valued."""

    market_slippage_bps: NonNegative
    """A market order is counted at the touch made this much worse."""


class SymbolLimits(Value):
    """Which symbols of the run's universe may be traded."""

    allow: frozenset[Symbol] | None = None
    """Only these; without the key, every symbol of the universe."""
    deny: frozenset[Symbol] = frozenset()
    """Never these, whatever `allow` says."""


class OrderTypeLimits(Value):
    """What kinds of order may be sent."""

    types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]


class NotionalLimits(GradedLimits):
    """The size of one order. The smaller of the two counts where both are set."""

    share_of_equity: Share | None = None
    """For entries: leaving is not sized by what is left."""
    absolute: Positive | None = None
    """For every order, also one that reduces: the mark of a slipped finger."""

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.share_of_equity is None and self.absolute is None:
            raise ValueError("set share_of_equity, absolute, or both")
        return self


class CollarLimits(GradedLimits):
    """How far a price may lie from the middle of the market."""

    band_bps: Annotated[Positive, Field(le=10_000)]


class MarketDataLimits(Value):
    """How old a quote may be to trade on."""

    max_age_s: NonNegative


class PositionLimits(GradedLimits):
    """Exposure in one symbol."""

    share_of_equity: Share


class ExposureLimits(GradedLimits):
    """Gross exposure of the portfolio."""

    gross_share_of_equity: Share


class OpenPositionsLimits(GradedLimits):
    """In how many symbols there may be exposure at once."""

    maximum: Annotated[int, Field(ge=0, strict=True)]


class CashLimits(GradedLimits):
    """What must stay uncommitted."""

    reserve_share_of_equity: Share


class DailyLossLimits(GradedLimits):
    """Loss since the start of the day, realised and not, fees counted."""

    share_of_day_start: Share


class ShortLimits(Value):
    """Whether more may be sold than is held."""

    allow: Annotated[bool, Field(strict=True)] = False
    """Swaps only; spot can't be sold short."""


class StopLimits(Value):
    """Whether an entry must name its stop."""

    required: Annotated[bool, Field(strict=True)] = True


class TradeRiskLimits(GradedLimits):
    """What one trade may lose from entry to stop."""

    share_of_equity: Share


class ConvictionLimits(Value):
    """How sure an entry must be."""

    minimum: Share
    review_below: Share | None = None
    """From `minimum` up to here a person decides."""


PolicyName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
