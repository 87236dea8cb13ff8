"""Short selling: whether more may be sold than is held."""

from __future__ import annotations

from domain.digest import plain
from domain.money import ZERO
from policy.case import Case
from policy.check import check
from policy.limits.order import ShortLimits
from policy.ruling import Ruling, passed


@check(
    code="SHORT",
    source="SEC 15c3-5(c)(2)(i); Regulation SHO, 17 CFR 242.203",
    section="short",
)
def short_permitted(case: Case, limits: ShortLimits) -> Ruling:
    """Refuse a sale of more than is held, working sales counted, unless the policy allows it and it is no spot."""
    if case.proposal.side == "buy":
        return passed("a buy")
    sold, held = case.proposal.quantity + case.queued, max(case.held, ZERO)
    if sold <= held:
        return passed("covered by what is held")
    if limits.allow and case.instrument.kind != "spot":
        return passed("short selling is allowed")
    message = f"{plain(sold)} with working sales is more than the {plain(held)} held"
    return Ruling("deny", message, sold, held, case.instrument.base)
