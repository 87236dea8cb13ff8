"""Reconciliation: that the books were lately held against the venue's."""

from __future__ import annotations

from domain.digest import plain
from policy.case import Case
from policy.check import check
from policy.limits.market import ReconciliationLimits
from policy.ruling import FactMissing, Ruling


@check(
    code="RECONCILIATION",
    source="RTS 6 Art. 17; DESIGN rule 6",
    section="reconciliation",
    entry_only=True,
    alike_for_all=True,
)
def lately_reconciled(case: Case, limits: ReconciliationLimits) -> Ruling:
    """Refuse an entry when the books were last found to agree more than `max_age_s` ago, in the future, or never."""
    if case.facts.reconciled_at is None:
        raise FactMissing("the books were not held against the venue's")
    age_s = case.age_s(case.facts.reconciled_at)
    if age_s < 0:
        raise FactMissing(f"the reconciliation is {plain(-age_s)} s from the future")
    if age_s > limits.max_age_s:
        message = f"reconciled {plain(age_s)} s ago, and {plain(limits.max_age_s)} s are allowed"
        return Ruling("deny", message, age_s, limits.max_age_s, "s")
    return Ruling("pass", "lately reconciled", age_s, limits.max_age_s, "s")
