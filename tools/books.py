"""A paper account's cash and positions, and how much of an order they can carry."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from domain.instrument import Instrument
from domain.money import ZERO, floor_to
from domain.order import Fill, OrderRequest
from domain.portfolio import Position
from tools.costs import most_affordable


class Books:
    """Exactly the sum of the fills applied to them.

    Nothing is lent: what is bought is paid in full, and a short position locks what it was sold for
    and as much again. Closing a short is never refused, so a short that went wrong can make the cash
    negative; buying spot can't.
    """

    def __init__(self, start_cash: Decimal) -> None:
        self._cash = start_cash
        self._positions: dict[str, Position] = {}

    @property
    def cash(self) -> Decimal:
        return self._cash

    @property
    def positions(self) -> Mapping[str, Position]:
        """Every position there ever was, flat ones too."""
        return self._positions

    @property
    def realized(self) -> Decimal:
        return sum((position.realized for position in self._positions.values()), ZERO)

    @property
    def fees(self) -> Decimal:
        return sum((position.fees for position in self._positions.values()), ZERO)

    @property
    def free_cash(self) -> Decimal:
        """Cash that no short position locks."""
        return self._cash - 2 * sum((-p.cost for p in self._positions.values() if p.quantity < 0), ZERO)

    def held(self, symbol: str) -> Decimal:
        """The signed quantity."""
        position = self._positions.get(symbol)
        return position.quantity if position else ZERO

    def closing(self, order: OrderRequest) -> Decimal:
        """How much of the position an order on its side can close."""
        held = self.held(order.symbol)
        return max(ZERO, -held if order.side == "buy" else held)

    def apply(self, fill: Fill) -> None:
        before = self._positions.get(fill.symbol) or Position(symbol=fill.symbol)
        self._positions[fill.symbol] = before.after(fill)
        self._cash -= fill.signed_quantity * fill.price + fill.fee

    def capacity(self, order: OrderRequest, instrument: Instrument, *, price: Decimal, rate: Decimal) -> Decimal:
        """The most of `order` that may trade at `price` now, in whole lots.

        What closes a position always may. What opens one needs cash, and is not for reduce-only orders
        or spot sells.
        """
        closing = self.closing(order)
        if order.reduce_only or (instrument.kind == "spot" and order.side == "sell"):
            return closing
        free = self.free_after_closing(order, closing, price=price, rate=rate)
        return closing + floor_to(most_affordable(free, price=price, rate=rate), instrument.lot_size)

    def free_after_closing(self, order: OrderRequest, quantity: Decimal, *, price: Decimal, rate: Decimal) -> Decimal:
        """The free cash there would be once `order` had closed `quantity` of the position at `price`."""
        if not quantity:
            return self.free_cash
        paid = (quantity if order.side == "buy" else -quantity) * price + quantity * price * rate
        position = self._positions[order.symbol]
        unlocked = 2 * position.cost * quantity / position.quantity if position.quantity < 0 else ZERO
        return self.free_cash - paid + unlocked
