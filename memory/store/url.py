"""Where a database is: its URL understood, checked, and shown without secrets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from domain.errors import UsageError

_REMEDY = "Write sqlite:///path/to/agentctl.db or postgresql://user:password@host/database"
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


@dataclass(frozen=True, slots=True)
class Address:
    """One database. `path` is the file of an SQLite database, `None` for one in memory or on a server."""

    url: URL
    path: Path | None

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises `UsageError`; the text itself, which may hold a password, is never repeated."""
        try:
            url = make_url(text)
        except (ArgumentError, ValueError) as error:
            raise UsageError("the database URL cannot be read", remedy=_REMEDY) from error
        if url.drivername not in _DRIVERS:
            raise UsageError(f"databases of kind {url.drivername!r} are not known", remedy=_REMEDY)
        url = url.set(drivername=_DRIVERS[url.drivername])
        if not url.drivername.startswith("sqlite"):
            if not url.database:
                raise UsageError("the database URL names no database", remedy=_REMEDY)
            return cls(url=url, path=None)
        in_memory = url.database in (None, "", ":memory:")
        return cls(url=url, path=None if in_memory else Path(str(url.database)))

    @property
    def sqlite(self) -> bool:
        return self.url.drivername.startswith("sqlite")

    def __str__(self) -> str:
        """The place, for messages: a path, or host and database. Never a user's secret."""
        if self.sqlite:
            return str(self.path or "in memory")
        port = f":{self.url.port}" if self.url.port else ""
        return f"{self.url.host or 'localhost'}{port}/{self.url.database}"
