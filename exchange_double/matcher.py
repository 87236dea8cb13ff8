"""Orders against the book: what takes, what rests, what is cancelled, and what each trade does to the account.

The rules only; the engine decides what is asked of them and holds the lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from domain.clock import Clock
from domain.money import ZERO, floor_to
from domain.order import Side
from exchange_double.account import Account
from exchange_double.book import Book
from exchange_double.funds import Funds, funds
from exchange_double.listing import Listing
from exchange_double.orders import Cause, Fill, NewOrder, Order, Status
from exchange_double.stops import Stop, TriggerBy


def other(side: Side) -> Side:
    return "sell" if side == "buy" else "buy"


def limit_of(order: Order) -> Decimal:
    """The price of an order that rests; only limit orders do."""
    if order.new.limit_price is None:
        raise ValueError(f"order {order.order_id} is a market order and can't rest")
    return order.new.limit_price


class Matcher:
    """The orders, books and account of one exchange. Call it in a context with room for every digit."""

    def __init__(self, clock: Clock, listings: Mapping[str, Listing], *, changed: Callable[[Order], None]) -> None:
        """`changed` is told of every order as it has become."""
        self.clock = clock
        self.listings = listings
        self._changed = changed
        self.account = Account()
        self.books = {symbol: Book() for symbol in listings}
        self.leverage = {symbol: listing.leverage for symbol, listing in listings.items()}
        self.last: dict[str, Decimal] = {}
        self.marks: dict[str, Decimal] = {}
        self.orders: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self.before_last_fill: Funds | None = None
        self.holding: Callable[[], Iterable[Stop]] = tuple
        """The stops that hold something back."""
        self._open: dict[str, None] = {}

    @property
    def open_orders(self) -> tuple[Order, ...]:
        return tuple(self.orders[order_id] for order_id in self._open)

    def last_price(self, symbol: str) -> Decimal | None:
        """Of the last trade; without one the middle of the touch."""
        bid, ask = self.books[symbol].best("buy"), self.books[symbol].best("sell")
        middle = (bid.price + ask.price) / 2 if bid and ask else None
        return self.last.get(symbol, middle)

    def mark_price(self, symbol: str) -> Decimal | None:
        return self.marks.get(symbol, self.last_price(symbol))

    def price(self, symbol: str, by: TriggerBy) -> Decimal | None:
        """What a trigger watches."""
        return self.last_price(symbol) if by == "last" else self.mark_price(symbol)

    def drag_last(self, symbol: str) -> None:
        """A book that has moved away from the last trade's price takes it along: nothing moves without trading."""
        bid, ask, last = self.books[symbol].best("buy"), self.books[symbol].best("sell"), self.last.get(symbol)
        if last is not None and bid is not None and last < bid.price:
            self.last[symbol] = bid.price
        elif last is not None and ask is not None and last > ask.price:
            self.last[symbol] = ask.price

    def funds(self) -> Funds:
        return funds(
            self.account,
            self.open_orders,
            holding=self.holding(),
            listings=self.listings,
            mark=self.mark_price,
            leverage=self.leverage,
        )

    def queue(self, symbol: str, side: Side) -> list[Order]:
        """The resting orders of one side: best price first, then the older."""
        resting = [
            order
            for order in self.open_orders
            if order.new.symbol == symbol and order.new.side == side and order.new.limit_price is not None
        ]
        return sorted(resting, key=lambda order: -limit_of(order) if side == "buy" else limit_of(order))

    def on_offer(self, new: NewOrder) -> Decimal:
        """How much the book would give this order at once, in base units or contracts."""
        reached = [level for level in self.books[new.symbol].side(other(new.side)) if new.reaches(level.price)]
        if not new.in_quote:
            return min(sum((level.size for level in reached), ZERO), new.quantity)
        size, budget, lot = ZERO, new.quantity, self.listings[new.symbol].lot_size
        for level in reached:
            part = min(level.size, floor_to(budget / level.price, lot))
            size, budget = size + part, budget - part * level.price
        return size

    def closable(self, new: NewOrder) -> Decimal:
        """How much of the order would reduce the position."""
        position = self.account.positions.get(new.symbol)
        signed = new.quantity if new.side == "buy" else -new.quantity
        return position.closes(signed) if position is not None else ZERO

    def put(self, order: Order) -> Order:
        self.orders[order.order_id] = order
        if order.open:
            self._open[order.order_id] = None
        else:
            self._open.pop(order.order_id, None)
        self._changed(order)
        return order

    def cancel(self, order_id: str, cause: Cause) -> Order:
        order = self.orders[order_id]
        return self.put(replace(order, status=Status.CANCELLED, cause=cause, updated_at=self.clock.now()))

    def take(self, order_id: str, *, target: Decimal | None) -> None:
        """Eat the other side level by level, up to `target` filled. Our own orders in the way are cancelled."""
        new = self.orders[order_id].new
        against, book = other(new.side), self.books[new.symbol]
        while (order := self.orders[order_id]).open:
            level = book.best(against)
            own = next(iter(self.queue(new.symbol, against)), None)
            if own is not None and (level is None or own.new.reaches(level.price)):
                if not new.reaches(limit_of(own)):
                    return
                self.cancel(own.order_id, Cause.SELF_TRADE)
                continue
            if level is None or not new.reaches(level.price):
                return
            size = min(self._wanted(order, level.price, target), level.size)
            if not size:
                return
            book.eat(against, self.fill(order_id, price=level.price, size=size, maker=False))

    def meet(self, symbol: str, side: Side) -> None:
        """Resting orders of one side that the book now crosses trade at their own price."""
        against, book = other(side), self.books[symbol]
        for order in self.queue(symbol, side):
            while (now := self.orders[order.order_id]).open:
                level = book.best(against)
                if level is None or not order.new.reaches(level.price):
                    return
                size = min(now.remaining, level.size)
                book.eat(against, self.fill(order.order_id, price=limit_of(order), size=size, maker=True))

    def fill(self, order_id: str, *, price: Decimal, size: Decimal, maker: bool) -> Decimal:
        """Trade `size` at `price`, less when a reduce-only order may not. Returns what was traded."""
        order = self.orders[order_id]
        if order.new.reduce_only:
            size = min(size, self.closable(order.new))
            if not size:
                self.cancel(order_id, Cause.REDUCE_ONLY)
                return ZERO
        self.before_last_fill = self.funds()
        fill = self._settle(order, price=price, size=size, maker=maker)
        self.fills.append(fill)
        self.last[fill.symbol] = price
        self._record(order, fill)
        self._drop_idle_reductions(fill.symbol)
        return size

    def _wanted(self, order: Order, price: Decimal, target: Decimal | None) -> Decimal:
        if order.new.in_quote:
            return floor_to(order.remaining / price, self.listings[order.new.symbol].lot_size)
        return order.remaining if target is None else min(order.remaining, target - order.filled)

    def _settle(self, order: Order, *, price: Decimal, size: Decimal, maker: bool) -> Fill:
        """Move cash and position; a spot buy pays its fee out of what it bought."""
        new, listing, at = order.new, self.listings[order.new.symbol], self.clock.now()
        trade_id = str(100_000_000 + len(self.fills))
        rate = listing.maker_fee if maker else listing.taker_fee
        in_base = new.side == "buy" and not listing.swap
        fee = size * rate if in_base else size * price * listing.contract_size * rate
        settle = self.account.trade_swap if listing.swap else self.account.trade_spot
        signed_size = size if new.side == "buy" else -size
        profit = settle(listing, signed_size=signed_size, price=price, fee=fee, trade_id=trade_id, at=at)
        return Fill(
            trade_id=trade_id,
            order_id=order.order_id,
            client_order_id=new.client_order_id,
            symbol=new.symbol,
            side=new.side,
            price=price,
            size=size,
            fee=fee,
            fee_currency=order.fee_currency,
            fee_rate=rate,
            profit=profit,
            maker=maker,
            at=at,
        )

    def _record(self, order: Order, fill: Fill) -> None:
        filled, value = order.filled + fill.size, order.value + fill.size * fill.price
        if order.new.in_quote:
            done = order.new.quantity - value < self.listings[fill.symbol].lot_size * fill.price
        else:
            done = filled == order.new.quantity
        self.put(
            replace(
                order,
                filled=filled,
                value=value,
                fee=order.fee + fill.fee,
                profit=order.profit + fill.profit,
                status=Status.FILLED if done else Status.PARTIAL,
                last_fill=fill,
                updated_at=fill.at,
            )
        )

    def _drop_idle_reductions(self, symbol: str) -> None:
        """Cancel reduce-only orders that have nothing left to reduce."""
        for order in self.open_orders:
            if order.new.symbol == symbol and order.new.reduce_only and not self.closable(order.new):
                self.cancel(order.order_id, Cause.REDUCE_ONLY)
