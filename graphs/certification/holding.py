"""What an account holds of one symbol, and what it must hold after some trades: by the exchange's own word. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from domain.digest import plain
from domain.instrument import Instrument
from domain.money import EXACT, ZERO
from domain.statement import Statement, Trade
from memory.store.records import RunHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What an account holds of the two currencies of a symbol; of a perpetual the position and the wallet."""

    cash: Decimal
    quantity: Decimal

    @classmethod
    def of(cls, statement: Statement, instrument: Instrument) -> Holding:
        amounts = statement.positions if instrument.kind == "swap" else statement.balances
        asset = instrument.symbol if instrument.kind == "swap" else instrument.base
        return cls(cash=statement.balances.get(instrument.quote, ZERO), quantity=amounts.get(asset, ZERO))

    def after(self, trades: Sequence[Trade], *, swap: bool) -> Holding:
        """With these trades made. A perpetual that is flat again has moved the wallet by what its trades paid."""
        with localcontext(EXACT):
            cash, quantity = self.cash, self.quantity
            for trade in trades:
                signed = trade.quantity if trade.side == "buy" else -trade.quantity
                cash -= signed * trade.price + trade.fee
                quantity += signed - (ZERO if swap else trade.fee_base)
            return Holding(cash=cash, quantity=quantity)

    def differs(self, actual: Holding, *, dust: Decimal) -> str:
        """In words what is not as it is here; empty where all is."""
        with localcontext(EXACT):
            parts = [
                f"{plain(mine)} {name} and the exchange says {plain(theirs)}"
                for name, mine, theirs, allowed in (
                    ("in cash", self.cash, actual.cash, dust),
                    ("held", self.quantity, actual.quantity, ZERO),
                )
                if abs(mine - theirs) > allowed
            ]
        return "; ".join(parts)


def held_before(header: RunHeader, instrument: Instrument) -> Decimal:
    asset = instrument.symbol if instrument.kind == "swap" else instrument.base
    return sum((event.quantity for event in header.opening if event.asset == asset), ZERO)
