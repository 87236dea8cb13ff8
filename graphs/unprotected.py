"""Which positions no stop at the venue protects: for a run that ends, or can't go on, while something is held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from domain.digest import plain
from domain.errors import AgentctlError
from domain.instrument import Instrument
from domain.money import ZERO
from domain.order import OrderState
from domain.portfolio import Portfolio
from domain.value import Symbol, Value
from graphs.session import Session
from memory.orders import OrderRecord

_RESTS = (OrderState.WORKING, OrderState.PARTIAL)
"""Where the venue said that it holds an order: one that is on its way, or in doubt, protects nothing for sure."""


class Unprotected(Value):
    """A position, and how much of it stops at the venue would close: less than all."""

    symbol: Symbol
    quantity: Decimal
    """Negative for a short position."""
    covered: Decimal
    stop_price: Decimal | None
    """Where its stop was to be; `None` for a position without one."""

    @property
    def in_words(self) -> str:
        part = f" for {plain(abs(self.quantity) - self.covered)} of it" if self.covered else ""
        planned = f", planned at {plain(self.stop_price)}" if self.stop_price is not None else ""
        return f"{plain(self.quantity)} {self.symbol}: no stop at the venue{part}{planned}"


def unprotected(
    portfolio: Portfolio, working: Sequence[OrderRecord], *, instruments: Mapping[Symbol, Instrument]
) -> tuple[Unprotected, ...]:
    """Positions of `portfolio` that no stop among the `working` orders would close, by symbol.

    What is less than a lot is in no order, and is not missed.
    """
    found = []
    for symbol, position in sorted(portfolio.positions.items()):
        side = "sell" if position.quantity > 0 else "buy"
        stops = [
            order.remaining
            for order in working
            if order.request.type == "stop"
            and (order.request.symbol, order.request.side) == (symbol, side)
            and order.state in _RESTS
        ]
        covered = sum(stops, ZERO)
        bare = abs(position.quantity) - covered
        if bare > 0 and (not covered or bare >= instruments[symbol].lot_size):
            found.append(
                Unprotected(symbol=symbol, quantity=position.quantity, covered=covered, stop_price=position.stop_price)
            )
    return tuple(found)


async def protection_in_words(session: Session) -> tuple[str, ...]:
    """Of a live run that can't go on: its positions without a stop at the venue, a line each; never raises.

    By the books, and where they can't be read any more by what they were at the end of the last cycle.
    """
    if not session.live:
        return ()
    instruments, when = session.settings.instruments, ""
    try:
        books = await session.ledger.portfolio(marks={}, as_of=session.clock.now())
        working = await session.ledger.orders(working_only=True)
    except AgentctlError:
        if session.last_books is None:
            return ("which positions have a stop at the venue can't be read: look at the exchange",)
        books, working = session.last_books
        when = f", by the books of {books.as_of:%Y-%m-%d %H:%M:%S} UTC"
    return tuple(f"{position.in_words}{when}" for position in unprotected(books, working, instruments=instruments)) or (
        f"every position has its stop at the venue{when}, or nothing is held",
    )
