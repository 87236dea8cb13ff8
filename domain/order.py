"""Orders, their states and fills, in the market's own words."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import StringConstraints, model_validator

from domain.digest import digest
from domain.money import ZERO
from domain.value import Amount, Instant, NonNegative, Positive, Symbol, Value

Side = Literal["buy", "sell"]
OrderType = Literal["market", "limit"]
TimeInForce = Literal["GTC", "IOC", "FOK"]

ClientOrderId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,31}$")]
"""Starts with a letter, letters and digits only, at most 32: valid on every venue we know."""


class OrderState(StrEnum):
    """PLANNED → APPROVED → SUBMITTING → one of the venue's states; UNKNOWN leaves on venue evidence only."""

    PLANNED = "planned"
    APPROVED = "approved"
    SUBMITTING = "submitting"
    WORKING = "working"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"

    @property
    def terminal(self) -> bool:
        return self in TERMINAL

    @property
    def working(self) -> bool:
        """Whether the order may still trade, as far as anyone can tell."""
        return self not in TERMINAL and self is not OrderState.PLANNED


TERMINAL = frozenset({OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED})


class OrderRequest(Value):
    """Exactly what is sent to a venue. Its digest is what a ticket is bound to."""

    client_order_id: ClientOrderId
    symbol: Symbol
    side: Side
    type: OrderType
    quantity: Positive
    limit_price: Positive | None = None
    time_in_force: TimeInForce = "GTC"
    reduce_only: bool = False

    @model_validator(mode="after")
    def _limit_has_a_price(self) -> Self:
        if (self.type == "limit") != (self.limit_price is not None):
            raise ValueError("a limit order needs limit_price, and a market order has none")
        return self

    @property
    def digest(self) -> str:
        return digest(self)


class Fill(Value):
    """One trade of one order. `trade_id` is the venue's; a fill is applied once by it."""

    trade_id: str
    client_order_id: ClientOrderId
    symbol: Symbol
    side: Side
    quantity: Positive
    price: Positive
    fee: Amount = ZERO
    """In quote currency; negative is a rebate."""
    at: Instant

    @property
    def signed_quantity(self) -> Decimal:
        return self.quantity if self.side == "buy" else -self.quantity

    @property
    def notional(self) -> Decimal:
        return self.quantity * self.price


class OrderReport(Value):
    """What a venue says of one order: its evidence, with every fill known so far."""

    client_order_id: ClientOrderId
    symbol: Symbol
    state: OrderState
    filled: NonNegative = ZERO
    average_price: Positive | None = None
    fills: tuple[Fill, ...] = ()
    reason: str = ""
    at: Instant
