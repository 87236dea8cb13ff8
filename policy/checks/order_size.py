"""Order size: how large one order may be."""

from __future__ import annotations

from policy.case import Case
from policy.check import check
from policy.escalation import size_factor
from policy.limits.order import NotionalLimits
from policy.ruling import Ruling, in_parts, passed, within


@check(
    code="MAX_NOTIONAL",
    source="RTS 6 Art. 15(1)(b); SEC 15c3-5(c)(1)(ii); FIA 2024, maximum order size",
    section="max_notional",
    waivable=True,
)
def notional_within(case: Case, limits: NotionalLimits) -> Ruling:
    """Refuse an order worth more than the absolute cap, or an entry worth more than its share of equity.

    The share shrinks with drawdown, from `drawdown.sizes_fall_from` on. It does not bind an order that
    only reduces: a position that grew, or equity that shrank, must not lock the door. What is larger than
    the absolute cap is left in several orders.
    """
    caps = [] if limits.absolute is None else [limits.absolute]
    if limits.share_of_equity is not None and not case.reducing:
        equity = case.equity
        factor = case.book.kept("size factor", lambda: size_factor(case.policy, case.facts.equity_marks, equity))
        caps.append(limits.share_of_equity * equity * factor)
    if not caps:
        return passed("passed by: the order only reduces, and there is no absolute cap")
    ruling = within(case.notional, min(caps), unit=case.currency, warn_at=limits.warn_at)
    return in_parts(ruling) if case.reducing else ruling
