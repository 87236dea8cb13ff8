"""Depth: how much of what the market shows an entry may take."""

from __future__ import annotations

from policy.case import Case
from policy.check import check
from policy.limits.order import DepthLimits
from policy.ruling import FactMissing, Ruling, within


@check(
    code="DEPTH",
    source="RTS 6 Art. 15(1)(c); proprietary firms' rules",
    section="depth",
    entry_only=True,
    waivable=True,
)
def depth_suffices(case: Case, limits: DepthLimits) -> Ruling:
    """Refuse an entry for more than its share of the size shown at the touch that it would meet."""
    buys = case.proposal.side == "buy"
    size = case.quote.ask_size if buys else case.quote.bid_size
    if size is None:
        raise FactMissing(f"the size of the {'ask' if buys else 'bid'} is unknown")
    return within(
        case.proposal.quantity, limits.share_of_touch * size, unit=case.instrument.base, warn_at=limits.warn_at
    )
