"""What is asked of a new run, before anything is opened or written."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from pydantic import Field

from agents.pricing import Price
from agents.settings import DeskSettings
from context import DEFAULT_LANES, LaneSettings
from domain.value import Positive, Symbol, Value
from policy import Policy
from venues.costs import PaperCosts
from venues.open import is_exchange

DEFAULT_CYCLES: Final = 60
"""Of a run on a simulated or recorded market."""


class RunOptions(Value):
    """A run on paper; what a live one needs besides, its desk knows."""

    policy: Policy
    graph: str = "trading"
    market: str = "sim"
    """`sim`, `file:PATH` for recorded candles, or an exchange by its name in ccxt."""
    symbols: tuple[Symbol, ...] | None = None
    """All that the market has, when not given."""
    timeframe: str | None = None
    cycles: int | None = Field(default=None, ge=0, le=1_000_000)
    """How many in all, and 0 for no end. When not given: `DEFAULT_CYCLES`, and on an exchange no end."""
    model: str = "rules"
    seed: int = Field(default=7, ge=0)
    cash: Positive = Decimal(100_000)
    desk: DeskSettings = DeskSettings()
    lanes: LaneSettings = DEFAULT_LANES
    costs: PaperCosts = PaperCosts()
    prices: Mapping[str, Price] = Field(default={})
    """What models cost, by name, where LiteLLM's list doesn't know it or it is otherwise."""

    @property
    def planned_cycles(self) -> int | None:
        """After how many cycles the run ends by itself; `None` where it goes on until it is stopped."""
        cycles = self.cycles if self.cycles is not None else 0 if is_exchange(self.market) else DEFAULT_CYCLES
        return cycles or None
