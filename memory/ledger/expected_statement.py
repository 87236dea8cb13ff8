"""What a venue's statement must say if an account's books are right. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, localcontext

from domain.instrument import Instrument
from domain.money import EXACT, ZERO
from domain.portfolio import Position
from domain.statement import Expected, is_swap


def expected(
    positions: Iterable[Position],
    *,
    cash: Decimal,
    currency: str,
    holdings: Mapping[str, Decimal],
    instruments: Mapping[str, Instrument],
) -> Expected:
    """Balances by currency and swaps by symbol: what the desk manages and what stands beside it, added.

    Our cash counts swaps as paid in full: a fill moves it by its notional. A venue's wallet moves by realised
    profit and fees alone. So the cost of the swaps that are open is what the wallet has more than our cash: their
    cost in the order in which the venue traded them, which `positions` must have, for of what was added to and
    reduced it depends on which came first.
    """
    balances, swaps, rounded = {currency: cash}, dict[str, Decimal](), ""
    with localcontext(EXACT):
        for position in positions:
            symbol, instrument = position.symbol, instruments.get(position.symbol)
            if as_swap(symbol, instruments):
                swaps[symbol] = position.quantity
                balances[currency] += position.cost
                rounded = currency if position.realized else rounded
            else:
                base = instrument.base if instrument else symbol.split("/")[0]
                balances[base] = balances.get(base, ZERO) + position.quantity
        for asset, quantity in holdings.items():
            sums = swaps if is_swap(asset) else balances
            sums[asset] = sums.get(asset, ZERO) + quantity
    return Expected(
        balances={asset: amount for asset, amount in balances.items() if amount or asset == currency},
        positions={symbol: amount for symbol, amount in swaps.items() if amount},
        rounded=rounded,
    )


def as_swap(symbol: str, instruments: Mapping[str, Instrument]) -> bool:
    """Whether it is a swap. A symbol without an instrument is known by its form."""
    instrument = instruments.get(symbol)
    return is_swap(symbol) if instrument is None else instrument.kind == "swap"
