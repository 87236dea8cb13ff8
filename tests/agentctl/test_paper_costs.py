"""What trading on paper costs is set by `[paper]`, `AGENTCTL_PAPER__*` and `--fee-bps`, and stays with the run."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from agentctl.cli import main
from agentctl.paper import PaperSettings
from agentctl.settings import load
from domain.errors import UsageError
from venues.costs import FeeSchedule, PaperCosts, PerpetualTerms


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    return int(ended.value.code or 0)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert call(*arguments, "--json") == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_nothing_set_is_what_it_always_was() -> None:
    assert PaperSettings().costs == load().paper.costs == PaperCosts(perpetuals=PerpetualTerms())


def test_a_fee_is_that_of_every_fill_unless_one_of_its_own_is_set(elsewhere: Path) -> None:
    (elsewhere / "agentctl.toml").write_text("[paper]\nfee_bps = 4\nspot_maker_bps = 0\nswap_taker_bps = 5.5\n")
    costs = load().paper.costs
    assert costs.spot == FeeSchedule(maker=Decimal(0), taker=Decimal("0.0004"))
    assert costs.swap == FeeSchedule(maker=Decimal("0.0004"), taker=Decimal("0.00055"))


def test_a_variable_comes_before_the_file(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "agentctl.toml").write_text("[paper]\nslippage_bps = 4\nimpact_bps = 7\n")
    monkeypatch.setenv("AGENTCTL_PAPER__SLIPPAGE_BPS", "2.5")
    costs = load().paper.costs
    assert (costs.slippage_bps, costs.impact_bps) == (Decimal("2.5"), Decimal(7))


def test_the_option_comes_before_every_fee_of_the_file(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (elsewhere / "agentctl.toml").write_text("[paper]\nfee_bps = 4\nspot_maker_bps = 9\nparticipation = 0.5\n")
    found = shown(capsys, "run", "--cycles", "2", "--fee-bps", "7.5")
    same = {"maker": "0.00075", "taker": "0.00075"}
    assert found["costs"] == {
        "spot": same,
        "swap": same,
        "slippage_bps": "1",
        "impact_bps": "10",
        "participation": "0.5",
    }
    assert shown(capsys, "runs", "show", "last")["costs"] == found["costs"]
    assert call("runs", "show", "last") == 0
    said = "paper costs: fees 7.5 bps on spot; spread of the quotes, or by the bar; slippage 1 bps"
    assert said in capsys.readouterr().out


def test_a_run_that_goes_on_pays_what_it_began_with(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown(capsys, "run", "--cycles", "2", "--fee-bps", "7")
    (elsewhere / "agentctl.toml").write_text("[paper]\nfee_bps = 99\nspread_bps = 50\n")
    found = shown(capsys, "run", "--resume", "last", "--cycles", "4")
    assert found["costs"]["spot"]["taker"] == "0.0007"  # type: ignore[index]
    assert call("replay", "--run", "last") == 0


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("slipage_bps = 1", "paper.slipage_bps: unknown key; did you mean slippage_bps?"),
        ("feebps = 1", "paper.feebps: unknown key; did you mean fee_bps?"),
        ("fee_bps = -1", "paper.fee_bps: Input should be greater than or equal to 0"),
        ("fee_bps = 1001", "paper.fee_bps: Input should be less than or equal to 1000"),
        ("fee_bps = nan", "paper.fee_bps: Input should be a finite number"),
        ("spread_bps = inf", "paper.spread_bps: Input should be a finite number"),
        ("participation = 0", "paper.participation: Input should be greater than 0"),
        ("participation = 1.5", "paper.participation: Input should be less than or equal to 1"),
        ('impact_bps = "much"', "paper.impact_bps: Input should be a valid decimal"),
    ],
)
def test_what_is_no_cost_is_refused_by_its_name(elsewhere: Path, toml: str, said: str) -> None:
    (elsewhere / "agentctl.toml").write_text(f"[paper]\n{toml}\n")
    with pytest.raises(UsageError) as refused:
        load()
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("run --fee-bps x", "--fee-bps 'x' is not a number. Write --fee-bps 5"),
        ("run --fee-bps=-1", "--fee-bps -1 is not from 0 to 1000. Write --fee-bps 5"),
        ("run --fee-bps NaN", "--fee-bps NaN is not from 0 to 1000. Write --fee-bps 5"),
        ("run --fee-bps 1e999999", "--fee-bps 1E+999999 is not from 0 to 1000. Write --fee-bps 5"),
        ("run --live --market okx --fee-bps 5", "--fee-bps is of paper. With --live the account, and what it costs"),
        ("run --resume last --fee-bps 5", "--fee-bps can't change in a run that goes on"),
    ],
)
def test_an_option_that_can_not_be_is_said_in_words(
    arguments: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*arguments.split()) == 2
    assert said in capsys.readouterr().err


def test_config_shows_the_costs_in_effect(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (elsewhere / "agentctl.toml").write_text("[paper]\nspread_bps = 3\n")
    paper = shown(capsys, "config", "show")["paper"]
    assert isinstance(paper, dict)
    assert (paper["spread_bps"], paper["slippage_bps"]) == ("3", "1")
