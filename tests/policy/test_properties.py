"""What holds for every proposal, every world and every policy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from builders.policy import BTC, NOW, POLICY, a_policy, a_proposal, judge, some_facts
from builders.policy_worlds import (
    GENEROUS,
    consents,
    facts,
    policy_pairs,
    proposals,
    rungs,
    small_entries,
    strained,
    supports,
    symbols,
    venue_signals,
    with_setting,
)
from domain.decision import Cause, Proposal
from domain.digest import canonical
from domain.order import OrderState
from graphs.session.profiles import PROFILES, profile
from policy import CHECKS, Facts, Policy, PolicyEngine
from policy.account import Arming, Consent, SentOrder
from policy.check import Check
from policy.tightness import SECTIONS, loosened, tighter

ROOT = Path(__file__).parents[2]
few = settings(max_examples=50)

OPEN_HANDED = Policy.model_validate({"name": "open-handed", **GENEROUS})
"""Wide enough that many drawn proposals pass, so that what is said of allowed ones is not said of none."""

CAPPED = Policy.model_validate(
    {
        "name": "capped",
        **GENEROUS,
        "max_notional": {"share_of_equity": "0.2"},
        "position": {"share_of_equity": "0.3"},
        "exposure": {"gross_share_of_equity": "0.5"},
        "risk_per_trade": {"share_of_equity": "0.05"},
        "daily_loss": {"share_of_day_start": "0.1"},
    }
)

_STRICTNESS = ("allow", "review", "deny")


def _never_milder(proposal: Proposal, world: Facts, pair: tuple[Policy, Policy]) -> None:
    loose, tight = pair
    was, now = (_STRICTNESS.index(judge(proposal, world, policy=policy).outcome) for policy in pair)
    assert now >= was, (loosened(tight, than=loose), judge(proposal, world, policy=loose).reasons)


@few
@given(proposals(), facts(), policy_pairs())
def test_tightening_any_limit_never_turns_a_refusal_into_an_allow(
    proposal: Proposal, world: Facts, pair: tuple[Policy, Policy]
) -> None:
    _never_milder(proposal, world, pair)


@settings(few, max_examples=150)
@given(small_entries(), strained(), policy_pairs())
def test_tightening_any_limit_never_lets_a_good_entry_in(
    proposal: Proposal, world: Facts, pair: tuple[Policy, Policy]
) -> None:
    _never_milder(proposal, world, pair)


@few
@given(small_entries(), strained(), policy_pairs(), st.data())
def test_tightening_never_lets_in_what_a_person_spoke_for(
    proposal: Proposal, world: Facts, pair: tuple[Policy, Policy], data: st.DataObject
) -> None:
    """Shown what the looser of the two found: as much as a yes can cover."""
    leave = data.draw(consents(proposal, tuple(check.code for check in CHECKS)))
    leave = leave.model_copy(update={"shown": judge(proposal, world, policy=pair[0]).findings})
    _never_milder(proposal, world.model_copy(update={"consents": (leave,)}), pair)


def _matter_of_opinion(proposal: Proposal, world: Facts) -> bool:
    """An order that is no exit, one by a thesis that turned, and one that does not say why it is, or not truly."""
    held = world.portfolio.quantity(proposal.symbol) if world.portfolio else Decimal(0)
    leaves = proposal.reduce_only and (held < 0 if proposal.side == "buy" else held > 0)
    if not leaves or proposal.cause == "thesis":
        return True
    assert world.portfolio is not None
    position, quote = world.portfolio.positions[proposal.symbol], world.quotes[proposal.symbol]
    # Downwards is against a long, and upwards against a short.
    price, sign = (quote.bid, 1) if held > 0 else (quote.ask, -1)
    stop, target = position.stop_price, position.target_price
    so = {
        "stop": stop is not None and sign * (price - stop) <= 0,
        "target": target is not None
        and any(sign * (at - target) >= 0 for at in (price, proposal.limit_price or price)),
        "time": position.opened_at is not None,
        "flatten": True,
        "halve": True,
    }
    return not proposal.protects and not so.get(proposal.cause or "", False)


@settings(few, max_examples=300)
@given(
    st.one_of(small_entries(), proposals()),
    st.one_of(strained(), facts(troubled=False), facts()),
    st.dictionaries(symbols, supports),
    st.dictionaries(symbols, venue_signals),
    st.sampled_from([None, *get_args(Cause)]),
    st.sampled_from([POLICY, OPEN_HANDED, *map(profile, PROFILES)]),
    st.data(),
)
def test_whatever_is_cited_or_thought_nothing_is_allowed_that_no_venue_data_supports(
    proposal: Proposal,
    world: Facts,
    cited: Any,
    signals: Any,
    cause: Any,
    policy: Policy,
    data: st.DataObject,
) -> None:
    """Nor by the consent of a person, whatever they name."""
    proposal = proposal.model_copy(update={"cause": cause, "conviction": Decimal(1)})
    leave = data.draw(consents(proposal, tuple(check.code for check in CHECKS)))
    update = {"support": world.support | cited, "venue_signals": signals, "consents": (leave,)}
    verdict = judge(proposal, world.model_copy(update=update), policy=policy)
    if verdict.outcome == "allow" and _matter_of_opinion(proposal, world):
        sides = Counter[str]()
        for signal in signals[proposal.symbol]:
            sides[signal.side] += signal.strength  # type: ignore[assignment]
        other = "sell" if proposal.side == "buy" else "buy"
        assert sides[proposal.side] > sides[other]


def _sent_before(drawn: tuple[Proposal, Facts]) -> tuple[Proposal, Facts]:
    """The same proposal in a world in which one like it was let through just now."""
    proposal, world = drawn
    like_it = SentOrder.of(proposal.model_copy(update={"cycle": proposal.cycle + 1}), at=world.now)
    return proposal, world.model_copy(update={"sent": (*world.sent, like_it)})


def test_the_worlds_lie_on_both_sides_of_every_check() -> None:
    """A property over worlds in which everything is refused, or nothing, would say nothing."""
    outcomes: Counter[tuple[str, str]] = Counter()

    @settings(max_examples=600, database=None, derandomize=True)
    @given(
        st.one_of(
            st.tuples(small_entries(), strained()),
            st.tuples(proposals(), facts()),
            st.tuples(small_entries(), facts()).map(_sent_before),
        )
    )
    def look(drawn: tuple[Proposal, Facts]) -> None:
        verdict = judge(*drawn)
        outcomes["", verdict.outcome] += 1
        outcomes.update((finding.code, finding.outcome) for finding in verdict.findings)

    look()
    assert outcomes["", "allow"] >= 20
    assert {check.code for check in CHECKS if outcomes[check.code, "pass"] == 0} == set()
    assert {check.code for check in CHECKS if outcomes[check.code, "deny"] == 0} == set()


def test_every_setting_with_a_direction_is_drawn_on_both_sides() -> None:
    for section, kind in SECTIONS.items():
        for name in kind.model_fields:
            if tighter(kind, name) is not None:
                drawn = (with_setting(OPEN_HANDED, section, name, value) for value in rungs(section, name))
                assert len({policy.digest for policy in drawn if policy is not None}) > 1, (section, name)


@few
@given(small_entries(), strained(), st.text(), st.text(min_size=1).filter(str.strip))
def test_the_verdict_is_the_same_whatever_the_free_text_says(
    proposal: Proposal, world: Facts, words: str, name: str
) -> None:
    def judged(rationale: str, by: str, reason: str) -> tuple[Any, ...]:
        spoken = proposal.model_copy(update={"rationale": rationale})
        leave = Consent(
            client_order_id=spoken.client_order_id,
            order_digest=spoken.order().digest,
            codes=frozenset({"CONVICTION"}),
            shown=judge(spoken, world).findings,
            by=by,
            reason=reason,
            expires_at=NOW.replace(year=2026),
        )
        armed = Arming(by=by, until=NOW.replace(year=2026))
        known = world.model_copy(update={"consents": (leave,), "armed": armed, "mode": "live"})
        verdict = judge(spoken, known)
        # A person's name stands in the message of what they let stand, and nowhere else.
        return verdict.outcome, [(f.code, f.outcome, f.observed, f.limit) for f in verdict.findings]

    assert judged(words, name, words) == judged("", "ana", "")


@few
@given(proposals(), facts(), st.text())
def test_no_message_depends_on_the_rationale(proposal: Proposal, world: Facts, rationale: str) -> None:
    spoken = proposal.model_copy(update={"rationale": rationale})
    assert judge(spoken, world).findings == judge(proposal, world).findings


@settings(few, max_examples=150)
@given(st.one_of(proposals(), small_entries()), st.one_of(facts(troubled=False), strained()))
def test_an_allowed_entry_stays_inside_every_cap(proposal: Proposal, world: Facts) -> None:
    verdict = judge(proposal, world, policy=CAPPED)
    if verdict.outcome != "allow" or _leaves(proposal, world):
        return
    book, quote = world.portfolio, world.quotes[proposal.symbol]
    assert book is not None
    price = proposal.limit_price or (quote.ask if proposal.side == "buy" else quote.bid)
    after = _worst_quantities(proposal, world)
    assert proposal.quantity * price <= Decimal("0.2") * book.equity
    assert after[proposal.symbol] * min(price, Decimal(100)) <= Decimal("0.3") * book.equity
    assert sum(after.values()) * 85 <= Decimal("0.5") * book.equity
    if proposal.stop_price is not None:
        assert proposal.quantity * abs(price - proposal.stop_price) <= Decimal("0.05") * book.equity
    start = world.equity_marks.day_start
    assert start is not None
    assert start - book.equity < Decimal("0.1") * start


def _worst_quantities(proposal: Proposal, world: Facts) -> dict[str, Decimal]:
    """Per symbol the larger of all longs and all shorts, counted one by one."""
    assert world.portfolio is not None
    entries = [(o.symbol, o.side, o.remaining) for o in world.working if not o.reduce_only]
    entries.append((proposal.symbol, proposal.side, proposal.quantity))
    worst = {}
    for symbol in world.universe:
        held = world.portfolio.quantity(symbol)
        bought = sum(q for s, side, q in entries if s == symbol and side == "buy")
        sold = sum(q for s, side, q in entries if s == symbol and side == "sell")
        worst[symbol] = max(max(held, Decimal(0)) + bought, max(-held, Decimal(0)) + sold)
    return worst


@few
@given(proposals().map(lambda p: p.model_copy(update={"reduce_only": True})), facts(troubled=False))
def test_an_allowed_reduce_only_order_never_enlarges_or_flips(proposal: Proposal, world: Facts) -> None:
    if judge(proposal, world, policy=OPEN_HANDED).outcome == "allow":
        assert _leaves(proposal, world)


def _leaves(proposal: Proposal, world: Facts) -> bool:
    """Whether a reduce-only order and all working ones on its side leave the position smaller, not flipped."""
    assert world.portfolio is not None
    held = world.portfolio.quantity(proposal.symbol)
    moved = proposal.quantity + sum(
        o.remaining for o in world.working if (o.symbol, o.side) == (proposal.symbol, proposal.side)
    )
    left = held + (moved if proposal.side == "buy" else -moved)
    return proposal.reduce_only and abs(left) < abs(held) and left * held >= 0


@settings(few, max_examples=150)
@given(proposals(), facts())
def test_nothing_is_allowed_when_halted_stale_or_unknown(proposal: Proposal, world: Facts) -> None:
    quote, marks = world.quotes.get(proposal.symbol), world.equity_marks
    doubts_of_all = (
        world.trading_state not in ("active", "reducing"),
        quote is None or quote.bid > quote.ask or not 0 <= (NOW - quote.at).total_seconds() <= 900,
        world.portfolio is None,
        proposal.symbol not in world.instruments,
        proposal.symbol not in world.universe,
        proposal.symbol in world.suspended,
        world.sessions.get(proposal.symbol) in ("closed", "maintenance"),
        world.clock_skew_ms is not None and abs(world.clock_skew_ms) > 1_000,
    )
    doubts_of_entries = (
        world.mode == "live" and (world.armed is None or world.armed.until <= NOW),
        world.trading_state == "reducing",
        world.clock_skew_ms is None,
        None in (marks.day_start, marks.week_start, marks.high),
        world.usage is None or world.usage.usd is None,
        world.reconciled_at is None or not 0 <= (NOW - world.reconciled_at).total_seconds() <= 600,
        proposal.symbol not in world.bars,
        any(o.symbol == proposal.symbol and o.state is OrderState.UNKNOWN for o in world.working),
    )
    if any(doubts_of_all) or (any(doubts_of_entries) and not proposal.reduce_only):
        assert judge(proposal, world, policy=OPEN_HANDED).outcome == "deny"


@few
@given(small_entries(), facts(troubled=False), st.sampled_from([Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")]))
def test_a_number_that_is_not_finite_is_never_allowed(proposal: Proposal, world: Facts, number: Decimal) -> None:
    """Such numbers can't be parsed; objects made without validation are refused."""
    for name in ("quantity", "limit_price", "stop_price", "conviction"):
        assert judge(proposal.model_copy(update={name: number}), world).outcome == "deny"
    quote = world.quotes[proposal.symbol].model_copy(update={"ask": number})
    odd = world.model_copy(update={"quotes": {**world.quotes, proposal.symbol: quote}})
    assert judge(proposal, odd).outcome == "deny"


_DOCUMENTS = [json.loads(canonical(value)) for value in (a_proposal(), some_facts(held={BTC: "5"}))]
_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.just([]), st.just({}), st.just("-1")
)


@settings(few, max_examples=150)
@given(st.data())
def test_any_bytes_in_place_of_any_field_are_refused_or_judged(data: st.DataObject) -> None:
    """One leaf of the proposal or the facts is replaced by anything; what still parses gets a whole verdict."""
    which = data.draw(st.integers(0, 1))
    documents = list(_DOCUMENTS)
    path = data.draw(st.sampled_from(sorted(_paths(documents[which]), key=str)))
    documents[which] = _replaced(documents[which], path, data.draw(_LEAVES))
    try:
        proposal, world = Proposal.model_validate(documents[0]), Facts.model_validate(documents[1])
    except ValidationError:
        return
    verdict = judge(proposal, world)
    assert len(verdict.findings) == len(CHECKS)
    if world.trading_state != "active" or world.portfolio is None or proposal.symbol not in world.quotes:
        assert verdict.outcome == "deny"


def _paths(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    below = [path for key, value in pairs for path in _paths(value, (*at, key))]
    return [*([at] if at else []), *below]


def _replaced(document: Any, path: tuple[Any, ...], value: object) -> Any:
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = _replaced(document[path[0]], path[1:], value)
    return copy


@few
@given(proposals(), facts(), st.permutations(CHECKS))
def test_the_order_of_the_checks_is_irrelevant(proposal: Proposal, world: Facts, checks: list[Check]) -> None:
    shuffled = PolicyEngine(POLICY, checks=checks).evaluate(proposal, world)
    assert shuffled.digest == judge(proposal, world).digest


@few
@given(st.one_of(proposals(), small_entries()), st.one_of(facts(), strained()))
def test_the_facts_about_a_proposal_are_all_that_bears_on_it(proposal: Proposal, world: Facts) -> None:
    assert judge(proposal, world.about(proposal)).findings == judge(proposal, world).findings


@few
@given(st.decimals(min_value="1e-30", max_value="1e30", allow_nan=False, allow_infinity=False))
def test_no_quantity_however_odd_passes_the_caps(quantity: Decimal) -> None:
    if judge(a_proposal(quantity=quantity), some_facts()).outcome == "allow":
        assert quantity * 100 <= 1_000
        assert quantity % Decimal("0.25") == 0


@few
@given(facts(troubled=False))
def test_leaving_a_whole_position_is_allowed_by_a_policy_that_lets_nothing_in(world: Facts) -> None:
    tight = a_policy(
        max_notional={"share_of_equity": 0},
        exposure={"gross_share_of_equity": 0},
        short={"allow": False},
        conviction={"minimum": 1},
        order_rate={"window_s": 60, "per_symbol": 1, "in_all": 1, "kept_for_exits": 1},
    )
    assert world.portfolio is not None
    for symbol, position in world.portfolio.positions.items():
        side = "sell" if position.quantity > 0 else "buy"
        if any(o.symbol == symbol for o in world.working):
            continue
        out = a_proposal(
            symbol=symbol, side=side, type="market", limit_price=None, quantity=abs(position.quantity), reduce_only=True
        )
        verdict = judge(out, world, policy=tight)
        assert verdict.outcome == "allow", verdict.reasons


_IN_ANOTHER_PROCESS = """
import sys, json
from domain.decision import Proposal
from policy import Facts, Policy, PolicyEngine
from domain.digest import canonical
policy, *cases = [json.loads(line) for line in sys.stdin]
engine = PolicyEngine(Policy.model_validate(policy))
for proposal, facts in cases:
    print(canonical(engine.evaluate(Proposal.model_validate(proposal), Facts.model_validate(facts))))
"""


def test_the_same_input_gives_the_same_bytes_in_another_process() -> None:
    cases: list[tuple[Proposal, Facts]] = []

    @settings(max_examples=40, database=None, derandomize=True)
    @given(st.one_of(st.tuples(small_entries(), strained()), st.tuples(proposals(), facts())))
    def gather(case: tuple[Proposal, Facts]) -> None:
        cases.append(case)

    gather()
    ours = [canonical(judge(*case)) for case in cases]
    lines = "\n".join([canonical(POLICY), *(canonical(case) for case in cases)])
    for seed, zone, locale in (("1", "UTC", "C"), ("4242", "Asia/Kathmandu", "tr_TR.UTF-8")):
        env = os.environ | {"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", _IN_ANOTHER_PROCESS],
            input=lines,
            env=env,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == ours
