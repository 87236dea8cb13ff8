"""One database: opened and brought up to date, read from, written to in whole transactions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Self

from sqlalchemy import AdaptedConnection, Connection, Table, event
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InvalidatePoolError,
    OperationalError,
    PendingRollbackError,
    ProgrammingError,
    ResourceClosedError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from domain.errors import AgentctlError, DatabaseUnavailable, NotFound, Refused, UsageError
from memory.store.journal import Journal, Waiting
from memory.store.migrate import migrate, stored_revision
from memory.store.private import private_file, private_folder
from memory.store.rows import Row
from memory.store.schema import REVISION, metadata
from memory.store.sqlite_inline import connect
from memory.store.url import Address

if TYPE_CHECKING:
    from memory.store.leases import Lease

_CONNECT_S = 10
_TRIES = 200
_PAUSE_S = 0.05
"""Together with the moment that each try takes: 20 seconds' patience with another process."""

_FORBIDDEN = frozenset({"42501", "3F000"})
"""PostgreSQL's codes for a user without the rights, and for a schema that is not there: no mistake of a statement."""

_FILE_REMEDIES = {
    "locked": "Another process keeps it: end that one, or try again when it is done",
    "readonly": "Give this user the right to write to the file and its folder, then do it again",
    "full": "Make room on the disk, then do it again: what was committed is there",
}


class Database:
    """SQLite or PostgreSQL. Writers take turns; rows that were noted are in the next commit."""

    def __init__(self, address: Address, engine: AsyncEngine) -> None:
        """Not for callers: `open` and `in_memory` make one."""
        self.address = address
        self._engine = engine
        if address.sqlite:
            self._writer = engine.execution_options(begin="BEGIN IMMEDIATE")
            self._reader = engine
        else:
            self._writer = engine
            self._reader = engine.execution_options(isolation_level="REPEATABLE READ")
        self._writing = asyncio.Lock()
        # A database in memory has one connection: there, readers wait for the writer too.
        self._shared = address.sqlite and address.path is None
        self._journal = Journal()
        self._writer_task: asyncio.Task[object] | None = None
        self._noted_inside: Waiting = {}
        self._undoing: list[Callable[[], None]] = []
        self.lease: Lease | None = None
        """What this process holds here, and must still hold to write. `memory.store.leases.hold_lease` sets it."""

    @classmethod
    async def open(cls, url: str, *, create: bool = True) -> Database:
        """Open the database, made or migrated where that is needed.

        Raises `UsageError` for a URL or file that is no database of ours, `NotFound` when it is missing
        and `create` is false, `DatabaseVersionError` when a newer version wrote it, and
        `ServiceUnavailable` when it can't be reached. In all these cases nothing was written.
        """
        address = Address.parse(url)
        if address.sqlite and address.path is None:
            return await cls.in_memory()
        if address.path is not None:
            _prepare(address, create=create)
        database = cls(address, _engine(address))
        try:
            await database._bring_up_to_date(create=create)
        except BaseException:
            await database._engine.dispose()
            raise
        return database

    @classmethod
    async def in_memory(cls) -> Database:
        """A fresh database that is gone when closed: for replay and tests."""
        address = Address.parse("sqlite://")
        database = cls(address, _engine(address))
        async with database.transaction() as connection:
            await connection.run_sync(metadata.create_all)
        return database

    async def _bring_up_to_date(self, *, create: bool) -> None:
        with self._translated():
            async with self._reader.connect() as connection:
                stored = await connection.run_sync(stored_revision)
            if stored == REVISION:
                return
            if stored is None and not create:
                raise NotFound(f"{self.address} holds no archive", remedy="agentctl run makes one")
            if stored is None and self.address.sqlite:
                async with self._engine.execution_options(begin="").connect() as connection:
                    await connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            async with AsyncExitStack() as stack:
                connection = await self._begin(stack)
                await connection.run_sync(migrate)

    @asynccontextmanager
    async def transaction(self, *, sends: bool = False) -> AsyncGenerator[AsyncConnection]:
        """All or nothing, one writer at a time. Rows noted so far are inserted first, and those noted meanwhile last.

        What the writer itself notes inside belongs to the transaction, and is forgotten with one that fails.
        `sends`: something goes out when it is committed. Raises `LeaseLost` where a lease that is held here no longer
        allows that, and `RuntimeError` inside another transaction of the same task: they do not nest.
        """
        self._require_outside()
        async with self._writing:
            self._writer_task = asyncio.current_task()
            try:
                with self._translated():
                    async with AsyncExitStack() as stack:
                        connection = await self._begin(stack)
                        held_until = await self.lease.check(connection, sends=sends) if self.lease else 0.0
                        written = await self._journal.write(connection)
                        yield connection
                        written |= await self._journal.write(connection, but=written)
            except BaseException:
                self._undo()
                raise
            finally:
                self._writer_task, self._noted_inside, self._undoing = None, {}, []
            self._journal.forget(written)
            if self.lease:
                self.lease.confirm(held_until)

    def _require_outside(self) -> None:
        if self._writer_task is not None and asyncio.current_task() is self._writer_task:
            raise RuntimeError("a transaction is open in this task, and neither nests nor sees what is read beside it")

    def _undo(self) -> None:
        self._journal.forget(self._noted_inside)
        for undo in self._undoing:
            undo()

    async def _begin(self, stack: AsyncExitStack) -> AsyncConnection:
        """A connection in a transaction. Where another process writes, wait and let the loop go on."""
        for _ in range(_TRIES):
            try:
                return await stack.enter_async_context(self._writer.begin())
            except OperationalError as error:
                if "locked" not in str(error.orig):
                    raise
            await asyncio.sleep(_PAUSE_S)
        raise DatabaseUnavailable(
            f"another process has been writing to {self.address} for long",
            remedy="End that process if it stands still, or try again",
        )

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection]:
        """One consistent view of what is committed. Rows noted since the last commit are not in it.

        Raises `RuntimeError` inside a transaction of the same task, which would not see its own writes.
        """
        self._require_outside()
        if self._shared:
            async with self._writing:
                with self._translated():
                    async with self._reader.connect() as connection:
                        yield connection
        else:
            with self._translated():
                async with self._reader.connect() as connection:
                    yield connection

    def note(self, table: Table, row: Row, *, undo: Callable[[], None] | None = None) -> None:
        """Write `row` with the next commit, its digest added. Noting the same again changes nothing.

        Noted inside a transaction by its own task, the row is part of it: when that fails, the row is
        forgotten and `undo` called. Raises `Refused` when other content was noted under its key; when
        other content is stored there, the next commit raises it.
        """
        new = self._journal.note(table, row)
        if self._writer_task is not None and asyncio.current_task() is self._writer_task:
            self._noted_inside |= new
            self._undoing += [undo] if undo else []

    @asynccontextmanager
    async def beside(self) -> AsyncGenerator[AsyncConnection]:
        """A transaction of its own turn that takes along nothing of what was noted. Not inside another of the task."""
        self._require_outside()
        async with self._writing:
            with self._translated():
                async with AsyncExitStack() as stack:
                    yield await self._begin(stack)

    async def flush(self) -> None:
        """Commit what was noted."""
        if self._journal:
            async with self.transaction():
                pass

    def forget(self) -> None:
        """Drop what was noted and not committed, as the end of the process would."""
        self._journal = Journal()

    async def close(self) -> None:
        """Commit what was noted, and let go."""
        try:
            await self.flush()
        finally:
            await self._engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    @contextmanager
    def _translated(self) -> Generator[None]:
        """The one place where errors of the database become ours."""
        try:
            yield
        except (IntegrityError, ProgrammingError, DataError) as error:
            if not dropped(error) and not _forbidden(error):
                raise  # a mistake of ours, to be seen as it is
            raise self._explained(error.orig or error) from error
        except DBAPIError as error:
            raise self._explained(error.orig or error) from error
        except (PoolTimeout, PendingRollbackError, ResourceClosedError, OSError) as error:
            raise self._explained(error) from error

    def _explained(self, error: BaseException) -> AgentctlError:
        """What a driver's error means to whoever gave the URL."""
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        if "file is not a database" in reason:
            return UsageError(f"{self.address} is not an SQLite database", remedy="Name another file with --db")
        if "unable to open database file" in reason:
            return UsageError(f"{self.address} cannot be opened: {reason}", remedy="Check the path and its permissions")
        if "Could not decode" in reason:
            return Refused(
                f"{self.address} holds a text that is none any more: {reason}",
                remedy="agentctl snapshots verify names the row",
            )
        return DatabaseUnavailable(f"the database {self.address} failed: {reason}", remedy=self._remedy(reason))

    def _remedy(self, reason: str) -> str:
        """What to do first. What was committed is there in any case, and nothing is half written."""
        if not self.address.sqlite:
            return "See that the server runs and lets this user in, then do it again: what was committed is there"
        for sign, remedy in _FILE_REMEDIES.items():
            if sign in reason:
                return remedy
        return "See that the disk and the file are sound, then do it again: what was committed is there"


def dropped(error: SQLAlchemyError) -> bool:
    """Whether it says that the connection is gone, and nothing of what was asked."""
    if isinstance(error, (PoolTimeout, PendingRollbackError, ResourceClosedError)):
        return True
    return isinstance(error, DBAPIError) and (error.connection_invalidated or isinstance(error, InterfaceError))


def _forbidden(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in _FORBIDDEN


def _prepare(address: Address, *, create: bool) -> None:
    """See that the file can be there. Raises `NotFound` or `UsageError`."""
    path = address.path
    assert path is not None  # noqa: S101
    if path.is_dir():
        raise UsageError(f"{path} is a folder", remedy="Name a file in it")
    if path.exists():
        return
    if not create:
        raise NotFound(f"there is no database at {path}", remedy="agentctl run makes one")
    try:
        private_folder(path.parent)
    except OSError as error:
        raise UsageError(f"the folder {path.parent} cannot be made: {error.strerror}") from error
    try:
        private_file(path)
    except OSError as error:
        raise UsageError(
            f"{address} cannot be opened: {error.strerror}", remedy="Check the path and its permissions"
        ) from error


def _engine(address: Address) -> AsyncEngine:
    if not address.sqlite:
        try:
            server = create_async_engine(
                address.url,
                connect_args={"timeout": _CONNECT_S, "server_settings": {"application_name": "agentctl"}},
            )
        except ModuleNotFoundError as error:
            raise UsageError("PostgreSQL needs a driver", remedy="pip install agentctl[postgres]") from error
        event.listen(server.sync_engine, "checkout", _ask_whether_alive)
        return server
    engine = create_async_engine(address.url, connect_args={"async_creator_fn": connect})
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _ask_whether_alive(connection: AdaptedConnection, _record: object, _proxy: object) -> None:
    """One journey to the server. The pool's own `pool_pre_ping` makes three: it wraps its question in a transaction."""
    try:
        connection.run_async(lambda driver: driver.execute("SELECT 1"))
    except Exception as error:  # a driver whose connection went away fails in many ways, also within itself
        raise InvalidatePoolError from error  # the others that are open will be as old


def _begin(connection: Connection) -> None:
    # IMMEDIATE where writing: a reader that turns writer could otherwise fail when another wrote between.
    if begin := connection.get_execution_options().get("begin", "BEGIN"):
        connection.exec_driver_sql(begin)
