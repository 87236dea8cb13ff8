"""Stops: that an entry says where it is wrong."""

from __future__ import annotations

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
    """Refuse an entry without a stop, or with one that is not on its losing side.

    For a buy that is below the limit and below the bid, else it would trigger at once; for a sale
    above the limit and above the ask.
    """
    stop, limit = case.proposal.stop_price, case.proposal.limit_price
    if stop is None:
        return deny("the entry has no stop price") if limits.required else passed("no stop is required")
    if case.proposal.side == "buy":
        entry = case.quote.bid if limit is None else min(limit, case.quote.bid)
        losing = stop < entry
    else:
        entry = case.quote.ask if limit is None else max(limit, case.quote.ask)
        losing = stop > entry
    if losing:
        return passed("on the losing side")
    return deny(f"the stop {plain(stop)} is not on the losing side of {plain(entry)}")
