"""The checks of the gate, each in a module of its own. All are evaluated, in the order of their codes."""

from policy.check import Check
from policy.checks.cash import cash_suffices
from policy.checks.collar import price_in_collar
from policy.checks.conviction import sure_enough
from policy.checks.daily_loss import loss_within
from policy.checks.exposure import gross_exposure_within
from policy.checks.form import well_formed
from policy.checks.market_data import quote_usable
from policy.checks.open_positions import few_enough_positions
from policy.checks.order_size import notional_within
from policy.checks.order_types import order_type_permitted
from policy.checks.position import position_within
from policy.checks.reduce_only import only_reduces
from policy.checks.short import short_permitted
from policy.checks.stop import stop_stands
from policy.checks.symbols import symbol_permitted
from policy.checks.trade_risk import risk_within
from policy.checks.trading_state import trading_permitted
from policy.checks.unknown_order import none_in_doubt

CHECKS: tuple[Check, ...] = (
    cash_suffices,
    sure_enough,
    loss_within,
    gross_exposure_within,
    quote_usable,
    notional_within,
    few_enough_positions,
    order_type_permitted,
    position_within,
    price_in_collar,
    only_reduces,
    risk_within,
    short_permitted,
    stop_stands,
    symbol_permitted,
    trading_permitted,
    none_in_doubt,
    well_formed,
)

__all__ = ["CHECKS"]
