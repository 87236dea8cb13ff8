"""The books of a live account as one value: what it would come to if this and that were booked. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

from domain.instrument import Instrument
from domain.money import EXACT, ZERO
from domain.order import Fill
from domain.portfolio import Position
from domain.statement import Expected, ExternalEvent
from memory.ledger.expected_statement import expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the ledger holds: cash, the desk's own positions, and what stands beside them by asset."""

    currency: str
    cash: Decimal
    positions: Mapping[str, Position]
    holdings: Mapping[str, Decimal]
    instruments: Mapping[str, Instrument]

    def after(self, fills: Sequence[Fill] = (), events: Sequence[ExternalEvent] = ()) -> Books:
        """These books with some fills of ours and then some events more."""
        books = self
        with localcontext(EXACT):
            for fill in fills:
                books = books._after_fill(fill)
            for event in events:
                books = books._after_event(event)
        return books

    def _after_fill(self, fill: Fill) -> Books:
        positions = {**self.positions, fill.symbol: self._position(fill.symbol).after(fill)}
        return replace(self, cash=self.cash + fill.cash, positions=positions)

    def _after_event(self, event: ExternalEvent) -> Books:
        holdings = {**self.holdings, event.asset: self.holdings.get(event.asset, ZERO) + event.quantity}
        positions, symbol = self.positions, self.symbol_of(event.asset)
        if event.kind == "adoption" and symbol is not None and event.price is not None:
            taken = self._position(symbol).adopting(-event.quantity, price=event.price, at=event.at)
            positions = {**positions, symbol: taken}
        return replace(self, cash=self.cash + event.cash, holdings=holdings, positions=positions)

    def _position(self, symbol: str) -> Position:
        return self.positions.get(symbol) or Position(symbol=symbol)

    def symbol_of(self, asset: str) -> str | None:
        """The symbol that the desk trades `asset` by: a swap's own, or the spot market of a currency."""
        if asset in self.instruments:
            return asset
        spot = (s for s, i in self.instruments.items() if i.kind == "spot" and i.base == asset)
        return next(spot, None)

    def managed(self, symbol: str) -> Decimal:
        return self._position(symbol).quantity

    def average_price(self, symbol: str) -> Decimal | None:
        return self._position(symbol).average_price

    @property
    def counted(self) -> frozenset[str]:
        """The currencies that this desk counts; others are nobody's business here."""
        return frozenset({self.currency, *(i.base for i in self.instruments.values() if i.kind == "spot")})

    def expected(self) -> Expected:
        return expected(
            self.positions.values(),
            cash=self.cash,
            currency=self.currency,
            holdings=self.holdings,
            instruments=self.instruments,
        )
