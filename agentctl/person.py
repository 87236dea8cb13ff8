"""Who acts, as it is written down."""

from __future__ import annotations

import getpass
import os

from memory.operators.audit_log import required


def named(by: str | None) -> str:
    """`by`, or the user of this process as the system knows them. Raises `UsageError` for an empty name."""
    if by is not None:
        return required(by, name="by")
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user, as in a container: its number is what is known
        return f"uid {os.getuid()}"
