"""The brake: a halt that needs no database. A file in the data folder, or a signal to the process."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from memory.operators.controls import Control

HALT_FILE = "HALT"
"""Its presence in the data folder halts every run that works there; what it says is the reason."""

BRAKE = "brake"
"""Who halts, where it is the brake."""

_REASON_LIMIT = 200


class Brake:
    """Asked before anything is judged and again before anything is sent.

    Once pulled it stays pulled for the life of the process: only `agentctl unhalt` of the halt that the
    run then writes down, without the file, lets a new process trade.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._reason = ""

    def pull(self, reason: str) -> None:
        """Halt. Safe to call from a signal handler."""
        self._reason = self._reason or reason

    @property
    def reason(self) -> str:
        """Why nothing may be sent; empty when the brake is not pulled."""
        if not self._reason and self._file is not None and halts(self._file):
            message = _message(self._file)
            self.pull(f"the file {self._file.name}" + (f": {message}" if message else ""))
        return self._reason


def halts(file: Path) -> bool:
    """Whether a halt file is there: of whatever kind, a link to nothing too, and also where that can't be found out."""
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # a folder that may not be looked into: what can't be known stops
        return True
    return True


def _message(file: Path) -> str:
    """What the file says, as far as that can be read without waiting: a pipe or a device is not read."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            return ""
        opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # it may have become a pipe since
        try:
            return os.read(opened, 4 * _REASON_LIMIT).decode(errors="replace")[:_REASON_LIMIT].strip()
        finally:
            os.close(opened)
    except OSError:  # it is there, and that is enough
        return ""


def braked(control: Control, brake: Brake) -> Control:
    """`control` as it is in force, and as it is recorded: nothing moves while the brake is pulled."""
    if not brake.reason:
        return control.unnamed
    pulled = {"state": "halted", "flatten": False, "by": BRAKE, "reason": brake.reason}
    return control.unnamed.model_copy(update=pulled)
