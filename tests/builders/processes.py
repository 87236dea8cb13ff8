"""agentctl as a process of its own: watched by its lines on stderr, and stopped the way a machine or a person would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PATIENCE_S = 170
NO_NETWORK = """
import os, socket
def refuse(*asked, **named):
    os.write(2, f"the network was asked for: {asked}".encode())
    os._exit(99)
socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = socket.getaddrinfo = refuse
"""
"""A prelude that ends the process when anything asks for the network."""


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    """Negative for the signal that ended it."""
    out: str
    err: str


class Agentctl:
    """One process of the command line, in `folder`."""

    def __init__(self, *argv: str, folder: Path, env: Mapping[str, str] | None = None, prelude: str = "") -> None:
        """`prelude` is Python that runs in the process before anything of ours is imported."""
        start = ["-c", f"{prelude}\nfrom agentctl.cli import main\nmain()"] if prelude else ["-m", "agentctl"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AGENTCTL_", "COV_"))}
        self._process = subprocess.Popen(
            [sys.executable, *start, *argv],
            cwd=folder,
            env=kept | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._seen = ""

    def wait_for(self, words: str) -> None:
        """Until a line on stderr holds `words`. Fails when the process ends first."""
        for line in _pipe(self._process.stderr):
            self._seen += line
            if words in line:
                return
        raise AssertionError(f"the process ended with {self.end().code} and never said {words!r}: {self._seen}")

    def first_line(self) -> str:
        """Of what it prints on stdout."""
        return _pipe(self._process.stdout).readline()

    def send(self, *signals: signal.Signals) -> None:
        for each in signals:
            self._process.send_signal(each)

    def end(self) -> Ended:
        """What became of it, once it has ended."""
        out, err = self._process.communicate(timeout=PATIENCE_S)
        return Ended(self._process.returncode, out, self._seen + err)


def agentctl(*argv: str, folder: Path, env: Mapping[str, str] | None = None, prelude: str = "") -> Ended:
    """Run a command to its end."""
    return Agentctl(*argv, folder=folder, env=env, prelude=prelude).end()


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream
