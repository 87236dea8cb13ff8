"""Explanations: the rule behind each finding, and the size that would have passed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.policy import BTC, POLICY, a_policy, a_proposal, an_instrument, some_facts
from builders.policy_worlds import facts, proposals, small_entries, strained
from domain.decision import Proposal
from policy import CHECKS, Facts, Finding, Policy, PolicyEngine, Verdict
from policy.explain import Explanation, Spoken, explain


def explained(proposal: Proposal, known: Facts | None = None, *, policy: Policy = POLICY) -> Explanation:
    engine, known = PolicyEngine(policy), known or some_facts()
    return explain(engine.evaluate(proposal, known), proposal, known, engine=engine)


def test_what_would_have_passed_is_the_largest_size_in_lots() -> None:
    told = explained(a_proposal(quantity="40"))
    assert told.largest == Decimal(10)  # a tenth of 10,000 at 100
    assert told.would_have_passed == "A quantity of 10 would have passed; 40 was asked for."
    assert {"MAX_NOTIONAL", "POSITION"} <= {spoken.finding.code for spoken in told.refused_by}


def test_a_quantity_off_the_grid_would_have_passed_on_it() -> None:
    told = explained(a_proposal(quantity="5.1"))
    assert told.largest == Decimal(5)


def test_less_than_a_lot_would_have_passed_as_a_lot() -> None:
    assert explained(a_proposal(quantity="0.1")).would_have_passed == (
        "A quantity of 0.25 would have passed; 0.1 was asked for."
    )


def test_where_no_size_passes_the_checks_that_do_not_care_for_it_are_named() -> None:
    told = explained(a_proposal(quantity="40", conviction="0.1", stop_price=None))
    assert told.largest is None
    assert "CONVICTION" in told.whatever_the_size
    assert "MAX_NOTIONAL" not in told.whatever_the_size
    assert told.would_have_passed.startswith("No size would have passed: CONVICTION")


def test_an_allowed_order_needs_no_other_size() -> None:
    told = explained(a_proposal())
    assert (told.largest, told.refused_by) == (Decimal(5), ())
    assert told.would_have_passed == "The order was allowed."


def test_the_smallest_size_that_counts_is_one_that_the_venue_takes() -> None:
    instruments = {**some_facts().instruments, BTC: an_instrument(min_notional="260")}
    told = explained(a_proposal(quantity="40"), some_facts(instruments=instruments))
    assert told.largest == Decimal(10)
    tiny = explained(
        a_proposal(quantity="40"),
        some_facts(instruments=instruments),
        policy=a_policy(max_notional={"absolute": 200}),
    )
    assert (tiny.largest, tiny.whatever_the_size) == (None, ("MAX_NOTIONAL",))


def test_an_order_at_the_market_is_measured_by_the_middle_of_the_market() -> None:
    instruments = {**some_facts().instruments, BTC: an_instrument(min_notional="260")}
    at_market = a_proposal(quantity="40", type="market", limit_price=None)
    assert explained(at_market, some_facts(instruments=instruments)).largest == Decimal(
        "9.75"
    )  # 1,000 at an ask of 101
    unquoted = explained(at_market, some_facts(instruments=instruments, quotes={}))
    assert unquoted.largest is None
    assert unquoted.whatever_the_size


@pytest.mark.parametrize(
    ("minimum", "price", "smallest"),
    [
        ("25", "100", "0.25"),
        ("25.01", "100", "0.5"),
        ("99.00000000000000000000000001", "99", "1.25"),  # a digit more than a division keeps
    ],
)
def test_the_smallest_size_is_the_first_lot_at_the_minimum_of_the_venue(
    minimum: str, price: str, smallest: str
) -> None:
    instruments = {**some_facts().instruments, BTC: an_instrument(min_notional=minimum)}
    exit = a_proposal(side="sell", reduce_only=True, quantity="0.1", limit_price=price, stop_price=None)
    told = explained(exit, some_facts(held={BTC: "5"}, instruments=instruments))
    assert told.largest == Decimal(smallest)


def test_the_smallest_entry_is_one_that_could_be_exited_at_its_stop() -> None:
    """0.5 at the stop of 95, less 2 %, are 46.55."""
    instruments = {**some_facts().instruments, BTC: an_instrument(min_notional="46.55")}
    told = explained(a_proposal(quantity="0.25", stop_price="95"), some_facts(instruments=instruments))
    assert (told.largest, [spoken.finding.code for spoken in told.refused_by]) == (
        Decimal("0.5"),
        ["EXIT_SIZE", "WELL_FORMED"],
    )


def test_a_minimum_out_of_all_proportion_is_explained_quickly() -> None:
    instruments = {**some_facts().instruments, BTC: an_instrument(min_notional="100000000000")}
    assert explained(a_proposal(), some_facts(instruments=instruments)).largest is None


def test_what_a_person_would_be_asked_about_did_not_pass() -> None:
    told = explained(a_proposal(), policy=a_policy(max_notional={"absolute": 300, "on_breach": "review"}))
    assert [spoken.finding.code for spoken in told.refused_by] == ["MAX_NOTIONAL"]
    assert told.largest == Decimal(3)


def test_an_order_in_an_unknown_instrument_has_no_size() -> None:
    told = explained(a_proposal(), some_facts(instruments={}))
    assert told.largest is None
    assert "SYMBOL" in told.whatever_the_size


def test_every_finding_comes_with_its_rule_and_source() -> None:
    told = explained(a_proposal(quantity="40"))
    assert [spoken.finding.code for spoken in told.spoken] == sorted(check.code for check in CHECKS)
    assert all(spoken.rule.startswith("Refuse") and spoken.source for spoken in told.spoken)
    (position,) = [spoken for spoken in told.spoken if spoken.finding.code == "POSITION"]
    assert (position.section, position.waivable) == ("position", True)


def test_a_finding_of_a_check_that_is_no_longer_there_has_no_rule() -> None:
    engine, known = PolicyEngine(POLICY), some_facts()
    gone = Finding("ZZZ_GONE", "warn", "an old rule")
    today = engine.evaluate(a_proposal(), known)
    verdict = Verdict.model_validate({**dict(today), "findings": (*today.findings, gone)})
    told = explain(verdict, a_proposal(), known, engine=engine)
    assert told.spoken[-1] == Spoken(finding=gone, rule="", source="", section=None, waivable=False)


def test_a_verdict_of_other_checks_is_said_to_be_of_others() -> None:
    proposal, known, engine = a_proposal(), some_facts(), PolicyEngine(POLICY)
    verdict = engine.evaluate(proposal, known)
    assert explain(verdict, proposal, known, engine=engine).still_so
    older = PolicyEngine(POLICY, checks=CHECKS[1:]).evaluate(proposal, known)
    assert not explain(older, proposal, known, engine=engine).still_so


@settings(max_examples=40)
@given(st.one_of(st.tuples(proposals(), facts()), st.tuples(small_entries(), strained())), st.integers(1, 40))
def test_what_is_said_to_pass_is_allowed_and_one_lot_more_is_not(case: Any, times: int) -> None:
    proposal, known = case
    proposal = proposal.model_copy(update={"quantity": proposal.quantity * times})
    told = explained(proposal, known)
    if told.largest is None:
        assert told.whatever_the_size
        return
    engine = PolicyEngine(POLICY)

    def outcome(quantity: Decimal) -> str:
        return engine.evaluate(proposal.model_copy(update={"quantity": quantity}), known).outcome

    assert outcome(told.largest) == "allow"
    if told.largest < proposal.quantity:
        assert outcome(told.largest + Decimal("0.25")) != "allow"


@pytest.mark.parametrize("quantity", ["1000000000", "123456789.75"])
def test_a_huge_order_is_explained_quickly_and_exactly(quantity: str) -> None:
    assert explained(a_proposal(quantity=quantity)).largest == Decimal(10)
