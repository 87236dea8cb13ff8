"""One process for one run, and one run for one account: a second one at the same time is turned away."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from domain.errors import UsageError
from memory.database import Database


@asynccontextmanager
async def sole(database: Database, folder: Path, name: str) -> AsyncGenerator[None]:
    """Hold the run or account `name` while the body goes on: in `folder`, and on the server of a PostgreSQL archive.

    Raises `UsageError` when another process has it.
    """
    with held(folder, name):
        async with database.alone(name):
            yield


@contextmanager
def held(folder: Path, name: str) -> Generator[None]:
    """The part of `sole` on this machine. The lock is the system's, and ends with the process however that dies."""
    locks = folder / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(locks / name, timeout=0):
            yield
    except Timeout:
        raise UsageError(f"another process is running {name}", remedy="Stop it first, or start a new run") from None
