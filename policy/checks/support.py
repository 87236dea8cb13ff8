"""Support: that venue data itself speaks for an order that is a matter of opinion."""

from __future__ import annotations

from domain.money import ZERO
from policy.case import Case
from policy.check import check
from policy.market import strength_for
from policy.ruling import FactMissing, Ruling, passed


@check(code="SUPPORT", source="DESIGN rule 5")
def supported(case: Case) -> Ruling:
    """Refuse an entry, and an exit because a thesis turned, that no venue data of this cycle supports.

    Detectors look at indicators, candles and quotes alone. The strengths of those that say what the order does, less
    the strengths of those that say the opposite, must be above zero. What a model says or cites counts for nothing
    here: a text can stop, shrink or delay an order that venue data supports, and brings about no other. An exit at a
    stop, a target or a time limit, one that a halt or a loss limit asks for, and a stop that the venue is to hold
    need no support. No policy turns this off, and nobody can let it stand.
    """
    proposal = case.proposal
    if case.reducing and proposal.cause != "thesis":
        return passed("passed by: an exit that is no matter of opinion")
    signals = case.facts.venue_signals.get(proposal.symbol)
    if signals is None:
        raise FactMissing("no detector looked at venue data in this cycle")
    strength = strength_for(proposal.side, signals)
    if strength <= ZERO:
        return Ruling("deny", f"venue data supports no {proposal.side}", strength, ZERO, "strength")
    return Ruling("pass", f"venue data supports the {proposal.side}", strength, ZERO, "strength")
