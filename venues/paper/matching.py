"""One bar against the open orders of an account: who trades, how much, and who is cancelled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.candle import Candle, Quote
from domain.instrument import Instrument
from domain.money import ZERO
from domain.order import OrderState, past_limit
from domain.statement import is_swap
from venues.costs import PaperCosts
from venues.paper.account import Books
from venues.paper.fills import Chance, at_open, gapped, liquidity, met_within, opens_beyond, resting, taken, within
from venues.paper.liquidation import Leg
from venues.paper.order import PaperOrder
from venues.paper.settlement import Settlement


@dataclass(frozen=True, slots=True)
class Session:
    """One symbol during one bar."""

    instrument: Instrument
    bar: Candle
    quote: Quote
    """The one in force when the bar opened."""


def match(
    orders: Sequence[PaperOrder],
    *,
    sessions: Mapping[str, Session],
    books: Books,
    costs: PaperCosts,
    settling: Settling | None = None,
) -> Sequence[PaperOrder]:
    """Let one bar of each symbol in `sessions` work on `orders`, which changes them and `books`.

    First all opens, then stops, then what else rested, each in order of rank: so fills are made in the order of their
    times. An account that its bars would liquidate is liquidated after the stops that come before that, and before all
    else. Returns the stops that came to the book with what entries filled: they were there from then on.
    """
    matching = _Matching(sessions, books=books, costs=costs)
    present = [
        order
        for order in sorted(orders, key=lambda order: order.rank)
        if (session := sessions.get(order.request.symbol)) and order.meets(session.bar)
    ]
    if settling:
        settling.open(orders, stops=present, trade=matching.open)
    attached: list[PaperOrder] = []
    resters: list[PaperOrder] = []
    for order in present:
        if not order.state.working:
            continue
        resters += [] if matching.open(order) else [order]
        if (exit := order.attach()) is not None:
            attached.append(exit)
            resters += [] if matching.open(exit) else [exit]
    if settling:
        settling.inside([*orders, *attached], stops=[*present, *attached], trade=matching.rest)
    for order in sorted(resters, key=lambda order: order.request.type != "stop"):
        if order.state.working:
            matching.rest(order)
            if (exit := order.attach()) is not None:
                attached.append(exit)
                matching.rest(exit, late=True)
    if settling:
        settling.close()
    return attached


Trade = Callable[[PaperOrder], object]
"""Lets an order trade as far as it can."""


class Settling:
    """The perpetuals of an account through one bar of each symbol: see `venues.paper.settlement`.

    On the way of its mark to the point of liquidation a position's stops come first where their price does: the level
    that lies nearer to where the mark came from is met first.
    """

    def __init__(
        self, settlement: Settlement, sessions: Mapping[str, Session], instruments: Mapping[str, Instrument]
    ) -> None:
        self._settlement = settlement
        self._bars = {symbol: session.bar for symbol, session in sessions.items()}
        self._instruments = instruments
        self._opened_at = next(iter(self._bars.values())).opened_at
        self._within = within(next(iter(self._bars.values())))

    def open(self, orders: Sequence[PaperOrder], *, stops: Sequence[PaperOrder], trade: Trade) -> None:
        """Where the bars open beyond the point of liquidation, that is a gap: all is closed at the open."""
        jump = self._settlement.legs(self._bars, self._instruments, until_open=True)
        self._settlement.open(self._bars)

        def call() -> Call | None:
            there = self._settlement.legs(self._bars, self._instruments)
            if self._settlement.liquidated_at(there) != 0:
                return None
            return Call(there, point=ZERO, way=jump, after=self._settlement.liquidated_at(jump))

        self._stop_or_liquidate(call, orders=orders, stops=stops, trade=trade, at=self._opened_at)

    def inside(self, orders: Sequence[PaperOrder], *, stops: Sequence[PaperOrder], trade: Trade) -> None:
        """`stops` are those of `orders` on which these bars work."""

        def call() -> Call | None:
            legs = self._settlement.legs(self._bars, self._instruments)
            point = self._settlement.liquidated_at(legs)
            return None if point is None else Call(legs, point=point, way=legs, after=point)

        self._stop_or_liquidate(call, orders=orders, stops=stops, trade=trade, at=self._within)

    def close(self) -> None:
        self._settlement.close(self._bars)

    def _stop_or_liquidate(
        self,
        call: Callable[[], Call | None],
        *,
        orders: Sequence[PaperOrder],
        stops: Sequence[PaperOrder],
        trade: Trade,
        at: datetime,
    ) -> None:
        remaining = list(stops)
        while (due := call()) is not None:
            stop = due.first_stop(remaining)
            if stop is None:
                return self._liquidate(orders, due, at=at)
            remaining.remove(stop)
            trade(stop)
        return None

    def _liquidate(self, orders: Sequence[PaperOrder], due: Call, *, at: datetime) -> None:
        """Orders in perpetuals end with the positions (Binance, "Liquidation Protocols": they are cancelled first).

        Those that were there: a venue that was restarted may have the bars of before an order that it took.
        """
        self._settlement.liquidate(due.legs, point=due.point, at=at)
        for order in orders:
            if order.state.working and order.submitted_at <= at and is_swap(order.request.symbol):
                _cancel(order, "the account was liquidated", at=at)


@dataclass(frozen=True, slots=True)
class Call:
    """An account that would be liquidated, at `point` of its legs; and the way of the marks that leads there."""

    legs: Sequence[Leg]
    point: Decimal
    way: Sequence[Leg]
    after: Decimal | None
    """The point of that way before which a stop comes first; `None`: there is none that it does not."""

    def first_stop(self, orders: Sequence[PaperOrder]) -> PaperOrder | None:
        """The stop on its losing side that the way meets first, before the account is liquidated."""
        by_symbol = {leg.symbol: leg for leg in self.way}
        met: list[tuple[Decimal, PaperOrder]] = []
        for order in orders:
            request, leg = order.request, by_symbol.get(order.request.symbol)
            if leg is None or request.trigger_price is None or not (order.state.working and request.protects):
                continue
            point = leg.point(request.trigger_price)
            closes = (request.side == "sell") == (leg.quantity > 0)
            if closes and point is not None and not order.triggered and (self.after is None or point < self.after):
                met.append((point, order))
        return min(met, key=lambda each: (each[0], each[1].rank))[1] if met else None


class _Matching:
    """The liquidity of one bar of each symbol, as orders use it up."""

    def __init__(self, sessions: Mapping[str, Session], *, books: Books, costs: PaperCosts) -> None:
        self._sessions = sessions
        self._books = books
        self._costs = costs
        self._all = {symbol: liquidity(s.bar, s.instrument, costs=costs) for symbol, s in sessions.items()}
        self._available = dict(self._all)

    def open(self, order: PaperOrder) -> bool:
        """Trade at the open if the order can; whether it could. Orders that don't wait end here."""
        request, session = order.request, self._sessions[order.request.symbol]
        if request.type == "stop" and not order.triggered:
            if session.bar.opened_at < order.submitted_at or not opens_beyond(request, session.bar):
                return False
            order.triggered = True
        available = self._available[request.symbol]
        chance = self._at_open(order, session) if available else None
        if chance is not None:
            self._trade(order, chance)
        if order.state.working and request.time_in_force != "GTC":
            missed = past_limit(request) if available and chance is None else ""
            reason = missed or f"{request.time_in_force}: the open had no more at this price"
            _cancel(order, reason, at=session.bar.opened_at)
        return chance is not None

    def _at_open(self, order: PaperOrder, session: Session) -> Chance | None:
        if order.request.type == "limit" and order.waited(session.bar):
            return gapped(order.request, session.bar, instrument=session.instrument)
        return at_open(
            order.request,
            session.bar,
            instrument=session.instrument,
            quote=session.quote,
            costs=self._costs,
            depth=self._depth(order),
        )

    def rest(self, order: PaperOrder, *, late: bool = False) -> None:
        """Trade within the bar: at the limit where it went through that, at the price of a stop where it met one.

        `late`: the stop came to the book within the bar, with what its entry filled.
        """
        session = self._sessions[order.request.symbol]
        chance = (
            self._stopped(order, session, late=late or session.bar.opened_at < order.submitted_at)
            if order.request.type == "stop"
            else resting(order.request, session.bar, instrument=session.instrument)
        )
        if chance is not None and self._available[order.request.symbol]:
            self._trade(order, chance)

    def _stopped(self, order: PaperOrder, session: Session, *, late: bool) -> Chance | None:
        """What a stop takes where the bar met its price; from then on it is a market order, also where nothing is left
        to take."""
        price = None if order.triggered else met_within(order.request, session.bar, late=late)
        if price is None:
            return None
        order.triggered, order.at = True, within(session.bar, first=not late)
        return taken(
            order.request,
            price,
            instrument=session.instrument,
            quote=session.quote,
            costs=self._costs,
            depth=self._depth(order),
            at=order.at,
        )

    def _depth(self, order: PaperOrder) -> Decimal:
        """The part of the bar's permitted volume that is gone once the order has traded."""
        available, permitted = self._available[order.request.symbol], self._all[order.request.symbol]
        return (permitted - available + min(order.remaining, available)) / permitted if permitted else Decimal(1)

    def _trade(self, order: PaperOrder, chance: Chance) -> None:
        request, session = order.request, self._sessions[order.request.symbol]
        available, remaining = self._available[request.symbol], order.remaining
        capacity = self._books.capacity(request, session.instrument, price=chance.price, rate=chance.rate)
        quantity = min(remaining, capacity, available)
        if request.time_in_force == "FOK" and quantity < remaining:
            return
        if quantity:
            self._books.apply(order.fill(quantity, chance))
            self._available[request.symbol] = available - quantity
        if capacity < remaining and quantity == capacity:
            _cancel(order, _exhausted(order, session), at=chance.at)


def _cancel(order: PaperOrder, reason: str, *, at: datetime) -> None:
    order.end(OrderState.CANCELLED, reason=reason, at=at)


def _exhausted(order: PaperOrder, session: Session) -> str:
    if order.request.reduce_only:
        return "reduce-only, and no position is left to reduce"
    if session.instrument.kind == "spot" and order.request.side == "sell":
        return f"no {session.instrument.base} is left to sell"
    return f"no {session.instrument.quote} is left to pay with"
