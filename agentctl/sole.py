"""One process for one run: a second one that would go on with it at the same time is turned away."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from domain.errors import UsageError


@contextmanager
def sole(folder: Path, run_id: str) -> Generator[None]:
    """Hold the run while the body goes on. The lock is the system's, and ends with the process however that dies.

    Raises `UsageError` when another process has the run. It holds for those who share `folder`: for a
    PostgreSQL archive, runs of one data folder on one machine.
    """
    locks = folder / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(locks / run_id, timeout=0):
            yield
    except Timeout:
        raise UsageError(f"another process is running {run_id}", remedy="Stop it first, or start a new run") from None
