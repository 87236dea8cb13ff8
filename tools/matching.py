"""One bar against the open orders of an account: who trades, how much, and who is cancelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.candle import Candle, Quote
from domain.instrument import Instrument
from domain.money import ZERO
from domain.order import OrderState
from domain.statement import is_swap
from tools.books import Books
from tools.costs import PaperCosts
from tools.fills import INSTANT, Chance, at_open, liquidity, resting
from tools.liquidation import Leg
from tools.paper_order import PaperOrder
from tools.settlement import Settlement


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
) -> None:
    """Let one bar of each symbol in `sessions` work on `orders`, which changes them and `books`.

    First all opens, then what rested, each in order of rank: so fills are made in the order of their times. What may be
    liquidated is so in between, before anything that rested against the adverse way of the bar.
    """
    matching = _Matching(sessions, books=books, costs=costs)
    present = [
        order
        for order in sorted(orders, key=lambda order: order.rank)
        if (session := sessions.get(order.request.symbol)) and session.bar.opened_at >= order.submitted_at
    ]
    if settling:
        settling.open(orders)
    resters = [order for order in present if order.state.working and not matching.open(order)]
    if settling:
        settling.inside(orders)
    for order in resters:
        if order.state.working:
            matching.rest(order)
    if settling:
        settling.close()


class Settling:
    """The perpetuals of an account through one bar of each symbol: see `tools.settlement`."""

    def __init__(
        self, settlement: Settlement, sessions: Mapping[str, Session], instruments: Mapping[str, Instrument]
    ) -> None:
        self._settlement = settlement
        self._bars = {symbol: session.bar for symbol, session in sessions.items()}
        self._instruments = instruments
        first = next(iter(self._bars.values()))
        self._opened_at, self._last_instant = first.opened_at, first.closed_at - INSTANT

    def open(self, orders: Sequence[PaperOrder]) -> None:
        """What opens beyond the point of liquidation is liquidated before anything trades."""
        self._settlement.open(self._bars)
        legs = self._settlement.legs(self._bars, self._instruments)
        if self._settlement.liquidated_at(legs) == 0:
            self._liquidate(orders, legs, point=ZERO)

    def inside(self, orders: Sequence[PaperOrder]) -> None:
        legs = self._settlement.legs(self._bars, self._instruments)
        point = self._settlement.liquidated_at(legs)
        if point is not None:
            self._liquidate(orders, legs, point=point)

    def close(self) -> None:
        self._settlement.close(self._bars)

    def _liquidate(self, orders: Sequence[PaperOrder], legs: Sequence[Leg], *, point: Decimal) -> None:
        """Orders in perpetuals end with the positions (Binance, "Liquidation Protocols": they are cancelled first)."""
        at = self._last_instant if point else self._opened_at
        self._settlement.liquidate(legs, point=point, at=at)
        for order in orders:
            if order.state.working and is_swap(order.request.symbol):
                _cancel(order, "the account was liquidated", at=at)


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
