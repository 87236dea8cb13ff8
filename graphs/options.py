"""What is asked of a new run, before anything is opened or written."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from agents.settings import DeskSettings
from context import DEFAULT_LANES, LaneSettings
from domain.value import Positive, Symbol, Value
from policy import Policy
from tools.costs import PaperCosts


class RunOptions(Value):
    """Paper is the only mode that this version has."""

    policy: Policy
    graph: str = "trading"
    market: str = "sim"
    """`sim`, `file:PATH` for recorded candles, or an exchange by its name in ccxt."""
    symbols: tuple[Symbol, ...] | None = None
    """All that the market has, when not given."""
    timeframe: str | None = None
    cycles: int = Field(default=60, ge=1, le=1_000_000)
    model: str = "rules"
    seed: int = Field(default=7, ge=0)
    cash: Positive = Decimal(100_000)
    desk: DeskSettings = DeskSettings()
    lanes: LaneSettings = DEFAULT_LANES
    costs: PaperCosts = PaperCosts()
