"""Policy files: what is read, and what is said of a bad one."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.policy import a_proposal, judge, some_facts
from domain.errors import PolicyFileError
from policy import Policy, parse_policy

CONSERVATIVE = (files("policy") / "profiles" / "conservative.toml").read_text(encoding="utf-8")


def problems(text: str) -> list[str]:
    with pytest.raises(PolicyFileError) as raised:
        parse_policy(text, source="mine.toml")
    return str(raised.value).splitlines()


def test_the_conservative_profile_is_what_it_says() -> None:
    policy = parse_policy(CONSERVATIVE, source="conservative.toml")
    assert policy.name == "conservative"
    assert policy.max_notional is not None
    assert policy.max_notional.share_of_equity == Decimal("0.1")
    assert policy.short.allow is False
    assert policy.stop.required is True
    assert judge(a_proposal(), some_facts(), policy=policy).outcome == "allow"


def test_the_conservative_profile_leaves_no_section_out() -> None:
    policy = parse_policy(CONSERVATIVE, source="conservative.toml")
    assert all(getattr(policy, section) is not None for section in Policy.model_fields)


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
        name = "mine"
        positon = 3
        [position]
        share_of_equity = 1.5
        [price_collar]
        band_bp = 100
        [max_notional]
        [short]
        allow = "yes"
        [open_positions]
        maximum = 2.5
        [symbol]
        deny = ["btc"]
        [order_type]
        types = ["stop"]
        [cash]
        reserve_share_of_equity = nan
    """
    found = problems(text)
    assert found[0] == "mine.toml has 11 problems:"
    assert found[1:] == [
        "  symbol.deny.0: String should match pattern '^[A-Z0-9]{1,20}/[A-Z0-9]{1,20}(:[A-Z0-9]{1,20})?$', not 'btc'",
        "  order_type.types.0: Input should be 'market' or 'limit', not 'stop'",
        "  order_type.times_in_force: is missing",
        "  max_notional: set share_of_equity, absolute, or both",
        "  price_collar.band_bps: is missing",
        "  price_collar.band_bp: unknown key; did you mean band_bps?",
        "  position.share_of_equity: Input should be less than or equal to 1, not 1.5",
        "  open_positions.maximum: Input should be a valid integer, not 2.5",
        "  cash.reserve_share_of_equity: Input should be a finite number, not NaN",
        "  short.allow: Input should be a valid boolean, not 'yes'",
        "  positon: unknown key; did you mean position?",
    ]


def test_an_unknown_key_like_no_other_lists_those_known() -> None:
    assert problems('name = "p"\n[short]\nxyzzy = 1') == [
        "mine.toml has 1 problem:",
        "  short.xyzzy: unknown key; known are allow",
    ]


def test_a_number_in_place_of_a_section_is_said_so() -> None:
    assert problems('name = "p"\nprice_collar = 2')[1] == "  price_collar: expected a section of settings, not 2"


@pytest.mark.parametrize("text", ["name =", 'name = "a"\nname = "b"', "a = " + "[" * 5_000])
def test_text_that_is_not_toml_is_one_clear_line(text: str) -> None:
    (line,) = problems(text)
    assert line.startswith("mine.toml is ")


@pytest.mark.parametrize("number", ["inf", "-inf", "nan", "-0.1", "1e999999999999999999999", "true"])
def test_numbers_outside_their_range_are_refused(number: str) -> None:
    assert len(problems(f'name = "p"\n[conviction]\nminimum = {number}')) == 2


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_any_text_is_a_policy_or_a_policy_file_error(text: str) -> None:
    with suppress(PolicyFileError):
        assert parse_policy(text, source="any").name
