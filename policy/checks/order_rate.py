"""Order rate: how many orders may be sent in a while."""

from __future__ import annotations

from decimal import Decimal

from policy.case import Case
from policy.check import check
from policy.limits.conduct import RateLimits
from policy.ruling import Ruling, strictest, within


@check(
    code="ORDER_RATE",
    source="RTS 6 Art. 15(1)(d); SEC 15c3-5(c)(1)(ii); FIA 2024, message throttles",
    section="order_rate",
    alike_for_all=True,
)
def rate_within(case: Case, limits: RateLimits) -> Ruling:
    """Refuse more orders than the window holds, in the symbol and in all, the judged one counted.

    Entries leave `kept_for_exits` of both free, so that they can't use up the room to leave. An order that
    replaces a stop leaves room to put that back, and an exit that replaces several for each of them, of half the limit
    at most. An order counts from when it was let through, whatever became of it.
    """
    replaced = len(case.proposal.releases)
    here = 1 + len(case.sent_within(limits.window_s))
    in_all = 1 + sum(map(len, case.book.sent_within(limits.window_s).values()))

    def judged(count: int, limit: int, what: str) -> Ruling:
        unit = f"orders in {limits.window_s} s {what}"
        kept = limits.kept_for_exits
        if case.reducing:
            kept = min(replaced, 1 if case.protects else limit // 2)
        return within(Decimal(count), Decimal(max(limit - kept, 0)), unit=unit, warn_at=limits.warn_at)

    return strictest(judged(here, limits.per_symbol, "in the symbol"), judged(in_all, limits.in_all, "in all"))
