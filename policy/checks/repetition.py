"""Repeated execution: how often an agent may enter the same symbol before a person looks."""

from __future__ import annotations

from decimal import Decimal

from policy.case import Case
from policy.check import check
from policy.limits.conduct import RepetitionLimits
from policy.ruling import Ruling, deny


@check(
    code="REPEATED_EXECUTION",
    source="RTS 6 Art. 15(3), repeated automated execution throttles",
    section="repetition",
    entry_only=True,
    alike_for_all=True,
)
def not_repeated(case: Case, limits: RepetitionLimits) -> Ruling:
    """Refuse an agent's entry in a symbol that it entered `entries` times in the window, and while it is stopped there.

    The refusal for the count carries its numbers and stops the agent in the symbol, which outlasts
    the window: a person re-arms it, and no leave for one order does. From then on it is counted anew.
    """
    agent, symbol = case.proposal.agent, case.proposal.symbol
    if any(latch.agent == agent and latch.symbol == symbol for latch in case.facts.latches):
        return deny("the agent is stopped in this symbol until a person re-arms it")
    cleared = [each.through for each in case.facts.rearmed if each.agent == agent and each.symbol == symbol]
    entries = 1 + sum(
        order.agent == agent and not order.reduce_only and all(order.at > through for through in cleared)
        for order in case.sent_within(limits.window_s)
    )
    observed, limit, unit = Decimal(entries), Decimal(limits.entries), f"entries in {limits.window_s} s"
    if entries > limits.entries:
        message = f"the agent would enter the symbol {entries} times in {limits.window_s} s, and may {limits.entries}"
        return Ruling("deny", message, observed, limit, unit)
    return Ruling("pass", "within the limit", observed, limit, unit)
