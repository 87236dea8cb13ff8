"""What losses ask for: steps before and at the limits, and smaller entries in a drawdown."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.policy import a_policy, a_portfolio, a_proposal, finding, judge, some_facts
from policy.account import EquityMarks
from policy.escalation import Escalation, escalation, size_factor

STEPS = {"alert_at": "0.7", "halve_at": "0.9", "flatten_at": "1"}
LIMITS: dict[str, object] = {
    "daily_loss": {"share_of_day_start": "0.04"},
    "weekly_loss": {"share_of_week_start": "0.05"},
    "drawdown": {"share_of_high": "0.1"},
    "escalation": STEPS,
}
POLICY = a_policy(**LIMITS)

amounts = st.decimals(0, 20_000, places=2)
shares = st.integers(0, 100).map(lambda n: Decimal(n) / 100)


def marks(day: str | None = "10000", week: str | None = "10000", high: str | None = "10000") -> EquityMarks:
    return EquityMarks.model_validate({"day_start": day, "week_start": week, "high": high})


def steps(equity: str, over: EquityMarks | None = None, **sections: object) -> Escalation:
    return escalation(a_policy(**(LIMITS | sections)), over or marks(), Decimal(equity))


@pytest.mark.parametrize(
    ("equity", "step", "used"),
    [
        ("10001", "none", "0"),
        ("10000", "none", "0"),
        ("9720.01", "none", "0.6999"),
        ("9720", "alert", "0.7"),
        ("9640.01", "alert", "0.8999"),
        ("9640", "halve", "0.9"),
        ("9600.01", "halve", "0.9999"),
        ("9600", "flatten", "1"),
        ("9000", "flatten", "2.5"),
        ("-1", "flatten", "25.0025"),
    ],
)
def test_each_step_is_taken_at_its_part_of_the_limit(equity: str, step: str, used: str) -> None:
    found = steps(equity)
    assert (found.step, found.used) == (step, Decimal(used))
    assert found.code == ("DAILY_LOSS" if found.used else None)
    assert found.reason == ""


@pytest.mark.parametrize(
    ("over", "code", "step", "used"),
    [
        (marks(day="9550"), "WEEKLY_LOSS", "flatten", "1"),
        (marks(day="9550", week="9600"), "DRAWDOWN", "none", "0.5"),
        (marks(day="9900", week="9500"), "DAILY_LOSS", "halve", "0.9595"),
        (marks(day="9500", week="9500", high="9500"), None, "none", "0"),
        (marks(day="9500", week="9500", high="10600"), "DRAWDOWN", "flatten", "1.0377"),
    ],
)
def test_the_nearest_of_the_three_limits_decides(over: EquityMarks, code: str | None, step: str, used: str) -> None:
    found = steps("9500" if code != "DAILY_LOSS" else "9520", over)
    assert (found.code, found.step) == (code, step)
    assert found.used == Decimal(used)


def test_a_weekly_limit_that_is_turned_off_is_none() -> None:
    off = {"enabled": False, "share_of_week_start": "0.01"}
    found = steps("9500", marks(day="9500"), weekly_loss=off)
    assert (found.code, found.step, found.reason) == ("DRAWDOWN", "none", "")


@pytest.mark.parametrize("used", ["9999.99", "0"])
def test_a_limit_of_nothing_is_used_up_by_any_loss_and_by_nothing_else(used: str) -> None:
    nothing = {"share_of_day_start": "0"}
    assert steps("10000", daily_loss=nothing).step == "none"
    found = steps(used, daily_loss=nothing)
    assert (found.step, found.used, found.code) == ("flatten", 1_000, "DAILY_LOSS")


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        (marks(day=None), "the equity at the start of the day is unknown"),
        (marks(week=None), "the equity at the start of the week is unknown"),
        (marks(high=None), "the high-water mark of the equity is unknown"),
        (marks(day="0"), "the equity at the start of the day was not above zero"),
        (marks(week="-1"), "the equity at the start of the week was not above zero"),
    ],
)
def test_what_is_unknown_is_left_out_and_named(over: EquityMarks, reason: str) -> None:
    assert steps("10000", over).reason == reason
    assert steps("8000", over).step == "flatten"


def test_with_no_mark_at_all_nothing_is_flattened() -> None:
    found = steps("1", marks(None, None, None))
    assert (found.step, found.used, found.code) == ("none", 0, None)
    assert found.reason.count("unknown") == 3


@pytest.mark.parametrize(
    ("section", "code"), [("daily_loss", "DAILY_LOSS"), ("weekly_loss", "WEEKLY_LOSS"), ("drawdown", "DRAWDOWN")]
)
def test_a_missing_limit_is_left_out_and_named(section: str, code: str) -> None:
    assert steps("10000", **{section: None}).reason == f"the policy sets no limit for {code}"


def test_without_an_equity_nothing_is_flattened() -> None:
    found = escalation(POLICY, marks(), None)
    assert (found.step, found.reason) == ("none", "the equity is unknown")


def test_a_policy_without_steps_takes_none_and_says_so() -> None:
    assert steps("1", escalation=None) == Escalation(reason="the policy has no escalation")
    assert steps("1", escalation=STEPS | {"enabled": False}) == Escalation(reason="turned off by the policy")


@given(amounts, amounts.filter(bool), amounts.filter(bool), amounts.filter(bool))
def test_the_step_is_that_of_the_largest_part(equity: Decimal, day: Decimal, week: Decimal, high: Decimal) -> None:
    found = escalation(POLICY, EquityMarks(day_start=day, week_start=week, high=high), equity)
    parts = [
        Fraction(max(mark - equity, Decimal(0))) / (Fraction(mark) * Fraction(share))
        for mark, share in ((day, Decimal("0.04")), (week, Decimal("0.05")), (high, Decimal("0.1")))
    ]
    worst = max(parts)
    reached = [name for name, at in (("alert", 70), ("halve", 90), ("flatten", 100)) if worst * 100 >= at]
    assert found.step == (reached[-1] if reached else "none")
    assert 0 <= worst - Fraction(found.used) < Fraction(1, 10_000)


# Sizes


FALLING = {"share_of_high": "0.1", "sizes_fall_from": "0.5"}


@pytest.mark.parametrize(
    ("equity", "factor"),
    [
        ("10500", "1"),
        ("10000", "1"),
        ("9500", "1"),
        ("9499.99", "0.99998"),
        ("9400", "0.8"),
        ("9250", "0.5"),
        ("9166.666", "0.333332"),
        ("9000.01", "0.00002"),
        ("9000.0001", "0"),
        ("9000", "0"),
        ("8000", "0"),
    ],
)
def test_sizes_fall_in_a_line_to_nothing_at_the_limit(equity: str, factor: str) -> None:
    assert size_factor(a_policy(drawdown=FALLING), marks(), Decimal(equity)) == Decimal(factor)


def test_sizes_that_fall_from_the_limit_fall_there_all_at_once() -> None:
    """At the limit the check refuses, and nothing is sized that would be."""
    at_the_end = a_policy(drawdown={"share_of_high": "0.1", "sizes_fall_from": "1"})
    assert size_factor(at_the_end, marks(), Decimal("9000.01")) == 1
    assert size_factor(at_the_end, marks(), Decimal(9_000)) == 0
    assert size_factor(at_the_end, marks(high=None), Decimal(8_000)) == 0


def test_sizes_may_fall_from_the_first_loss_on() -> None:
    at_once = a_policy(drawdown={"share_of_high": "0.1", "sizes_fall_from": "0"})
    assert size_factor(at_once, marks(), Decimal(10_000)) == 1
    assert size_factor(at_once, marks(), Decimal(9_900)) == Decimal("0.9")


def test_a_limit_of_nothing_leaves_no_size_after_any_loss() -> None:
    nothing = a_policy(drawdown={"share_of_high": "0", "sizes_fall_from": "0.5"})
    assert size_factor(nothing, marks(), Decimal(10_000)) == 1
    assert size_factor(nothing, marks(), Decimal("9999.99")) == 0


@pytest.mark.parametrize("high", [None, "0", "-1"])
def test_an_unknown_high_leaves_no_size(high: str | None) -> None:
    assert size_factor(a_policy(drawdown=FALLING), marks(high=high), Decimal(10_000)) == 0


def test_a_policy_without_a_drawdown_limit_leaves_no_size() -> None:
    assert size_factor(a_policy(drawdown=None), marks(), Decimal(10_000)) == 0


@given(shares, shares, shares, amounts)
def test_a_tighter_drawdown_limit_never_leaves_more(
    share: Decimal, start: Decimal, less: Decimal, fall: Decimal
) -> None:
    equity = 10_000 - fall / 10
    loose = a_policy(drawdown={"share_of_high": share, "sizes_fall_from": start})
    left = size_factor(loose, marks(), equity)
    assert 0 <= left <= 1
    smaller = a_policy(drawdown={"share_of_high": share * less, "sizes_fall_from": start})
    sooner = a_policy(drawdown={"share_of_high": share, "sizes_fall_from": start * less})
    assert size_factor(smaller, marks(), equity) <= left
    assert size_factor(sooner, marks(), equity) <= left


@pytest.mark.parametrize(("quantity", "outcome"), [("4.5", "warn"), ("4.75", "deny")])
def test_the_gate_shrinks_the_largest_entry_by_the_same_factor(quantity: str, outcome: str) -> None:
    policy = a_policy(drawdown=FALLING)
    facts = some_facts(portfolio=a_portfolio(cash="9250"))
    found = finding(judge(a_proposal(quantity=quantity), facts, policy=policy), "MAX_NOTIONAL")
    assert found.outcome == outcome
    assert found.limit == Decimal("0.1") * 9_250 * size_factor(policy, marks(), Decimal(9_250))


def test_an_absolute_cap_does_not_shrink() -> None:
    policy = a_policy(drawdown=FALLING, max_notional={"absolute": "500"})
    found = finding(judge(facts=some_facts(portfolio=a_portfolio(cash="9250")), policy=policy), "MAX_NOTIONAL")
    assert (found.outcome, found.limit) == ("warn", 500)
