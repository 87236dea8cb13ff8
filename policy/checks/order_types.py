"""Order types: which kinds of order may be sent."""

from __future__ import annotations

from policy.case import Case
from policy.check import check
from policy.limits.order import OrderTypeLimits
from policy.ruling import Ruling, deny, passed


@check(
    code="ORDER_TYPE",
    source="RTS 6 Art. 15(5); FIA 2024, pre-trade controls",
    section="order_type",
)
def order_type_permitted(case: Case, limits: OrderTypeLimits) -> Ruling:
    """Refuse a type or a time in force that the policy does not list."""
    if case.proposal.type not in limits.types:
        return deny(f"{case.proposal.type} orders are not among {', '.join(sorted(limits.types)) or 'none'}")
    if case.proposal.time_in_force not in limits.times_in_force:
        listed = ", ".join(sorted(limits.times_in_force)) or "none"
        return deny(f"time in force {case.proposal.time_in_force} is not among {listed}")
    return passed("permitted")
