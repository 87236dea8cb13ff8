"""A check: one reason code, one rule with its source, one function over a case and its section of the policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from domain.instrument import InstrumentKind
from domain.value import MAGNITUDE
from policy.case import Case
from policy.limits import Graded, Section, Soft
from policy.policy import Policy
from policy.ruling import FactMissing, Ruling, passed, unjudged
from policy.verdict import Finding, found_by

Rule = Callable[..., Ruling]
"""Takes a case, and its section of the policy where it has one."""


@dataclass(frozen=True, slots=True)
class Check:
    """What refuses an order, and by which rule.

    `section` names its limits in a policy; without them it refuses. `entry_only` passes by an order
    that only reduces, and `only_for` one kind of instrument passes by all others. A `waivable` refusal
    stands aside for the one order that a person named, as far as they were shown it (`Consent.covers`).
    One that is `alike_for_all` looks at nothing of an order but its symbol, who proposes it, whether it only
    reduces, protects, and how many stops it replaces: what it found of one holds for all such orders on the same
    picture.
    """

    code: str
    source: str
    section: str | None
    entry_only: bool
    waivable: bool
    only_for: InstrumentKind | None
    alike_for_all: bool
    rule: Rule

    @property
    def refuses(self) -> str:
        """What it refuses, in words: the docstring of its rule."""
        return self.rule.__doc__ or ""

    def __call__(self, case: Case) -> Finding:
        """The finding on `case`. Never raises: what can't be judged is refused."""
        return self.under(case.policy)(case)

    def under(self, policy: Policy) -> Callable[[Case], Finding]:
        """This check by the limits of `policy`, looked up once for all cases."""
        code, entry_only, only_for, rule = self.code, self.entry_only, self.only_for, self._rule(policy)
        alike_for_all = self.alike_for_all

        def finding(case: Case) -> Finding:
            findings: dict[str, Finding] = {}
            try:
                if alike_for_all:
                    findings = case.cached_findings
                    if code in findings:
                        return findings[code]
                if entry_only and case.reducing:
                    ruling = passed("passed by: the order only reduces")
                elif only_for is not None and case.instrument.kind != only_for:
                    ruling = passed(f"passed by: for {only_for}s only")
                else:
                    ruling = rule(case)
                _, _, observed, limit, _, _ = ruling
                if (observed is not None and _unwritable(observed)) or (limit is not None and _unwritable(limit)):
                    ruling = unjudged("the numbers are out of any range")
            except FactMissing as missing:
                ruling = unjudged(missing.message)
            except Exception as error:  # a check is one of the three boundaries: its failure is a refusal with a name
                ruling = unjudged(f"the check failed with {type(error).__name__}")
            findings[code] = _in_words(code, ruling) if ruling.observed is None else found_by(code, ruling)
            return findings[code]

        return finding

    def _rule(self, policy: Policy) -> Callable[[Case], Ruling]:
        if self.section is None:
            return self.rule
        limits: Section | None = getattr(policy, self.section)
        if limits is None:
            return lambda _: unjudged("the policy sets no limit here")
        if isinstance(limits, Soft) and not limits.enabled:
            return lambda _: passed("turned off by the policy")
        rule = self.rule

        def graded(case: Case) -> Ruling:
            ruling = rule(case, limits)
            return ruling if ruling.outcome in _MILD else self._graded(case, limits, ruling)

        return graded

    def _graded(self, case: Case, limits: Section, ruling: Ruling) -> Ruling:
        """A breach as the policy grades it, or a warning where a person was shown as much and let it stand."""
        if ruling.outcome == "deny" and isinstance(limits, Soft | Graded):
            ruling = ruling._replace(outcome=limits.on_breach)
        if ruling.outcome == "review" or (ruling.outcome == "deny" and self.waivable):
            consent = case.consent(self.code)
            if consent is not None and not consent.covers(self.code, ruling):
                return ruling._replace(message=f"{ruling.message}; {consent.by} was shown less than that")
            if consent is not None:
                return ruling._replace(outcome="warn", message=f"{ruling.message}; {consent.by} lets it stand")
        return ruling


_MILD = frozenset({"pass", "warn"})
"""What no policy grades, and nobody needs to let stand."""


def _unwritable(number: Decimal) -> bool:
    return not number.is_finite() or abs(number.adjusted()) > MAGNITUDE


@lru_cache(maxsize=1_000)
def _in_words(code: str, ruling: Ruling) -> Finding:
    """A finding without numbers: half of all are, and most say the same every time."""
    return found_by(code, ruling)


def check(
    *,
    code: str,
    source: str,
    section: str | None = None,
    entry_only: bool = False,
    waivable: bool = False,
    only_for: InstrumentKind | None = None,
    alike_for_all: bool = False,
) -> Callable[[Rule], Check]:
    """Make a rule a check. The rule's docstring says what it refuses."""

    def made(rule: Rule) -> Check:
        return Check(code, source, section, entry_only, waivable, only_for, alike_for_all, rule)

    return made
