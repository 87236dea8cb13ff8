"""Ctrl-C, a service manager's SIGTERM, and a terminal or reader that goes away, met by a real process."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM
from typing import Any

import pytest

from builders.processes import Agentctl, agentctl

CYCLES = 40
SETTINGS = f'seed = 8\ncycles = {CYCLES}\nsymbols = ["ETH/USDT"]\n'
INTERRUPTED = 130


@pytest.fixture(autouse=True)
def settings(tmp_path: Path) -> None:
    (tmp_path / "agentctl.toml").write_text(SETTINGS)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "agentctl.toml").write_text(SETTINGS)
    return json.loads(agentctl("run", "--json", folder=folder).out)


@pytest.mark.slow
@pytest.mark.parametrize(
    "signals",
    [(SIGINT,), (SIGTERM,), (SIGHUP,), (SIGINT, SIGINT), (SIGTERM, SIGINT)],
    ids=["Ctrl-C", "SIGTERM", "SIGHUP", "Ctrl-C twice", "SIGTERM, then Ctrl-C"],
)
def test_an_interrupted_run_says_so_and_goes_on_to_the_same_end(
    tmp_path: Path, signals: tuple[signal.Signals, ...], undisturbed: dict[str, Any]
) -> None:
    process = Agentctl("run", "--json", folder=tmp_path)
    process.wait_for("equity")
    process.send(signals[0])
    for again in signals[1:]:
        process.wait_for("again to stop at once")
        process.send(again)
    ended = process.end()
    assert ended.code == INTERRUPTED
    assert "Traceback" not in ended.err
    cut = json.loads(ended.out)
    assert (cut["status"], 0 < cut["cycles"] < CYCLES, cut["equity"]["reconciled"]) == ("interrupted", True, True)
    (advice,) = [line for line in ended.err.splitlines() if "--resume" in line]
    resumed = agentctl(*advice.partition("agentctl ")[2].split(), "--json", folder=tmp_path)
    assert resumed.code == 0
    end = json.loads(resumed.out)
    assert (end["run_id"], end["status"], end["cycles"]) == (cut["run_id"], "finished", CYCLES)
    for name in ("decisions", "orders", "snapshots", "equity", "seal"):
        assert end[name] == undisturbed[name]


@pytest.mark.slow
def test_a_terminal_that_goes_away_ends_the_run_in_order(tmp_path: Path) -> None:
    """As when a connection breaks: what is then written to the terminal can't be, and that fails nothing."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execv(sys.executable, [sys.executable, "-m", "agentctl", "run", "--cycles", "5000"])
    shown = b""
    while b"equity 1" not in shown:
        shown += os.read(terminal, 65_536)
    os.close(terminal)
    os.waitpid(pid, 0)
    (run,) = json.loads(agentctl("runs", "list", "--json", folder=tmp_path).out)
    assert (run["status"], 0 < run["cycles"] < 5000) == ("interrupted", True)
    assert agentctl("positions", "--json", folder=tmp_path).code == 0


@pytest.mark.slow
def test_under_nohup_a_hangup_ends_nothing(tmp_path: Path) -> None:
    process = Agentctl(
        "run", "--json", folder=tmp_path, prelude="import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    )
    process.wait_for("equity")
    process.send(SIGHUP)
    ended = process.end()
    assert (ended.code, json.loads(ended.out)["status"]) == (0, "finished")


@pytest.mark.slow
def test_an_interrupted_run_tells_a_person_the_same(tmp_path: Path) -> None:
    process = Agentctl("run", folder=tmp_path)
    process.wait_for("equity")
    process.send(SIGINT)
    ended = process.end()
    assert ended.code == INTERRUPTED
    assert "interrupted:" in ended.out
    assert "agentctl run --resume" in ended.err


@pytest.mark.slow
def test_a_run_that_another_process_drives_is_left_to_it(tmp_path: Path) -> None:
    process = Agentctl("run", "--cycles", "500", folder=tmp_path)
    process.wait_for("equity")
    second = agentctl("run", "--resume", "last", folder=tmp_path)
    process.send(SIGINT)
    assert process.end().code == INTERRUPTED
    assert (second.code, second.out) == (2, "")
    assert "another process" in second.err


@pytest.mark.parametrize("command", ["graphs list", "config schema", "graphs show trading"])
def test_a_reader_that_goes_away_is_no_error_to_speak_of(tmp_path: Path, command: str) -> None:
    """As in `agentctl runs list | head -1`."""
    gone, end = os.pipe()
    os.close(gone)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "agentctl", *command.split()],
            cwd=tmp_path,
            stdout=end,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(end)
    assert ended.stderr == ""
