"""The brake: a halt that needs no database. A file in the data folder, or a signal to the process."""

from __future__ import annotations

from pathlib import Path

from memory.controls import Control

HALT_FILE = "HALT"
"""Its presence in the data folder halts every run that works there; what it says is the reason."""

_REASON_LIMIT = 200


class Brake:
    """Asked before anything is judged and again before anything is sent.

    Once pulled it stays pulled for the life of the process: only `agentctl resume` of the halt that the
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
        if not self._reason and self._file is not None and self._file.exists():
            self.pull(f"the file {self._file.name}{_said(self._file)}")
        return self._reason


def _said(file: Path) -> str:
    try:
        text = file.read_text(errors="replace")[:_REASON_LIMIT].strip()
    except OSError:  # it is there, and that is enough
        return ""
    return f": {text}" if text else ""


def braked(control: Control, brake: Brake) -> Control:
    """`control` as it is in force, and as it is recorded: nothing moves while the brake is pulled."""
    if not brake.reason:
        return control.unnamed
    pulled = {"state": "halted", "flatten": False, "by": "brake", "reason": brake.reason}
    return control.unnamed.model_copy(update=pulled)
