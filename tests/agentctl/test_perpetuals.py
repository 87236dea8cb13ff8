"""What an operator reads of perpetuals on paper: the terms, the margin, a liquidation, and an end with nothing left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentctl.cli import main
from agentctl.paper import PaperSettings
from agentctl.settings import load
from builders.perpetuals import SWAP, a_perpetual
from domain.errors import UsageError
from venues.costs import PerpetualTerms

EAGER = """
[desk.signal]
threshold = "0.1"

[desk.risk]
reenter_after_bars = 0
min_conviction = "0.2"
max_position = "0.9"
risk_per_trade = 1
stop_atr = 60
target_atr = 90
"""


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    return int(ended.value.code or 0)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def begin(folder: Path, *, cycles: int, paper: str = "", rate: str = "0.001") -> None:
    a_perpetual(folder / "market", lambda bar: "0.1" if rate == "ruinous" and bar > 3 else "0.001")
    (folder / "agentctl.toml").write_text(f"[paper]\n{paper}\n{EAGER}")
    assert call("run", "--market", "file:market", "--policy", "paper-lab", "--cycles", str(cycles)) == 0


def test_the_defaults_are_those_of_the_venue() -> None:
    assert PaperSettings().costs.perpetuals == PerpetualTerms()


def test_settings_are_kept_by_the_run(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paper = "leverage = 4\nmaintenance_bps = 100\nliquidation_fee_bps = 20\nfunding_bps = -0.5"
    begin(elsewhere, cycles=2, paper=paper)
    read = capsys.readouterr()
    source = "ETH-USDT-USDT_funding.csv"
    said = f"{SWAP} on paper: funding at the rates of {source}; leverage up to 4, maintenance margin of 1 %"
    assert said in read.err
    assert f"note: {said}" in read.out
    assert call("runs", "show", "last", "--json") == 0
    assert json.loads(capsys.readouterr().out)["costs"]["perpetuals"] == {
        "leverage": "4",
        "maintenance": "0.01",
        "liquidation_fee": "0.002",
        "funding_rate": "-0.00005",
        "funding_from": {SWAP: "ETH-USDT-USDT_funding.csv"},
    }
    assert call("runs", "show", "last") == 0
    terms = "leverage up to 4, liquidation fee 20 bps, funding by ETH-USDT-USDT_funding.csv"
    assert terms in capsys.readouterr().out


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("leverage = 0.5", "paper.leverage: Input should be greater than or equal to 1"),
        ("leverage = 126", "paper.leverage: Input should be less than or equal to 125"),
        ("maintenance_bps = 0", "paper.maintenance_bps: Input should be greater than 0"),
        ("liquidation_fee_bps = 2000", "paper.liquidation_fee_bps: Input should be less than or equal to 1000"),
        ("funding_bps = 101", "paper.funding_bps: Input should be less than or equal to 100"),
        ("funding_bps = -101", "paper.funding_bps: Input should be greater than or equal to -100"),
        ("funding_bps = nan", "paper.funding_bps: Input should be a finite number"),
        ("funding_bp = 1", "paper.funding_bp: unknown key; did you mean funding_bps?"),
        (
            "leverage = 50\nmaintenance_bps = 200",
            "maintenance_bps 200 is no less than the initial margin at a leverage",
        ),
    ],
)
def test_what_can_not_be_is_refused_by_its_name(elsewhere: Path, toml: str, said: str) -> None:
    (elsewhere / "agentctl.toml").write_text(f"[paper]\n{toml}\n")
    with pytest.raises(UsageError) as refused:
        load()
    assert said in refused.value.message


def test_positions_show_leverage_margins_liquidation_and_funding(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(elsewhere, cycles=5, paper="leverage = 2\nmaintenance_bps = 2_000")
    capsys.readouterr()
    assert call("positions", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    (perpetual,) = shown["perpetuals"].values()
    assert perpetual["leverage"] == "2"
    assert float(perpetual["initial_margin"]) == pytest.approx(float(perpetual["maintenance_margin"]) * 2.5)
    assert perpetual["funding"] == shown["positions"][SWAP]["funding"] == shown["realized"]
    assert float(perpetual["funding"]) < 0
    assert call("positions") == 0
    table = capsys.readouterr().out
    for heading in ("leverage", "margin", "maintenance", "liquidation price", "funding"):
        assert heading in table
    assert "2x" in table


def test_spot_has_no_such_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "--cycles", "2") == 0
    capsys.readouterr()
    assert call("positions", "--json") == 0
    assert "perpetuals" not in json.loads(capsys.readouterr().out)


def test_a_liquidation_is_said_as_it_happens(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # So much must be kept that a few fundings are too many.
    begin(elsewhere, cycles=12, paper="maintenance_bps = 8_000\nliquidation_fee_bps = 1000", rate="ruinous")
    read = capsys.readouterr()
    lines = [line for line in read.err.splitlines() if "LIQUIDATED" in line]
    assert lines
    assert lines[0].endswith("the margin balance fell to the maintenance margin")
    assert f"LIQUIDATED {SWAP}: long" in lines[0]
    assert "of it funding -" in read.out
    assert call("replay", "--run", "last") == 0
