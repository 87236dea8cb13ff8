"""The page of paper trading names every setting, with its default, and what it shows is accepted."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from agentctl.paper import PaperSettings
from agentctl.settings import load
from domain.digest import plain
from domain.money import BPS
from venues.costs import PaperCosts

PAGE = (Path(__file__).parents[2] / "docs/paper.md").read_text("utf-8")


def the_block() -> str:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    return block


def test_its_settings_are_accepted_and_are_all_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agentctl.toml").write_text(the_block())
    assert load().paper.model_fields_set == set(PaperSettings.model_fields)


def test_every_setting_is_explained_in_words() -> None:
    words = PAGE.replace(the_block(), "")
    assert [name for name in PaperSettings.model_fields if f"`{name}`" not in words] == []


def test_its_defaults_are_those_in_effect() -> None:
    costs, settings = PaperCosts(), PaperSettings()
    rows = {
        names: [cell.strip() for cell in default.split(",")]
        for names, default in re.findall(r"^\| (`[^|]+) \| ([^|]*) \|", PAGE, re.MULTILINE)
    }
    assert rows["`spot_maker_bps`, `spot_taker_bps`"] == _bps(costs.spot.maker, costs.spot.taker)
    assert rows["`swap_maker_bps`, `swap_taker_bps`"] == _bps(costs.swap.maker, costs.swap.taker)
    assert rows["`slippage_bps`"] == [plain(settings.slippage_bps)]
    assert rows["`impact_bps`"] == [plain(settings.impact_bps)]
    assert rows["`participation`"] == [plain(settings.participation)]
    shown = dict(re.findall(r"^(\w+) = ([0-9.]+)", the_block(), re.MULTILINE))
    for name in ("leverage", "maintenance_bps", "liquidation_fee_bps", "funding_bps"):
        assert Decimal(shown[name]) == getattr(settings, name)


def _bps(*parts: Decimal) -> list[str]:
    return [plain(part * BPS) for part in parts]
