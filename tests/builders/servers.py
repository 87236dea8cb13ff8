"""The PostgreSQL server that tests may use, and statements sent to it."""

from __future__ import annotations

import os

from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import create_async_engine

SERVER = os.environ.get("AGENTCTL_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
EMPTY = ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
"""Makes a database as good as new."""


async def tell(url: URL, *statements: str) -> None:
    engine = create_async_engine(url.set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))
    finally:
        await engine.dispose()
