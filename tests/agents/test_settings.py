"""Settings refuse what makes no sense, every problem at once, and have a digest."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from agents.settings import DeskSettings
from domain.digest import canonical, digest


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("risk", "risk_per_trade", "1.5"),
        ("risk", "max_position", "-0.1"),
        ("risk", "stop_atr", "0"),
        ("risk", "target_atr", "NaN"),
        ("risk", "max_hold_bars", 0),
        ("risk", "leverage", 10),
        ("signal", "threshold", "Infinity"),
        ("signal", "max_candidates", 0),
        ("research", "budget_tokens", 10),
        ("research", "candles_shown", 101),
    ],
)
def test_a_setting_out_of_its_bounds_is_refused_by_name(section: str, name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=rf"{section}\.{name}"):
        DeskSettings.model_validate({section: {name: value}})


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ValidationError, match="2 validation errors"):
        DeskSettings.model_validate({"risk": {"stop_atr": 0, "max_position": 2}})


def test_settings_survive_the_archive_and_differ_by_digest() -> None:
    given = DeskSettings.model_validate({"risk": {"stop_atr": "1.50"}})
    again = DeskSettings.model_validate_json(canonical(given))
    assert again == given
    assert digest(again) == digest(given) != digest(DeskSettings())
