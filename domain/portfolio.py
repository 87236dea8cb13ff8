"""Positions and portfolios, and the one arithmetic that turns fills into them.

Accounting is by average cost: a fill that adds moves the average price, one that reduces realises
profit against it, and one that flips does both at the fill's price. Fees are kept apart from
realised profit, so that equity = starting cash + realised + unrealised - fees, exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal

from domain.money import ZERO
from domain.order import Fill
from domain.value import Amount, Instant, NonNegative, Positive, Symbol, Value

_EXACT = Context(prec=60)
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

    @property
    def average_price(self) -> Decimal | None:
        return self.cost / self.quantity if self.quantity else None

    def unrealized(self, mark_price: Decimal) -> Decimal:
        return self.quantity * mark_price - self.cost

    def after(self, fill: Fill) -> Position:
        """This position with one more fill."""
        held, traded = self.quantity, fill.signed_quantity
        fees = self.fees + fill.fee
        left = held + traded
        if held * traded >= 0:
            opened_at = self.opened_at if held else fill.at
            return self.model_copy(
                update={"quantity": left, "cost": self.cost + traded * fill.price, "fees": fees, "opened_at": opened_at}
            )
        if left * held > 0:
            released = _EXACT.divide(self.cost * -traded, held).quantize(_GRAIN, context=_EXACT)
            return self.model_copy(
                update={
                    "quantity": left,
                    "cost": self.cost - released,
                    "realized": self.realized - traded * fill.price - released,
                    "fees": fees,
                }
            )
        flat = {"stop_price": None, "target_price": None, "opened_at": fill.at if left else None}
        realized = self.realized + held * fill.price - self.cost
        return self.model_copy(
            update={"quantity": left, "cost": left * fill.price, "realized": realized, "fees": fees, **flat}
        )


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

    @property
    def unrealized(self) -> Decimal:
        return sum((p.unrealized(self.marks[s]) for s, p in self.positions.items()), ZERO)

    @property
    def equity(self) -> Decimal:
        """Cash and every position at its mark price. Raises `KeyError` for a position without a mark."""
        return self.cash + sum((p.quantity * self.marks[s] for s, p in self.positions.items()), ZERO)

    @property
    def priced(self) -> bool:
        """Whether every position has a mark price, and so the equity can be told."""
        return all(symbol in self.marks for symbol in self.positions)

    def quantity(self, symbol: str) -> Decimal:
        held = self.positions.get(symbol)
        return held.quantity if held else ZERO
