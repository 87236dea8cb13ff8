"""What an operator may set about the agents: how wide they look, how much they stake, when they leave."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from domain.value import NonNegative, Positive, Share, Value, absent

Patience = Annotated[Decimal, Field(gt=0, le=600, allow_inf_nan=False)]
"""Seconds that somebody waits for an answer."""


class SignalSettings(Value):
    threshold: Share = Decimal("0.35")
    """Candidates below this score are not researched."""
    max_candidates: int = Field(default=3, ge=1, le=20)
    """How many are researched in one cycle, at once."""
    headline_hours: int = Field(default=12, ge=1, le=168)


class ResearchSettings(Value):
    budget_tokens: int = Field(default=4_000, ge=200, le=200_000)
    """The whole prompt, counted with the model's own tokenizer."""
    candles_shown: int = Field(default=12, ge=1, le=100)
    instructions: str = Field(default="", max_length=8_000, exclude_if=absent)
    """What the model is asked to do, with `{symbol}` where the symbol is to stand; our own words when it is not set."""


class RiskSettings(Value):
    """Shares are parts of equity; distances are multiples of the average true range."""

    risk_per_trade: Share = Decimal("0.005")
    max_position: Share = Decimal("0.10")
    min_conviction: Share = Decimal("0.55")
    stop_atr: Positive = Decimal(2)
    target_atr: Positive = Decimal(4)
    min_stop: Share = Decimal("0.002")
    """No stop closer than this part of the price, so that a quiet hour does not size a huge position."""
    stop_costs: NonNegative = Decimal(3)
    """No stop closer than so many round trips cost in fees, spread and slippage. The target grows with it."""
    slippage_bps: NonNegative = Decimal(2)
    """Counted each way among those costs."""
    min_reward_risk: NonNegative = Decimal(1)
    """No entry whose reward at its target is below so many times its risk at its stop, both after costs."""
    entry_bound_bps: Annotated[Decimal, Field(ge=0, lt=10_000, allow_inf_nan=False)] = Decimal(25)
    """How far beyond the touch that it was decided at an entry may fill. What moved further is not entered."""
    max_hold_bars: int = Field(default=96, ge=1, le=100_000)
    reenter_after_bars: int = Field(default=12, ge=0, le=100_000)
    """After a trade in a symbol is closed, how long until the next: the same signal is not paid for twice."""
    allow_short: bool = False
    trailing: bool = False
    """Whether a stop follows the best close since the entry, at the distance that it had from the entry."""


class ReadingSettings(Value):
    """How long a cycle waits for its sources. What came and what did not is recorded: a replay waits for nothing."""

    cycle_s: Patience = Decimal(2)
    """For everything that is read in a cycle, together: while at least one answer is waited for."""
    read_s: Patience = Decimal("1.5")
    """For one answer, such as a quote. A symbol that gave none in that time is not waited for again in the cycle."""


def _as_ever(reading: object) -> bool:
    return reading == ReadingSettings()


class DeskSettings(Value):
    """Everything the agents read. Its digest is part of a run's own."""

    signal: SignalSettings = SignalSettings()
    research: ResearchSettings = ResearchSettings()
    risk: RiskSettings = RiskSettings()
    reading: ReadingSettings = Field(default=ReadingSettings(), exclude_if=_as_ever)
