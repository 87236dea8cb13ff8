"""The gate's answer to one proposal: what every check found, and digests of all that it rests on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Self

from pydantic import ConfigDict, model_validator

from domain.decision import Outcome
from domain.digest import digest
from domain.order import ClientOrderId
from domain.value import Amount, Digest, Symbol, Value
from policy.ruling import Grade, Ruling


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. `observed` and `limit` are in `unit`, where numbers were compared.

    `unknown` is a refusal of what could not be judged: no person's yes helps there.

    A dataclass, as forty are made for every verdict; validated like any value where one is read back.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    code: str
    outcome: Grade
    message: str
    observed: Amount | None = None
    limit: Amount | None = None
    unit: str = ""
    unknown: bool = False


_new = object.__new__
_set_code, _set_outcome, _set_message, _set_observed, _set_limit, _set_unit, _set_unknown = (
    vars(Finding)[field.name].__set__ for field in fields(Finding)
)


def found_by(code: str, ruling: Ruling) -> Finding:
    """`Finding(code, *ruling)` in half the time: the constructor of what is frozen looks every slot up by its name."""
    finding = _new(Finding)
    outcome, message, observed, limit, unit, unknown = ruling
    _set_code(finding, code)
    _set_outcome(finding, outcome)
    _set_message(finding, message)
    _set_observed(finding, observed)
    _set_limit(finding, limit)
    _set_unit(finding, unit)
    _set_unknown(finding, unknown)
    return finding


_PERMITTED = frozenset({"pass", "warn", "review"})


def outcome_of(findings: Iterable[Finding]) -> Outcome:
    """The strictest finding decides. Nothing found is nothing checked, and refused; so is any other word."""
    grades = {finding.outcome for finding in findings}
    if not grades or not grades <= _PERMITTED:
        return "deny"
    return "review" if "review" in grades else "allow"


class Verdict(Value):
    """`findings` has one entry per check, in the order of their codes, also of those that passed."""

    outcome: Outcome
    symbol: Symbol
    client_order_id: ClientOrderId
    order_digest: Digest | None
    """None when no order can be made of the proposal."""
    findings: tuple[Finding, ...]
    policy_digest: Digest
    facts_digest: Digest
    proposal_digest: Digest

    @model_validator(mode="after")
    def _outcome_follows(self) -> Self:
        if self.outcome != outcome_of(self.findings):
            raise ValueError(f"the findings do not come to {self.outcome}")
        return self

    @property
    def digest(self) -> str:
        return digest(self)

    @property
    def reasons(self) -> tuple[str, ...]:
        """`CODE: message` of what denied, or asked for a person."""
        return tuple(f"{f.code}: {f.message}" for f in self.findings if f.outcome in ("deny", "review"))
