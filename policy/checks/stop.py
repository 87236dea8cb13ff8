"""Stops and targets: that an entry says where it is wrong, and takes its profit on the other side."""

from __future__ import annotations

from decimal import Decimal

from domain.digest import plain
from policy.case import Case
from policy.check import check
from policy.limits.order import StopLimits
from policy.ruling import Ruling, deny, passed


@check(
    code="STOP_REQUIRED",
    source="RTS 6 Art. 15(4), risk limits by strategy; proprietary firms' rules",
    section="stop",
    entry_only=True,
)
def stop_stands(case: Case, limits: StopLimits) -> Ruling:
    """Refuse an entry without a stop, or with a stop or a target that is not on its own side of the entry.

    For a buy the losing side is below the limit and below the bid, else the stop would trigger at once; for a
    sale above the limit and above the ask. A target lies beyond the limit, or where there is none beyond the
    touch that the order would meet: above for a buy, below for a sale.
    """
    stop, target = case.proposal.stop_price, case.proposal.target_price
    if stop is None and limits.required:
        return deny("the entry has no stop price")
    if stop is not None and not _loses(case, stop):
        return deny(f"the stop {plain(stop)} is not on the losing side of {plain(_nearest(case))}")
    if target is not None and not _gains(case, target):
        return deny(f"the target {plain(target)} is not on the gaining side of {plain(_entered(case))}")
    return passed("no stop is required" if stop is None else "on the losing side")


def _loses(case: Case, stop: Decimal) -> bool:
    return stop < _nearest(case) if case.proposal.side == "buy" else stop > _nearest(case)


def _gains(case: Case, target: Decimal) -> bool:
    return target > _entered(case) if case.proposal.side == "buy" else target < _entered(case)


def _nearest(case: Case) -> Decimal:
    """The price nearest to the stop that the entry may have, or that the market shows already."""
    limit, quote = case.proposal.limit_price, case.quote
    if case.proposal.side == "buy":
        return quote.bid if limit is None else min(limit, quote.bid)
    return quote.ask if limit is None else max(limit, quote.ask)


def _entered(case: Case) -> Decimal:
    """What the order states as its price, or the touch that it would meet."""
    stated = case.proposal.limit_price or case.proposal.trigger_price
    if stated is not None:
        return stated
    return case.quote.ask if case.proposal.side == "buy" else case.quote.bid
