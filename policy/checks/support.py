"""Support: that venue data itself speaks for an order that is a matter of opinion."""

from __future__ import annotations

from typing import Final

from domain.digest import plain
from domain.money import ZERO
from policy.case import Case
from policy.check import check
from policy.market import strength_for
from policy.ruling import FactMissing, Ruling, passed

_STATE_IT: Final = "state what causes it: stop, target, time, flatten, halve or protection"


@check(code="SUPPORT", source="DESIGN rule 5")
def supported(case: Case) -> Ruling:
    """Refuse an entry, and an exit because a thesis turned, that no venue data of this cycle supports.

    Detectors look at indicators, candles and quotes alone. The strengths of those that say what the order does, less
    the strengths of those that say the opposite, must be above zero. What a model says or cites counts for nothing
    here: a text can stop, shrink or delay an order that venue data supports, and brings about no other. An exit at a
    stop, a target or a time limit, one that a halt or a loss limit asks for, and a stop that the venue is to hold
    need no support. An exit that does not say what causes it is judged as one by thesis, and so is one whose word does
    not hold: at a stop or a target that its quote has not met, or that the position has not, at the end of a time that
    nobody knows the beginning of, or as protection that does not wait. That a halt or a loss limit asks for an exit
    is taken at its word. No policy turns this off, and nobody can let it stand.
    """
    proposal = case.proposal
    opinion = not case.reducing or proposal.cause == "thesis"
    doubt = "" if opinion else _doubt(case)
    if not (opinion or doubt):
        return passed("passed by: an exit that is no matter of opinion")
    why = f"; {doubt}: {_STATE_IT}" if doubt else ""
    signals = case.facts.venue_signals.get(proposal.symbol)
    if signals is None:
        raise FactMissing(f"no detector looked at venue data in this cycle{why}")
    strength = strength_for(proposal.side, signals)
    if strength <= ZERO:
        return Ruling("deny", f"venue data supports no {proposal.side}{why}", strength, ZERO, "strength")
    return Ruling("pass", f"venue data supports the {proposal.side}", strength, ZERO, "strength")


def _doubt(case: Case) -> str:
    """Why an exit that says it is none by thesis is judged as one; empty where what it says holds, or can't be seen."""
    if case.protects:
        return ""
    sells = case.proposal.side == "sell"
    position = case.book.portfolio.positions[case.proposal.symbol]
    match case.proposal.cause:
        case "stop":
            stop = case.facts.stops.get(position.symbol, position.stop_price)
            price = case.quote.bid if sells else case.quote.ask
            if stop is None:
                return "the exit says that it is at its stop, and the position has none"
            if price > stop if sells else price < stop:
                return f"the exit says that it is at its stop, and {plain(price)} has not met {plain(stop)}"
        case "target":
            target, limit = position.target_price, case.proposal.limit_price
            price = case.quote.bid if sells else case.quote.ask
            if limit is not None:  # it may wait there
                price = max(price, limit) if sells else min(price, limit)
            if target is None:
                return "the exit says that it is at its target, and the position has none"
            if price < target if sells else price > target:
                return f"the exit says that it is at its target, and {plain(price)} has not met {plain(target)}"
        case "time" if position.opened_at is None:
            return "the exit says that its time is up, and nobody knows since when the position is held"
        case "protection":
            return "the exit says that it is protection, and is no stop that waits"
        case None | "entry":
            return "the exit does not say what causes it"
    return ""
