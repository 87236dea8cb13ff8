"""The checks of the gate, each in a module of its own. All are evaluated, in the order of their codes."""

from policy.check import Check
from policy.checks.agent_budget import budget_left
from policy.checks.authority import authorised
from policy.checks.cash import cash_suffices
from policy.checks.clock_skew import clocks_agree
from policy.checks.collar import price_in_collar
from policy.checks.conviction import sure_enough
from policy.checks.cooldown import rested
from policy.checks.correlation import correlated_exposure_within
from policy.checks.corroboration import corroborated
from policy.checks.daily_loss import loss_within
from policy.checks.depth import depth_suffices
from policy.checks.drawdown import drawdown_within
from policy.checks.drift import drift_within
from policy.checks.duplicate import not_a_duplicate
from policy.checks.exit_size import can_be_exited
from policy.checks.exposure import gross_exposure_within
from policy.checks.form import well_formed
from policy.checks.leverage import leverage_within
from policy.checks.market_data import quote_usable
from policy.checks.max_quantity import quantity_within
from policy.checks.net_exposure import net_exposure_within
from policy.checks.open_positions import few_enough_positions
from policy.checks.open_risk import open_risk_within
from policy.checks.option import option_permitted
from policy.checks.order_rate import rate_within
from policy.checks.order_size import notional_within
from policy.checks.order_types import order_type_permitted
from policy.checks.position import position_within
from policy.checks.reconciliation import lately_reconciled
from policy.checks.reduce_only import only_reduces
from policy.checks.repetition import not_repeated
from policy.checks.reward_risk import reward_covers_risk
from policy.checks.self_trade import meets_none_of_ours
from policy.checks.session import session_open
from policy.checks.short import short_permitted
from policy.checks.spread import spread_within
from policy.checks.stop import stop_stands
from policy.checks.support import supported
from policy.checks.symbols import symbol_permitted
from policy.checks.trade_risk import risk_within
from policy.checks.trading_state import trading_permitted
from policy.checks.unknown_order import none_in_doubt
from policy.checks.value_at_risk import value_at_risk_within
from policy.checks.weekly_loss import weekly_loss_within

CHECKS: tuple[Check, ...] = (
    budget_left,
    authorised,
    cash_suffices,
    clocks_agree,
    price_in_collar,
    sure_enough,
    rested,
    correlated_exposure_within,
    corroborated,
    loss_within,
    depth_suffices,
    drawdown_within,
    drift_within,
    not_a_duplicate,
    can_be_exited,
    gross_exposure_within,
    well_formed,
    leverage_within,
    quote_usable,
    quantity_within,
    net_exposure_within,
    few_enough_positions,
    open_risk_within,
    option_permitted,
    rate_within,
    notional_within,
    order_type_permitted,
    position_within,
    lately_reconciled,
    only_reduces,
    not_repeated,
    reward_covers_risk,
    meets_none_of_ours,
    session_open,
    short_permitted,
    spread_within,
    stop_stands,
    supported,
    symbol_permitted,
    risk_within,
    trading_permitted,
    none_in_doubt,
    value_at_risk_within,
    weekly_loss_within,
)

__all__ = ["CHECKS"]
