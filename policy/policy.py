"""A policy: one frozen set of limits with a digest. Data, not code."""

from __future__ import annotations

from domain.digest import digest
from domain.value import Value
from policy.limits import (
    CashLimits,
    CollarLimits,
    ConvictionLimits,
    DailyLossLimits,
    ExposureLimits,
    MarketDataLimits,
    NotionalLimits,
    OpenPositionsLimits,
    OrderTypeLimits,
    PolicyName,
    PositionLimits,
    PricingLimits,
    ShortLimits,
    StopLimits,
    SymbolLimits,
    TradeRiskLimits,
)


class Policy(Value):
    """The limits of every check, by section.

    A section that is not there sets no limit, and what needs that limit is refused: the empty policy
    allows nothing but leaving. The three sections with defaults have their tightest sense as default.
    """

    name: PolicyName
    pricing: PricingLimits | None = None
    symbol: SymbolLimits = SymbolLimits()
    order_type: OrderTypeLimits | None = None
    max_notional: NotionalLimits | None = None
    price_collar: CollarLimits | None = None
    market_data: MarketDataLimits | None = None
    position: PositionLimits | None = None
    exposure: ExposureLimits | None = None
    open_positions: OpenPositionsLimits | None = None
    cash: CashLimits | None = None
    daily_loss: DailyLossLimits | None = None
    short: ShortLimits = ShortLimits()
    stop: StopLimits = StopLimits()
    risk_per_trade: TradeRiskLimits | None = None
    conviction: ConvictionLimits | None = None

    @property
    def digest(self) -> str:
        return digest(self)
