"""Cash and positions of the double's one account, exact to the last digit.

Every change of cash is a movement, and cash is the sum of its movements. The profit of closing part of a
position takes the same part of its cost, rounded to 18 places; the rest stays in the position, so nothing is
lost to rounding: cash and cost together are exact.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from domain.money import ZERO
from exchange_double.listing import Listing

_PLACES = Decimal("1e-18")


class Kind(StrEnum):
    """What moved cash."""

    TRANSFER = "transfer"
    TRADE = "trade"
    FEE = "fee"
    FUNDING = "funding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One change of one currency's cash."""

    movement_id: str
    kind: Kind
    currency: str
    amount: Decimal
    balance: Decimal
    """Of the currency, after it."""
    symbol: str
    reference: str
    """The trade that caused it; empty for transfers and funding."""
    wallet: str
    """Of a transfer: the owner's other wallet that it came from or went to, by the exchange's name; empty of others."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A net position in one swap. `size` is in contracts, negative when short."""

    symbol: str
    size: Decimal
    cost: Decimal
    """What the position was bought for, less what it was sold for: negative when short. In quote currency."""
    profit: Decimal
    """Realised since it was last flat, before fees."""
    fee: Decimal
    funding: Decimal
    opened_at: datetime
    updated_at: datetime
    trade_id: str

    def closes(self, signed_size: Decimal) -> Decimal:
        """How much of `signed_size` would reduce this position, as a magnitude."""
        return min(abs(self.size), abs(signed_size)) if self.size * signed_size < 0 else ZERO


class Account:
    """Call it in a decimal context with room for every digit; the engine does."""

    def __init__(self) -> None:
        self.cash: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self.positions: dict[str, Position] = {}
        self.movements: list[Movement] = []

    def move(
        self,
        currency: str,
        amount: Decimal,
        *,
        kind: Kind,
        at: datetime,
        symbol: str = "",
        reference: str = "",
        wallet: str = "",
    ) -> None:
        """Add `amount`, which may be negative. A zero is no movement."""
        if not amount:
            return
        self.cash[currency] += amount
        self.movements.append(
            Movement(
                movement_id=str(3_000_000_000_000_000_000 + len(self.movements)),
                kind=kind,
                currency=currency,
                amount=amount,
                balance=self.cash[currency],
                symbol=symbol,
                reference=reference,
                wallet=wallet,
                at=at,
            )
        )

    def trade_spot(
        self, listing: Listing, *, signed_size: Decimal, price: Decimal, fee: Decimal, trade_id: str, at: datetime
    ) -> Decimal:
        """Swap base for quote; there is no position, so no profit. The fee is in what is received."""
        paid_in = listing.base if signed_size > 0 else listing.quote
        for currency, amount, kind in (
            (listing.base, signed_size, Kind.TRADE),
            (listing.quote, -signed_size * price, Kind.TRADE),
            (paid_in, -fee, Kind.FEE),
        ):
            self.move(currency, amount, kind=kind, symbol=listing.symbol, reference=trade_id, at=at)
        return ZERO

    def trade_swap(
        self, listing: Listing, *, signed_size: Decimal, price: Decimal, fee: Decimal, trade_id: str, at: datetime
    ) -> Decimal:
        """Change the net position and return the profit that closing realised."""
        before = self.positions.get(listing.symbol) or _flat(listing.symbol, at)
        closed = before.closes(signed_size).copy_sign(signed_size)
        released = _part(before.cost, abs(closed), abs(before.size))
        closing = closed * price * listing.contract_size
        profit = -(released + closing)
        size = before.size + signed_size
        same = before if before.size * size > 0 else _flat(listing.symbol, at)
        self.positions[listing.symbol] = replace(
            same,
            size=size,
            cost=before.cost - released + (signed_size - closed) * price * listing.contract_size,
            profit=same.profit + (profit if same is before else ZERO),
            fee=same.fee + fee,
            updated_at=at,
            trade_id=trade_id,
        )
        if not size:
            del self.positions[listing.symbol]
        self.move(listing.quote, profit, kind=Kind.TRADE, symbol=listing.symbol, reference=trade_id, at=at)
        self.move(listing.quote, -fee, kind=Kind.FEE, symbol=listing.symbol, reference=trade_id, at=at)
        return profit

    def fund(self, listing: Listing, *, rate: Decimal, mark: Decimal, at: datetime) -> Decimal:
        """Settle one funding: a long pays a positive rate. Returns what cash gained."""
        position = self.positions.get(listing.symbol)
        if position is None:
            return ZERO
        amount = -position.size * listing.contract_size * mark * rate
        self.positions[listing.symbol] = replace(position, funding=position.funding + amount)
        self.move(listing.quote, amount, kind=Kind.FUNDING, symbol=listing.symbol, at=at)
        return amount


def _flat(symbol: str, at: datetime) -> Position:
    return Position(
        symbol=symbol,
        size=ZERO,
        cost=ZERO,
        profit=ZERO,
        fee=ZERO,
        funding=ZERO,
        opened_at=at,
        updated_at=at,
        trade_id="",
    )


def _part(value: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """`value * part / whole`: all of it when the part is the whole, else rounded to 18 places."""
    if part == whole:
        return value
    return (value * part / whole).quantize(_PLACES, rounding=ROUND_HALF_EVEN)
