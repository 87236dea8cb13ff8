"""Conviction: how sure an entry must be."""

from __future__ import annotations

from domain.digest import plain
from policy.case import Case
from policy.check import check
from policy.limits.conduct import ConvictionLimits
from policy.ruling import Ruling


@check(
    code="CONVICTION",
    source="RTS 6 Art. 15(4), trading strategy and risk tolerance",
    section="conviction",
    entry_only=True,
    waivable=True,
)
def sure_enough(case: Case, limits: ConvictionLimits) -> Ruling:
    """Refuse an entry below the minimum conviction; send one below `review_below` to a person."""
    conviction, unit = case.proposal.conviction, "of 1"
    if conviction < limits.minimum:
        message = f"conviction {plain(conviction)} is below {plain(limits.minimum)}"
        return Ruling("deny", message, conviction, limits.minimum, unit)
    if limits.review_below is not None and conviction < limits.review_below:
        message = f"conviction {plain(conviction)} is below {plain(limits.review_below)}: a person decides"
        return Ruling("review", message, conviction, limits.review_below, unit)
    return Ruling("pass", "sure enough", conviction, limits.minimum, unit)
