"""Small text files that people write: settings, policies, prompts. Read within a bound, whatever the path leads to."""

from __future__ import annotations

from pathlib import Path

from domain.toml import MOST_BYTES


def read_text(path: Path, *, most: int = MOST_BYTES) -> str:
    """The text of `path`, in UTF-8, without a byte-order mark, and with lines that end in a newline alone.

    No more than `most` bytes are read, also of a device that never ends. Raises `OSError` where it can't be read,
    `FileNotFoundError` among them, and `ValueError` where it is larger or no such text.
    """
    with path.open("rb") as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise ValueError(f"it is larger than {most:,} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not text in UTF-8: {error.reason} at byte {error.start}") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")
