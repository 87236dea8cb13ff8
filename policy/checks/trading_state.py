"""Trading state: whether anything may be sent at all."""

from __future__ import annotations

from policy.case import Case
from policy.check import check
from policy.ruling import Ruling, deny, passed


@check(
    code="TRADING_STATE",
    source="RTS 6 Art. 12; FIA 2024, kill switch",
    alike_for_all=True,
)
def trading_permitted(case: Case) -> Ruling:
    """Refuse everything but protective stops when halted, entries when reducing, and everything in an unknown state.

    A halt leaves no position without its stop: a stop at the venue that can only reduce is placed in each state.
    """
    match case.facts.trading_state:
        case "active":
            return passed("active")
        case "reducing" if case.reducing:
            return passed("reducing, and the order only reduces")
        case "reducing":
            return deny("only orders that reduce are taken")
        case "halted" if case.protects:
            return passed("halted, and the order only protects")
        case "halted":
            return deny("trading is halted")
        case _:
            return deny("the trading state is unknown")
