"""A database whose machine loses power at one of its commits, for tests of what is left and goes on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from memory import Database


class PowerCut(BaseException):
    """Not an Exception: nothing in the house may catch it and go on."""


class MortalDatabase(Database):
    """A database whose machine loses power at one of its commits: just before it, or just after."""

    commits = 0
    dies_at = -1
    survives_commit = False

    @asynccontextmanager
    async def transaction(self, *, sends: bool = False) -> AsyncGenerator[AsyncConnection]:
        self.commits += 1
        dying = self.commits == self.dies_at
        async with super().transaction(sends=sends) as connection:
            yield connection
            if dying and not self.survives_commit:
                raise PowerCut
        if dying:
            raise PowerCut

    async def close(self) -> None:
        """Without the last flush: a dead process writes nothing."""
        await self._engine.dispose()


async def mortal(folder: Path) -> MortalDatabase:
    opened = await MortalDatabase.open(f"sqlite:///{folder / 'agentctl.db'}")
    assert isinstance(opened, MortalDatabase)
    return opened
