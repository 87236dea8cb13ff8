"""The double's engine: one account's orders against a market that a test drives.

It knows no HTTP and no exchange's dialect, and its only time is the clock it is given. The market's liquidity
is a `Book` that a test sets; our resting orders are first in their queue. A trade happens at a level of the
book when we take, at our own limit price when we rest. Stops wait for the last or the mark price, which every trade
and every new book may move.

What it leaves out: other accounts, liquidation (cash can go below zero on swaps), hedged positions, borrowing.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, localcontext
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from domain.clock import Clock
from domain.money import ZERO, floor_to
from domain.order import Side
from exchange_double.account import Kind, Movement
from exchange_double.book import Level
from exchange_double.candles import Bar
from exchange_double.checks import check, check_stop
from exchange_double.events import Event, Listener, MarketChanged, OrderChanged, StopChanged
from exchange_double.funds import Funds
from exchange_double.listing import LISTINGS, Listing
from exchange_double.matcher import Matcher, limit_of, other
from exchange_double.orders import Attached, Cause, Fill, NewOrder, Order, Reason, Refused, Status
from exchange_double.stops import Stop, Stops, StopStatus, Trigger, triggers

P = ParamSpec("P")
R = TypeVar("R")

EXACT = Context(prec=100, traps=[InvalidOperation, DivisionByZero])
"""Room for every digit of any sum or product here."""

DEEP = Decimal(1_000_000)
"""The size at a touch that a test sets without one."""


def _atomic(method: Callable[Concatenate[Engine, P], R]) -> Callable[Concatenate[Engine, P], R]:
    """One at a time, and exact: a test drives the engine from its thread while a server asks it from another."""

    @wraps(method)
    def guarded(self: Engine, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self.lock, localcontext(EXACT), self._telling():
            return method(self, *args, **kwargs)

    return guarded


class Engine:
    """Markets, orders and one account: what a test may do to a venue, and what a client may ask of it."""

    def __init__(self, clock: Clock, *, listings: Sequence[Listing] = LISTINGS) -> None:
        self.clock = clock
        self.listings: Mapping[str, Listing] = {listing.symbol: listing for listing in listings}
        self.suspended: set[str] = set()
        """Markets that are listed and take no orders."""
        self.delisted: set[str] = set()
        self.lock = threading.RLock()
        self.funding_account: dict[str, Decimal] = {}
        """What the owner has beside the account, where an exchange keeps deposits apart: no order can use it."""
        self.refuses_exits = False
        """Whether the next market order that leaves a position is refused."""
        self.accepted: list[str] = []
        """The id of every order and every stop, in the order of acceptance."""
        self.listeners: list[Listener] = []
        """Told what has happened, in order, once it is done; while `lock` is held, so they must not wait."""
        self._untold: list[Event] = []
        self._changes: Counter[str] = Counter()
        self._depth = 0
        self._matcher = Matcher(clock, self.listings, changed=self._order_changed)
        self._stops = Stops(changed=lambda stop: self._untold.append(StopChanged(stop)))
        self._matcher.holding = lambda: [stop for stop in self._stops.waiting if stop.holds]
        self._numbered = 0
        self._bars: dict[tuple[str, int], tuple[Bar, ...]] = {}
        self._fundings: dict[str, dict[datetime, Decimal]] = {}
        self._newest: dict[str, str] = {}
        self._cancel_all_at: dict[str, datetime] = {}

    # What a test does to the market and the account.

    @_atomic
    def deposit(self, currency: str, amount: Decimal | str | int, *, wallet: str = "") -> None:
        """Add to the account from outside; a negative amount takes out. Raises `ValueError` when there is less.

        `wallet` is one of the same owner, by the exchange's own name, where an exchange tells such transfers apart.
        """
        amount = Decimal(amount)
        if self._matcher.funds().available(currency) + amount < 0:
            raise ValueError(f"there is no {-amount} {currency} to take out")
        self._matcher.account.move(currency, amount, kind=Kind.TRANSFER, at=self.clock.now(), wallet=wallet)

    @_atomic
    def set_book(self, symbol: str, *, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Replace the market's liquidity. Resting orders that it crosses trade at their own price."""
        self._matcher.books[symbol].set(bids=bids, asks=asks)
        self._market_changed(symbol)
        self._matcher.drag_last(symbol)
        self._matcher.meet(symbol, "buy")
        self._matcher.meet(symbol, "sell")
        self._trip()

    def set_touch(
        self, symbol: str, *, bid: Decimal | str, ask: Decimal | str, size: Decimal | str | int = DEEP
    ) -> None:
        """A book of one level on either side."""
        size = Decimal(size)
        self.set_book(symbol, bids=[Level(Decimal(bid), size)], asks=[Level(Decimal(ask), size)])

    @_atomic
    def trade(
        self, symbol: str, *, price: Decimal | str, size: Decimal | str | None = None, aggressor: Side = "sell"
    ) -> None:
        """Somebody else trades through `price`: our resting orders there or better trade first, up to `size`.

        An aggressor who sells hits our buys, the highest first. Without a size all of them trade.
        """
        self._market_changed(symbol)
        price, left = Decimal(price), None if size is None else Decimal(size)
        self._matcher.last[symbol] = price
        for queued in self._matcher.queue(symbol, other(aggressor)):
            order = self._matcher.orders[queued.order_id]
            if not order.new.reaches(price):
                break
            part = order.remaining if left is None else min(order.remaining, left)
            if order.open and part:
                done = self._matcher.fill(order.order_id, price=limit_of(order), size=part, maker=True)
                left = None if left is None else left - done
        self._trip()

    @_atomic
    def fill(self, order_id: str, size: Decimal | str | None = None) -> None:
        """Fill a resting order at its own price, in part when a size is given."""
        self._fill(order_id, None if size is None else Decimal(size))
        self._trip()

    @_atomic
    def trigger(self, stop_id: str) -> None:
        """Let a waiting stop place its order now, wherever the price is."""
        stop = self._stops.find(stop_id=stop_id, client_order_id="")
        if stop is not None and stop.waiting:
            self._fire(stop)
            self._trip()

    @_atomic
    def fund(self, symbol: str, rate: Decimal | str) -> Decimal:
        """Settle one funding of a swap at its mark price: a long pays a positive rate. Returns what cash gained.

        Raises `Refused` when there is no mark price.
        """
        mark = self._matcher.mark_price(symbol)
        if mark is None:
            raise Refused(Reason.NO_MARKET)
        listing, at = self.listings[symbol], self.clock.now()
        return self._matcher.account.fund(listing, rate=Decimal(rate), mark=mark, at=at)

    @_atomic
    def set_funding(self, symbol: str, rates: Mapping[datetime, Decimal]) -> None:
        """The rates of all fundings, by their times; each is shown once its time has come. Nobody is charged."""
        self._fundings[symbol] = dict(sorted(rates.items()))

    @_atomic
    def suspend(self, symbol: str) -> None:
        """Trading stops: no order is taken, and what rests stays. The market is still shown, as closed."""
        self.suspended.add(symbol)

    @_atomic
    def relist(self, symbol: str) -> None:
        """It trades again, whether it was suspended or delisted."""
        self.suspended.discard(symbol)
        self.delisted.discard(symbol)

    @_atomic
    def delist(self, symbol: str) -> None:
        """The market is gone, with its open orders and stops; what the account holds of it stays."""
        for order in self.open_orders:
            if order.new.symbol == symbol:
                self._matcher.cancel(order.order_id, Cause.VENUE)
        for stop in self._stops.waiting:
            if stop.new.symbol == symbol:
                self._stops.put(replace(stop, status=StopStatus.CANCELLED, updated_at=self.clock.now()))
        self.suspended.discard(symbol)
        self.delisted.add(symbol)

    @_atomic
    def set_mark(self, symbol: str, price: Decimal | str) -> None:
        """Without one, the mark is the last price."""
        self._matcher.marks[symbol] = Decimal(price)
        self._trip()

    @_atomic
    def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        self._matcher.leverage[symbol] = leverage

    @_atomic
    def set_bars(self, symbol: str, interval_s: int, bars: Iterable[Bar]) -> None:
        """The candles of one interval."""
        self._market_changed(symbol)
        self._bars[symbol, interval_s] = tuple(sorted(bars, key=lambda bar: bar.opened_at))

    # What a client asks for.

    @_atomic
    def place(self, new: NewOrder, *, ids_unique_when_open: bool = False, stop_after: Decimal | None = None) -> Order:
        """Accept an order, match it, and return what it has become.

        A client order id may be used once; with `ids_unique_when_open` (Binance) again after its order ended.
        With `stop_after` the venue fills that part of the order and cancels the rest. Raises `Refused`.
        """
        listing = self.listings.get(new.symbol)
        if listing is None or new.symbol in self.delisted:
            raise Refused(Reason.UNKNOWN_SYMBOL)
        if new.symbol in self.suspended:
            raise Refused(Reason.NO_MARKET)
        known = self.find(client_order_id=new.client_order_id)
        if known is not None and (known.open or not ids_unique_when_open):
            raise Refused(Reason.DUPLICATE_ID)
        stop = self.find_stop(client_order_id=new.client_order_id)
        if stop is not None and stop.same_order and (stop.waiting or not ids_unique_when_open):
            raise Refused(Reason.DUPLICATE_ID)
        if self.refuses_exits and new.type == "market" and (new.reduce_only if listing.swap else new.side == "sell"):
            self.refuses_exits = False
            raise Refused(Reason.BELOW_MINIMUM)
        check(new, listing, self._matcher)
        if new.attached is not None:
            self._check_attached(new, new.attached)
        order_id = self._accept(new, listing)
        self._work(order_id, stop_after)
        self._trip()
        return self._matcher.orders[order_id]

    def _check_attached(self, new: NewOrder, attached: Attached) -> None:
        """Raises `Refused` for an id that was used, and for exits that the order's price or the last has reached."""
        taken = {order.new.attached.client_order_id for order in self.orders if order.new.attached is not None}
        if attached.client_order_id in taken or self.find_stop(client_order_id=attached.client_order_id):
            raise Refused(Reason.DUPLICATE_ID)
        price = new.limit_price or self._matcher.last_price(new.symbol)
        if price is None:
            raise Refused(Reason.NO_MARKET)
        trigger, target = triggers(attached, sells=new.side == "buy")
        if trigger.reached(price) or (target is not None and target.reached(price)):
            raise Refused(Reason.WOULD_TRIGGER)

    @_atomic
    def place_stop(
        self,
        new: NewOrder,
        trigger: Trigger,
        *,
        client_order_id: str,
        form: str = "",
        ids_unique_when_open: bool = False,
        stop_after: Decimal | None = None,
        same_order: bool = False,
        holds: bool = False,
        target: Trigger | None = None,
    ) -> Stop:
        """Accept a stop: `new` is placed once the price reaches `trigger`. See `place` and `Stop` for the rest.

        Its client order ids are apart from those of orders, unless it is the `same_order`. Raises `Refused`, also
        for a trigger that is reached already.
        """
        listing = self.listings.get(new.symbol)
        if listing is None or new.symbol in self.delisted:
            raise Refused(Reason.UNKNOWN_SYMBOL)
        if new.symbol in self.suspended:
            raise Refused(Reason.NO_MARKET)
        known = self.find_stop(client_order_id=client_order_id)
        if known is not None and (known.waiting or not ids_unique_when_open):
            raise Refused(Reason.DUPLICATE_ID)
        order = self.find(client_order_id=client_order_id) if same_order else None
        if order is not None and (order.open or not ids_unique_when_open):
            raise Refused(Reason.DUPLICATE_ID)
        check_stop(new, trigger, listing, self._matcher, holds=holds, target=target)
        at = self.clock.now()
        stop_id = self._next_order_id() if same_order else self._next_stop_id()
        self.accepted.append(stop_id)
        return self._stops.put(
            Stop(
                stop_id=stop_id,
                client_order_id=client_order_id,
                new=new,
                trigger=trigger,
                target=target,
                created_at=at,
                updated_at=at,
                form=form,
                stop_after=stop_after,
                same_order=same_order,
                holds=holds,
            )
        )

    @_atomic
    def cancel_stop(self, stop_id: str) -> Stop:
        """Cancel a stop that waits. Raises `Refused` when there is nothing to cancel."""
        stop = self._stops.find(stop_id=stop_id, client_order_id="")
        if stop is None:
            raise Refused(Reason.UNKNOWN_ORDER)
        if not stop.waiting:
            cancelled = stop.status is StopStatus.CANCELLED
            raise Refused(Reason.ALREADY_CANCELLED if cancelled else Reason.ALREADY_TRIGGERED)
        return self._stops.put(replace(stop, status=StopStatus.CANCELLED, updated_at=self.clock.now()))

    @_atomic
    def cancel(self, order_id: str) -> Order:
        """Cancel what is left of an order. Raises `Refused` when there is nothing to cancel."""
        order = self._matcher.orders.get(order_id)
        if order is None:
            raise Refused(Reason.UNKNOWN_ORDER)
        if not order.open:
            raise Refused(Reason.ALREADY_FILLED if order.status is Status.FILLED else Reason.ALREADY_CANCELLED)
        return self._matcher.cancel(order_id, Cause.USER)

    @_atomic
    def cancel_all_at(self, at: datetime | None, *, symbol: str = "") -> None:
        """Arm the dead-man switch: every open order is cancelled once the clock reaches `at`. `None` disarms it.

        With a symbol it is that market's own switch. Stops stay: they protect.
        """
        for armed in (symbol,) if symbol else self.listings:
            self._cancel_all_at.pop(armed, None)
            if at is not None:
                self._cancel_all_at[armed] = at

    @_atomic
    def tick(self) -> None:
        """Do what is due by the clock. Candles close by it too."""
        for symbol in sorted({symbol for symbol, _ in self._bars}):
            self._market_changed(symbol)
        due = [symbol for symbol, at in self._cancel_all_at.items() if self.clock.now() >= at]
        for symbol in due:
            del self._cancel_all_at[symbol]
        for order in self.open_orders:
            if order.new.symbol in due:
                self._matcher.cancel(order.order_id, Cause.TIMER)

    # What can be seen.

    @property
    def listed(self) -> Sequence[Listing]:
        """The markets that there are now; `listings` has those that ever were."""
        return [listing for symbol, listing in self.listings.items() if symbol not in self.delisted]

    @property
    def orders(self) -> tuple[Order, ...]:
        """Every order ever accepted, oldest first."""
        return tuple(self._matcher.orders.values())

    @property
    def open_orders(self) -> tuple[Order, ...]:
        """Those that may still trade."""
        return self._matcher.open_orders

    @property
    def fills(self) -> tuple[Fill, ...]:
        """Oldest first."""
        return tuple(self._matcher.fills)

    @property
    def movements(self) -> tuple[Movement, ...]:
        """Every change of cash, oldest first."""
        return tuple(self._matcher.account.movements)

    def find(self, *, order_id: str = "", client_order_id: str = "") -> Order | None:
        """By the venue's id, else the newest under a client's id."""
        return self._matcher.orders.get(order_id or self._newest.get(client_order_id, ""))

    @property
    def stops(self) -> tuple[Stop, ...]:
        """Every stop ever accepted, oldest first."""
        return self._stops.all

    @property
    def waiting_stops(self) -> tuple[Stop, ...]:
        """Those that have not triggered, oldest first."""
        return self._stops.waiting

    def find_stop(self, *, stop_id: str = "", client_order_id: str = "") -> Stop | None:
        """By the venue's id, else the newest under a client's id."""
        return self._stops.find(stop_id=stop_id, client_order_id=client_order_id)

    @_atomic
    def depth(self, symbol: str, side: Side) -> tuple[Level, ...]:
        """What anyone sees of one side: the market's levels and our resting orders, best first."""
        sizes = {level.price: level.size for level in self._matcher.books[symbol].side(side)}
        for order in self._matcher.queue(symbol, side):
            sizes[limit_of(order)] = sizes.get(limit_of(order), ZERO) + order.remaining
        return tuple(Level(price, sizes[price]) for price in sorted(sizes, reverse=side == "buy"))

    def bars(self, symbol: str, interval_s: int) -> tuple[Bar, ...]:
        """Oldest first."""
        return self._bars.get((symbol, interval_s), ())

    def last(self, symbol: str) -> Decimal | None:
        """The last trade's price; without one the middle of the touch."""
        return self._matcher.last_price(symbol)

    def mark(self, symbol: str) -> Decimal | None:
        """The mark price; without one the last."""
        return self._matcher.mark_price(symbol)

    def changes(self, symbol: str) -> int:
        """How often the market has changed, or may have."""
        return self._changes[symbol]

    def leverage(self, symbol: str) -> Decimal:
        return self._matcher.leverage[symbol]

    @_atomic
    def fundings(self, symbol: str) -> Mapping[datetime, Decimal]:
        """The rates of the fundings up to now, the oldest first."""
        return {at: rate for at, rate in self._fundings.get(symbol, {}).items() if at <= self.clock.now()}

    def funds(self) -> Funds:
        """Balances and positions as they stand."""
        return self._matcher.funds()

    def funds_before_last_fill(self) -> Funds | None:
        """As they stood before the last fill; `None` when nothing was filled yet. A lagging balance shows this."""
        return self._matcher.before_last_fill

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Tell what has happened once the outermost call is done. What listeners ask meanwhile is not outermost."""
        self._depth += 1
        try:
            yield
        finally:
            try:
                while self._depth == 1 and self._untold:
                    event = self._untold.pop(0)
                    for listener in self.listeners:
                        listener(event)
            finally:
                self._depth -= 1

    def _order_changed(self, order: Order) -> None:
        self._untold.append(OrderChanged(order))
        self._market_changed(order.new.symbol)
        if order.new.attached is not None and order.filled and not order.open:
            self._attach(order, order.new.attached)

    def _attach(self, entry: Order, attached: Attached) -> None:
        """Put the stop that came with an order: for all that it filled, and on spot for what of it is not the fee."""
        listing, sells, at = self.listings[entry.new.symbol], entry.new.side == "buy", self.clock.now()
        paid_in_base = entry.fee if entry.fee_currency == listing.base else ZERO
        size = floor_to(entry.filled - paid_in_base, listing.lot_size)
        if not size:
            return
        trigger, target = triggers(attached, sells=sells)
        stop_id = self._next_stop_id()
        self.accepted.append(stop_id)
        self._stops.put(
            Stop(
                stop_id=stop_id,
                client_order_id=attached.client_order_id,
                new=NewOrder(
                    symbol=entry.new.symbol,
                    side="sell" if sells else "buy",
                    type="market",
                    quantity=size,
                    reduce_only=listing.swap,
                ),
                trigger=trigger,
                target=target,
                created_at=at,
                updated_at=at,
                form=attached.form,
            )
        )

    def _next_stop_id(self) -> str:
        return str(5_000_000_000_000_000_000 + len(self._stops.all))

    def _market_changed(self, symbol: str) -> None:
        self._changes[symbol] += 1
        self._untold.append(MarketChanged(symbol))

    def _next_order_id(self) -> str:
        self._numbered += 1
        return str(2_000_000_000_000_000_000 + self._numbered - 1)

    def _accept(self, new: NewOrder, listing: Listing, *, stop: Stop | None = None) -> str:
        """Put a new order. One that a stop is itself was accepted with it."""
        same = stop is not None and stop.same_order
        order_id, at = stop.stop_id if stop and same else self._next_order_id(), self.clock.now()
        in_base = new.side == "buy" and not listing.swap
        self._matcher.put(
            Order(
                order_id=order_id,
                new=new,
                fee_currency=listing.base if in_base else listing.quote,
                created_at=stop.created_at if stop and same else at,
                updated_at=at,
                stop_id=stop.stop_id if stop else "",
            )
        )
        if not same:
            self.accepted.append(order_id)
        if new.client_order_id:
            self._newest[new.client_order_id] = order_id
        return order_id

    def _trip(self) -> None:
        """Let every stop that is due place its order: what one trades may make the next one due."""
        while (stop := self._stops.due(self._matcher.price)) is not None:
            self._fire(stop)

    def _fire(self, stop: Stop) -> None:
        listing, at = self.listings[stop.new.symbol], self.clock.now()
        self._stops.release(stop.stop_id)
        try:
            check(stop.new, listing, self._matcher)
        except Refused as refused:
            self._stops.put(replace(stop, status=StopStatus.FAILED, reason=refused.reason, updated_at=at))
            return
        order_id = self._accept(stop.new, listing, stop=stop)
        self._stops.put(replace(stop, status=StopStatus.TRIGGERED, order_id=order_id, updated_at=at))
        self._work(order_id, stop.stop_after)

    def _fill(self, order_id: str, size: Decimal | None) -> None:
        order = self._matcher.orders[order_id]
        part = order.remaining if size is None else min(size, order.remaining)
        if order.open and part:
            self._matcher.fill(order_id, price=limit_of(order), size=part, maker=True)

    def _work(self, order_id: str, stop_after: Decimal | None) -> None:
        """Take what the book offers, then rest, or cancel what may not rest."""
        new = self._matcher.orders[order_id].new
        if new.post_only and any(new.reaches(level.price) for level in self.depth(new.symbol, other(new.side))):
            self._matcher.cancel(order_id, Cause.POST_ONLY)
            return
        if new.time_in_force == "FOK" and self._matcher.on_offer(new) < new.quantity:
            self._matcher.cancel(order_id, Cause.FILL_OR_KILL)
            return
        lot = self.listings[new.symbol].lot_size
        target = None if stop_after is None or new.in_quote else floor_to(new.quantity * stop_after, lot)
        self._matcher.take(order_id, target=target)
        rests = new.type == "limit" and new.time_in_force == "GTC"
        if target is not None and rests:
            self._fill(order_id, target - self._matcher.orders[order_id].filled)
        if self._matcher.orders[order_id].open and (target is not None or not rests):
            self._matcher.cancel(order_id, Cause.IMMEDIATE if target is None else Cause.VENUE)
