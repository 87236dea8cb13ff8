"""One bar against the open orders of an account: who trades, how much, and who is cancelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.candle import Candle, Quote
from domain.instrument import Instrument
from domain.order import OrderState
from tools.books import Books
from tools.costs import PaperCosts
from tools.fills import Chance, at_open, liquidity, resting
from tools.paper_order import PaperOrder


@dataclass(frozen=True, slots=True)
class Session:
    """One symbol during one bar."""

    instrument: Instrument
    bar: Candle
    quote: Quote
    """The one in force when the bar opened."""


def match(orders: Sequence[PaperOrder], *, sessions: Mapping[str, Session], books: Books, costs: PaperCosts) -> None:
    """Let one bar of each symbol in `sessions` work on `orders`, which changes them and `books`.

    First all opens, then what rested, each in order of rank: so fills are made in the order of their times.
    """
    matching = _Matching(sessions, books=books, costs=costs)
    present = [
        order
        for order in sorted(orders, key=lambda order: order.rank)
        if (session := sessions.get(order.request.symbol)) and session.bar.opened_at >= order.submitted_at
    ]
    resters = [order for order in present if not matching.open(order)]
    for order in resters:
        if order.state.working:
            matching.rest(order)


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
        left, permitted = self._left[request.symbol], self._all[request.symbol]
        chance = None
        if left:
            depth = (permitted - left + min(order.remaining, left)) / permitted
            chance = at_open(
                request,
                session.bar,
                instrument=session.instrument,
                quote=session.quote,
                costs=self._costs,
                depth=depth,
            )
        if chance is not None:
            self._trade(order, chance)
        if order.state.working and request.time_in_force != "GTC":
            _cancel(order, f"{request.time_in_force}: the open had no more at this price", at=session.bar.opened_at)
        return chance is not None

    def rest(self, order: PaperOrder) -> None:
        """Trade at the limit if the bar went through it."""
        session = self._sessions[order.request.symbol]
        chance = resting(order.request, session.bar, instrument=session.instrument)
        if chance is not None and self._left[order.request.symbol]:
            self._trade(order, chance)

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
