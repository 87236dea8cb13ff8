"""The engine: all checks, one verdict, the same bytes everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import ROUND_UP, Context, Decimal, localcontext
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import policy_worlds as worlds
from builders.liars import AnyText, QuietDecimal
from builders.policy import (
    BTC,
    ETH,
    NOW,
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
from policy import CHECKS, Facts, Policy, PolicyEngine, Verdict
from policy.case import Case
from policy.check import check
from policy.engine import UNREADABLE_FACTS
from policy.readable import readable
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
        "REWARD_RISK",
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


@settings(max_examples=60)
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


@settings(max_examples=50)
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


# What can't be read


class Explosive:
    """Raises whatever it is asked."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __hash__(self) -> int:
        raise RuntimeError


class Sly(Proposal):
    """Can be for anything."""

    @property
    def digest(self) -> str:
        raise RuntimeError


def is_refused(proposal: object, facts: Facts | None = None) -> Verdict:
    """Denied by a whole verdict that says nothing else and can be archived; and again by the same bytes."""
    engine, facts = PolicyEngine(POLICY), facts or some_facts()
    verdict = engine.evaluate(cast(Proposal, proposal), facts)
    assert verdict.outcome == "deny"
    assert [f.code for f in verdict.findings] == sorted(check.code for check in CHECKS)
    assert {f.outcome for f in verdict.findings} == {"deny"}
    assert verdict.order_digest is None
    assert Verdict.model_validate_json(canonical(verdict)) == verdict
    assert canonical(engine.evaluate(cast(Proposal, proposal), facts)) == canonical(verdict)
    return verdict


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"quantity": Decimal("NaN")}, "quantity: Input should be a finite number"),
        ({"quantity": Decimal("sNaN")}, "quantity: Input should be a finite number"),
        ({"quantity": Decimal("-Infinity")}, "quantity: Input should be a finite number"),
        ({"quantity": Decimal(0)}, "quantity: Input should be greater than 0"),
        ({"quantity": 5.0}, "quantity: is of type float"),
        ({"quantity": None}, "quantity: is of type NoneType"),
        ({"quantity": QuietDecimal(5)}, "quantity: is of type QuietDecimal"),
        ({"limit_price": Decimal("1e999999")}, "limit_price: Value error, expected a number within"),
        ({"conviction": Decimal("1.1")}, "conviction: Input should be less than or equal to 1"),
        ({"symbol": "btc; drop"}, "symbol: String should match pattern"),
        ({"symbol": ["BTC"]}, "symbol: is of type list"),
        ({"symbol": AnyText(BTC)}, "symbol: is of type AnyText"),
        ({"symbol": "B" * 5_000_000}, "symbol: String should match pattern"),
        ({"side": "hold"}, "side: Input should be 'buy' or 'sell'"),
        ({"type": "iceberg"}, "type: Input should be 'market', 'limit' or 'stop'"),
        ({"time_in_force": "GTD"}, "time_in_force: Input should be 'GTC', 'IOC' or 'FOK'"),
        ({"reduce_only": 1}, "reduce_only: is of type int"),
        ({"as_of": NOW.replace(tzinfo=None)}, "as_of: Input should have timezone info"),
        ({"agent": "\ud800"}, "the text has a lone surrogate"),
        ({"cycle": 10**5_000}, "Exceeds the limit"),
        ({"side": "hold", "agent": 1}, "agent: is of type int"),
        ({"more": "IGNORE-THE-LIMITS"}, "it holds what no Proposal does"),
    ],
)
def test_a_proposal_that_nobody_validated_is_refused_with_what_is_wrong(over: dict[str, object], message: str) -> None:
    found = finding(is_refused(a_proposal().model_copy(update=over)), "WELL_FORMED")
    assert message in found.message
    assert len(found.message) < 300
    assert not found.unknown


def test_what_is_no_proposal_at_all_is_refused() -> None:
    lying = Sly.model_construct(**a_proposal().__dict__)
    for odd in (None, "buy", {}, Explosive(), object(), Proposal, lying):
        verdict = is_refused(odd)
        assert (verdict.symbol, finding(verdict, "EXPOSURE").unknown) == ("UNREADABLE/UNREADABLE", True)
        assert "not Proposal" in finding(verdict, "WELL_FORMED").message


def test_a_proposal_with_fields_that_raise_or_are_missing_is_refused() -> None:
    for name in Proposal.model_fields:
        odd = a_proposal().model_copy(update={name: Explosive()})
        assert f"{name}: is of type Explosive" in finding(is_refused(odd), "WELL_FORMED").message
        fields = {other: value for other, value in a_proposal().__dict__.items() if other != name}
        gone = Proposal.model_construct()
        object.__setattr__(gone, "__dict__", fields)
        assert f"{name}: is missing" in finding(is_refused(gone), "WELL_FORMED").message


def test_what_can_be_told_of_a_proposal_that_can_not_be_read_is_in_its_verdict() -> None:
    odd = a_proposal(symbol=ETH, agent="learning").model_copy(update={"quantity": Decimal("NaN")})
    stand_in, why = readable(odd)
    verdict = is_refused(odd)
    assert (verdict.symbol, verdict.proposal_digest) == (ETH, stand_in.digest)
    assert verdict.client_order_id == stand_in.client_order_id
    assert (stand_in.cycle, stand_in.as_of, stand_in.agent) == (1, NOW, "learning")
    assert stand_in.rationale.endswith(why)
    assert Proposal.model_validate_json(canonical(stand_in)) == stand_in
    assert readable(stand_in) == (stand_in, "")


def test_what_stands_for_a_proposal_is_allowed_by_no_policy() -> None:
    stand_in, _ = readable(a_proposal().model_copy(update={"quantity": Decimal("NaN")}))
    open_handed = Policy.model_validate({"name": "open-handed", **worlds.GENEROUS})
    assert finding(judge(stand_in, policy=open_handed), "WELL_FORMED").outcome == "deny"


def test_a_proposal_is_judged_as_it_is_now_and_not_by_the_digest_it_had() -> None:
    proposal = a_proposal()
    allowed = judge(proposal)
    object.__setattr__(proposal, "quantity", Decimal(500))
    verdict = judge(proposal)
    assert (allowed.outcome, verdict.outcome) == ("allow", "deny")
    assert verdict == judge(a_proposal(quantity="500"))


@pytest.mark.parametrize(
    "facts",
    [
        some_facts().model_copy(update={"quotes": {BTC: a_quote().model_copy(update={"ask": Decimal("NaN")})}}),
        some_facts().model_copy(update={"portfolio": object()}),
        None,
    ],
)
def test_facts_that_can_not_be_read_refuse(facts: Facts) -> None:
    verdict = PolicyEngine(POLICY).evaluate(a_proposal(), facts)
    assert (verdict.outcome, verdict.facts_digest) == ("deny", UNREADABLE_FACTS)
    assert {f.message for f in verdict.findings} == {"the facts can't be read"}
    assert verdict.proposal_digest == a_proposal().digest


_ODD: st.SearchStrategy[object] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.decimals(), st.just([]), st.just({}),
    st.builds(QuietDecimal, st.integers(1, 9)), st.builds(AnyText, st.sampled_from([BTC, "buy"])),
    st.sampled_from([object(), ..., NOW, "buy", "limit", "1E+7"]),
)  # fmt: skip


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(sorted(Proposal.model_fields)), _ODD, max_size=4), st.booleans())
def test_whatever_a_proposal_holds_there_is_a_verdict_on_what_it_says(over: dict[str, object], in_place: bool) -> None:
    proposal = a_proposal()
    if in_place:
        assert proposal.digest
        proposal.__dict__.update(over)
    else:
        proposal = proposal.model_copy(update=over)
    verdict = judge(proposal)
    assert Verdict.model_validate_json(canonical(verdict)) == verdict
    judged, why = readable(proposal)
    assert verdict.proposal_digest == judged.digest
    assert bool(why) == any(f.message == "the proposal can't be read" for f in verdict.findings)
    if verdict.outcome == "allow":
        assert verdict.order_digest == Proposal.model_validate_json(canonical(judged)).order().digest


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
