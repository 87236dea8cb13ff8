"""The numbers and units that findings carry: what a person reads, and what `policy explain` counts with."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from builders.policy import (
    BTC,
    ETH,
    NOW,
    a_policy,
    a_proposal,
    a_quote,
    an_exit,
    an_instrument,
    consent_to,
    finding,
    judge,
    signals,
    some_bars,
    some_facts,
    working,
)
from domain.digest import canonical
from domain.instrument import OptionTerms
from domain.order import OrderState
from policy import Facts, Finding, Policy, Verdict
from policy.account import SentOrder
from policy.ruling import Ruling, deny

CALL = "BTC100C/USDT"
OPTION = {"minimum_days": 7, "minimum_delta": "0.3", "maximum_delta": "0.7", "share_of_equity": "0.2"}


def numbers(found: Finding) -> tuple[str, str, str, str]:
    return found.outcome, str(found.observed), str(found.limit), found.unit


def judged(code: str, proposal: Any = None, policy: Policy | None = None, **world: object) -> Finding:
    return finding(judge(proposal, some_facts(**world), policy=policy or a_policy()), code)


@pytest.mark.parametrize(
    ("code", "world", "expected"),
    [
        ("CLOCK_SKEW", {"clock_skew_ms": "-1500"}, ("deny", "1500", "1000", "ms")),
        ("CLOCK_SKEW", {"clock_skew_ms": "-1000"}, ("pass", "1000", "1000", "ms")),
        ("CORROBORATION", {"support": {}}, ("deny", "0", "2", "sources")),
        (
            "CORROBORATION",
            {"support": {BTC: [{"source": name, "trusted": False} for name in ("a", "b", "c")]}},
            ("deny", "3", "2", "sources"),
        ),
        ("SUPPORT", {"venue_signals": {BTC: signals("sell", "0.6")}}, ("deny", "-0.6", "0", "strength")),
        ("SUPPORT", {"venue_signals": {BTC: signals("buy", "0.4")}}, ("pass", "0.4", "0", "strength")),
        ("RECONCILIATION", {"reconciled_at": NOW - timedelta(seconds=601)}, ("deny", "601", "600", "s")),
        ("MARKET_DATA", {"quotes": {BTC: a_quote(at=NOW - timedelta(seconds=901))}}, ("deny", "901", "900", "s")),
        ("MARKET_DATA", {"bars": {BTC: some_bars(last_close="125")}}, ("deny", "25", "12.5", "USDT")),
        ("REWARD_RISK", {"quotes": {BTC: a_quote(bid="95", ask="101")}}, ("deny", "9", "11", "USDT a BTC")),
        ("REWARD_RISK", {}, ("pass", "13", "7", "USDT a BTC")),
        (
            "AGENT_BUDGET",
            {"usage": {"usd": "0", "tokens": 0, "tool_calls": 0, "refusals_in_a_row": 11}},
            ("deny", "11", "10", "refusals in a row"),
        ),
        (
            "REPEATED_EXECUTION",
            {"sent": [SentOrder.of(a_proposal(cycle=cycle), at=NOW) for cycle in (2, 3, 4)]},
            ("deny", "4", "3", "entries in 3600 s"),
        ),
        (
            "SELF_TRADE",
            {"working": [working(side="sell", limit_price="99.5", stop_price=None)]},
            ("deny", "99.5", "100", "USDT"),
        ),
    ],
)
def test_a_refusal_names_what_it_saw_what_it_allows_and_in_what(
    code: str, world: dict[str, object], expected: tuple[str, str, str, str]
) -> None:
    assert numbers(judged(code, **world)) == expected


@pytest.mark.parametrize(
    ("conviction", "expected"),
    [("0.4", ("deny", "0.4", "0.55", "of 1")), ("0.6", ("review", "0.6", "0.7", "of 1"))],
)
def test_conviction_is_reported_with_the_bound_that_it_missed(
    conviction: str, expected: tuple[str, str, str, str]
) -> None:
    policy = a_policy(conviction={"minimum": "0.55", "review_below": "0.7"})
    assert numbers(judged("CONVICTION", a_proposal(conviction=conviction), policy)) == expected


def test_a_short_sale_is_reported_with_what_is_sold_and_held_in_the_base_currency() -> None:
    sale = a_proposal(side="sell", stop_price="105")
    assert numbers(judged("SHORT", sale, held={BTC: "3"})) == ("deny", "5", "3", "BTC")


@pytest.mark.parametrize("held", ["3", "-3"])
def test_an_exit_that_flips_is_reported_with_the_size_of_the_position(held: str) -> None:
    leaving = an_exit(side="sell" if held == "3" else "buy", quantity="4")
    assert numbers(judged("REDUCE_ONLY", leaving, held={BTC: held})) == ("deny", "4", "3", "BTC")


def with_option(*, days: int = 10, delta: str = "0.5", **over: object) -> Facts:
    terms = OptionTerms(right="call", strike=Decimal(100), expires_at=NOW + timedelta(days=days))
    given = {
        "universe": (CALL, BTC),
        "instruments": {CALL: an_instrument(CALL, kind="option", option=terms), BTC: an_instrument()},
        "quotes": {CALL: a_quote(CALL), BTC: a_quote()},
        "bars": {CALL: some_bars()},
        "deltas": {CALL: delta},
    }
    return some_facts(**(given | over))


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (with_option(days=0), ("deny", "0", "604800", "s")),
        (with_option(days=6), ("deny", "518400", "604800", "s")),
        (with_option(delta="-0.2"), ("deny", "0.2", "0.3", "delta")),
        (with_option(delta="-0.8"), ("deny", "0.8", "0.7", "delta")),
    ],
)
def test_an_option_is_refused_with_its_seconds_left_or_the_size_of_its_delta(
    world: Facts, expected: tuple[str, str, str, str]
) -> None:
    verdict = judge(a_proposal(symbol=CALL), world, policy=a_policy(option=OPTION))
    assert numbers(finding(verdict, "OPTION")) == expected


def test_an_option_sold_short_is_refused_with_what_is_sold_and_held() -> None:
    sale = a_proposal(symbol=CALL, side="sell", stop_price="105")
    verdict = judge(sale, with_option(held={CALL: "3"}), policy=a_policy(option=OPTION, short={"allow": True}))
    assert numbers(finding(verdict, "OPTION")) == ("deny", "5", "3", "BTC100C")


@pytest.mark.parametrize(
    ("code", "world", "message"),
    [
        ("SESSION", {"sessions": {BTC: "extended"}}, "no entries are made in extended hours"),
        ("SESSION", {"sessions": {BTC: "closed"}}, "the market is closed"),
        ("SESSION", {"sessions": {BTC: "maintenance"}}, "the market is under maintenance"),
        ("TRADING_STATE", {"trading_state": "reducing"}, "only orders that reduce are taken"),
        ("TRADING_STATE", {"trading_state": "halted"}, "trading is halted"),
        ("TRADING_STATE", {"trading_state": None}, "the trading state is unknown"),
        ("DAILY_LOSS", {"equity_marks": {}}, "the equity at the start of the day is unknown"),
        ("WEEKLY_LOSS", {"equity_marks": {}}, "the equity at the start of the week is unknown"),
        ("DRAWDOWN", {"equity_marks": {}}, "the high-water mark of the equity is unknown"),
    ],
)
def test_a_refusal_tells_its_reason_from_the_others_of_its_check(
    code: str, world: dict[str, object], message: str
) -> None:
    refused = judged(code, **world)
    assert (refused.outcome, refused.message) == ("deny", message)


def test_full_conviction_is_well_formed() -> None:
    assert judged("WELL_FORMED", a_proposal(conviction="1")).outcome == "pass"


def test_a_verdict_gives_as_reasons_what_denied_and_what_asks_for_a_person() -> None:
    policy = a_policy(conviction={"minimum": "0.5", "review_below": "0.9"})
    verdict = judge(facts=some_facts(trading_state="halted"), policy=policy)
    assert verdict.reasons == (
        "CONVICTION: conviction 0.8 is below 0.9: a person decides",
        "TRADING_STATE: trading is halted",
    )


def test_of_two_groups_that_weigh_the_same_the_measured_bet_is_named() -> None:
    policy = a_policy(
        correlation={
            "threshold": "0.8",
            "minimum_bars": 4,
            "share_of_equity": "0.3",
            "groups": {"b": [BTC], "a": [BTC]},
        }
    )
    found = judged("CORRELATION", policy=policy, held={BTC: "5"})
    assert found.unit == "USDT moving together"


def test_a_symbol_that_moves_apart_ends_nothing_for_those_after_it() -> None:
    third = "SOL/USDT"
    symbols = (BTC, ETH, third)
    world = {
        "universe": symbols,
        "instruments": {symbol: an_instrument(symbol) for symbol in symbols},
        "quotes": {symbol: a_quote(symbol) for symbol in symbols},
        "bars": {
            BTC: some_bars(),
            ETH: some_bars(returns_ppm=(1_000, 1_000, -1_000, -1_000, 1_000, 900)),
            third: some_bars(),
        },
        "held": {ETH: "5", third: "7"},
    }
    assert judged("CORRELATION", **world).observed == Decimal(1_200)


def test_an_order_in_doubt_is_told_in_words() -> None:
    doubt = judged("UNKNOWN_ORDER", working=[working(state=OrderState.UNKNOWN)])
    assert doubt.message == "an order in this symbol is in an unknown state"


# What a person was shown, and lets stand


OVER = {"held": {ETH: "50"}}
"""Exposure of 5502.5 against a limit of 5000: the order of 502.5 is let stand up to 5 % of that more."""


def exposed(held: str, *, shown: dict[str, Any] | None = None, on_breach: str = "deny") -> Finding:
    """EXPOSURE with so much of the other symbol held, consented to as it was `shown`."""
    limits = {"gross_share_of_equity": "0.5", "on_breach": on_breach}
    policy = a_policy(exposure=limits)
    leave = consent_to(a_proposal(), "EXPOSURE", facts=some_facts(**(shown or OVER)), policy=policy)
    return judged("EXPOSURE", policy=policy, held={ETH: held}, consents=[leave])


@pytest.mark.parametrize("on_breach", ["deny", "review"])
def test_a_yes_covers_what_was_shown_and_five_percent_for_the_market(on_breach: str) -> None:
    assert exposed("50", on_breach=on_breach).outcome == "warn"
    assert exposed("52.5", on_breach=on_breach).outcome == "warn"
    beyond = exposed("130", on_breach=on_breach)
    assert beyond.outcome == on_breach
    assert beyond.message.endswith("; ada was shown less than that")


def test_a_yes_covers_nothing_where_no_breach_or_no_numbers_were_shown() -> None:
    assert exposed("50", shown={"held": {}}).outcome == "deny"
    assert exposed("50", shown={"quotes": {}}).outcome == "deny"


@pytest.mark.parametrize(
    ("conviction", "outcome"), [("0.5", "warn"), ("0.48", "warn"), ("0.47", "deny"), ("0", "deny")]
)
def test_below_a_minimum_less_is_worse_than_what_was_shown(conviction: str, outcome: str) -> None:
    policy = a_policy(conviction={"minimum": "0.55"})
    shown = consent_to(a_proposal(conviction="0.5"), "CONVICTION", policy=policy)
    leave = shown.model_copy(update={"order_digest": a_proposal(conviction=conviction).order().digest})
    assert judged("CONVICTION", a_proposal(conviction=conviction), policy, consents=[leave]).outcome == outcome


def test_a_number_in_another_unit_is_not_what_was_shown() -> None:
    leave = consent_to(a_proposal(conviction="0.1"), "CONVICTION")
    ruling = Ruling("deny", "", Decimal("0.1"), finding(judge(), "CONVICTION").limit, "of 1")
    assert leave.covers("CONVICTION", ruling)
    assert not leave.covers("CONVICTION", ruling._replace(unit="USDT"))
    assert not leave.covers("CONVICTION", deny("it can't be told"))
    assert not leave.covers("EXPOSURE", ruling)


def test_a_finding_without_numbers_stands_by_its_code() -> None:
    leave = consent_to(a_proposal(), "SESSION").model_copy(update={"shown": ()})
    assert leave.covers("SESSION", deny("the market is closed"))
    assert leave.covers("SESSION", Ruling("deny", "half of the numbers", observed=Decimal(1)))
    assert leave.covers("SESSION", Ruling("deny", "the other half", limit=Decimal(1)))


@pytest.mark.parametrize(("observed", "covered"), [("-100", True), ("-104", True), ("-105", True), ("-106", False)])
def test_five_percent_of_a_number_below_zero_are_as_much(observed: str, covered: bool) -> None:
    shown = Finding("SESSION", "deny", "far below", Decimal(-100), Decimal(-50), "USDT")
    leave = consent_to(a_proposal(), "SESSION").model_copy(update={"shown": (shown,)})
    assert leave.covers("SESSION", Ruling("deny", "", Decimal(observed), Decimal(-50), "USDT")) is covered


# What is unknown


@pytest.mark.parametrize(
    ("code", "world", "unknown"),
    [
        ("DEPTH", {"quotes": {BTC: a_quote(ask_size=None)}}, True),
        ("DEPTH", {"quotes": {BTC: a_quote(ask_size="1")}}, False),
        ("EXPOSURE", {"quotes": {}}, True),
        ("SYMBOL", {"universe": (ETH,)}, False),
    ],
)
def test_a_finding_says_whether_it_is_for_want_of_knowledge(code: str, world: dict[str, Any], unknown: bool) -> None:
    found = judged(code, **world)
    assert (found.outcome, found.unknown) == ("deny", unknown)


def test_a_check_without_a_limit_can_not_judge() -> None:
    assert judged("EXPOSURE", policy=a_policy(exposure=None)).unknown


def test_a_verdict_from_before_unknown_was_marked_is_read() -> None:
    verdict = judge(facts=some_facts(quotes={}))
    fields = json.loads(canonical(verdict))
    for each in fields["findings"]:
        del each["unknown"]
    read = Verdict.model_validate_json(json.dumps(fields))
    assert read.reasons == verdict.reasons
    assert not any(each.unknown for each in read.findings)
