"""Archives that older versions of agentctl left, made into databases of their revision: see `builders.killed_run`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, column, insert, table
from sqlalchemy.ext.asyncio import create_async_engine

from memory.store.migrate import SCRIPTS
from memory.store.schema import VERSION_TABLE
from memory.store.sqlite_inline import connect
from memory.store.url import Address

ARCHIVES = Path(__file__).parents[1] / "graphs" / "archives"


async def put_back(version: str, url: str) -> None:
    """The database that `version` left, at `url`, at the revision that it had."""
    rows: dict[str, list[dict[str, Any]]] = json.loads(gzip.decompress((ARCHIVES / f"{version}.json.gz").read_bytes()))
    ((revision,),) = [row.values() for row in rows.pop(VERSION_TABLE)]

    def write(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(SCRIPTS))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for name, values in rows.items():
            columns = [column(key) for key in values[0]]
            connection.execute(insert(table(name, *columns)), values)

    address = Address.parse(url)
    options = {"connect_args": {"async_creator_fn": connect}} if address.sqlite else {}
    engine = create_async_engine(address.url, **options)
    async with engine.begin() as connection:
        await connection.run_sync(write)
    await engine.dispose()
