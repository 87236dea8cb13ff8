"""A paper account's cash and positions, and how much of an order they can carry."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from operator import itemgetter

from domain.instrument import Instrument
from domain.money import ZERO, floor_to
from domain.order import Fill, OrderRequest
from domain.portfolio import Position
from domain.statement import ExternalEvent, is_swap
from venues.costs import most_affordable
from venues.paper.margin import PAID_IN_FULL, Margin


class Books:
    """Exactly the sum of the fills applied to them, and of what settled their perpetuals.

    Spot is paid in full. A perpetual ties up its initial margin: see `margin`, by which nothing is lent unless
    the account's terms say so. A short in what is paid in full locks what it was sold for and as much again. Closing
    is never refused, so a short that went wrong can make the cash negative; buying spot can't.
    """

    def __init__(self, start_cash: Decimal, *, margin: Margin = PAID_IN_FULL) -> None:
        self._cash = start_cash
        self._positions: dict[str, Position] = {}
        self._trails: dict[str, list[tuple[datetime, Decimal]]] = {}
        """By symbol, what was held from when on."""
        self.margin = margin
        self.marks: dict[str, Decimal] = {}
        """Of perpetuals, as last seen. One without a mark counts at what was paid for it."""

    @property
    def cash(self) -> Decimal:
        return self._cash

    @property
    def positions(self) -> Mapping[str, Position]:
        """Every position there ever was, flat ones too."""
        return self._positions

    @property
    def perpetuals(self) -> Mapping[str, Position]:
        """Those that are held."""
        return {
            symbol: position for symbol, position in self._positions.items() if position.quantity and is_swap(symbol)
        }

    @property
    def realized(self) -> Decimal:
        return sum((position.realized for position in self._positions.values()), ZERO)

    @property
    def fees(self) -> Decimal:
        return sum((position.fees for position in self._positions.values()), ZERO)

    @property
    def free_cash(self) -> Decimal:
        """What no position ties up: cash on spot, and the available balance of `venues.paper.margin`."""
        free = self._cash
        for symbol, position in self.perpetuals.items():
            worth = self._worth(position)
            free += worth - abs(worth) * self._initial_rate(symbol, position.quantity, worth=worth)
        return free

    def quantity(self, symbol: str) -> Decimal:
        """The signed quantity."""
        position = self._positions.get(symbol)
        return position.quantity if position else ZERO

    def held_before(self, symbol: str, moment: datetime) -> Decimal:
        """The signed quantity just before a moment: what is traded in that moment comes after it."""
        trail = self._trails.get(symbol, [])
        place = bisect_left(trail, moment, key=itemgetter(0))
        return trail[place - 1][1] if place else ZERO

    def closing(self, order: OrderRequest) -> Decimal:
        """How much of the position an order on its side can close."""
        quantity = self.quantity(order.symbol)
        return max(ZERO, -quantity if order.side == "buy" else quantity)

    def apply(self, fill: Fill) -> None:
        before = self._positions.get(fill.symbol) or Position(symbol=fill.symbol)
        self._move(before.after(fill), at=fill.at)
        self._cash -= fill.signed_quantity * fill.price + fill.fee

    def settle(self, event: ExternalEvent) -> None:
        """Take in a funding or a liquidation."""
        before = self._positions.get(event.asset) or Position(symbol=event.asset)
        self._move(before.settled(event), at=event.at)
        self._cash += event.cash

    def _move(self, after: Position, *, at: datetime) -> None:
        if after.quantity != self.quantity(after.symbol):
            self._trails.setdefault(after.symbol, []).append((at, after.quantity))
        self._positions[after.symbol] = after

    def capacity(self, order: OrderRequest, instrument: Instrument, *, price: Decimal, rate: Decimal) -> Decimal:
        """The most of `order` that may trade at `price` now, in whole lots.

        What closes a position always may. What opens one needs cash, and is not for reduce-only orders
        or spot sells.
        """
        closing = self.closing(order)
        if order.reduce_only or (instrument.kind == "spot" and order.side == "sell"):
            return closing
        opening = order.quantity - closing
        margin = self.margin_for(order, opening, price=price)
        free = self.free_after_closing(order, closing, price=price, rate=rate)
        return closing + floor_to(most_affordable(free, price=price, rate=rate, margin=margin), instrument.lot_size)

    def margin_for(self, order: OrderRequest, opening: Decimal, *, price: Decimal) -> Decimal:
        """The part of its notional that what `order` opens takes: all of it on spot."""
        if not is_swap(order.symbol):
            return Decimal(1)
        quantity = self.quantity(order.symbol)
        grows = quantity >= 0 if order.side == "buy" else quantity <= 0
        return self._initial_rate(order.symbol, (abs(quantity) if grows else ZERO) + opening, price=price)

    def free_after_closing(self, order: OrderRequest, quantity: Decimal, *, price: Decimal, rate: Decimal) -> Decimal:
        """The free cash there would be once `order` had closed `quantity` of the position at `price`."""
        if not quantity:
            return self.free_cash
        paid = (quantity if order.side == "buy" else -quantity) * price + quantity * price * rate
        position = self._positions[order.symbol]
        if not is_swap(order.symbol):
            return self.free_cash - paid
        worth = self._worth(position)
        tied = abs(worth) * self._initial_rate(order.symbol, position.quantity, worth=worth) - worth
        return self.free_cash - paid + tied * quantity / abs(position.quantity)

    def _worth(self, position: Position) -> Decimal:
        """Of a perpetual, at its mark, with its sign."""
        mark = self.marks.get(position.symbol)
        return position.cost if mark is None else position.quantity * mark

    def _initial_rate(
        self, symbol: str, quantity: Decimal, *, worth: Decimal = ZERO, price: Decimal | None = None
    ) -> Decimal:
        at = abs(worth / quantity) if price is None else price
        return self.margin.initial_rate(symbol, quantity=quantity, price=at)
