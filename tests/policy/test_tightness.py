"""Which policy refuses less, and in what: the direction that every setting carries."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from builders.policy import BTC, ETH, POLICY, a_policy
from builders.policy_worlds import policy_pairs
from policy import Policy
from policy.difference import changes
from policy.tightness import SECTIONS, loosened, tighter


def with_section(name: str, **over: Any) -> Policy:
    """`POLICY` with some settings of one section in place of its own."""
    section = getattr(POLICY, name)
    return a_policy(**{name: {**(section.model_dump() if section else {}), **over}})


def test_every_setting_of_every_section_says_in_which_direction_it_is_tighter() -> None:
    silent = {f"{s}.{f}" for s, kind in SECTIONS.items() for f in kind.model_fields if tighter(kind, f) is None}
    assert silent == {"day.starts", "day.time_zone"}


def test_every_part_of_a_policy_but_its_name_is_a_section() -> None:
    assert {*SECTIONS, "name"} == set(Policy.model_fields)


OPTIONS = {"minimum_days": 7, "minimum_delta": "0.2", "maximum_delta": "0.8", "share_of_equity": "0.1"}
STEPS = {"alert_at": "0.7", "halve_at": "0.9", "flatten_at": 1}


@pytest.mark.parametrize(
    ("tight", "loose", "path"),
    [
        (
            ("position", {"share_of_equity": "0.1"}),
            ("position", {"share_of_equity": "0.2"}),
            "position.share_of_equity",
        ),
        (("cash", {"reserve_share_of_equity": "0.2"}), ("cash", {"reserve_share_of_equity": "0.1"}), "cash.reserve"),
        (("symbol", {"allow": [BTC]}), ("symbol", {"allow": [BTC, ETH]}), "symbol.allow"),
        (("symbol", {"allow": [BTC]}), ("symbol", {"allow": None}), "symbol.allow"),
        (("symbol", {"deny": [BTC]}), ("symbol", {"deny": []}), "symbol.deny"),
        (("short", {"allow": False}), ("short", {"allow": True}), "short.allow"),
        (
            ("reward_risk", {"minimum": "1", "slippage_bps": 2}),
            ("reward_risk", {"minimum": "0.9", "slippage_bps": 2}),
            "reward_risk.minimum",
        ),
        (
            ("reward_risk", {"minimum": "1", "slippage_bps": 2}),
            ("reward_risk", {"minimum": "1", "slippage_bps": 1}),
            "reward_risk.slippage_bps",
        ),
        (("order_type", {"market_entries": False}), ("order_type", {"market_entries": True}), "order_type.market"),
        (("stop", {"required": True}), ("stop", {"required": False}), "stop.required"),
        (("exposure", {"on_breach": "deny"}), ("exposure", {"on_breach": "review"}), "exposure.on_breach"),
        (("drift", {"on_breach": "review"}), ("drift", {"on_breach": "warn"}), "drift.on_breach"),
        (("drift", {"maximum_bps": 500}), ("drift", {"enabled": False, "maximum_bps": 1}), "drift.enabled"),
        (("agent_budget", {"tokens": 10}), ("agent_budget", {"tokens": None}), "agent_budget.tokens"),
        (("conviction", {"review_below": "0.7"}), ("conviction", {"review_below": None}), "conviction.review_below"),
        (
            ("max_quantity", {"per_symbol": {BTC: 1}}),
            ("max_quantity", {"per_symbol": {}}),
            f"max_quantity.per_symbol.{BTC}",
        ),
        (
            ("correlation", {"groups": {"majors": [BTC, ETH]}}),
            ("correlation", {"groups": {"majors": [BTC]}}),
            "correlation.groups.majors",
        ),
        (
            ("market_data", {"max_age_s_of": {"spot": 60}}),
            ("market_data", {"max_age_s_of": {}}),
            "market_data.max_age_s_of.spot",
        ),
        (
            ("market_data", {"max_age_s": 100, "max_age_s_of": {"spot": 500, "crypto": 100}}),
            ("market_data", {"max_age_s": 100, "max_age_s_of": {"spot": 500}}),
            "market_data.max_age_s_of.crypto",
        ),
        (
            ("market_data", {"max_age_s": 100, "max_age_s_of": {}}),
            ("market_data", {"max_age_s": 100, "max_age_s_of": {"spot": 500}}),
            "market_data.max_age_s_of.spot",
        ),
    ],
)
def test_a_setting_is_looser_one_way_and_tighter_the_other(
    tight: tuple[str, dict[str, Any]], loose: tuple[str, dict[str, Any]], path: str
) -> None:
    one, other = with_section(tight[0], **tight[1]), with_section(loose[0], **loose[1])
    (said,) = loosened(other, than=one)
    assert said.startswith(path)
    assert loosened(one, than=other) == ()
    assert {change.right_is for change in changes(one, other)} - {"neutral"} == {"looser"}
    assert {change.right_is for change in changes(other, one)} - {"neutral"} == {"tighter"}


def test_a_section_that_is_missing_is_tighter_than_any() -> None:
    without = a_policy(position=None)
    assert loosened(without, than=POLICY) == ()
    (said,) = loosened(POLICY, than=without)
    assert said.startswith("position: { warn_at = 0.8")
    assert said.endswith("not unset")


def test_no_options_are_fewer_than_some() -> None:
    some = a_policy(option=OPTIONS)
    assert loosened(POLICY, than=some) == ()
    assert len(loosened(some, than=POLICY)) == 1


def test_without_escalation_nothing_acts_and_so_it_is_the_loosest() -> None:
    acting = a_policy(escalation=STEPS)
    assert loosened(acting, than=POLICY) == ()
    assert len(loosened(POLICY, than=acting)) == 1


def test_what_has_no_direction_or_fits_neither_way_counts_as_looser_both_ways() -> None:
    for name, over in {"day": {"starts": "17:00"}, "symbol": {"allow": [BTC]}}.items():
        one = with_section(name, **over)
        other = with_section(name, **({"starts": "18:00"} if name == "day" else {"allow": [ETH]}))
        assert len(loosened(one, than=other)) == len(loosened(other, than=one)) == 1
        assert [change.right_is for change in changes(one, other)] == ["mixed"]


def test_a_quantity_limit_in_place_of_the_other_kind_may_let_more_in() -> None:
    """What neither bounds is refused: with a limit by volume, symbols pass that had none of their own."""
    by_symbol = with_section("max_quantity", share_of_bar_volume=None, per_symbol={BTC: 1})
    by_both = with_section("max_quantity", share_of_bar_volume="0.1", per_symbol={BTC: 1})
    assert loosened(by_both, than=by_symbol) == ("max_quantity.share_of_bar_volume: 0.1, not unset",)


def test_what_is_turned_off_says_nothing_by_its_other_settings() -> None:
    on, off = with_section("drift", maximum_bps=500), with_section("drift", enabled=False, maximum_bps=1)
    for left, right, direction in ((on, off, "looser"), (off, on, "tighter")):
        assert {change.path: change.right_is for change in changes(left, right)} == {
            "drift.enabled": direction,
            "drift.maximum_bps": "neutral",
        }


def test_a_table_is_compared_key_by_key_in_their_order() -> None:
    names = [f"{letter}/USDT" for letter in "ABCDEFGH"]
    left = with_section("max_quantity", per_symbol={"SAME/USDT": 7, **dict.fromkeys(names, 2)})
    right = with_section("max_quantity", per_symbol={"SAME/USDT": 7, **dict.fromkeys(names[1:], 3), "NEW/USDT": 4})
    assert [
        (c.path.removeprefix("max_quantity.per_symbol."), c.left, c.right, c.right_is) for c in changes(left, right)
    ] == [
        (names[0], "2", "unset", "looser"),
        *((name, "2", "3", "looser") for name in names[1:]),
        ("NEW/USDT", "unset", "4", "tighter"),
    ]
    assert {change.right_is for change in changes(right, left) if change.left == "3"} == {"tighter"}


def test_limits_by_symbol_where_nothing_else_bounds_may_refuse_what_they_let_in() -> None:
    """Without a limit by volume, a symbol that has no limit of its own is refused."""
    one = with_section("max_quantity", share_of_bar_volume=None, per_symbol={BTC: 1})
    other = with_section("max_quantity", share_of_bar_volume=None, per_symbol={BTC: 2})
    assert [change.right_is for change in changes(one, other)] == ["mixed"]


def test_a_section_that_only_one_policy_has_is_one_change_with_all_its_settings() -> None:
    stated = '{ warn_at = 0.8, on_breach = "deny", share_of_equity = 0.15 }'
    without = a_policy(position=None)
    assert [tuple(dict(change).values()) for change in changes(POLICY, without)] == [
        ("position", stated, "unset", "tighter")
    ]
    assert [tuple(dict(change).values()) for change in changes(without, POLICY)] == [
        ("position", "unset", stated, "looser")
    ]


def test_a_warning_level_is_neither() -> None:
    early = with_section("position", warn_at="0.5")
    assert loosened(early, than=POLICY) == loosened(POLICY, than=early) == ()
    (change,) = changes(POLICY, early)
    assert (change.path, change.left, change.right, change.right_is) == ("position.warn_at", "0.8", "0.5", "neutral")


def test_equal_policies_differ_in_nothing_whatever_they_are_called() -> None:
    assert changes(POLICY, POLICY.model_copy(update={"name": "other"})) == ()


@settings(max_examples=50)
@given(policy_pairs())
def test_differences_read_backwards_are_the_opposite(pair: tuple[Policy, Policy]) -> None:
    opposite = {"tighter": "looser", "looser": "tighter", "mixed": "mixed", "neutral": "neutral"}
    there, back = changes(*pair), changes(*reversed(pair))
    assert [(c.path, c.left, c.right, c.right_is) for c in back] == [
        (c.path, c.right, c.left, opposite[c.right_is]) for c in there
    ]
    assert not {change.right_is for change in there} & {"looser", "mixed"}
