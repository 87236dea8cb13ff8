"""A check: one reason code, one rule with its source, one function over a case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from policy.case import Case
from policy.ruling import FactMissing, Ruling, deny, passed
from policy.verdict import Finding


@dataclass(frozen=True, slots=True)
class Check:
    """What refuses an order, and by which rule. `entry_only` passes by an order that only reduces."""

    code: str
    source: str
    entry_only: bool
    rule: Callable[[Case], Ruling]

    def __call__(self, case: Case) -> Finding:
        """The finding on `case`. Never raises: what can't be judged is refused."""
        outcome, message, observed, limit, unit = self._ruling(case)
        return Finding(code=self.code, outcome=outcome, message=message, observed=observed, limit=limit, unit=unit)

    def _ruling(self, case: Case) -> Ruling:
        try:
            if self.entry_only and case.reducing:
                return passed("passed by: the order only reduces")
            return self.rule(case)
        except FactMissing as missing:
            return deny(missing.message)
        except Exception as error:  # a check is one of the three boundaries: its failure is a refusal with a name
            return deny(f"the check failed with {type(error).__name__}")


def check(*, code: str, source: str, entry_only: bool = False) -> Callable[[Callable[[Case], Ruling]], Check]:
    """Make a rule a check. The rule's docstring says what it refuses."""

    def made(rule: Callable[[Case], Ruling]) -> Check:
        return Check(code=code, source=source, entry_only=entry_only, rule=rule)

    return made
