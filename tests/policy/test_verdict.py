"""Verdicts: the strictest finding decides, and no other outcome can be written down."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from decimal import Decimal

import pytest
from pydantic import ValidationError

from builders.policy import a_proposal, judge, some_facts
from domain.digest import canonical
from policy import Finding, Verdict
from policy.ruling import Grade, Ruling
from policy.verdict import found_by, outcome_of


def found(*outcomes: Grade) -> list[Finding]:
    return [Finding(code="X", outcome=outcome, message="") for outcome in outcomes]


@pytest.mark.parametrize(
    ("outcomes", "outcome"),
    [
        ((), "deny"),
        (("pass",), "allow"),
        (("pass", "warn"), "allow"),
        (("pass", "warn", "review"), "review"),
        (("deny", "review", "pass"), "deny"),
        (("allow",), "deny"),
    ],
)
def test_the_strictest_finding_decides(outcomes: tuple[Grade, ...], outcome: str) -> None:
    assert outcome_of(found(*outcomes)) == outcome


def test_an_allow_over_a_denial_cannot_be_written_down() -> None:
    denied = judge(facts=some_facts(trading_state="halted"))
    with pytest.raises(ValidationError, match="do not come to allow"):
        Verdict.model_validate(denied.model_dump() | {"outcome": "allow"})


def test_a_finding_made_by_a_ruling_is_the_one_that_its_constructor_makes() -> None:
    for ruling in (Ruling("pass", "fine"), Ruling("deny", "too much", Decimal(2), Decimal(1), "USDT", unknown=True)):
        made, known = found_by("ONE", ruling), Finding("ONE", *ruling)
        assert made == known
        assert (hash(made), repr(made), canonical(made)) == (hash(known), repr(known), canonical(known))
        with pytest.raises(FrozenInstanceError):
            made.code = "OTHER"  # type: ignore[misc]


def test_a_verdict_comes_back_from_its_canonical_form() -> None:
    verdict = judge(a_proposal(quantity="10.25"))
    assert Verdict.model_validate_json(canonical(verdict)).digest == verdict.digest
    assert "MAX_NOTIONAL: 1025 is above the limit of 1000 USDT" in verdict.reasons
