"""How the desk behaves: how often, in whose name, at which hours. Every check on both sides of every limit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from builders.policy import (
    BTC,
    ETH,
    MINUTE,
    NOW,
    POLICY,
    a_policy,
    a_proposal,
    an_exit,
    an_instrument,
    consent_to,
    finding,
    judge,
    some_facts,
)
from domain.decision import Proposal
from policy import Facts, Policy
from policy.account import Rearmed, SentOrder

LONG = {BTC: "20"}
MICROSECOND = timedelta(microseconds=1)
SENT_AGO = timedelta(seconds=10)


def grade(code: str, proposal: Proposal | None = None, facts: Facts | None = None, policy: Policy | None = None) -> str:
    return finding(judge(proposal, facts, policy=policy or POLICY), code).outcome


def sent(age_s: int = 10, **over: object) -> SentOrder:
    """An entry of the Risk agent, let through `age_s` ago: a limit buy of 1 at 98."""
    given = {
        "client_order_id": "acsent",
        "agent": "risk",
        "symbol": BTC,
        "side": "buy",
        "type": "limit",
        "quantity": "1",
        "limit_price": "98",
        "reduce_only": False,
        "at": NOW - timedelta(seconds=age_s),
    }
    return SentOrder.model_validate(given | over)


def after(*orders: SentOrder, **over: Any) -> Facts:
    return some_facts(sent=orders, **over)


# ORDER_RATE


@pytest.mark.parametrize(
    ("orders", "outcome"),
    [
        ([], "pass"),
        ([sent()], "pass"),
        ([sent()] * 2, "warn"),
        ([sent()] * 3, "deny"),
        ([sent(59)] * 3, "deny"),
        ([sent(60)] * 3, "pass"),
        ([sent(-5)] * 3, "deny"),
        ([sent(reduce_only=True)] * 3, "deny"),
        ([sent(agent="other")] * 3, "deny"),
        ([sent(symbol=ETH)] * 2, "pass"),
        ([sent(symbol=ETH)] * 3, "warn"),
        ([sent(symbol=ETH)] * 4, "warn"),
        ([sent(symbol=ETH)] * 5, "deny"),
    ],
)
def test_orders_are_counted_in_their_symbol_and_in_all(orders: list[SentOrder], outcome: str) -> None:
    assert grade("ORDER_RATE", facts=after(*orders)) == outcome
    assert grade("ORDER_RATE", an_exit(), after(*orders, held=LONG)) == outcome


def test_an_order_leaves_the_window_when_it_is_as_old_as_the_window() -> None:
    edge = NOW - timedelta(seconds=60)
    assert grade("ORDER_RATE", facts=after(*[sent(at=edge)] * 3)) == "pass"
    assert grade("ORDER_RATE", facts=after(*[sent(at=edge + MICROSECOND)] * 3)) == "deny"


@pytest.mark.parametrize(
    ("orders", "entry", "exit_"),
    [
        ([], "pass", "pass"),
        ([sent()], "warn", "pass"),
        ([sent()] * 2, "deny", "warn"),
        ([sent()] * 3, "deny", "deny"),
        ([sent(symbol=ETH)] * 3, "warn", "warn"),
        ([sent(symbol=ETH)] * 4, "deny", "warn"),
        ([sent(symbol=ETH)] * 5, "deny", "deny"),
    ],
)
def test_entries_leave_room_for_exits(orders: list[SentOrder], entry: str, exit_: str) -> None:
    policy = a_policy(order_rate={"window_s": 60, "per_symbol": 3, "in_all": 5, "kept_for_exits": 1})
    facts = after(*orders, held=LONG)
    assert grade("ORDER_RATE", facts=facts, policy=policy) == entry
    assert grade("ORDER_RATE", an_exit(), facts, policy) == exit_


def test_more_room_kept_for_exits_than_there_is_leaves_entries_none() -> None:
    policy = a_policy(order_rate={"window_s": 60, "per_symbol": 3, "in_all": 5, "kept_for_exits": 9})
    found = finding(judge(policy=policy), "ORDER_RATE")
    assert (found.outcome, found.observed, found.limit) == ("deny", 1, 0)


def test_the_rate_says_which_of_its_limits_was_met() -> None:
    here = finding(judge(facts=after(*[sent()] * 3)), "ORDER_RATE")
    assert here.message == "4 is above the limit of 3 orders in 60 s in the symbol"
    in_all = finding(judge(facts=after(*[sent(symbol=ETH)] * 5)), "ORDER_RATE")
    assert in_all.message == "6 is above the limit of 5 orders in 60 s in all"


def test_nobody_lets_an_order_pass_the_rate_but_a_policy_may_ask() -> None:
    facts = after(*[sent()] * 3)
    facts = facts.model_copy(update={"consents": (consent_to(a_proposal(), "ORDER_RATE", facts=facts),)})
    assert grade("ORDER_RATE", facts=facts) == "deny"
    asking = POLICY.order_rate.model_dump() | {"on_breach": "review"} if POLICY.order_rate else {}
    assert grade("ORDER_RATE", facts=after(*[sent()] * 3), policy=a_policy(order_rate=asking)) == "review"
    assert grade("ORDER_RATE", facts=facts, policy=a_policy(order_rate=asking)) == "warn"


# REPEATED_EXECUTION


@pytest.mark.parametrize(
    ("orders", "outcome"),
    [
        ([], "pass"),
        ([sent()] * 2, "pass"),
        ([sent()] * 3, "deny"),
        ([sent(side="sell")] * 3, "deny"),
        ([sent(3_599)] * 3, "deny"),
        ([sent(3_600)] * 3, "pass"),
        ([sent(symbol=ETH)] * 3, "pass"),
        ([sent(agent="other")] * 3, "pass"),
        ([sent(reduce_only=True)] * 3, "pass"),
    ],
)
def test_an_agent_that_enters_a_symbol_again_and_again_is_stopped(orders: list[SentOrder], outcome: str) -> None:
    assert grade("REPEATED_EXECUTION", facts=after(*orders)) == outcome
    assert grade("REPEATED_EXECUTION", an_exit(), after(*orders, held=LONG)) == "pass"


def test_the_refusal_for_the_count_carries_its_numbers() -> None:
    found = finding(judge(facts=after(*[sent()] * 3)), "REPEATED_EXECUTION")
    assert (found.observed, found.limit) == (4, 3)
    assert found.message == "the agent would enter the symbol 4 times in 3600 s, and may 3"


@pytest.mark.parametrize(
    ("agent", "symbol", "outcome"), [("risk", BTC, "deny"), ("risk", ETH, "pass"), ("other", BTC, "pass")]
)
def test_a_stopped_agent_stays_stopped_in_its_symbol_until_it_is_re_armed(
    agent: str, symbol: str, outcome: str
) -> None:
    facts = some_facts(latches=[{"agent": agent, "symbol": symbol}], held=LONG)
    found = finding(judge(facts=facts), "REPEATED_EXECUTION")
    assert (found.outcome, found.observed is None) == (outcome, outcome == "deny")
    assert grade("REPEATED_EXECUTION", an_exit(), facts) == "pass"


@pytest.mark.parametrize(
    ("agent", "symbol", "through", "outcome"),
    [
        ("risk", BTC, NOW - SENT_AGO, "pass"),
        ("risk", BTC, NOW - SENT_AGO - MICROSECOND, "deny"),
        ("risk", ETH, NOW, "deny"),
        ("other", BTC, NOW, "deny"),
    ],
)
def test_entries_before_an_agent_was_re_armed_count_no_more(
    agent: str, symbol: str, through: datetime, outcome: str
) -> None:
    facts = after(*[sent()] * 3).model_copy(update={"rearmed": (Rearmed(agent=agent, symbol=symbol, through=through),)})
    assert grade("REPEATED_EXECUTION", facts=facts) == outcome


def test_leave_for_one_order_does_not_re_arm_an_agent() -> None:
    facts = some_facts(
        latches=[{"agent": "risk", "symbol": BTC}], consents=[consent_to(a_proposal(), "REPEATED_EXECUTION")]
    )
    assert grade("REPEATED_EXECUTION", facts=facts) == "deny"


# DUPLICATE


ALIKE: dict[str, Any] = {"quantity": "5", "limit_price": "100"}
"""Like the proposal of the builders."""


@pytest.mark.parametrize(
    ("over", "outcome"),
    [
        ({}, "deny"),
        ({"quantity": "5.00"}, "deny"),
        ({"agent": "other"}, "deny"),
        ({"symbol": ETH}, "pass"),
        ({"side": "sell"}, "pass"),
        ({"type": "market"}, "pass"),
        ({"quantity": "5.25"}, "pass"),
        ({"limit_price": "100.5"}, "pass"),
        ({"limit_price": None}, "pass"),
        ({"reduce_only": True}, "pass"),
        ({"at": NOW - timedelta(seconds=60)}, "pass"),
        ({"at": NOW - timedelta(seconds=60) + MICROSECOND}, "deny"),
        ({"at": NOW + MINUTE}, "deny"),
    ],
)
def test_an_order_like_one_just_sent_is_refused(over: dict[str, Any], outcome: str) -> None:
    assert grade("DUPLICATE", facts=after(sent(**(ALIKE | over)))) == outcome


def test_an_exit_like_one_just_sent_waits_too() -> None:
    like_it = sent(side="sell", type="market", quantity="5", limit_price=None, reduce_only=True)
    assert grade("DUPLICATE", an_exit(), after(like_it, held=LONG)) == "deny"
    assert grade("DUPLICATE", an_exit(quantity="4"), after(like_it, held=LONG)) == "pass"


def test_an_intent_is_used_once_however_long_ago() -> None:
    used = SentOrder.of(a_proposal(), at=NOW - timedelta(days=300))
    found = finding(judge(facts=after(used)), "DUPLICATE")
    assert (found.outcome, found.message) == ("deny", "an order with this id was let through before")
    assert grade("DUPLICATE", a_proposal(cycle=2), after(used)) == "pass"


def test_a_proposal_judged_again_after_a_crash_does_not_stand_in_its_own_way() -> None:
    proposal = a_proposal()
    facts = some_facts().after(proposal)
    assert grade("DUPLICATE", proposal, facts) == "deny"
    assert grade("DUPLICATE", proposal, facts.about(proposal)) == "pass"
    assert grade("DUPLICATE", a_proposal(cycle=2), facts.about(a_proposal(cycle=2))) == "deny"


def test_nobody_lets_a_duplicate_pass() -> None:
    facts = after(sent(**ALIKE), consents=[consent_to(a_proposal(), "DUPLICATE")])
    assert grade("DUPLICATE", facts=facts) == "deny"


# SESSION


@pytest.mark.parametrize("asset_class", ["crypto", "equity", "fx", "commodity"])
@pytest.mark.parametrize(
    ("session", "extended_hours", "entry", "exit_"),
    [
        ("open", False, "pass", "pass"),
        ("extended", False, "deny", "warn"),
        ("extended", True, "warn", "warn"),
        ("closed", True, "deny", "deny"),
        ("maintenance", True, "deny", "deny"),
    ],
)
def test_the_session_decides_what_is_taken(
    asset_class: str, session: str, extended_hours: bool, entry: str, exit_: str
) -> None:
    instruments = {BTC: an_instrument(asset_class=asset_class)}
    facts = some_facts(instruments=instruments, sessions={BTC: session}, held=LONG)
    policy = a_policy(session={"extended_hours": extended_hours})
    assert grade("SESSION", facts=facts, policy=policy) == entry
    assert grade("SESSION", an_exit(), facts, policy) == exit_


@pytest.mark.parametrize(
    ("asset_class", "outcome"), [("crypto", "pass"), ("equity", "deny"), ("fx", "deny"), ("commodity", "deny")]
)
def test_crypto_alone_is_open_where_no_session_is_known(asset_class: str, outcome: str) -> None:
    instruments = {BTC: an_instrument(asset_class=asset_class)}
    assert grade("SESSION", facts=some_facts(instruments=instruments, sessions={ETH: "closed"})) == outcome
    assert grade("SESSION", an_exit(), some_facts(instruments=instruments, held=LONG)) == outcome


def test_a_session_that_nobody_knows_refuses() -> None:
    odd = some_facts().model_copy(update={"sessions": {BTC: "lunch"}})
    assert "SESSION: the session is unknown" in judge(facts=odd).reasons


# AUTHORITY


@pytest.mark.parametrize(("agents", "outcome"), [(["risk"], "pass"), (["flatten"], "deny"), ([], "deny")])
def test_only_listed_agents_may_propose(agents: list[str], outcome: str) -> None:
    policy = a_policy(authority={"agents": agents})
    assert grade("AUTHORITY", policy=policy) == outcome
    assert grade("AUTHORITY", an_exit(), some_facts(held=LONG), policy) == outcome


def test_the_risk_agent_alone_may_propose_where_a_policy_names_nobody() -> None:
    assert grade("AUTHORITY", a_proposal(agent="risk")) == "pass"
    assert grade("AUTHORITY", a_proposal(agent="research")) == "deny"


@pytest.mark.parametrize(
    ("over", "required", "outcome"),
    [({}, True, "pass"), ({"snapshot": None}, True, "deny"), ({"snapshot": None}, False, "pass")],
)
def test_an_entry_names_the_decision_it_rests_on(over: dict[str, object], required: bool, outcome: str) -> None:
    policy = a_policy(authority={"decision_required": required})
    assert grade("AUTHORITY", a_proposal(**over), policy=policy) == outcome


def test_an_exit_needs_no_decision() -> None:
    assert grade("AUTHORITY", an_exit(), some_facts(held=LONG)) == "pass"
    assert grade("AUTHORITY", an_exit()) == "deny"


@pytest.mark.parametrize(
    ("by", "until", "outcome"),
    [
        ("ada", NOW + MICROSECOND, "pass"),
        ("ada", NOW, "deny"),
        ("ada", NOW - MINUTE, "deny"),
        ("", NOW + MINUTE, "deny"),
        (" ", NOW + MINUTE, "deny"),
    ],
)
def test_a_live_desk_is_armed_by_somebody_until_a_moment(by: str, until: datetime, outcome: str) -> None:
    facts = some_facts(mode="live", armed={"by": by, "until": until}, held=LONG)
    assert grade("AUTHORITY", facts=facts) == outcome
    assert grade("AUTHORITY", an_exit(), facts) == "pass", "what was entered may be left when the time has run out"


@pytest.mark.parametrize(
    ("modes", "paper", "live"), [(["paper"], "pass", "deny"), (["live"], "deny", "pass"), ([], "deny", "deny")]
)
def test_a_policy_is_for_desks_of_its_modes_and_leaving_is_for_all(modes: list[str], paper: str, live: str) -> None:
    policy = a_policy(authority={"modes": modes})
    armed = some_facts(mode="live", armed={"by": "ada", "until": NOW + MINUTE}, held=LONG)
    assert grade("AUTHORITY", policy=policy) == paper
    assert grade("AUTHORITY", facts=armed, policy=policy) == live
    assert (
        grade("AUTHORITY", an_exit(), armed, policy)
        == grade("AUTHORITY", an_exit(), some_facts(held=LONG), policy)
        == "pass"
    )


def test_a_live_desk_that_nobody_armed_enters_nothing_and_a_paper_desk_needs_no_arming() -> None:
    nobody = "AUTHORITY: nobody has armed the live desk"
    assert nobody in judge(facts=some_facts(mode="live")).reasons
    assert grade("AUTHORITY", an_exit(), some_facts(mode="live")) == "deny", "an exit of nothing is an entry"
    assert grade("AUTHORITY", an_exit(), some_facts(mode="live", held=LONG)) == "pass"
    expired = {"by": "ada", "until": NOW - MINUTE}
    assert grade("AUTHORITY", facts=some_facts(armed=expired)) == "pass"
    odd = some_facts().model_copy(update={"mode": "backtest"})
    assert "AUTHORITY: the mode is unknown" in judge(facts=odd).reasons


def test_nobody_lends_authority_to_one_order() -> None:
    proposal = a_proposal(snapshot=None)
    assert grade("AUTHORITY", proposal, some_facts(consents=[consent_to(proposal, "AUTHORITY")])) == "deny"
