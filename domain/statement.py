"""What a venue says an account holds and did: evidence, before it is in anyone's books.

Quantities are in base currency, prices and cash in quote currency, times are the venue's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from domain.money import ZERO
from domain.order import Commission, OrderReport, Side
from domain.value import Amount, Instant, Positive, Symbol, Value

TransferKind = Literal["deposit", "withdrawal", "funding", "interest", "fee", "other"]


class Trade(Value):
    """One trade of the account, whoever sent the order. `client_order_id` is empty where the venue has none."""

    trade_id: str
    venue_order_id: str
    client_order_id: str = ""
    symbol: Symbol
    side: Side
    quantity: Positive
    price: Positive
    fee: Amount = ZERO
    fee_base: Amount = ZERO
    commission: Commission | None = None
    at: Instant


class Transfer(Value):
    """A change of a balance that no trade made. `amount` is signed: what the account gained."""

    id: str
    kind: TransferKind
    currency: str
    amount: Amount
    symbol: Symbol | None = None
    """Of funding: the perpetual."""
    at: Instant


class Statement(Value):
    """What the account holds at one moment, whatever it is locked for, and what of it may still trade."""

    at: Instant
    balances: Mapping[str, Amount]
    """By currency, free and locked together. On swaps the wallet: without what open positions gained or lost."""
    positions: Mapping[Symbol, Amount] = {}
    """Of swaps, signed; spot is in `balances`."""
    marks: Mapping[Symbol, Positive] = {}
    open_orders: tuple[OrderReport, ...] = ()
    """Every order of this desk's symbols that may trade, also such as this desk did not send and without id."""
    strangers: int = 0
    """How many more open orders there are whose client order id is not one that agentctl could have made."""


class KeyRights(Value):
    """What an API key may do, as far as the venue tells; `None` is not told."""

    account: str
    """The venue's own name of the account, such as its user id; empty where it does not tell."""
    trade: bool | None
    withdraw: bool | None


EventKind = Literal["opening", "trade", "transfer", "funding", "adoption"]


class ExternalEvent(Value):
    """A change of the account that this desk's orders did not make. Booked once, by `id`.

    `id` follows from the venue's own (`trade:123`, `transfer:9`), so that seen again it is the same. What is held
    by hand stands beside what the desk manages: the desk neither counts it as its own nor sells it.
    """

    id: str
    kind: EventKind
    asset: str
    """A currency on spot (`BTC`), the symbol of a swap, or the account's own currency for what moves cash alone."""
    quantity: Amount = ZERO
    """By how much what is held beside the desk's own changed."""
    cash: Amount = ZERO
    """By how much the account's cash changed."""
    price: Positive | None = None
    at: Instant
    note: str = ""


class Expected(Value):
    """What a statement must say if the books are right."""

    balances: Mapping[str, Amount]
    positions: Mapping[Symbol, Amount]


class Difference(Value):
    """One amount on which books and venue differ."""

    asset: str
    ours: Amount
    theirs: Amount
