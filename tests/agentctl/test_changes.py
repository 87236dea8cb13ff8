"""`agentctl run --resume` with other settings: what is taken, what is refused, and what is said of agentctl.toml."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from agentctl.cli import main
from builders.old_archives import put_back
from builders.runs import NOW, REVIEWED, a_policy, archive, busy, drive
from graphs import prepare, resume, start
from graphs.session.eras import this_version
from memory import Approvals

USAGE, REFUSED, NOT_FOUND = 2, 3, 4


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("AGENTCTL_DB", "AGENTCTL_DATA_DIR", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def agentctl(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    return int(ended.value.code or 0), *capsys.readouterr()


def document(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    code, out, err = agentctl(capsys, *argv, "--json")
    assert code == 0, err
    return json.loads(out)


def differences(shown: Any) -> dict[str, tuple[str, str]]:
    return {each["setting"]: (each["was"], each["now"]) for each in shown["eras"][-1]["changes"]}


def test_a_run_that_goes_on_keeps_its_settings_and_says_in_what_the_file_differs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document(capsys, "run", "--cycles", "2")
    (folder / "agentctl.toml").write_text('model = "rules"\n[desk.risk]\nstop_atr = "3"\n')
    code, out, err = agentctl(capsys, "run", "--resume", "last", "--cycles", "3", "--json")
    said = "agentctl.toml differs from the run's settings in desk.risk.stop_atr: 2 -> 3; add --reload to take it"
    assert said in err
    assert (code, "eras" in json.loads(out)) == (0, False)
    code, out, err = agentctl(capsys, "run", "--resume", "last", "--cycles", "4", "--reload", "--json")
    assert differences(json.loads(out)) == {"desk.risk.stop_atr": ("2", "3")}
    assert "differs" not in err
    assert "from cycle 3 on: desk.risk.stop_atr: 2 -> 3" in err
    assert agentctl(capsys, "replay", "--run", "last")[0] == 0


def test_what_an_option_changed_is_no_difference_until_the_file_says_something_of_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document(capsys, "run", "--cycles", "1", "--set", "risk.max_hold_bars=5")
    document(capsys, "run", "--resume", "last", "--cycles", "2", "--set", "risk.stop_atr=3")
    _, _, err = agentctl(capsys, "run", "--resume", "last", "--cycles", "2")
    assert "differs" not in err
    (folder / "agentctl.toml").write_text('[desk.risk]\nstop_atr = "4"\n')
    _, _, err = agentctl(capsys, "run", "--resume", "last", "--cycles", "2")
    assert "settings in desk.risk.max_hold_bars: 5 -> 96, desk.risk.stop_atr: 3 -> 4; add --reload to take it" in err


@pytest.mark.parametrize("options", [["--set", "risk.stop_atr=2"], []])
def test_a_reason_without_a_change_is_said_to_be_kept_nowhere(
    capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    document(capsys, "run", "--cycles", "1")
    code, _, err = agentctl(capsys, "run", "--resume", "last", "--cycles", "2", "--reason", "why", *options)
    assert code == 0
    assert "note: no setting of the run changes, so that nothing of a change is recorded\n" in err
    assert "eras" not in document(capsys, "runs", "show", "last")


def test_options_change_a_run_that_goes_on_and_are_shown_with_who_and_why(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document(capsys, "run", "--cycles", "2")
    (folder / "words.txt").write_text("Say what you think of {symbol}.\n")
    options = ["--policy", "standard", "--prompt", "words.txt", "--set", "risk.max_hold_bars=5"]
    lane = ["--set", "lanes.news-sentiment.state=muted", "--by", "Ada", "--reason", "a try"]
    document(capsys, "run", "--resume", "last", "--cycles", "4", *options, *lane)
    shown = document(capsys, "runs", "show", "last")
    era, found = shown["eras"][-1], differences(shown)
    assert (era["from_cycle"], era["by"], era["reason"], era["policy"]) == (2, "Ada", "a try", "standard")
    assert found["desk.risk.max_hold_bars"] == ("96", "5")
    assert found["desk.research.instructions"] == ("", "Say what you think of {symbol}.")
    assert found["lanes.news-sentiment.state"] == ("enabled", "muted")
    assert found["policy.name"] == ("conservative", "standard")
    _, out, _ = agentctl(capsys, "runs", "show", "last")
    assert "by Ada" in out
    assert "desk.risk.max_hold_bars: 96 -> 5" in out
    assert agentctl(capsys, "snapshots", "verify")[0] == 0
    assert document(capsys, "status")["acts"][0]["kind"] == "change"


def test_a_new_run_takes_settings_by_option_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "agentctl.toml").write_text('[desk.risk]\nstop_atr = "3"\ntarget_atr = "5"\n')
    document(capsys, "run", "--cycles", "1", "--set", "risk.stop_atr=4", "--set", "lanes.macro.floor=150")
    _, _, err = agentctl(capsys, "run", "--resume", "last", "--cycles", "2")
    assert "desk.risk.stop_atr: 4 -> 3" in err
    assert "target_atr" not in err
    assert "lanes.macro.floor: 150 -> not set" in err


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        (["--set", "risk.stop=4"], USAGE, "desk.risk.stop"),
        (["--set", "risk.stop_atr=wide"], USAGE, "desk.risk.stop_atr"),
        (["--set", "policy.name=x"], USAGE, "policy.name"),
        (["--set", "risk.stop_atr"], USAGE, "risk.stop_atr=3"),
        (["--set", "lanes.macro.floor=x"], USAGE, "lanes.floor"),
        (["--policy", "missing.toml"], NOT_FOUND, "missing.toml"),
        (["--prompt", "missing.txt"], NOT_FOUND, "missing.txt"),
        (["--model", "openai/gpt-5-mini"], USAGE, "OPENAI_API_KEY"),
        (["--model", "gpt"], USAGE, "gpt"),
        (["--seed", "3"], USAGE, "--seed"),
        (["--market", "sim"], USAGE, "--market"),
        (["--cash", "5"], USAGE, "--cash"),
        (["--symbols", "BTC/USDT"], USAGE, "--symbols"),
    ],
)
def test_what_can_not_change_is_refused_by_name_and_changes_nothing(
    capsys: pytest.CaptureFixture[str], options: list[str], code: int, named: str
) -> None:
    document(capsys, "run", "--cycles", "1")
    ended, out, err = agentctl(capsys, "run", "--resume", "last", "--cycles", "2", *options)
    assert (ended, out) == (code, "")
    assert named in err
    assert "eras" not in document(capsys, "runs", "show", "last")


@pytest.mark.parametrize("option", [["--reload"], ["--by", "Ada"], ["--reason", "why"]])
def test_what_is_of_a_run_that_goes_on_is_refused_for_a_new_one(
    capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    code, _, err = agentctl(capsys, "run", "--cycles", "1", *option)
    assert (code, "--resume" in err) == (USAGE, True)


def test_a_question_of_a_cycle_that_another_version_began_can_not_be_answered(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def ask_and_go_on() -> str:
        async with archive(folder) as database:
            asked = busy(policy=a_policy(**REVIEWED), cycles=2)
            header, market, model = await prepare(asked, run_id="r1", at=NOW)
            older = header.model_copy(update={"version": "0.0.9"})
            await drive(await start(older, market, model, database=database), cycles=2)
            await resume("r1", database=database, cycles=2)
            (question,) = await Approvals(database).pending()
            return question.id

    id, url = asyncio.run(ask_and_go_on()), f"sqlite:///{folder / 'agentctl.db'}"
    code, _, err = agentctl(capsys, "approvals", "approve", id, "--reason", "fine", "--db", url)
    assert (code, "cycle 0, which is closed" in err) == (REFUSED, True)


def test_a_run_of_the_version_before_goes_on_and_its_replay_says_who_decided_what(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{folder / 'old.db'}"
    asyncio.run(put_back("0.1.0", url))
    code, _, err = agentctl(capsys, "run", "--resume", "r1", "--cycles", "8", "--db", url)
    assert (code, f"from cycle 7 on: version: 0.1.0 -> {this_version()}" in err) == (0, True)
    _, out, _ = agentctl(capsys, "runs", "show", "r1", "--db", url)
    assert "cycle 6 was cut short" in out
    assert agentctl(capsys, "snapshots", "verify", "--db", url)[0] == 0
    code, out, _ = agentctl(capsys, "replay", "--run", "r1", "--db", url)
    assert [words in out for words in ("0 to 5", "0.1.0", "version 0.1.0 began it", this_version())] == [True] * 4
    assert (code, "written by version 0.1.0, which decided differently" in out) in [(0, False), (REFUSED, True)]
