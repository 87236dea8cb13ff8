"""Order types: which kinds of order may be sent, and what a stop is for."""

from __future__ import annotations

from typing import Final

from domain.digest import plain
from policy.case import Case
from policy.check import check
from policy.limits.order import OrderTypeLimits
from policy.ruling import Ruling, deny, passed
from policy.trigger import met, target_met

_UNBOUNDED: Final = (
    "a market order that may add to a position can fill at any price: propose a limit order, IOC, whose limit_price is "
    "the furthest that it may fill at"
)


@check(
    code="ORDER_TYPE",
    source="RTS 6 Art. 15(5); FIA 2024, pre-trade controls",
    section="order_type",
)
def order_type_permitted(case: Case, limits: OrderTypeLimits) -> Ruling:
    """Refuse a type or a time in force that the policy does not list, a market order that enters unless the policy
    allows that, and a stop that enters or would fire at once.

    A market order fills at any price: whatever its size was computed at, what it holds and loses can be a multiple of
    that. An entry names the furthest price that it may have, and every cap is judged there; an exit need not, as
    leaving is always easier. A stop is for leaving: it waits on the losing side of the market, a sale's below the bid
    and a buy's above the ask, and its target on the other side. One whose trigger or target is met already is a market
    order by another name. A stop that is attached to an entry is one, too.
    """
    for kind in [case.proposal.type, *(["stop"] if case.proposal.attached else [])]:
        if kind not in limits.types:
            return deny(f"{kind} orders are not among {', '.join(sorted(limits.types)) or 'none'}")
    if case.proposal.time_in_force not in limits.times_in_force:
        listed = ", ".join(sorted(limits.times_in_force)) or "none"
        return deny(f"time in force {case.proposal.time_in_force} is not among {listed}")
    if case.proposal.type == "market" and not limits.market_entries and not case.reducing:
        return deny(_UNBOUNDED)
    return _waiting(case) if case.proposal.type == "stop" else passed("permitted")


def _waiting(case: Case) -> Ruling:
    trigger, side = case.proposal.trigger_price, case.proposal.side
    if not case.reducing:
        return deny("a stop is for leaving, and this order does not only reduce")
    if trigger is None:
        return deny("the stop has no trigger price")
    if met(trigger, side=side, quote=case.quote):
        touch = (
            f"below the bid of {plain(case.quote.bid)}"
            if side == "sell"
            else f"above the ask of {plain(case.quote.ask)}"
        )
        return deny(f"the trigger {plain(trigger)} is not {touch}: the stop would fire at once")
    target = case.proposal.target_price
    if target is not None and target_met(target, side=side, quote=case.quote):
        touch = (
            f"above the bid of {plain(case.quote.bid)}"
            if side == "sell"
            else (f"below the ask of {plain(case.quote.ask)}")
        )
        return deny(f"the target {plain(target)} is not {touch}: the stop would fire at once")
    return passed("waits on the losing side")
