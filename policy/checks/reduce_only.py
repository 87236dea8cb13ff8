"""Reduce-only: that an order which says so can do nothing else."""

from __future__ import annotations

from domain.digest import plain
from policy.case import Case
from policy.check import check
from policy.ruling import Ruling, deny, passed


@check(
    code="REDUCE_ONLY",
    source="SEC 15c3-5(c)(1)(ii); DESIGN rule 7",
)
def only_reduces(case: Case) -> Ruling:
    """Refuse a reduce-only order that could enlarge or flip the position, and a sale of owned spot that is not one.

    Every working order on the same side counts, also one in doubt: all of them may still fill. A plain sale of no
    more spot than is held and not yet being sold leaves a position, and would be judged, counted and halted as an
    entry: it is to say what it does.
    """
    if not case.proposal.reduce_only:
        return _plain(case)
    if case.reducing:
        return passed("only reduces")
    if not case.held:
        return deny("there is no position to reduce")
    if (case.held > 0) == (case.proposal.side == "buy"):
        return deny("the order would enlarge the position")
    wanted, held = case.proposal.quantity + case.queued, abs(case.held)
    message = f"{plain(wanted)} with working exits would flip the position of {plain(held)}"
    return Ruling("deny", message, wanted, held, case.instrument.base)


def _plain(case: Case) -> Ruling:
    sells_spot = case.proposal.side == "sell" and case.instrument.kind == "spot"
    if not sells_spot or case.held <= 0 or case.proposal.quantity + case.queued > case.held:
        return passed("not a reduce-only order")
    held = f"{plain(case.held)} {case.instrument.base}"
    return deny(f"the sale only leaves what is held ({held}): propose it again with reduce_only")
