"""Limits on the account: positions, exposure, cash, losses and risk.

Shares are parts of one: 0.1 is ten per cent. Amounts are in the account's currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.value import NonNegative, Positive, Share, Symbol
from policy.limits.section import Count, Graded, Seconds, Soft, Tighter

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


class PositionLimits(Graded):
    """Exposure in one symbol."""

    share_of_equity: Annotated[Share, Tighter.LOWER]


class ExposureLimits(Graded):
    """Exposure of the whole portfolio."""

    gross_share_of_equity: Annotated[NonNegative, Tighter.LOWER]
    """Longs and shorts added. Above one takes leverage."""


class NetExposureLimits(Soft):
    """How far longs may outweigh shorts, or shorts longs."""

    share_of_equity: Annotated[Share, Tighter.LOWER]


class LeverageLimits(Soft):
    """What is held on margin, in swaps, as a multiple of equity. Spot is paid for and has no leverage."""

    maximum: Annotated[NonNegative, Tighter.LOWER]


class OpenPositionsLimits(Graded):
    """In how many symbols there may be exposure at once."""

    maximum: Annotated[Count, Tighter.LOWER]


class CorrelationLimits(Soft):
    """Exposure in symbols that move together. The measured and the stated groups both bind."""

    threshold: Annotated[Share, Tighter.LOWER]
    """Symbols whose returns correlate at least so much with the judged one count as one bet."""
    minimum_bars: Annotated[int, Field(ge=2, le=10_000, strict=True), Tighter.HIGHER]
    """With fewer returns, or none, the symbols count as correlated."""
    share_of_equity: Annotated[Share, Tighter.LOWER]
    groups: Annotated[Mapping[Name, frozenset[Symbol]], Tighter.MORE] = Field(default_factory=dict)
    """Symbols that count as one bet whatever their returns say."""


class CashLimits(Graded):
    """What must stay uncommitted."""

    reserve_share_of_equity: Annotated[Share, Tighter.HIGHER]


class DailyLossLimits(Graded):
    """Loss since the start of the day, realised and not, fees counted."""

    share_of_day_start: Annotated[Share, Tighter.LOWER]


class WeeklyLossLimits(Soft):
    """Loss since the start of the week, realised and not, fees counted."""

    share_of_week_start: Annotated[Share, Tighter.LOWER]


class DrawdownLimits(Graded):
    """Fall from the account's high-water mark."""

    share_of_high: Annotated[Share, Tighter.LOWER]
    sizes_fall_from: Annotated[Share, Tighter.LOWER] = Decimal(1)
    """From this part of the limit on, the largest entry shrinks in a line, to nothing at the limit. One: never."""


class CooldownLimits(Soft):
    """Rest after losses."""

    after_loss_s: Annotated[Seconds, Tighter.HIGHER]
    """No entry in a symbol for so long after a losing trade in it."""
    losses_in_a_row: Annotated[int, Field(ge=1, le=1_000, strict=True), Tighter.LOWER]
    """After so many losing trades in a row, in any symbols, ..."""
    pause_s: Annotated[Seconds, Tighter.HIGHER]
    """... no entry at all for so long."""


class TradeRiskLimits(Graded):
    """What one trade may lose from entry to stop."""

    share_of_equity: Annotated[Share, Tighter.LOWER]


class OpenRiskLimits(Graded):
    """What all open trades together may lose from now to their stops."""

    share_of_equity: Annotated[Share, Tighter.LOWER]


class ValueAtRiskLimits(Soft):
    """Loss of the portfolio, after the trade, that a bar exceeds only rarely."""

    confidence: Annotated[Share, Field(gt=0, lt=1), Tighter.HIGHER]
    """0.99: one bar in a hundred may be worse."""
    minimum_bars: Annotated[int, Field(ge=2, le=10_000, strict=True), Tighter.HIGHER]
    """With fewer returns of a symbol the value at risk is unknown."""
    horizon_bars: Annotated[int, Field(ge=1, le=10_000, strict=True), Tighter.HIGHER]
    """The loss of one bar is scaled by the square root of this."""
    share_of_equity: Annotated[Share, Tighter.LOWER]


class EscalationSteps(Soft):
    """What happens as losses come near their limits: parts of the nearest of the daily, weekly and drawdown limit."""

    alert_at: Annotated[Positive, Tighter.LOWER]
    halve_at: Annotated[Positive, Tighter.LOWER]
    """The riskiest position is halved."""
    flatten_at: Annotated[Positive, Tighter.LOWER]
    """Trading halts, and everything is closed."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.alert_at <= self.halve_at <= self.flatten_at:
            raise ValueError("alert_at, halve_at and flatten_at must ascend")
        return self
