"""The right to run a run and to trade an account, held as a lease: for a while, under a number that only rises.

Whoever takes a lease writes the next number into its row, and every transaction of the holder looks, in itself,
whether its own number still stands there and the time has not run out, and makes it run longer. So a process that was
paused, cut off or taken for dead commits nothing and sends nothing once somebody else may. Time is the database's.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Select,
    Text,
    Update,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from domain.errors import AgentctlError, LeaseLost, ServiceUnavailable, UsageError
from domain.value import Instant, Value
from memory.store.database import Database
from memory.store.schema import leases

T = TypeVar("T")
Tell = Callable[[str], None]
Sleep = Callable[[float], Awaitable[None]]

TTL_S: Final = 15.0
"""How long a lease lasts that nobody renews: it is renewed after a third of that, and in each transaction."""

_LOOK_S: Final = 0.5
"""Between two looks at a lease that is waited for."""

_NOW: Final = {
    "sqlite": "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
}
"""The database's clock in milliseconds. On a server not the transaction's beginning: it may have waited since."""

_PLACES: Final = ("run", "account")
_TTL: Final[BindParameter[int]] = bindparam("ttl_ms", type_=BigInteger)


class Holder(Value):
    """A process that may hold leases. `id` is of one holding alone: no process has that of another."""

    id: str
    host: str
    machine: str
    """Host, boot and process namespace: where `pid` means what it says."""
    pid: int
    started: str
    """When the process began, in the system's own count; empty where the system has none."""

    @classmethod
    def here(cls) -> Holder:
        host, pid = socket.gethostname(), os.getpid()
        return cls(id=secrets.token_hex(8), host=host, machine=_machine(host), pid=pid, started=_start_of(pid))


class LeaseRecord(Value):
    """A lease as the database has it."""

    scope: str
    """A run's id, or an account at an exchange, as `okx:123`."""
    token: int
    holder: Holder
    expires_at: Instant
    in_force: bool

    @property
    def in_words(self) -> str:
        return f"process {self.holder.pid} on {self.holder.host}"

    @property
    def proven_dead(self) -> bool:
        """Whether its holder was a process of this machine, and is none any more."""
        return self.holder.machine == _machine(socket.gethostname()) and _ended(self.holder.pid, self.holder.started)


def elapsed_s() -> float:
    """A clock that only goes forward, and goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Lease:
    """What one process holds in one database: a run, and of a live run its account. Made by `hold_lease`."""

    def __init__(self, database: Database, holder: Holder, *, ttl_s: float, tell: Tell) -> None:
        self._database = database
        self._holder = holder
        self._ttl_s = ttl_s
        self._tell = tell
        self._tokens: dict[str, int] = {}
        """By scope; the run first. All are needed to send, and the run to write."""
        self._until = 0.0
        """When it has run out by our own clock, unless it was renewed by more than what is known."""
        self._lost = asyncio.Event()

    @property
    def tokens(self) -> dict[str, int]:
        return dict(self._tokens)

    async def take(self, scope: str, *, sleep: Sleep = asyncio.sleep) -> None:
        """Hold `scope` too. Where a holder on another machine may be dead, wait until its lease runs out.

        Raises `UsageError`, naming the holder, where another process has it.
        """
        first: LeaseRecord | None = None
        while True:
            record, began = None, elapsed_s()
            async with self._database.beside() as connection:
                token = await self._taken(connection, scope)
                if token is None:
                    record = await lease_of(connection, scope)
            if token is not None:
                self._tokens[scope], self._until = token, began + self._ttl_s
                return
            if record is None:
                continue  # it was given back between the two statements
            first = first or record
            if record.expires_at != first.expires_at or record.token != first.token or self._nearby(record):
                raise UsageError(
                    f"another process is running {scope}: {record.in_words}",
                    remedy=f"Stop it first. One that stands still loses {scope} at {record.expires_at:%H:%M:%S} UTC",
                )
            if record is first:
                self._tell(
                    f"{record.in_words} has {scope} until {record.expires_at:%H:%M:%S} UTC: waiting whether it goes on"
                )
            await sleep(_LOOK_S)

    async def _taken(self, connection: AsyncConnection, scope: str) -> int | None:
        parameters = {**self._holder.model_dump(exclude={"id"}), "holder": self._holder.id, "scope": scope}
        parameters |= {"ttl_ms": self._ttl_ms, "dead_token": -1}
        statement = _take(connection.dialect.name)
        token = (await connection.execute(statement, parameters)).scalar()
        if token is None:
            record = await lease_of(connection, scope)
            if record is not None and record.proven_dead:
                token = (await connection.execute(statement, {**parameters, "dead_token": record.token})).scalar()
        return token

    def _nearby(self, record: LeaseRecord) -> bool:
        """Whether the holder is on this machine, where it would be known if it were dead."""
        return record.holder.machine == self._holder.machine

    async def check(self, connection: AsyncConnection, *, sends: bool) -> float:
        """See within a transaction that it stands, and renew it. Returns for `confirm` until when, after the commit.

        Raises `LeaseLost` where the run is no longer held; where anything of it is not, in one that `sends`.
        """
        until = elapsed_s() + self._ttl_s
        rows = await connection.execute(_renewal(connection.dialect.name), self._parameters)
        still = {row[0] for row in rows}
        for scope in [*self._tokens] if sends else [*self._tokens][:1]:
            if scope not in still:
                raise await self._loss(connection, scope)
        return until if len(still) == len(self._tokens) else self._until

    def confirm(self, until: float) -> None:
        """What `check` returned was committed."""
        self._until = max(self._until, until)

    def require(self) -> None:
        """Raises `LeaseLost` where it may have run out by our own clock: for the moment before a request goes out."""
        if elapsed_s() >= self._until:
            raise _run_out(", ".join(self._tokens))

    async def renew(self, *, sends: bool = True) -> None:
        """`check` by itself. Raises `LeaseLost`."""
        async with self._database.beside() as connection:
            until = await self.check(connection, sends=sends)
        self.confirm(until)

    async def keep(self) -> None:
        """Renew it again and again, where no transaction does."""
        while True:
            await asyncio.sleep(self._ttl_s / 3)
            if self._until - elapsed_s() > self._ttl_s * 0.7:
                continue
            try:
                await self.renew()
            except LeaseLost:
                self._lost.set()
            except ServiceUnavailable:
                pass  # asked again soon; until then nothing is committed either

    async def unless_lost(self, work: Awaitable[T]) -> T:
        """`work` when it is done. Raises `LeaseLost` when the lease is found to be lost before that."""
        working = asyncio.ensure_future(work)
        losing = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise _run_out(", ".join(self._tokens))
            return await working
        finally:
            losing.cancel()
            if not working.done():
                working.cancel()
                await asyncio.wait({working})

    async def regain(self) -> None:
        """Take it again where nobody had it in between. Raises `LeaseLost` where somebody had, or has it."""
        tokens, began = self.tokens, elapsed_s()
        async with self._database.beside() as connection:
            for scope, token in self._tokens.items():
                parameters = {"held_scope": scope, "held_token": token, "ttl_ms": self._ttl_ms}
                again = (await connection.execute(_again(connection.dialect.name), parameters)).scalar()
                if again is None:
                    raise await self._loss(connection, scope)
                tokens[scope] = again
        self._tokens, self._until = tokens, began + self._ttl_s
        self._lost.clear()

    async def release(self) -> None:
        """Let go, so that the next may have it at once. What was lost is left alone."""
        async with self._database.beside() as connection:
            await connection.execute(_RELEASE, self._parameters)

    async def _loss(self, connection: AsyncConnection, scope: str) -> LeaseLost:
        record = await lease_of(connection, scope)
        if record is None or record.token == self._tokens[scope]:
            return _run_out(scope)
        return LeaseLost(
            f"{scope} was taken over by {record.in_words}",
            remedy="Nothing more is sent from here, and stops at the venue stay. agentctl status names who runs what",
        )

    @property
    def _ttl_ms(self) -> int:
        return int(self._ttl_s * 1_000)

    @property
    def _parameters(self) -> dict[str, Any]:
        pairs = list(self._tokens.items())
        parameters: dict[str, Any] = {"ttl_ms": self._ttl_ms}
        for place, (scope, token) in zip(_PLACES, (pairs * 2)[:2], strict=True):
            parameters |= {f"{place}_scope": scope, f"{place}_token": token}
        return parameters


@asynccontextmanager
async def hold_lease(
    database: Database, scope: str, *, ttl_s: float = TTL_S, tell: Tell = lambda text: None
) -> AsyncGenerator[Lease]:
    """Hold `scope`, a run, while the body goes on: what `database` writes meanwhile, it writes as the holder.

    Left, what was noted is committed and the lease given back. Raises `UsageError` where another process has it; see
    `Lease.take` for whom `tell` is for.
    """
    lease = Lease(database, Holder.here(), ttl_s=ttl_s, tell=tell)
    await lease.take(scope)
    database.lease = lease
    keeping = asyncio.create_task(lease.keep())
    try:
        try:
            yield lease
        except BaseException:
            with suppress(AgentctlError):
                await database.flush()
            raise
        await database.flush()
    finally:
        keeping.cancel()
        database.forget()  # what could not be committed as the holder; what was committed is whole
        with suppress(AgentctlError):  # then it runs out
            await lease.release()
        database.lease = None


async def lease_of(connection: AsyncConnection, scope: str) -> LeaseRecord | None:
    query = _records(connection.dialect.name).where(leases.c.scope == scope)
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else _record(dict(row))


async def leases_in_force(database: Database) -> tuple[LeaseRecord, ...]:
    """Those that somebody holds now, by scope."""
    async with database.reading() as connection:
        result = await connection.execute(_records(connection.dialect.name).order_by(leases.c.scope))
        return tuple(record for row in result.mappings() if (record := _record(dict(row))).in_force)


def _record(row: dict[str, Any]) -> LeaseRecord:
    return LeaseRecord(
        scope=row["scope"],
        token=row["token"],
        holder=Holder(
            id=row["holder"], host=row["host"], machine=row["machine"], pid=row["pid"], started=row["started"]
        ),
        expires_at=datetime.fromtimestamp(row["expires_at_ms"] / 1_000, UTC),
        in_force=row["expires_at_ms"] > row["now_ms"],
    )


def _run_out(scope: str) -> LeaseLost:
    return LeaseLost(
        f"the lease of {scope} ran out unrenewed: this process stood still, or could not reach its database",
        remedy="Nothing more is sent under it, and stops at the venue stay",
    )


# Built once a dialect: building a statement costs more than running it.
def _now(dialect: str) -> ColumnElement[int]:
    return literal_column(_NOW[dialect], BigInteger)


@cache
def _take(dialect: str) -> ReturningInsert[int]:
    names = [column.name for column in leases.columns if column.name not in ("token", "expires_at_ms")]
    values = {name: bindparam(name) for name in names} | {"token": 1, "expires_at_ms": _now(dialect) + _TTL}
    insert = sqlite.insert(leases) if dialect == "sqlite" else postgresql.insert(leases)
    statement = insert.values(values)
    changed = {name: statement.excluded[name] for name in names if name != "scope"}
    free = or_(leases.c.expires_at_ms <= _now(dialect), leases.c.token == bindparam("dead_token", type_=BigInteger))
    return statement.on_conflict_do_update(
        index_elements=[leases.c.scope],
        set_={**changed, "token": leases.c.token + 1, "expires_at_ms": _now(dialect) + _TTL},
        where=free,
    ).returning(leases.c.token)


def _own_leases() -> ColumnElement[bool]:
    return or_(
        *(
            and_(
                leases.c.scope == bindparam(f"{place}_scope"),
                leases.c.token == bindparam(f"{place}_token", type_=BigInteger),
            )
            for place in _PLACES
        )
    )


@cache
def _renewal(dialect: str) -> ReturningUpdate[str, Any]:
    """Renew what is held and has not run out. The row stays locked until the commit: nobody takes it before that.

    A server ends the transaction of a process that stands still in it, which would keep the row for as long.
    """
    bounded: ColumnElement[Any] = null()
    if dialect == "postgresql":
        bounded = func.set_config("idle_in_transaction_session_timeout", cast(_TTL, Text), True)
    return (
        update(leases)
        .where(_own_leases(), leases.c.expires_at_ms > _now(dialect))
        .values(expires_at_ms=_now(dialect) + _TTL)
        .returning(leases.c.scope, bounded)
    )


@cache
def _again(dialect: str) -> ReturningUpdate[int]:
    mine = and_(leases.c.scope == bindparam("held_scope"), leases.c.token == bindparam("held_token", type_=BigInteger))
    again = {"token": leases.c.token + 1, "expires_at_ms": _now(dialect) + _TTL}
    return update(leases).where(mine).values(again).returning(leases.c.token)


@cache
def _records(dialect: str) -> Select[Any]:
    return select(leases, _now(dialect).label("now_ms"))


_RELEASE: Final[Update] = update(leases).where(_own_leases()).values(expires_at_ms=0)


def _machine(host: str) -> str:
    """What makes process ids comparable: two containers may share a host's name, and a host outlives its boot."""
    parts = [host]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def _start_of(pid: int) -> str:
    """In ticks since the boot, as Linux has it; empty elsewhere, and `ended` of one that nobody has collected yet."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "ended" if state in ("Z", "X") else fields[18]


def _ended(pid: int, started: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    now = _start_of(pid)
    return bool(started and now and started != now)
