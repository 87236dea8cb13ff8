"""Depth: how much of what the market shows an entry may take."""

from __future__ import annotations

from policy.case import Case
from policy.check import check
from policy.limits.order import DepthLimits
from policy.ruling import FactMissing, Ruling, passed, within


@check(
    code="DEPTH",
    source="RTS 6 Art. 15(1)(c); proprietary firms' rules",
    section="depth",
    entry_only=True,
    waivable=True,
)
def depth_suffices(case: Case, limits: DepthLimits) -> Ruling:
    """Refuse an entry for more than its share of the size shown at the touch that it would meet.

    A size that is not known refuses too, but for desks in `allow_unknown`.
    """
    touch, size = ("ask", case.quote.ask_size) if case.proposal.side == "buy" else ("bid", case.quote.bid_size)
    if size is None:
        if case.facts.mode in limits.allow_unknown:
            return passed(f"the market shows no size of the {touch}, and the policy allows that on {case.facts.mode}")
        raise FactMissing(f"the size of the {touch} is unknown")
    return within(
        case.proposal.quantity, limits.share_of_touch * size, unit=case.instrument.base, warn_at=limits.warn_at
    )
