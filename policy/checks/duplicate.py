"""Duplicates: that the same order is not sent twice."""

from __future__ import annotations

from domain.decision import Proposal
from policy.account import SentOrder
from policy.case import Case
from policy.check import check
from policy.limits.conduct import DuplicateLimits
from policy.ruling import Ruling, deny, passed


@check(
    code="DUPLICATE",
    source="SEC 15c3-5(c)(1)(ii), duplicative orders; DESIGN rule 3",
    section="duplicate",
)
def not_a_duplicate(case: Case, limits: DuplicateLimits) -> Ruling:
    """Refuse an order that is like one sent within the window, or whose intent is among those sent lately.

    Alike are orders of one symbol, side, type, quantity, prices and reduce-only mark, whoever proposed
    them. That an intent is used once, however long ago, is kept by the ledger: facts about a proposal
    leave its own order out, so that it may be judged again after a crash. A protective stop may be put back as it
    was: that no two stand at once is kept by REDUCE_ONLY.
    """
    proposal = case.proposal
    own = case.order.client_order_id if case.order else proposal.client_order_id
    if own in case.book.used_ids:
        return deny("an order with this id was let through before")
    if not case.protects and any(_alike(order, proposal) for order in case.sent_within(limits.window_s)):
        return deny(f"the same order was let through less than {limits.window_s} s ago")
    return passed("no order like it")


def _alike(order: SentOrder, proposal: Proposal) -> bool:
    """Whether an order in the same symbol is like the proposed one."""
    return (
        order.side == proposal.side
        and order.type == proposal.type
        and order.quantity == proposal.quantity
        and order.limit_price == proposal.limit_price
        and order.trigger_price == proposal.trigger_price
        and order.reduce_only == proposal.reduce_only
    )
