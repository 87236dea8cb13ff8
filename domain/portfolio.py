"""Positions and portfolios, and the one arithmetic that turns fills into them.

Accounting is by average cost: a fill that adds moves the average price, one that reduces realises
profit against it, and one that flips does both at the fill's price. Fees are kept apart from
realised profit, so that equity = starting cash + contributed + realised + unrealised - fees, exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Context, Decimal, localcontext

from pydantic import Field

from domain.money import EXACT, ZERO
from domain.order import Fill
from domain.statement import ExternalEvent
from domain.value import Amount, Instant, NonNegative, Positive, Symbol, Value, absent

_RELEASED = Context(prec=60)
_GRAIN = Decimal("1e-12")
"""Released cost is rounded to this, and the rest stays in the position: sums stay exact."""


class Position(Value):
    """Signed quantity in base currency (short is negative) and what was paid for it.

    `cost` is the signed sum paid for what is held, in quote currency, so that the average price is
    cost / quantity and no division ever enters the books.
    """

    symbol: Symbol
    quantity: Amount = ZERO
    cost: Amount = ZERO
    realized: Amount = ZERO
    fees: Amount = ZERO
    opened_at: Instant | None = None
    stop_price: Positive | None = None
    target_price: Positive | None = None
    funding: Amount = Field(default=ZERO, exclude_if=absent)
    """What of `realized` is funding: what a perpetual was paid, less what it paid."""

    @property
    def average_price(self) -> Decimal | None:
        return self.cost / self.quantity if self.quantity else None

    def unrealized(self, mark_price: Decimal) -> Decimal:
        with localcontext(EXACT):
            return self.quantity * mark_price - self.cost

    def after(self, fill: Fill) -> Position:
        """This position with one more fill.

        A fee in base currency is sold at the fill's price, and what that brings is the fee: cash stays out of it,
        and profit is realised against the average as with any sale.
        """
        with localcontext(EXACT):
            traded = self._moved(fill.signed_quantity, price=fill.price, at=fill.at)
            paid = traded._moved(-fill.fee_base, price=fill.price, at=fill.at) if fill.fee_base else traded
            return paid.model_copy(update={"fees": self.fees + fill.fees})

    def settled(self, event: ExternalEvent) -> Position:
        """This position after a funding or a liquidation of its own."""
        if event.trade is not None:
            return self.after(event.trade)
        with localcontext(EXACT):
            return self.model_copy(
                update={"realized": self.realized + event.cash, "funding": self.funding + event.cash}
            )

    def adopting(self, quantity: Decimal, *, price: Decimal, at: datetime) -> Position:
        """This position with signed `quantity` more that was not bought but taken over at `price`, without a fee."""
        with localcontext(EXACT):
            return self._moved(quantity, price=price, at=at)

    def _moved(self, traded: Decimal, *, price: Decimal, at: datetime) -> Position:
        """By average cost: cost - realised changes by exactly traded * price, whichever way it goes."""
        before, after = self.quantity, self.quantity + traded
        if before * traded >= 0:
            opened_at = self.opened_at if before else at
            return self.model_copy(
                update={"quantity": after, "cost": self.cost + traded * price, "opened_at": opened_at}
            )
        if after * before > 0:
            released = _RELEASED.divide(self.cost * -traded, before).quantize(_GRAIN, context=_RELEASED)
            return self.model_copy(
                update={
                    "quantity": after,
                    "cost": self.cost - released,
                    "realized": self.realized - traded * price - released,
                }
            )
        flat = {"stop_price": None, "target_price": None, "opened_at": at if after else None}
        realized = self.realized + before * price - self.cost
        return self.model_copy(update={"quantity": after, "cost": after * price, "realized": realized, **flat})


class Portfolio(Value):
    """One account at one moment, all in `currency`. Positions hold only what is not flat."""

    currency: str
    as_of: Instant
    cash: Amount
    positions: Mapping[Symbol, Position]
    marks: Mapping[Symbol, Positive]
    realized: Amount
    fees: Amount
    start_cash: NonNegative
    contributed: Amount = Field(default=ZERO, exclude_if=absent)
    """What others brought in less what they took out since the start: cash, funding too, and what the desk adopted."""

    @property
    def unrealized(self) -> Decimal:
        with localcontext(EXACT):
            return sum((p.unrealized(self.marks[s]) for s, p in self.positions.items()), ZERO)

    @property
    def equity(self) -> Decimal:
        """Cash and every position at its mark price. Raises `KeyError` for a position without a mark."""
        with localcontext(EXACT):
            return self.cash + sum((p.quantity * self.marks[s] for s, p in self.positions.items()), ZERO)

    @property
    def priced(self) -> bool:
        """Whether every position has a mark price, and so the equity can be told."""
        return all(symbol in self.marks for symbol in self.positions)

    def quantity(self, symbol: str) -> Decimal:
        position = self.positions.get(symbol)
        return position.quantity if position else ZERO
