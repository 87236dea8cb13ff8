"""Self-trade: that an order does not meet one of our own."""

from __future__ import annotations

from decimal import Decimal

from domain.digest import plain
from policy.case import Case
from policy.check import check
from policy.ruling import Ruling, deny, passed


@check(
    code="SELF_TRADE",
    source="RTS 6 Art. 13; Commodity Exchange Act, 7 U.S.C. 6c(a), wash sales",
)
def meets_none_of_ours(case: Case) -> Ruling:
    """Refuse an order that would trade with our own order on the other side.

    An entry is held to the furthest price that it may fill at, and one of ours without a limit price
    meets it at any; but a stop of ours only meets what stands where it sends, at its trigger or beyond.
    An exit is refused only where the meeting is certain: where ours stands at its limit or better and is
    part of the touch. What might be, orders that can't rest and stops that wait don't bar it.
    """
    proposal, buys = case.proposal, case.proposal.side == "buy"
    opposite = [order for order in case.working if order.side != proposal.side]
    if not opposite:
        return passed("nothing of ours on the other side")
    if case.reducing and proposal.trigger_price is not None:
        return passed("meets nothing before it fires")
    reach = _certain_reach(case) if case.reducing else case.furthest_price
    for order in opposite:
        if order.trigger_price is not None:
            if not case.reducing and (reach <= order.trigger_price if buys else reach >= order.trigger_price):
                message = f"a stop of ours sends at {plain(order.trigger_price)}, where the order would stand"
                return Ruling("deny", message, order.trigger_price, reach, case.currency)
        elif order.limit_price is None:
            if not case.reducing:
                return deny("an order of ours on the other side has no limit price")
        elif order.limit_price <= reach if buys else order.limit_price >= reach:
            message = f"an order of ours stands at {plain(order.limit_price)}, within {plain(reach)}"
            return Ruling("deny", message, order.limit_price, reach, case.currency)
    return passed("meets none of ours")


def _certain_reach(case: Case) -> Decimal:
    """The price up to which whatever rests on the other side is met first."""
    buys, limit_price = case.proposal.side == "buy", case.proposal.limit_price
    touch = case.quote.ask if buys else case.quote.bid
    if limit_price is None:
        return touch
    return min(limit_price, touch) if buys else max(limit_price, touch)
