"""Orders, their states and fills, in the market's own words."""

from __future__ import annotations

from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from domain.digest import digest, plain, sha256
from domain.money import EXACT, ZERO
from domain.value import Amount, Instant, NonNegative, Positive, Symbol, Value, absent

Side = Literal["buy", "sell"]
OrderType = Literal["market", "limit", "stop"]
"""`stop`: a market order that the venue holds until the last price reaches `trigger_price`."""
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
    def at_venue(self) -> bool:
        """Whether the venue has confirmed that it holds the order."""
        return self in (OrderState.WORKING, OrderState.PARTIAL)

    @property
    def stands(self) -> bool:
        """Whether the venue has taken the order: it waits there, or did what it was for."""
        return self.at_venue or self is OrderState.FILLED

    @property
    def failed(self) -> bool:
        """Whether the order ended before all of it was filled."""
        return self.terminal and self is not OrderState.FILLED

    @property
    def working(self) -> bool:
        """Whether the order may still trade, as far as anyone can tell."""
        return self not in TERMINAL and self is not OrderState.PLANNED


TERMINAL = frozenset({OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED})
NEVER_REPORTED = frozenset({OrderState.PLANNED, OrderState.APPROVED, OrderState.SUBMITTING})
"""States that only we give: a venue's report in one of them is none."""

CONTRADICTION = "contradicts the order"
"""The evidence of a report that takes the place of one which can't be true of its order."""


def exit_id(client_order_id: ClientOrderId) -> ClientOrderId:
    """The client order id of the stop that a venue attaches to the order with this one."""
    return f"ax{sha256(client_order_id)[:30]}"


def is_exit_id(client_order_id: str) -> bool:
    """Whether an id is one that `exit_id` gives."""
    return client_order_id.startswith("ax") and len(client_order_id) == 32


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
    trigger_price: Positive | None = Field(default=None, exclude_if=absent)
    """Of stops: a sell is sent at or below it, a buy at or above."""
    post_only: bool = Field(default=False, exclude_if=absent)
    """Of limit orders: cancelled by the venue where it would trade at once."""
    stop_price: Positive | None = Field(default=None, exclude_if=absent)
    """Of entries: the venue attaches a stop at this price to what they fill, with `target_price` where that is given.
    See `exit_order`."""
    target_price: Positive | None = Field(default=None, exclude_if=absent)
    """Of stops, and of entries with one: on the gaining side, where the stop sends as well. One cancels the other."""
    attached_to: ClientOrderId | None = Field(default=None, exclude_if=absent)
    """Of a stop that the venue attached to an entry: that entry. It was sent with the entry and has no ticket of its
    own."""

    @model_validator(mode="after")
    def _prices_fit_the_type(self) -> Self:
        if (self.type == "limit") != (self.limit_price is not None):
            raise ValueError("a limit order needs limit_price, and another order has none")
        if (self.type == "stop") != (self.trigger_price is not None):
            raise ValueError("a stop needs trigger_price, and another order has none")
        if self.post_only and self.type != "limit":
            raise ValueError("only a limit order can be post_only")
        if self.stop_price is not None and (self.type == "stop" or self.reduce_only):
            raise ValueError("only an entry has a stop_price")
        if self.target_price is not None and self.type != "stop" and self.stop_price is None:
            raise ValueError("a target_price goes with a stop")
        if self.attached_to is not None and not self.protects:
            raise ValueError("only a protective stop is attached_to an entry")
        return self

    @property
    def digest(self) -> str:
        return digest(self)

    @property
    def exit_id(self) -> ClientOrderId:
        """The client order id of the stop that the venue attaches to this order."""
        return exit_id(self.client_order_id)

    def exit_order(self, quantity: Decimal) -> OrderRequest:
        """The stop that the venue attaches to `quantity` that this entry filled: one order, its target with it.

        Raises `ValueError` for an order without a stop.
        """
        return OrderRequest(
            client_order_id=self.exit_id,
            symbol=self.symbol,
            side="sell" if self.side == "buy" else "buy",
            type="stop",
            quantity=quantity,
            reduce_only=True,
            trigger_price=self.stop_price,
            target_price=self.target_price,
            attached_to=self.client_order_id,
        )

    def leg(self, price: Decimal) -> Literal["stop", "target"]:
        """Which price of a stop with a target was met where it filled at `price`: the nearer one."""
        stop, target = self.trigger_price, self.target_price
        if stop is None or target is None:
            return "stop"
        return "target" if abs(price - target) < abs(price - stop) else "stop"

    @property
    def protects(self) -> bool:
        """Whether it is a protective stop: it waits at the venue and can only reduce. No halt takes one away."""
        return self.type == "stop" and self.reduce_only


class Commission(Value):
    """A fee in a currency that is neither base nor quote, as an exchange's own coin. Negative is a rebate."""

    currency: str
    amount: Amount


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
    fee_base: Amount = Field(default=ZERO, exclude_if=absent)
    """In base currency, out of what was bought: a spot buy's at most exchanges. Negative is a rebate."""
    commission: Commission | None = Field(default=None, exclude_if=absent)
    """In a third currency: out of what is held of that, and in no sum of this account's money."""
    at: Instant

    @property
    def signed_quantity(self) -> Decimal:
        return self.quantity if self.side == "buy" else -self.quantity

    @property
    def notional(self) -> Decimal:
        return self.quantity * self.price

    @property
    def cash(self) -> Decimal:
        """By how much the account's cash changed: the notional and the fee in quote currency."""
        return -self.signed_quantity * self.price - self.fee

    @property
    def fees(self) -> Decimal:
        """All that it cost in quote currency, what was paid in base at the fill's own price."""
        return self.fee + self.fee_base * self.price


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
    venue_order_id: str = Field(default="", exclude_if=absent)
    """The venue's own id of the order, where it has told."""
    evidence: str = Field(default="", exclude_if=absent)
    """Where a venue's word comes from, for the log: `by id`, `open orders`, `trades`, `refused 51008`."""
    side: Side | None = Field(default=None, exclude_if=absent)
    """As the venue shows it; `None` where it does not say."""
    quantity: NonNegative | None = Field(default=None, exclude_if=absent)
    """How much was ordered, as the venue shows it; `None` where it does not say."""


PAST_LIMIT = "the market moved past the limit"
"""In the reason of an order that had to fill at once, within its limit, and did not."""


def past_limit(order: OrderRequest) -> str:
    """Why an order that had to fill at once ended without a trade; empty for any other kind."""
    if order.limit_price is None or order.time_in_force == "GTC":
        return ""
    return f"{order.time_in_force}: {PAST_LIMIT} {plain(order.limit_price)}"


def contradiction(report: OrderReport, request: OrderRequest) -> str:
    """What of a venue's report can't be true of the order that was sent; empty where all of it may be.

    What a venue leaves out contradicts nothing. It may cut a reduce-only order down to what there is to reduce, and
    makes none larger. How large a stop is that it attached to an entry is the venue's own word.
    """
    if report.client_order_id != request.client_order_id:
        return f"the venue reports {report.client_order_id}, and {request.client_order_id} was asked for"
    if report.symbol != request.symbol:
        return f"the venue reports it in {report.symbol}, and it was sent in {request.symbol}"
    if report.state in NEVER_REPORTED:
        return f"the venue reports it as {report.state}, a state that no venue gives"
    if report.side not in (None, request.side):
        return f"the venue reports a {report.side}, and a {request.side} was sent"
    quantity, most = report.quantity, request.quantity
    if quantity is not None and request.attached_to is not None:
        most = quantity
    elif quantity is not None and (quantity > most or (quantity < most and not request.reduce_only)):
        return f"the venue reports a quantity of {plain(quantity)}, and {plain(most)} was sent"
    if report.filled > most:
        return f"the venue reports {plain(report.filled)} filled, and {plain(most)} was sent"
    return _wrong_fills(report.fills, request, most=most)


def _wrong_fills(fills: tuple[Fill, ...], request: OrderRequest, *, most: Decimal) -> str:
    by_id: dict[str, Fill] = {}
    for fill in fills:
        if (fill.client_order_id, fill.symbol, fill.side) != (request.client_order_id, request.symbol, request.side):
            return f"the fill {fill.trade_id}, a {fill.side} of {fill.client_order_id} in {fill.symbol}, is not its own"
        if by_id.setdefault(fill.trade_id, fill) != fill:
            return f"the fill {fill.trade_id} comes twice, and differs"
    with localcontext(EXACT):
        filled = sum((fill.quantity for fill in by_id.values()), ZERO)
    if filled > most:
        return f"its fills come to {plain(filled)}, and {plain(most)} was sent"
    return ""
