"""Orders and fills as the double's engine keeps them, and why it may refuse one.

Refused   the engine did not do what was asked; nothing changed
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from domain.money import ZERO
from domain.order import OrderType, Side, TimeInForce


class Status(StrEnum):
    LIVE = "live"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELLED = "cancelled"


class Cause(StrEnum):
    """Why an order was cancelled."""

    USER = "user"
    VENUE = "venue"
    TIMER = "timer"
    POST_ONLY = "post_only"
    FILL_OR_KILL = "fill_or_kill"
    IMMEDIATE = "immediate"
    SELF_TRADE = "self_trade"
    REDUCE_ONLY = "reduce_only"
    REFUSED = "refused"
    """Of a stop whose order was refused when it triggered, where that stop is an order."""


class Reason(StrEnum):
    """Why a request was refused."""

    UNKNOWN_SYMBOL = "unknown_symbol"
    BELOW_MINIMUM = "below_minimum"
    OFF_LOT = "off_lot"
    OFF_TICK = "off_tick"
    NO_FUNDS = "no_funds"
    DUPLICATE_ID = "duplicate_id"
    REDUCE_ONLY_ON_SPOT = "reduce_only_on_spot"
    NOTHING_TO_REDUCE = "nothing_to_reduce"
    NO_MARKET = "no_market"
    UNKNOWN_ORDER = "unknown_order"
    ALREADY_FILLED = "already_filled"
    ALREADY_CANCELLED = "already_cancelled"
    ALREADY_TRIGGERED = "already_triggered"
    WOULD_TRIGGER = "would_trigger"


class Refused(Exception):
    """The engine refused, and changed nothing. The wire says it in its exchange's own codes."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """The stop that comes with an order, once that has ended with something filled."""

    client_order_id: str
    stop_price: Decimal
    target_price: Decimal | None
    form: str
    """See `Stop`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What a client asks for. `quantity` is in base units or contracts; in quote currency with `in_quote`."""

    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    limit_price: Decimal | None = None
    time_in_force: TimeInForce = "GTC"
    post_only: bool = False
    reduce_only: bool = False
    in_quote: bool = False
    """Of market buys on spot: spend `quantity` instead of buying it."""
    client_order_id: str = ""
    tag: str = ""
    attached: Attached | None = None
    """What is to be done with what this fills."""

    def __post_init__(self) -> None:
        if (self.type == "limit") != (self.limit_price is not None):
            raise ValueError("a limit order needs limit_price, and a market order has none")
        if self.in_quote and (self.type != "market" or self.side != "buy" or ":" in self.symbol):
            raise ValueError("only a market buy on spot is sized in quote currency")

    def reaches(self, price: Decimal) -> bool:
        """Whether this order would trade at `price`."""
        if self.limit_price is None:
            return True
        return price <= self.limit_price if self.side == "buy" else price >= self.limit_price


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One trade of one order. `fee` is what was paid, in `fee_currency`; `profit` is what closing realised."""

    trade_id: str
    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_currency: str
    fee_rate: Decimal
    profit: Decimal
    maker: bool
    at: datetime

    @property
    def signed_size(self) -> Decimal:
        return self.size if self.side == "buy" else -self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order and what became of it. Every change makes a new value."""

    order_id: str
    new: NewOrder
    fee_currency: str
    created_at: datetime
    updated_at: datetime
    status: Status = Status.LIVE
    cause: Cause | None = None
    filled: Decimal = ZERO
    value: Decimal = ZERO
    """Sum of price times size over the fills."""
    fee: Decimal = ZERO
    profit: Decimal = ZERO
    last_fill: Fill | None = None
    stop_id: str = ""
    """The stop that it was, if it was one."""

    @property
    def open(self) -> bool:
        return self.status in (Status.LIVE, Status.PARTIAL)

    @property
    def remaining(self) -> Decimal:
        """What is still to trade, in the unit of the order's own quantity."""
        return self.new.quantity - (self.value if self.new.in_quote else self.filled)
