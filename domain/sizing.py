"""Sizing: how much of an instrument one order can be for, by what its venue states, and in which orders to exit.

Pure arithmetic, and the only place where a venue's least and greatest sizes are compared with anything. What a venue
does not state binds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Final

from domain.digest import plain
from domain.instrument import Instrument
from domain.money import ZERO, ceil_to, floor_to
from domain.order import OrderType, Side

MARGIN: Final = Decimal("0.02")
"""Part of a price by which a notional is kept away from a limit, where the venue may value it at another price."""

MOST_ORDERS: Final = 8
"""In which one exit goes out in one cycle; what is larger goes on in the next."""

_EXITS: Final[tuple[OrderType, ...]] = ("market", "stop")
"""The types of order by which a position is exited."""

_DOWN: Final = Context(prec=60, rounding=ROUND_FLOOR)
_UP: Final = Context(prec=60, rounding=ROUND_CEILING)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLimits:
    """Of one order of one type: quantities in base currency, notionals in quote currency."""

    min_quantity: Decimal
    max_quantity: Decimal | None
    min_notional: Decimal
    max_notional: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCaps:
    """What a policy allows one order that exits, and how many of them in one cycle."""

    max_quantity: Decimal | None = None
    max_notional: Decimal | None = None
    orders: int = MOST_ORDERS


NO_CAPS: Final = OrderCaps()


def size_limits(instrument: Instrument, *, type: OrderType, reduces: bool = False) -> SizeLimits:
    """What the venue states for orders of this type. A stop is a market order once it is triggered.

    One that `reduces` says reduce-only.
    """
    one = instrument
    min_notional = ZERO if one.exits_without_minimum and reduces else one.min_notional
    if type == "limit":
        return SizeLimits(
            min_quantity=one.min_quantity,
            max_quantity=one.max_quantity,
            min_notional=min_notional,
            max_notional=one.max_notional,
        )
    stop = type == "stop"
    return SizeLimits(
        min_quantity=max(one.min_quantity, one.market_min_quantity),
        max_quantity=_least(one.max_quantity, one.market_max_quantity, one.stop_max_quantity if stop else None),
        min_notional=ZERO if one.market_without_minimum and not stop else min_notional,
        max_notional=_least(one.max_notional, one.market_max_notional, one.stop_max_notional if stop else None),
    )


def too_small(
    quantity: Decimal,
    instrument: Instrument,
    *,
    type: OrderType,
    price: Decimal | None = None,
    reduces: bool = False,
) -> str:
    """Why the venue takes no order of so little, in words; empty where it does. Without a price no notional counts."""
    limits = size_limits(instrument, type=type, reduces=reduces)
    if quantity < instrument.lot_size:
        return f"the quantity {plain(quantity)} is below the lot {plain(instrument.lot_size)}"
    if quantity < limits.min_quantity:
        return f"the quantity {plain(quantity)} is below the minimum {plain(limits.min_quantity)}"
    if price is not None and _DOWN.multiply(quantity, price) < limits.min_notional:
        return (
            f"the notional {plain(_DOWN.multiply(quantity, price))} is below the minimum {plain(limits.min_notional)}"
        )
    return ""


def too_large(quantity: Decimal, instrument: Instrument, *, type: OrderType, price: Decimal | None = None) -> str:
    """Why the venue takes no order of so much, in words; empty where it does. Without a price no notional counts."""
    limits = size_limits(instrument, type=type)
    if limits.max_quantity is not None and quantity > limits.max_quantity:
        return f"the quantity {plain(quantity)} is above the maximum {plain(limits.max_quantity)}"
    if (
        limits.max_notional is None
        or price is None
        or (notional := _UP.multiply(quantity, price)) <= limits.max_notional
    ):
        return ""
    return f"the notional {plain(notional)} is above the maximum {plain(limits.max_notional)}"


def least(instrument: Instrument, *, type: OrderType, price: Decimal | None, reduces: bool = False) -> Decimal:
    """The smallest quantity that the venue takes at this price, on the lot. Without a price no notional counts."""
    limits = size_limits(instrument, type=type, reduces=reduces)
    by_notional = ZERO if price is None else _UP.divide(limits.min_notional, price)
    return ceil_to(max(instrument.lot_size, limits.min_quantity, by_notional), instrument.lot_size)


def least_entry(instrument: Instrument, *, side: Side, type: OrderType, price: Decimal, exit: Decimal) -> Decimal:
    """The smallest entry that the venue takes at `price` and that could be exited at `exit`: see `no_way_out`."""
    lowest = _DOWN.multiply(exit, 1 - MARGIN)
    sellable = max(least(instrument, type=at_exit, price=lowest, reduces=True) for at_exit in _EXITS)
    net = after_fee(Decimal(1), instrument, side=side)
    bought = ceil_to(_UP.divide(sellable, net), instrument.lot_size) if net else sellable
    return max(bought, least(instrument, type=type, price=price))


def greatest(instrument: Instrument, *, type: OrderType, price: Decimal, caps: OrderCaps = NO_CAPS) -> Decimal | None:
    """The largest quantity on the lot that venue and caps take at this price; `None` where nothing binds it.

    Notionals keep `MARGIN` of the price away from their limits: the venue, or the gate, may value the order higher.
    """
    limits = size_limits(instrument, type=type)
    notional = _least(limits.max_notional, caps.max_notional)
    by_notional = None if notional is None else _DOWN.divide(notional, _UP.multiply(price, 1 + MARGIN))
    most = _least(limits.max_quantity, caps.max_quantity, by_notional)
    return None if most is None else floor_to(most, instrument.lot_size)


def divided(
    quantity: Decimal, instrument: Instrument, *, type: OrderType, price: Decimal, caps: OrderCaps = NO_CAPS
) -> tuple[Decimal, ...]:
    """In which quantities to exit `quantity` at once, so that none is above what one order may be for.

    Each is on the lot, none is below the minimum, and no two are alike where there is room for that: orders alike
    are taken for one sent twice. Together they are `quantity` on the lot, unless that takes more than `caps.orders`
    orders, or its last part would be below the minimum. None where nothing of it can be sent.
    """
    lot = instrument.lot_size
    low = least(instrument, type=type, price=price, reduces=True)
    whole, high = floor_to(quantity, lot), greatest(instrument, type=type, price=price, caps=caps)
    if whole < low or (high is not None and high < low):
        return ()
    if high is None or whole <= high:
        return (whole,)
    in_lots = [int(_DOWN.divide(size, lot)) for size in (whole, low, high)]
    lots = _lots(in_lots[0], low=in_lots[1], high=in_lots[2], most=max(1, caps.orders))
    return tuple(_DOWN.multiply(Decimal(part), lot) for part in lots)


def _lots(whole: int, *, low: int, high: int, most: int) -> tuple[int, ...]:
    """`divided` in lots, of a `whole` above `high`: descending, all different where that fits."""
    count = -(-whole // high)
    for n in range(count, most + 1):
        if n * low + n * (n - 1) // 2 <= whole <= n * high - n * (n - 1) // 2:
            return _lowered([high - i for i in range(n)], [low + i for i in range(n)], to=whole)
    parts = [max(low, high - i) for i in range(most)]
    if whole > sum(parts) and whole > most * high - most * (most - 1) // 2:  # the rest is for the next cycle
        short = low - (whole - sum(parts))
        if 0 < short < low:  # and must be no remainder that can't be sold
            parts[-1] = max(low, parts[-1] - short)
        return tuple(parts)
    if count * low > whole:  # the last part would be below the minimum
        count -= 1
    return _lowered([high] * count, [low] * count, to=whole)


def _lowered(parts: list[int], floors: list[int], *, to: int) -> tuple[int, ...]:
    """`parts` lowered from the last on until they are `to` together; the last may go to the first of `floors`."""
    surplus = sum(parts) - to
    for i, floor in zip(range(len(parts) - 1, -1, -1), floors, strict=True):
        less = min(max(0, surplus), parts[i] - floor)
        parts[i] -= less
        surplus -= less
    return tuple(parts)


def after_fee(quantity: Decimal, instrument: Instrument, *, side: Side) -> Decimal:
    """What an entry of `quantity` leaves to exit: most exchanges take a spot buy's fee out of what is bought."""
    if instrument.kind != "spot" or side != "buy":
        return quantity
    return _DOWN.multiply(quantity, max(ZERO, 1 - instrument.taker_fee))


def no_way_out(quantity: Decimal, instrument: Instrument, *, price: Decimal) -> str:
    """Why a position of `quantity`, its fee paid, could be too small to exit at `price`; empty where it could not.

    What can be sold of it, at `MARGIN` below that price, must be above every minimum of a market order and of a stop.
    """
    sellable, lowest = floor_to(quantity, instrument.lot_size), _DOWN.multiply(price, 1 - MARGIN)
    for type in _EXITS:
        if why := too_small(sellable, instrument, type=type, price=lowest, reduces=True):
            return f"of {plain(quantity)} after the fee {plain(sellable)} can be sold, at {plain(lowest)}: {why}"
    return ""


def _least(*limits: Decimal | None) -> Decimal | None:
    return min((limit for limit in limits if limit is not None), default=None)
