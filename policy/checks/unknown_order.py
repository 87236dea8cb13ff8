"""Unknown orders: no new risk on top of an order that nobody can account for."""

from __future__ import annotations

from domain.order import OrderState
from policy.case import Case
from policy.check import check
from policy.ruling import Ruling, deny, passed


@check(
    code="UNKNOWN_ORDER",
    source="SEC 15c3-5(c)(1)(ii), duplicative orders; DESIGN section 5",
    entry_only=True,
    alike_for_all=True,
)
def none_in_doubt(case: Case) -> Ruling:
    """Refuse an entry while an order in the same symbol was sent and nothing proves what became of it."""
    if any(order.state is OrderState.UNKNOWN for order in case.working):
        return deny("an order in this symbol is in an unknown state")
    return passed("none in doubt")
