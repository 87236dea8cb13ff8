"""A policy: one frozen set of limits with a digest. Data, not code."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from domain.digest import digest
from domain.value import Value, unset
from policy.limits import account, conduct, market, order

PolicyName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


class Policy(Value):
    """The limits of every check, by section.

    A section that is not there sets no limit, and what needs that limit is refused: the empty policy
    allows nothing. Sections with defaults have their tightest sense as default; `escalation` alone
    is no limit, and missing means that nothing but the limits themselves acts.
    """

    name: PolicyName
    day: conduct.DayLimits = conduct.DayLimits()
    review: conduct.ReviewLimits = conduct.ReviewLimits()

    symbol: order.SymbolLimits = order.SymbolLimits()
    order_type: order.OrderTypeLimits | None = None
    pricing: order.PricingLimits | None = None
    max_quantity: order.QuantityLimits | None = None
    max_notional: order.NotionalLimits | None = None
    price_collar: order.CollarLimits | None = None
    drift: order.DriftLimits | None = None
    spread: order.SpreadLimits | None = None
    depth: order.DepthLimits | None = None
    short: order.ShortLimits = order.ShortLimits()
    stop: order.StopLimits = order.StopLimits()
    reward_risk: order.RewardRiskLimits | None = Field(default=None, exclude_if=unset)
    option: order.OptionLimits | None = None

    market_data: market.MarketDataLimits | None = None
    session: market.SessionLimits = market.SessionLimits()
    reconciliation: market.ReconciliationLimits | None = None
    clock: market.ClockLimits | None = None
    corroboration: market.CorroborationLimits | None = None

    position: account.PositionLimits | None = None
    exposure: account.ExposureLimits | None = None
    net_exposure: account.NetExposureLimits | None = None
    leverage: account.LeverageLimits | None = None
    open_positions: account.OpenPositionsLimits | None = None
    correlation: account.CorrelationLimits | None = None
    cash: account.CashLimits | None = None
    daily_loss: account.DailyLossLimits | None = None
    weekly_loss: account.WeeklyLossLimits | None = None
    drawdown: account.DrawdownLimits | None = None
    cooldown: account.CooldownLimits | None = None
    risk_per_trade: account.TradeRiskLimits | None = None
    open_risk: account.OpenRiskLimits | None = None
    value_at_risk: account.ValueAtRiskLimits | None = None
    escalation: account.EscalationSteps | None = None

    order_rate: conduct.RateLimits | None = None
    repetition: conduct.RepetitionLimits | None = None
    duplicate: conduct.DuplicateLimits | None = None
    authority: conduct.AuthorityLimits = conduct.AuthorityLimits()
    conviction: conduct.ConvictionLimits | None = None
    agent_budget: conduct.BudgetLimits | None = None

    @property
    def digest(self) -> str:
        return digest(self)
