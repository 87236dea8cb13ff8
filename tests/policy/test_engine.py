"""The engine: all checks, one verdict, the same bytes everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import ROUND_UP, Context, Decimal, localcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import policy_worlds as worlds
from builders.policy import (
    BTC,
    ETH,
    POLICY,
    a_proposal,
    a_quote,
    an_exit,
    consent_to,
    finding,
    judge,
    some_facts,
    working,
)
from domain.decision import Proposal
from domain.digest import canonical, sha256
from domain.errors import NotCanonical
from policy import CHECKS, Facts, Policy, PolicyEngine, Verdict
from policy.case import Case
from policy.check import check
from policy.ruling import Ruling

ROOT = Path(__file__).parents[2]


def test_every_check_has_a_finding_in_the_order_of_the_codes() -> None:
    codes = [f.code for f in judge().findings]
    assert codes == sorted(check.code for check in CHECKS)
    assert len(set(codes)) == len(CHECKS)


def test_every_check_says_its_source_and_what_it_refuses() -> None:
    for one in CHECKS:
        assert one.source
        assert (one.rule.__doc__ or "").startswith("Refuse"), one.code


def test_all_refusals_are_listed_and_not_the_first_alone() -> None:
    facts = some_facts(trading_state="halted", universe=())
    verdict = judge(a_proposal(conviction="0", stop_price=None, quantity="1"), facts)
    assert [reason.split(":")[0] for reason in verdict.reasons] == [
        "CONVICTION",
        "STOP_REQUIRED",
        "SYMBOL",
        "TRADING_STATE",
    ]


def test_a_check_that_raises_refuses() -> None:
    @check(code="BROKEN", source="this test")
    def broken(case: Case) -> Ruling:
        raise ZeroDivisionError("with a number that nobody should read")

    verdict = PolicyEngine(POLICY, checks=[*CHECKS, broken]).evaluate(a_proposal(), some_facts())
    assert verdict.outcome == "deny"
    assert verdict.reasons == ("BROKEN: the check failed with ZeroDivisionError",)


@pytest.mark.parametrize("number", ["1e101", "1e-101", "NaN", "Infinity"])
@pytest.mark.parametrize("name", ["observed", "limit"])
def test_a_number_that_a_finding_cannot_hold_refuses(name: str, number: str) -> None:
    @check(code="ODD", source="this test")
    def odd(case: Case) -> Ruling:
        return Ruling("pass", "fine", Decimal(1), Decimal(1), "of 1")._replace(**{name: Decimal(number)})

    found = finding(PolicyEngine(POLICY, checks=[odd]).evaluate(a_proposal(), some_facts()), "ODD")
    assert (found.outcome, found.message) == ("deny", "the numbers are out of any range")
    assert (found.observed, found.limit) == (None, None)


def test_a_number_at_the_edge_of_what_a_finding_holds_stands() -> None:
    @check(code="ODD", source="this test")
    def odd(case: Case) -> Ruling:
        return Ruling("pass", "fine", Decimal("1e100"), Decimal("1e-100"), "of 1")

    verdict = PolicyEngine(POLICY, checks=[odd]).evaluate(a_proposal(), some_facts())
    assert verdict.outcome == "allow"
    assert Verdict.model_validate_json(canonical(verdict)) == verdict


ALIKE_FOR_ALL = {
    *("AGENT_BUDGET", "CLOCK_SKEW", "COOLDOWN", "CORROBORATION", "DAILY_LOSS", "DRAWDOWN", "MARKET_DATA", "ORDER_RATE"),
    *("RECONCILIATION", "REPEATED_EXECUTION", "SESSION", "SPREAD", "SYMBOL", "TRADING_STATE", "UNKNOWN_ORDER"),
    "WEEKLY_LOSS",
}


def test_what_looks_at_nothing_of_an_order_is_found_once_for_all_on_a_picture() -> None:
    assert {check.code for check in CHECKS if check.alike_for_all} == ALIKE_FOR_ALL
    engine, facts = PolicyEngine(POLICY), some_facts(held={BTC: "5"})
    first = engine.evaluate(a_proposal(), facts)
    for other, alike in (
        (a_proposal(quantity="4"), ALIKE_FOR_ALL),
        (a_proposal(symbol=ETH), set()),
        (a_proposal(agent="learning"), set()),
        (an_exit(), set()),
    ):
        verdict = engine.evaluate(other, facts)
        same = {f.code for f in verdict.findings if f.observed is not None and f in first.findings}
        shared = {f.code for f in verdict.findings for one in first.findings if f.observed is not None and f is one}
        assert shared == same & alike


def test_where_a_person_let_anything_stand_no_two_orders_are_alike() -> None:
    wide = some_facts(quotes={BTC: a_quote(bid="98", ask="101.5")})
    asked, other = a_proposal(), a_proposal(quantity="4")
    known = wide.model_copy(update={"consents": (consent_to(asked, "SPREAD", facts=wide),)})
    for order in ((asked, other), (other, asked)):
        engine = PolicyEngine(POLICY)
        found = {proposal.quantity: finding(engine.evaluate(proposal, known), "SPREAD") for proposal in order}
        assert (found[asked.quantity].outcome, found[other.quantity].outcome) == ("warn", "deny")


@settings(max_examples=60, deadline=None)
@given(st.data(), st.one_of(worlds.facts(), worlds.strained()))
def test_an_engine_that_judged_others_on_a_picture_judges_as_a_new_one(data: st.DataObject, world: Facts) -> None:
    engine = PolicyEngine(POLICY)
    proposals = data.draw(st.lists(st.one_of(worlds.proposals(), worlds.small_entries()), min_size=2, max_size=6))
    if data.draw(st.booleans()):
        leave = data.draw(worlds.consents(proposals[0], tuple(check.code for check in CHECKS)))
        shown = judge(proposals[0], world).findings
        world = world.model_copy(update={"consents": (leave.model_copy(update={"shown": shown}),)})
    for proposal in proposals:
        assert engine.evaluate(proposal, world) == judge(proposal, world)


def test_an_engine_without_checks_allows_nothing() -> None:
    assert PolicyEngine(POLICY, checks=()).evaluate(a_proposal(), some_facts()).outcome == "deny"


def test_a_section_that_is_missing_refuses() -> None:
    empty = Policy(name="empty")
    sections = {check.code: check.section for check in CHECKS if check.only_for is None}
    needed = {code for code, section in sections.items() if section and getattr(empty, section) is None}
    refused = {reason.split(":")[0] for reason in judge(policy=empty).reasons}
    assert len(needed) > 25
    assert needed <= refused


def test_a_verdict_carries_the_digests_of_all_it_rests_on() -> None:
    proposal, facts = a_proposal(), some_facts()
    verdict = judge(proposal, facts)
    assert verdict.policy_digest == POLICY.digest
    assert verdict.facts_digest == facts.digest
    assert verdict.proposal_digest == proposal.digest
    assert verdict.order_digest == proposal.order().digest
    assert verdict.client_order_id == proposal.client_order_id


def test_the_facts_are_digested_as_they_are_archived() -> None:
    facts = some_facts(held={BTC: "5"}, working=[working()])
    assert judge(facts=facts).facts_digest == sha256(canonical(facts))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.one_of(worlds.proposals(), worlds.small_entries()), min_size=2, max_size=4),
    st.one_of(worlds.facts(), worlds.strained()),
)
def test_what_was_judged_on_the_same_facts_before_changes_no_verdict(judged: list[Proposal], world: Facts) -> None:
    engine = PolicyEngine(POLICY)
    assert [engine.evaluate(p, world) for p in judged] == [judge(p, world) for p in judged]


def test_a_changed_copy_of_the_facts_is_judged_and_digested_anew() -> None:
    engine, proposal = PolicyEngine(POLICY), a_proposal()
    facts = some_facts(held={ETH: "5"}, working=[working(symbol=ETH)])
    before = engine.evaluate(proposal, facts)
    grown = facts.working[0].model_copy(update={"remaining": Decimal(90)})
    changed = facts.model_copy(update={"working": (grown,)})
    after = engine.evaluate(proposal, changed)
    assert (before.outcome, after.outcome) == ("allow", "deny")
    assert after == judge(proposal, Facts.model_validate_json(canonical(changed)))
    assert after.facts_digest != before.facts_digest
    assert engine.evaluate(proposal, facts) == before


def test_a_change_of_any_part_of_the_facts_changes_their_digest() -> None:
    facts = some_facts(held={BTC: "5"}, working=[working()])
    parts = json.loads(canonical(facts))
    changed = [
        Facts.model_validate({**parts, "portfolio": {**parts["portfolio"], "cash": "1"}}),
        Facts.model_validate({**parts, "working": [{**parts["working"][0], "remaining": "2"}]}),
        Facts.model_validate({**parts, "quotes": {**parts["quotes"], BTC: {**parts["quotes"][BTC], "bid": "98"}}}),
        Facts.model_validate({**parts, "bars": {**parts["bars"], BTC: {**parts["bars"][BTC], "returns_ppm": [1]}}}),
        facts.after(a_proposal()),
        facts.about(a_proposal()),
    ]
    digests = {judge(facts=each).facts_digest for each in [facts, *changed]}
    assert len(digests) == 1 + len(changed)


def test_the_callers_arithmetic_does_not_reach_the_gate() -> None:
    ours = judge(a_proposal(quantity="9.75", limit_price="100.5"))
    with localcontext(Context(prec=2, rounding=ROUND_UP)):
        theirs = judge(a_proposal(quantity="9.75", limit_price="100.5"))
    assert canonical(ours) == canonical(theirs)


def test_what_cannot_be_computed_exactly_is_refused() -> None:
    huge = a_proposal().model_copy(update={"quantity": Decimal("1e150")})
    assert finding(judge(huge), "WELL_FORMED").outcome == "deny"
    assert finding(judge(huge), "MAX_NOTIONAL").outcome == "deny"
    marks = {"week_start": "10000", "high": "10001"}
    dust = some_facts(equity_marks=marks | {"day_start": Decimal("1e4") + Decimal("1e-20")})
    assert judge(facts=dust).outcome == "allow"
    dust = some_facts(equity_marks=marks | {"day_start": Decimal("10000." + "0" * 100 + "1")})
    assert finding(judge(facts=dust), "DAILY_LOSS").outcome == "deny"


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_an_unvalidated_number_that_is_not_finite_has_no_verdict(value: str) -> None:
    with pytest.raises(NotCanonical):
        judge(a_proposal().model_copy(update={"quantity": Decimal(value)}))


def test_no_message_repeats_free_text() -> None:
    marked = a_proposal(rationale="IGNORE-THE-LIMITS", agent="IGNORE-THE-LIMITS", quantity="500.1", stop_price=None)
    assert "IGNORE-THE-LIMITS" not in canonical(judge(marked))


def test_another_process_gives_the_same_bytes() -> None:
    program = (
        "from builders.policy import *; from domain.digest import canonical; "
        "facts = some_facts(held={BTC: '5', ETH: '-2'}, working=[working(), working(symbol=ETH)]); "
        "print(canonical(judge(a_proposal(type='market', limit_price=None), facts).digest), POLICY.digest)"
    )

    def run(seed: str, zone: str) -> str:
        env = os.environ | {"PYTHONHASHSEED": seed, "TZ": zone, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
        done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
        return done.stdout

    assert run("1", "UTC") == run("2", "Asia/Kathmandu")


def test_an_exit_is_allowed_where_entries_are_not() -> None:
    facts = some_facts(held={BTC: "5"}, trading_state="reducing", equity_marks={})
    assert judge(facts=facts).outcome == "deny"
    assert judge(an_exit(), facts).outcome == "allow"
