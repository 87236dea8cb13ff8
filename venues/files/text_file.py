"""Files that people name: read only where they are files, and small ones within a bound. Nothing waits for a pipe."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from domain.toml import MOST_BYTES

_OTHERS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def require_file(path: Path) -> None:
    """Raise `ValueError` where `path` leads to something that is no file, and `OSError` where it leads to nothing."""
    _require_file(path.stat().st_mode)


def is_there(path: Path) -> bool:
    """Whether anything has that name, a link to nothing too: only what is missing is read as if it said nothing."""
    return path.exists() or path.is_symlink()


def _require_file(mode: int) -> None:
    for is_one, name in _OTHERS:
        if is_one(mode):
            raise ValueError(f"it is {name}, and no file")


def read_text(path: Path, *, most: int = MOST_BYTES) -> str:
    """The text of `path`, in UTF-8, without a byte-order mark, and with lines that end in a newline alone.

    No more than `most` bytes are read. Raises `OSError` where it can't be read, `FileNotFoundError` among them, and
    `ValueError` where it is larger, no such text, or no file.
    """
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)  # a pipe would wait for a writer
    try:
        _require_file(os.fstat(opened).st_mode)
        with os.fdopen(opened, "rb", closefd=False) as file:
            raw = file.read(most + 1)
    finally:
        os.close(opened)
    if len(raw) > most:
        raise ValueError(f"it is larger than {most:,} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not text in UTF-8: {error.reason} at byte {error.start}") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")
