"""Policy files: what is read, and what is said of a bad one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.policy_worlds import policy_pairs
from domain.errors import PolicyFileError
from policy import Policy, parse_policy
from policy.file import PolicyFile, parse_file, toml, written

KINDS = "'spot', 'swap' or 'option', or 'crypto', 'equity', 'fx' or 'commodity'"


def problems(text: str) -> list[str]:
    with pytest.raises(PolicyFileError) as raised:
        parse_policy(text, source="mine.toml")
    return str(raised.value).splitlines()


@pytest.mark.parametrize("place", ["max_quantity.per_symbol", "market_data.max_age_s_of", "correlation.groups"])
def test_where_a_table_belongs_one_is_asked_for(place: str) -> None:
    section, _, name = place.partition(".")
    said = problems(f'name = "p"\n[{section}]\n{name} = 3')
    assert f"  {place}: expected a table of settings, not 3" in said


def test_a_time_zone_that_is_not_stated_must_be_known_too() -> None:
    with pytest.raises(PolicyFileError, match="expected a time zone known here such as America/New_York, not 'UTC'"):
        parse_policy('name = "p"', source="p", knows_zone=lambda zone: False)


def test_numbers_are_decimals_from_the_text_on() -> None:
    policy = parse_policy('name = "p"\n[conviction]\nminimum = 0.1', source="p")
    assert policy.conviction is not None
    assert policy.conviction.minimum == Decimal("0.1")


def test_equal_policies_have_equal_digests_however_they_are_written() -> None:
    one = parse_policy('name = "p"\n[conviction]\nminimum = 0.50', source="a")
    two = parse_policy('name = "p"\nconviction.minimum = 5e-1 # the same', source="b")
    other = parse_policy('name = "p"\n[conviction]\nminimum = 0.51', source="c")
    assert one.digest == two.digest != other.digest


def test_every_problem_is_named_at_once_with_its_path() -> None:
    text = """
        name = "My Policy"
        positon = 3
        [day]
        starts = "9:30"
        [position]
        share_of_equity = 1.5
        [exposure]
        gross_share_of_equity = "60%"
        on_breach = "warn"
        [price_collar]
        band_bp = 100
        stop_band_bps = 0
        [max_notional]
        [max_quantity]
        per_symbol = { btc = 3 }
        [market_data]
        max_age_s = -1
        max_age_s_of = { bond = 3 }
        max_jump_bps = 500
        [short]
        allow = "yes"
        [open_positions]
        maximum = 2.5
        [symbol]
        deny = ["btc"]
        allow = "BTC/USDT"
        [order_type]
        types = ["iceberg"]
        [cash]
        reserve_share_of_equity = nan
        [drift]
        maximum_bps = { least = 3 }
        [value_at_risk]
        confidence = 1
        minimum_bars = 1
        horizon_bars = "12"
        share_of_equity = [0.1]
        [authority]
        agents = ["The Boss"]
    """
    found = problems(text)
    assert found[0] == f"mine.toml has {len(found) - 1} problems:"
    assert sorted(line.strip() for line in found[1:]) == sorted(
        [
            "name: expected a name in small letters such as my-policy, not 'My Policy'",
            "positon: unknown key; did you mean position?",
            "day.starts: expected a time of day such as 09:30, not '9:30'",
            "position.share_of_equity: expected at most 1 (ten per cent is 0.1), not 1.5",
            "exposure.gross_share_of_equity: expected a number, not '60%'",
            "exposure.on_breach: expected 'review' or 'deny', not 'warn'",
            "price_collar.band_bp: unknown key; did you mean band_bps?",
            "price_collar.band_bps: is missing",
            "price_collar.stop_band_bps: expected more than 0, not 0",
            "max_notional: set share_of_equity, absolute, or both",
            "max_quantity.per_symbol.btc: expected a symbol such as BTC/USDT, not 'btc'",
            "market_data.max_age_s: expected at least 0, not -1",
            f"market_data.max_age_s_of.bond: expected {KINDS}, not 'bond'",
            "short.allow: expected true or false, not 'yes'",
            "open_positions.maximum: expected a whole number, not 2.5",
            "symbol.deny.0: expected a symbol such as BTC/USDT, not 'btc'",
            "symbol.allow: expected a list, not 'BTC/USDT'",
            "order_type.types.0: expected 'market', 'limit' or 'stop', not 'iceberg'",
            "order_type.times_in_force: is missing",
            "cash.reserve_share_of_equity: expected a number, not NaN",
            "drift.maximum_bps: expected a number, not a table",
            "value_at_risk.confidence: expected less than 1, not 1",
            "value_at_risk.minimum_bars: expected at least 2, not 1",
            "value_at_risk.horizon_bars: expected a whole number, not '12'",
            "value_at_risk.share_of_equity: expected a number, not a list",
            "authority.agents.0: expected an agent's name such as risk, not 'The Boss'",
        ]
    )


def test_an_unknown_key_like_no_other_lists_those_known() -> None:
    assert problems('name = "p"\n[short]\nxyzzy = 1') == [
        "mine.toml has 1 problem:",
        "  short.xyzzy: unknown key; known are allow",
    ]


def test_a_number_in_place_of_a_section_is_said_so() -> None:
    assert problems('name = "p"\nprice_collar = 2')[1] == "  price_collar: expected a section of settings, not 2"


def test_the_known_keys_are_listed_in_their_order() -> None:
    assert problems('name = "p"\n[exposure]\nx = 1')[2] == (
        "  exposure.x: unknown key; known are gross_share_of_equity, on_breach, warn_at"
    )


def test_what_is_wrong_is_shown_as_it_stands_in_the_file_and_cut_short() -> None:
    assert problems('name = "p"\n[cash]\nreserve_share_of_equity = true')[1] == (
        "  cash.reserve_share_of_equity: expected a number, not true"
    )
    assert problems(f'name = "{"p" * 200}"')[1] == (
        f"  name: expected a name in small letters such as my-policy, not '{'p' * 59}"
    )
    assert problems(f'name = "p"\n[short]\n{"k" * 200} = 1')[1] == f"  short.{'k' * 54}: unknown key; known are allow"


def test_a_policy_is_written_section_by_section_without_what_is_unset() -> None:
    text = toml(parse_policy('name = "p"\nmax_notional.absolute = 1.50', source="p"))
    assert text.startswith('name = "p"\n\n[day]\nstarts = "00:00"\ntime_zone = "UTC"\n\n[review]\n')
    assert '\n\n[max_notional]\nwarn_at = 0.8\non_breach = "deny"\nabsolute = 1.5\n\n[short]\nallow = false\n' in text
    assert text.endswith("\ndecision_required = true\n")
    assert "cash" not in text


@settings(max_examples=30)
@given(policy_pairs())
def test_a_policy_written_as_a_file_is_read_as_the_same(pair: tuple[Policy, Policy]) -> None:
    for policy in pair:
        assert parse_policy(toml(policy), source="written") == policy


def test_settings_are_written_as_a_file_states_them() -> None:
    values = {"x": Decimal("0.10"), "BTC/USDT": frozenset({"b", "a"})}
    assert written(values) == '{ x = 0.1, "BTC/USDT" = ["a", "b"] }'
    assert [written(value) for value in (None, True, 3, "risk", {})] == ["unset", "true", "3", '"risk"', "{}"]


@pytest.mark.parametrize("text", ["name =", 'name = "a"\nname = "b"', "a = " + "[" * 5_000])
def test_text_that_is_not_toml_is_one_clear_line(text: str) -> None:
    (line,) = problems(text)
    assert line.startswith("mine.toml is ")


@pytest.mark.parametrize("number", ["inf", "-inf", "nan", "-0.1", "1e999999999999999999999", "true"])
def test_numbers_outside_their_range_are_refused(number: str) -> None:
    assert len(problems(f'name = "p"\n[conviction]\nminimum = {number}')) == 2


@settings(max_examples=50)
@given(st.text())
def test_any_text_is_a_policy_or_a_policy_file_error(text: str) -> None:
    with suppress(PolicyFileError):
        assert parse_policy(text, source="any").name


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[day]\ntime_zone = "Mars/Olympus"', ["day.time_zone: expected a time zone known here"]),
        (
            '[day]\ntime_zone = "Mars/Olympus"\n[cash]\nreserve = 1',
            [
                "cash.reserve_share_of_equity: is missing",
                "cash.reserve: unknown key",
                "day.time_zone: expected a time zone",
            ],
        ),
        ("[day]\ntime_zone = 5", ["day.time_zone: expected text"]),
        ('day = "UTC"', ["day: expected a section"]),
        ('[day]\ntime_zone = "Earth/Here"', []),
        ("", []),
    ],
)
def test_a_zone_that_is_not_known_where_the_policy_is_used_is_told_with_all_else(text: str, told: list[str]) -> None:
    def knows(zone: str) -> bool:
        return zone in ("UTC", "Earth/Here")

    stated = f'name = "mine"\n{text}'
    if not told:
        assert parse_policy(stated, source="mine.toml", knows_zone=knows).name == "mine"
        return
    with pytest.raises(PolicyFileError) as refused:
        parse_policy(stated, source="mine.toml", knows_zone=knows)
    lines = refused.value.message.splitlines()[1:]
    assert len(lines) == len(told)
    assert all(any(line.strip().startswith(start) for line in lines) for start in told)


def test_without_a_word_on_zones_none_is_doubted() -> None:
    assert (
        parse_policy('name = "mine"\n[day]\ntime_zone = "Mars/Olympus"', source="mine.toml").day.time_zone
        == "Mars/Olympus"
    )


def test_what_a_later_version_can_set_is_left_out_of_a_policy_that_does_not_set_it() -> None:
    """So that the policies of older archives keep their digests."""
    options = {"minimum_days": 7, "minimum_delta": "0.3", "maximum_delta": "0.7", "share_of_equity": "0.2"}
    written_out = Policy.model_validate({"name": "p", "option": options, "depth": {"share_of_touch": 1}}).model_dump()
    assert written_out["option"].keys() == {*options, "long_only", "warn_at", "on_breach"}
    assert written_out["depth"].keys() == {"share_of_touch", "enabled", "warn_at", "on_breach"}
    stated = {"depth": {"share_of_touch": 1, "allow_unknown": ["paper"]}, "option": options | {"averaging_down": True}}
    assert parse_policy(toml(Policy.model_validate({"name": "p", **stated})), source="p") == Policy.model_validate(
        {"name": "p", **stated}
    )


# Files that extend others


BASE = """
name = "base"
[position]
share_of_equity = 0.15
[max_notional]
share_of_equity = 0.10
absolute = 900
[max_quantity]
share_of_bar_volume = 0.05
per_symbol = { "BTC/USDT" = 1 }
[escalation]
alert_at = 0.7
halve_at = 0.9
flatten_at = 1
"""


def reads(**texts: str) -> Callable[[str, str], tuple[str, str]]:
    return lambda name, by: (name, texts.get(name, ""))


def extended(text: str, **texts: str) -> PolicyFile:
    return parse_file(f'name = "mine"\n{text}', source="mine", read=reads(**({"base": BASE} | texts)))


def refused(text: str, **texts: str) -> list[str]:
    with pytest.raises(PolicyFileError) as raised:
        extended(text, **texts)
    return raised.value.message.splitlines()


def test_a_file_states_only_what_differs_from_what_it_extends() -> None:
    file = extended('extends = "base"\n[max_notional]\nshare_of_equity = 0.05\n[cash]\nreserve_share_of_equity = 0.1')
    whole = parse_policy(
        BASE.replace('"base"', '"mine"').replace("share_of_equity = 0.10", "share_of_equity = 0.05")
        + "[cash]\nreserve_share_of_equity = 0.1",
        source="whole",
    )
    assert (file.policy, file.extends) == (whole, ("base",))
    assert file.policy.digest == whole.digest


def test_a_table_within_a_section_takes_the_place_of_the_one_below() -> None:
    limits = extended('extends = "base"\nmax_quantity.per_symbol = { "ETH/USDT" = 2 }').policy.max_quantity
    assert limits is not None
    assert (limits.per_symbol, limits.share_of_bar_volume) == ({"ETH/USDT": 2}, Decimal("0.05"))


def test_sections_and_keys_can_be_taken_away_and_stated_anew() -> None:
    policy = extended(
        'extends = "base"\nwithout = ["escalation", "max_notional.absolute", "position"]\nposition.share_of_equity = 1'
    ).policy
    assert policy.escalation is None
    assert policy.max_notional is not None
    assert policy.max_notional.absolute is None
    assert policy.position is not None
    assert policy.position.share_of_equity == 1


def test_files_extend_files_and_the_uppermost_word_counts() -> None:
    middle = """
        name = "Middle, whose name nobody reads"
        extends = "base"
        position.share_of_equity = 0.1
        cash.reserve_share_of_equity = 0.2
    """
    file = extended('extends = "middle"\nposition.share_of_equity = 0.12', middle=middle)
    assert file.extends == ("middle", "base")
    assert file.policy.position is not None
    assert file.policy.cash is not None
    assert (file.policy.position.share_of_equity, file.policy.cash.reserve_share_of_equity) == (
        Decimal("0.12"),
        Decimal("0.2"),
    )


def test_every_problem_is_named_with_the_file_that_it_is_in() -> None:
    text = """
        extends = "base"
        without = ["escalaton", "max_notional.absolut", "max_quantity.share_of_bar_volume"]
        [position]
        share_of_equty = 0.1
        [cash]
        [max_quantity]
        per_symbol = {}
    """
    worse = BASE.replace("absolute = 900", "absolute = 'many'") + "[drift]\nmaximum_bps = -1\n[daily_los]\nx = 1"
    assert refused(text, base=worse) == [
        "mine has 5 problems:",
        "  without: nothing below states escalaton; did you mean escalation?",
        "  without: nothing below states max_notional.absolut; did you mean max_notional.absolute?",
        "  max_quantity: set share_of_bar_volume, per_symbol, or both",
        "  position.share_of_equty: unknown key; did you mean share_of_equity?",
        "  cash.reserve_share_of_equity: is missing",
        "base, which mine extends, has 3 problems:",
        "  max_notional.absolute: expected a number, not 'many'",
        "  drift.maximum_bps: expected at least 0, not -1",
        "  daily_los: unknown key; did you mean daily_loss?",
    ]


def test_a_key_that_must_be_there_is_missed_by_the_file_that_took_it_away() -> None:
    assert refused('extends = "base"\nwithout = ["position.share_of_equity"]') == [
        "mine has 1 problem:",
        "  position.share_of_equity: is missing",
    ]


def test_a_file_that_extends_another_has_a_name_of_its_own() -> None:
    with pytest.raises(PolicyFileError, match="mine has 1 problem:\n  name: is missing"):
        parse_file('extends = "base"', source="mine", read=reads(base=BASE))


def test_a_zone_that_nobody_knows_is_told_of_the_file_that_states_it() -> None:
    with pytest.raises(PolicyFileError, match=r"base, which mine extends, has 1 problem:\n  day\.time_zone: exp"):
        parse_file(
            'name = "mine"\nextends = "base"',
            source="mine",
            read=reads(base=BASE + '[day]\ntime_zone = "Mars/Olympus"'),
            knows_zone=lambda zone: False,
        )


def test_files_that_extend_each_other_in_a_circle_are_refused_with_the_circle() -> None:
    (line,) = refused('extends = "one"', one='extends = "two"', two='extends = "mine"')
    assert line == "mine extends itself: mine -> one -> two -> mine"
    (line,) = refused('extends = "one"', one='extends = "two"', two='extends = "one"')
    assert line == "one extends itself: mine -> one -> two -> one"


def test_no_more_than_eight_files_make_one_policy() -> None:
    chain = {f"f{n}": f'extends = "f{n + 1}"' for n in range(1, 9)}
    assert len(extended('extends = "f1"', **chain | {"f7": ""}).extends) == 7
    (line,) = refused('extends = "f1"', **chain)
    assert line.startswith("more than 8 policy files extend each other: mine -> f1 -> ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("extends = 5", "extends: expected a profile's name or a path in quotes, not 5"),
        ('extends = ""', "extends: expected a profile's name or a path in quotes, not "),
        ('without = ["position"]', "without: is for files that extend another"),
        (
            'extends = "base"\nwithout = "position"',
            "without: expected a list of sections or of keys as section.key, not position",
        ),
        ('extend = "base"', "extend: unknown key; did you mean extends?"),
    ],
)
def test_what_is_wrong_with_extending_is_told_with_all_else(text: str, line: str) -> None:
    assert f"  {line}" in refused(f"{text}\n[cash]\nreserve_share_of_equity = 2")


def test_below_that_is_not_toml_is_named() -> None:
    (line,) = refused('extends = "base"', base="name =")
    assert line.startswith("base is not TOML: ")


def test_where_no_file_is_read_none_can_be_extended() -> None:
    with pytest.raises(PolicyFileError, match="mine extends 'base', and no file is read here"):
        parse_policy('name = "mine"\nextends = "base"', source="mine")
