"""The policy's page is what the checks and profiles say today."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from agentctl.policy_schema import policy_schema
from graphs.session.profiles import PROFILES, profile
from policy import CHECKS, Policy
from policy.limits import Tighter
from policy.reference import reference
from policy.tightness import SECTIONS, tighter

PAGE = (Path(__file__).parents[2] / "docs/policy.md").read_text("utf-8")


def test_the_page_is_fresh() -> None:
    """Write it again: `agentctl policy reference > docs/policy.md`."""
    assert reference(CHECKS, [profile(name) for name in PROFILES]) == PAGE


def test_the_page_names_every_check_with_its_source_and_every_setting() -> None:
    for check in CHECKS:
        assert f"### {check.code}\n" in PAGE
        assert check.source in PAGE
    for section, kind in SECTIONS.items():
        for name in kind.model_fields.keys() - {"enabled", "warn_at", "on_breach"}:
            assert f"`{section}.{name}`" in PAGE


def test_the_page_does_not_depend_on_the_order_of_the_checks() -> None:
    profiles = [profile(name) for name in PROFILES]
    assert reference(CHECKS[::-1], profiles) == reference(CHECKS, profiles)


def test_the_schema_describes_every_setting_with_its_direction() -> None:
    schema = policy_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert set(schema["properties"]) == {*Policy.model_fields, "extends", "without"}
    for kind in SECTIONS.values():
        told = schema["$defs"][kind.__name__]["properties"]
        assert set(told) == set(kind.model_fields)
        for name, setting in told.items():
            direction = tighter(kind, name)
            if direction not in (None, Tighter.NEITHER):
                assert setting["description"].endswith(f"Refuses more: {direction.value}."), (kind.__name__, name)
    days = schema["$defs"]["DayLimits"]["properties"]["time_zone"]["description"]
    assert days == "An IANA name, as `America/New_York`."


@pytest.mark.parametrize(
    ("stated", "fits"),
    [
        ({"name": "mine", "price_collar": {"band_bps": 3, "stop_band_bps": 5}}, True),
        ({"name": "mine", "price_collar": {"band_bps": 3}}, False),
        ({"name": "mine", "extends": "conservative", "price_collar": {"band_bps": 3}}, True),
        ({"name": "mine", "extends": "conservative", "without": ["depth", "max_notional.absolute"]}, True),
        ({"name": "mine", "extends": "conservative", "price_collar": {"band": 3}}, False),
        ({"name": "mine", "extends": ""}, False),
        ({"extends": "conservative"}, False),
    ],
)
def test_the_schema_lets_a_file_that_extends_another_state_only_what_differs(
    stated: dict[str, object], fits: bool
) -> None:
    validator = jsonschema.Draft202012Validator(policy_schema())
    assert validator.is_valid(stated) is fits
