"""Files and folders that only their owner may read: books, contexts and halts are nobody else's, under any umask."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def private_folder(path: Path) -> None:
    """Make `path` and what is missing above it, for the owner alone; what is there stays as it is. Raises `OSError`."""
    if path.is_dir():
        return
    private_folder(path.parent)
    try:
        path.mkdir()
    except FileExistsError:  # another process was faster, or it is no folder
        if not path.is_dir():
            raise
    else:
        path.chmod(0o700)


def private_file(path: Path) -> None:
    """Make `path`, empty and for the owner alone; one that is there stays as it is. Raises `OSError`.

    What SQLite puts beside its file, it gives that file's mode.
    """
    with suppress(FileExistsError):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(opened, 0o600)  # an umask takes from the mode, and may take too much
        finally:
            os.close(opened)
