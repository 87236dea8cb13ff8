"""Which version a database has, and the way to the newest. Alembic is imported only when there is a way to go."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from domain.errors import DatabaseVersionError, UsageError
from memory.store.schema import REVISION, VERSION_TABLE, metadata

SCRIPTS = Path(__file__).parent / "migrations"

_LOCK = 7_226_400_201
"""Any number that is ours: two processes that open an empty PostgreSQL database take turns."""


def stored_revision(connection: Connection) -> str | None:
    """The revision that the database says it has; `None` for one that was never migrated.

    Raises `UsageError` for a database whose tables have our names and are not ours.
    """
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE in tables:
        revision: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608
        return revision
    if taken := sorted(tables & set(metadata.tables)):
        raise UsageError(
            f"the database is not agentctl's, and has tables of the same names: {', '.join(taken)}",
            remedy="Name another database with --db",
        )
    return None


def migrate(connection: Connection) -> None:
    """Bring the database to `REVISION` within the open transaction.

    Raises `DatabaseVersionError`, with nothing written, for a revision that this version doesn't know.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    stored = stored_revision(connection)
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if stored is not None and stored not in known:
        raise DatabaseVersionError(
            f"the database has revision {stored}, and this version of agentctl knows up to {REVISION}",
            remedy="Install the newer agentctl, or name another database with --db",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
