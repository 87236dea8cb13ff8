"""The brake of a run: a file in the data folder or a signal halts it, with or without a database that listens."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from signal import SIGINT, SIGUSR1
from typing import Any

import pytest

from agentctl.cli import main
from agentctl.live import Lines, brake_line
from agentctl.output import stderr_console
from builders.processes import Agentctl, agentctl
from graphs.session.trading_halt import Brake

BUSY = 'seed = 2\nsymbols = ["ETH/USDT"]\n[desk.risk]\nreenter_after_bars = 0\n'
"""An entry in cycle 0, its exit in cycle 3 and another entry in cycle 4."""
INTERRUPTED = 130


@pytest.fixture(autouse=True)
def settings(tmp_path: Path) -> None:
    (tmp_path / "agentctl.toml").write_text(BUSY)


def json_of(folder: Path, *argv: str) -> Any:
    ended = agentctl(*argv, "--json", folder=folder)
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_a_run_beside_a_halt_file_sends_nothing_and_writes_the_halt_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AGENTCTL_DB", raising=False)
    file = tmp_path / ".agentctl/HALT"
    file.parent.mkdir()
    file.write_text("the exchange is on fire\n")

    def said(*argv: str, code: int = 0) -> tuple[Any, str]:
        with pytest.raises(SystemExit) as ended:
            main([*argv, "--json"])
        assert (ended.value.code or 0) == code
        captured = capsys.readouterr()
        return json.loads(captured.out), captured.err

    result, err = said("run", "--cycles", "5", code=3)
    assert (result["cycles"], result["orders"]) == (5, [])
    assert err.count("HALTED by the file HALT: the exchange is on fire") == 1
    run_id = result["run_id"]
    file.unlink()
    control = said("status", "--run", run_id)[0]["trading"]
    assert (control["scope"], control["state"], control["by"]) == (run_id, "halted", "brake")
    assert "on fire" in control["reason"]
    assert said("run", "--resume", run_id, "--cycles", "8", code=3)[0]["orders"] == []
    said("unhalt", "--run", run_id, "--reason", "put out")
    assert said("run", "--resume", run_id, "--cycles", "20")[0]["orders"] != []


@pytest.mark.slow
def test_a_signal_halts_a_run_that_goes_on(tmp_path: Path) -> None:
    process = Agentctl("run", "--cycles", "500", "--json", folder=tmp_path)
    process.wait_for("equity")
    process.send(SIGUSR1)
    process.wait_for("HALTED by SIGUSR1")
    process.wait_for("equity")
    sent = len(json_of(tmp_path, "orders")["orders"])
    process.wait_for("equity")
    process.send(SIGINT)
    ended = process.end()
    assert ended.code == INTERRUPTED
    assert len(json.loads(ended.out)["orders"]) == sent
    assert json_of(tmp_path, "status", "--run", "last")["trading"]["reason"] == "SIGUSR1"


@pytest.mark.slow
def test_a_halt_from_another_terminal_reaches_a_run_that_goes_on(tmp_path: Path) -> None:
    process = Agentctl("run", "--cycles", "500", "--json", folder=tmp_path)
    process.wait_for("equity")
    assert agentctl("halt", "--level", "flatten", "--reason", "weekend", folder=tmp_path).code == 0
    process.wait_for("equity")
    process.send(SIGINT)
    ended = process.end()
    assert ended.code == INTERRUPTED
    assert json_of(tmp_path, "positions")["positions"] == {}
    assert json_of(tmp_path, "status", "--run", "last")["trading"]["state"] == "halted"


def _a_pipe(file: Path) -> None:
    os.mkfifo(file)


def _a_folder(file: Path) -> None:
    file.mkdir()


def _a_link_to_nothing(file: Path) -> None:
    file.symlink_to(file.parent / "nothing")


def _a_device(file: Path) -> None:
    file.symlink_to("/dev/zero")


def _unreadable(file: Path) -> None:
    file.write_text("nobody may read this")
    file.chmod(0)


def _huge(file: Path) -> None:
    with file.open("wb") as opened:
        opened.write(b"x" * 300)
        opened.truncate(1 << 40)


@pytest.mark.parametrize("make", [_a_pipe, _a_folder, _a_link_to_nothing, _a_device, _unreadable, _huge])
def test_whatever_lies_in_its_place_the_halt_file_halts_at_once(
    tmp_path: Path, make: Callable[[Path], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".agentctl").mkdir()
    file = tmp_path / ".agentctl/HALT"
    make(file)
    begun = time.monotonic()
    reason = Brake(file).reason
    assert time.monotonic() - begun < 1
    assert reason.startswith("the file HALT")
    assert len(reason) < 250
    monkeypatch.chdir(tmp_path)
    for argv, code in ((["run", "--cycles", "2"], 3), (["status"], 0), (["unhalt", "--reason", "x"], 3)):
        with pytest.raises(SystemExit) as ended:
            main(argv)
        assert (ended.value.code or 0) == code, capsys.readouterr().err


def test_a_file_that_can_not_be_looked_at_halts() -> None:
    assert Brake(Path("x" * 300)).reason == f"the file {'x' * 300}"


def test_a_pulled_brake_is_told_once_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    brake = Brake()
    lines = Lines(stderr_console(), brake=brake, cycles=4)
    lines.heed()
    assert capsys.readouterr().err == ""
    brake.pull("SIGUSR1")
    lines.heed()
    lines.heed()
    assert capsys.readouterr().err == f"{brake_line(brake)}\n"


def test_what_the_halt_file_says_cannot_write_on_the_screen(tmp_path: Path) -> None:
    (tmp_path / "HALT").write_text("x\n\x1b[2J\u202eall is well")
    assert brake_line(Brake(tmp_path / "HALT")) == (
        "HALTED by the file HALT: x [2Jall is well: the run goes on, and nothing is sent"
    )
