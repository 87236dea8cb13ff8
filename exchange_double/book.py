"""The market's own liquidity on one symbol: the levels that a test sets and taker orders eat.

Orders that rest at the exchange are the engine's; they are not in here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from domain.money import ZERO
from domain.order import Side


@dataclass(frozen=True, slots=True)
class Level:
    price: Decimal
    size: Decimal


class Book:
    """Bids and asks, best first. What a taker eats is gone until the book is set again."""

    def __init__(self) -> None:
        self._levels: dict[Side, list[Level]] = {"buy": [], "sell": []}

    def set(self, *, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Replace all of it. Raises `ValueError` for a crossed book and for sizes or prices that aren't positive."""
        buys = sorted(bids, key=lambda level: -level.price)
        sells = sorted(asks, key=lambda level: level.price)
        if any(level.price <= 0 or level.size <= 0 for level in (*buys, *sells)):
            raise ValueError("a level needs a positive price and a positive size")
        if buys and sells and buys[0].price >= sells[0].price:
            raise ValueError(f"the bid {buys[0].price} is not below the ask {sells[0].price}")
        self._levels = {"buy": buys, "sell": sells}

    def side(self, side: Side) -> tuple[Level, ...]:
        """The levels of one side, best first: `buy` are the bids."""
        return tuple(self._levels[side])

    def best(self, side: Side) -> Level | None:
        levels = self._levels[side]
        return levels[0] if levels else None

    def eat(self, side: Side, size: Decimal) -> None:
        """Take `size` from the best level of `side`, which must hold as much."""
        best = self._levels[side][0]
        rest = best.size - size
        if rest < 0:
            raise ValueError(f"the best level holds {best.size}, not {size}")
        self._levels[side][:1] = [Level(best.price, rest)] if rest else []


def changes(before: Mapping[Decimal, Decimal], after: Mapping[Decimal, Decimal]) -> dict[Decimal, Decimal]:
    """The sizes by price that differ, as they are now; those that have gone with 0."""
    gone = {price: ZERO for price in before if price not in after}
    return gone | {price: size for price, size in after.items() if before.get(price) != size}
