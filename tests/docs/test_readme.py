"""The README shows nothing that does not run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from agentctl.cli import main
from builders.markets import OHLCV, recorded
from venues.files.market_file import read_market_file

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def toml_with(text: str) -> str:
    """The one block of TOML that has `text` in it."""
    (block,) = [block for block in blocks("toml") if text in block]
    return block


DIFFERS = 3


def test_every_command_in_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one folder, one after the other, with the files that they name."""
    monkeypatch.chdir(tmp_path)
    candles = recorded("crash-2025-01-5m") if (OHLCV / "crash-2025-01-5m").exists() else None
    if candles is not None:
        (tmp_path / "candles").symlink_to(candles)
    (tmp_path / "tight.toml").write_text(toml_with("extends = "))
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("agentctl ")]
    assert len(commands) >= 5
    for command in commands:
        if candles is None:
            command = command.replace("file:candles", "sim")
        with pytest.raises(SystemExit) as ended:
            main(shlex.split(command)[1:])
        allowed = {0, DIFFERS} if "diff" in command.split()[1:3] else {0}
        assert ended.value.code in {None, *allowed}, command


def test_every_python_example_in_the_readme_runs() -> None:
    for block in blocks("python"):
        done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout


def test_the_settings_in_the_readme_are_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agentctl.toml").write_text(toml_with("market = "))
    with pytest.raises(SystemExit) as ended:
        main(["config", "show"])
    assert not ended.value.code


def test_the_market_file_in_the_readme_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "market.toml").write_text(toml_with("calendar = "))
    stated = read_market_file(tmp_path / "market.toml", there=["AAPL/USD", "BTC/USD"])
    assert stated.asset("AAPL/USD").hours is not None
    assert stated.asset("BTC/USD").hours is None


def test_ci_runs_the_test_command_of_the_readme() -> None:
    install_and_test = next(line for block in blocks("sh") for line in block.splitlines() if "[dev]" in line)
    assert install_and_test in (ROOT / ".ci/run").read_text("utf-8").splitlines()


def test_every_file_that_the_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
