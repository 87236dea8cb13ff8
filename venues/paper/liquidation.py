"""When a paper account is liquidated, at which marks, and for which fee. Pure; see `venues.paper.margin` for the rule.

Within a bar the mark of each perpetual goes in a straight line from where it opens to its adverse extreme, a long's low
and a short's high, all of them together: so the account is liquidated at the first point of that way at which its
margin balance is no more than its maintenance margin, and not at the extreme. What opens beyond that point is a gap,
and is liquidated at its open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_FLOOR, Context, Decimal, localcontext
from itertools import pairwise
from typing import Final

from domain.money import EXACT, ZERO, against
from domain.order import Side
from domain.statement import ExternalEvent, liquidation
from venues.costs import PerpetualTerms, fee
from venues.paper.margin import Margin

_WAY: Final = Context(prec=50)
_DOWN: Final = Context(prec=60, rounding=ROUND_FLOOR)
_GRAIN: Final = Decimal("1e-8")
_END: Final = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One perpetual that is held, and the way of its mark: from `start` at point 0 to `end` at point 1."""

    symbol: str
    quantity: Decimal
    start: Decimal
    end: Decimal
    tick_size: Decimal

    def mark(self, point: Decimal) -> Decimal:
        return self.start + (self.end - self.start) * point

    def point(self, price: Decimal) -> Decimal | None:
        """Where on its way the mark is at `price`; `None` where it does not come there."""
        if self.start == self.end:
            return ZERO if price == self.start else None
        share = _WAY.divide(price - self.start, self.end - self.start)
        return share if ZERO <= share <= _END else None


def liquidated_at(cash: Decimal, legs: Sequence[Leg], margin: Margin) -> Decimal | None:
    """The first point of the way, from 0 to 1, at which the account is liquidated; `None` where it is not.

    `cash` as our books count it. Between the points at which a position comes into another tier both sides of the rule
    are straight lines.
    """
    if margin.terms is None or not legs:
        return None
    with localcontext(_WAY):
        for begin, end in _stretches(legs, margin):
            middle = (begin + end) / 2
            first, last = (_excess_margin(cash, legs, margin, at=at, tiers_at=middle) for at in (begin, end))
            if first <= 0:
                return begin
            if last <= 0:
                return begin + (end - begin) * first / (first - last)
    return None


def _stretches(legs: Sequence[Leg], margin: Margin) -> Iterator[tuple[Decimal, Decimal]]:
    """The way in parts within which no position changes its tier."""
    points = {ZERO, _END}
    for leg in legs:
        for tier in margin.tiers.get(leg.symbol, ()):
            if not tier.in_base and (point := leg.point(tier.above / abs(leg.quantity))) is not None:
                points.add(point)
    yield from pairwise(sorted(points))


def _excess_margin(cash: Decimal, legs: Sequence[Leg], margin: Margin, *, at: Decimal, tiers_at: Decimal) -> Decimal:
    """The margin balance less the maintenance margin at one point, by the tiers of another."""
    excess = cash
    for leg in legs:
        mark, quantity = leg.mark(at), leg.quantity
        excess += quantity * mark
        excess -= margin.maintenance(leg.symbol, quantity=quantity, price=mark, tier_at=leg.mark(tiers_at))
    return excess


def liquidations(
    cash: Decimal, legs: Sequence[Leg], terms: PerpetualTerms, *, point: Decimal, at: datetime
) -> tuple[ExternalEvent, ...]:
    """Every position closed at its mark at `point`, rounded against it to the tick, for the fee.

    The fees take no more than there is: the rest is the exchange's to bear (Binance, "Liquidation Protocols"). What a
    gap took beyond that is owed.
    """
    with localcontext(EXACT):
        closed = [(leg, _price(leg, point)) for leg in legs]
        there = max(ZERO, cash + sum((leg.quantity * price for leg, price in closed), ZERO))
    fees = [fee(abs(leg.quantity) * price, terms.liquidation_fee) for leg, price in closed]
    total = sum(fees, ZERO)
    if total > there:
        fees = [_DOWN.divide(each * there, total).quantize(_GRAIN, context=_DOWN) for each in fees]
    return tuple(
        liquidation(leg.symbol, quantity=-leg.quantity, price=price, fee=each, at=at)
        for (leg, price), each in zip(closed, fees, strict=True)
    )


def _price(leg: Leg, point: Decimal) -> Decimal:
    """At which it is closed. Rounding takes it no further than the bar went, unless that lies between two ticks."""
    with localcontext(_WAY):
        mark = leg.mark(point)
    side: Side = "sell" if leg.quantity > 0 else "buy"
    return max(leg.tick_size, against(mark, step=leg.tick_size, side=side))
