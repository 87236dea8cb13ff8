"""One symbol as an exchange lists it: our instrument, and how the exchange counts it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal

from domain.instrument import Instrument
from venues.exchange.client import Row
from venues.exchange.instruments import contract_size
from venues.exchange.numbers import exact

EXACT = Context(prec=60)
"""Room for every digit of a product of two amounts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    instrument: Instrument
    unit: Decimal
    """How much of the base currency one of the exchange's amounts is: a contract's size, 1 on spot."""

    @classmethod
    def of(cls, market: Row, instrument: Instrument) -> Listed:
        """Raises `ValueError` for numbers that are none."""
        return cls(instrument=instrument, unit=contract_size(market))

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def swap(self) -> bool:
        return self.instrument.kind == "swap"

    def in_base(self, amount: object) -> Decimal:
        """Raises `ValueError` for an amount that is no number."""
        return EXACT.multiply(exact(amount), self.unit)

    def in_theirs(self, quantity: Decimal) -> Decimal:
        return EXACT.divide(quantity, self.unit)
