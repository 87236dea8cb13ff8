"""One bar against the open orders of an account: who trades, how much, and who is cancelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.candle import Candle, Quote
from domain.instrument import Instrument
from domain.order import OrderState, past_limit
from tools.books import Books
from tools.costs import PaperCosts
from tools.fills import Chance, at_open, gapped, liquidity, met_within, opens_beyond, resting, taken, within
from tools.paper_order import PaperOrder


@dataclass(frozen=True, slots=True)
class Session:
    """One symbol during one bar."""

    instrument: Instrument
    bar: Candle
    quote: Quote
    """The one in force when the bar opened."""


def match(
    orders: Sequence[PaperOrder], *, sessions: Mapping[str, Session], books: Books, costs: PaperCosts
) -> Sequence[PaperOrder]:
    """Let one bar of each symbol in `sessions` work on `orders`, which changes them and `books`.

    First all opens, then stops, then what else rested, each in order of rank: so fills are made in the order of their
    times. Returns the stops that came to the book with what entries filled: they were there from then on.
    """
    matching = _Matching(sessions, books=books, costs=costs)
    present = [
        order
        for order in sorted(orders, key=lambda order: order.rank)
        if (session := sessions.get(order.request.symbol)) and order.meets(session.bar)
    ]
    attached: list[PaperOrder] = []
    resters: list[PaperOrder] = []
    for order in present:
        resters += [] if matching.open(order) else [order]
        if (exit := order.attach()) is not None:
            attached.append(exit)
            resters += [] if matching.open(exit) else [exit]
    for order in sorted(resters, key=lambda order: order.request.type != "stop"):
        if order.state.working:
            matching.rest(order)
            if (exit := order.attach()) is not None:
                attached.append(exit)
                matching.rest(exit, late=True)
    return attached


class _Matching:
    """The liquidity of one bar of each symbol, as orders use it up."""

    def __init__(self, sessions: Mapping[str, Session], *, books: Books, costs: PaperCosts) -> None:
        self._sessions = sessions
        self._books = books
        self._costs = costs
        self._all = {symbol: liquidity(s.bar, s.instrument, costs=costs) for symbol, s in sessions.items()}
        self._left = dict(self._all)

    def open(self, order: PaperOrder) -> bool:
        """Trade at the open if the order can; whether it could. Orders that don't wait end here."""
        request, session = order.request, self._sessions[order.request.symbol]
        if request.type == "stop" and not order.triggered:
            if session.bar.opened_at < order.submitted_at or not opens_beyond(request, session.bar):
                return False
            order.triggered = True
        left = self._left[request.symbol]
        chance = self._at_open(order, session) if left else None
        if chance is not None:
            self._trade(order, chance)
        if order.state.working and request.time_in_force != "GTC":
            missed = past_limit(request) if left and chance is None else ""
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
        if chance is not None and self._left[order.request.symbol]:
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
        left, permitted = self._left[order.request.symbol], self._all[order.request.symbol]
        return (permitted - left + min(order.remaining, left)) / permitted if permitted else Decimal(1)

    def _trade(self, order: PaperOrder, chance: Chance) -> None:
        request, session = order.request, self._sessions[order.request.symbol]
        left, wanted = self._left[request.symbol], order.remaining
        capacity = self._books.capacity(request, session.instrument, price=chance.price, rate=chance.rate)
        quantity = min(wanted, capacity, left)
        if request.time_in_force == "FOK" and quantity < wanted:
            return
        if quantity:
            self._books.apply(order.fill(quantity, chance))
            self._left[request.symbol] = left - quantity
        if capacity < wanted and quantity == capacity:
            _cancel(order, _exhausted(order, session), at=chance.at)


def _cancel(order: PaperOrder, reason: str, *, at: datetime) -> None:
    order.end(OrderState.CANCELLED, reason=reason, at=at)


def _exhausted(order: PaperOrder, session: Session) -> str:
    if order.request.reduce_only:
        return "reduce-only, and no position is left to reduce"
    if session.instrument.kind == "spot" and order.request.side == "sell":
        return f"no {session.instrument.base} is left to sell"
    return f"no {session.instrument.quote} is left to pay with"
