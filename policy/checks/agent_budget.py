"""Agent budget: what the agents may use in a day before entries stop."""

from __future__ import annotations

from decimal import Decimal

from policy.account import Usage
from policy.case import Case
from policy.check import check
from policy.limits.conduct import BudgetLimits
from policy.ruling import FactMissing, Ruling, within
from policy.used import Used


@check(
    code="AGENT_BUDGET",
    source="DESIGN rule 10",
    section="agent_budget",
    entry_only=True,
    alike_for_all=True,
)
def budget_left(case: Case, limits: BudgetLimits) -> Ruling:
    """Refuse an entry once the day's spend, tokens or tool calls are above a limit, or refusals in a row at theirs.

    A spend that includes a model of unknown price is unknown, and refuses. Of several limits the one
    with the largest used part is reported. Before that, no model is asked a question that may cost more than is left
    in dollars or tokens.
    """
    usage = case.facts.usage
    if usage is None:
        raise FactMissing("what the agents have used is unknown")
    row, longest = usage.refusals_in_a_row, limits.refusals_in_a_row
    if longest is not None and row >= longest:
        message = f"{row} entries in a row were refused: a person should look"
        return Ruling("deny", message, Decimal(row), Decimal(longest), "refusals in a row")
    (unit, tightest), *others = _uses(usage, limits).items()  # a budget that is on has a limit
    for name, used in others:
        if used.exceeds(tightest):
            unit, tightest = name, used
    return within(tightest.amount, tightest.limit, unit=unit, warn_at=limits.warn_at)


def _uses(usage: Usage, limits: BudgetLimits) -> dict[str, Used]:
    """Each limit that is set with what of it is used, by its unit."""
    uses = {}
    if limits.usd is not None:
        if usage.usd is None:
            raise FactMissing("a model was asked whose price is unknown")
        uses["USD"] = Used(usage.usd, limits.usd)
    counts = (
        ("tokens", usage.tokens, limits.tokens),
        ("tool calls", usage.tool_calls, limits.tool_calls),
        ("refusals in a row", usage.refusals_in_a_row, limits.refusals_in_a_row),
    )
    for unit, count, limit in counts:
        if limit is not None:
            uses[unit] = Used(Decimal(count), Decimal(limit))
    return uses
