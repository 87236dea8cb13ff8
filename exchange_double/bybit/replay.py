"""What positions and orders were after each trade, told again from the fills."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain.money import ZERO
from exchange_double.account import Movement
from exchange_double.orders import Fill, Order


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """One trade: the signed size of the position after it, what it closed, and what its order still wanted."""

    size: Decimal
    closed: Decimal
    left: Decimal


def replay(fills: Iterable[Fill], orders: Iterable[Order]) -> Mapping[str, After]:
    """By trade id; `fills` are oldest first."""
    wanted = {order.order_id: order.new for order in orders}
    sizes: dict[str, Decimal] = defaultdict(lambda: ZERO)
    done: dict[str, Decimal] = defaultdict(lambda: ZERO)
    told: dict[str, After] = {}
    for fill in fills:
        before, new = sizes[fill.symbol], wanted[fill.order_id]
        closed = min(abs(before), fill.size) if before * fill.signed_size < 0 else ZERO
        sizes[fill.symbol] = before + fill.signed_size
        done[fill.order_id] += fill.size * fill.price if new.in_quote else fill.size
        left = new.quantity - done[fill.order_id]
        told[fill.trade_id] = After(size=sizes[fill.symbol], closed=closed, left=left)
    return told


def size_at(movement: Movement, movements: Sequence[Movement], fills: Sequence[Fill]) -> Decimal:
    """The signed position in the movement's market when it happened: that of all trades that moved cash before."""
    earlier = {other.reference for other in movements[: movements.index(movement)]}
    return sum(
        (fill.signed_size for fill in fills if fill.symbol == movement.symbol and fill.trade_id in earlier), ZERO
    )
