"""The books of a live account as one value, and what a statement must say if they are right. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from domain.instrument import Instrument
from domain.money import ZERO
from domain.order import Fill
from domain.portfolio import Position
from domain.statement import Expected, ExternalEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the ledger holds: cash, the desk's own positions, and what stands beside them by asset."""

    currency: str
    cash: Decimal
    positions: Mapping[str, Position]
    holdings: Mapping[str, Decimal]
    instruments: Mapping[str, Instrument]

    def after_fill(self, fill: Fill) -> Books:
        before = self.positions.get(fill.symbol) or Position(symbol=fill.symbol)
        paid = fill.signed_quantity * fill.price + fill.fee
        return replace(self, cash=self.cash - paid, positions={**self.positions, fill.symbol: before.after(fill)})

    def after_event(self, event: ExternalEvent) -> Books:
        """An adoption takes its quantity out of what stands beside, into the desk's own position."""
        beside = self.holdings.get(event.asset, ZERO)
        symbol = self.symbol_of(event.asset)
        if event.kind != "adoption" or symbol is None or event.price is None:
            holdings = {**self.holdings, event.asset: beside + event.quantity}
            return replace(self, cash=self.cash + event.cash, holdings=holdings)
        held = self.positions.get(symbol) or Position(symbol=symbol)
        taken = held.adopting(event.quantity, event.price, at=event.at)
        return replace(
            self,
            cash=self.cash + event.cash,
            holdings={**self.holdings, event.asset: beside - event.quantity},
            positions={**self.positions, symbol: taken},
        )

    def after(self, fills: Sequence[Fill], events: Sequence[ExternalEvent]) -> Books:
        books = self
        for fill in fills:
            books = books.after_fill(fill)
        for event in events:
            books = books.after_event(event)
        return books

    def symbol_of(self, asset: str) -> str | None:
        """The symbol that the desk trades `asset` by: a swap's own, or the spot market of a currency."""
        if asset in self.instruments:
            return asset
        spot = (s for s, i in self.instruments.items() if i.kind == "spot" and i.base == asset)
        return next(spot, None)

    def managed(self, symbol: str) -> Decimal:
        held = self.positions.get(symbol)
        return held.quantity if held else ZERO

    def expected(self) -> Expected:
        """Our cash is fully funded: a swap's fill moves it by the notional, where the venue's wallet only moves by
        profit and fees. So the wallet is the cash and what was paid for open swaps."""
        wallet = self.cash
        balances: dict[str, Decimal] = {}
        positions: dict[str, Decimal] = {}
        for symbol, instrument in self.instruments.items():
            if instrument.kind == "spot":
                balances[instrument.base] = self.managed(symbol) + self.holdings.get(instrument.base, ZERO)
            else:
                held = self.positions.get(symbol)
                wallet += held.cost if held else ZERO
                positions[symbol] = self.managed(symbol) + self.holdings.get(symbol, ZERO)
        return Expected(balances={**balances, self.currency: wallet}, positions=positions)
