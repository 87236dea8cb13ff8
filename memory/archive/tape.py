"""The tape: what every effect returned, by (cycle, node, subject, call number), to be played back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import bindparam, select

from domain.clock import Clock
from domain.digest import canonical, digest
from domain.effects import Answer, Effects, through
from domain.errors import Refused, ReplayDiverged
from memory.store.database import Database
from memory.store.fault import genuine
from memory.store.rows import Row
from memory.store.schema import key_of, row_digest, tape

T = TypeVar("T")
Key = tuple[str, str, int]
"""Node, subject, call number: one cycle is in memory at a time."""

MOMENT = "moment"
"""The name of the effect that says when a live cycle is."""

_INSTANT: TypeAdapter[datetime] = TypeAdapter(datetime)
_CYCLE = select(tape).where(tape.c.run_id == bindparam("run_id"), tape.c.cycle == bindparam("cycle"))


@dataclass(frozen=True, slots=True)
class Recording:
    """A run that was recorded, to be played back."""

    database: Database
    run_id: str


class Tape:
    """The tape of one run, written into `database`.

    With a `recording` it is a replay: every effect comes from there, one that is missing raises
    `ReplayDiverged`, and what was played is written again, so that both archives hold equal rows.
    Without one, effects are performed; those that this run did before in the cycle are played back.

    An effect that raises leaves nothing on the tape. What is expected to fail returns its failure as
    a value, or it cannot be replayed.
    """

    def __init__(self, database: Database, *, run_id: str, recording: Recording | None = None) -> None:
        self._database = database
        self._run_id = run_id
        self._recording = recording
        self._cycle: int | None = None
        self._entries: dict[Key, Row] = {}

    async def begin_cycle(self, cycle: int) -> None:
        """Load what is recorded of `cycle`. To be called before its first `effects`."""
        source = self._recording or Recording(self._database, self._run_id)
        async with source.database.reading() as connection:
            rows = (await connection.execute(_CYCLE, {"run_id": source.run_id, "cycle": cycle})).mappings()
            self._entries = {(row["node"], row["subject"], row["n"]): dict(row) for row in rows}
        self._cycle = cycle

    async def holds(self, cycle: int) -> bool:
        """Whether anything is recorded of `cycle` in this run."""
        query = select(tape.c.n).where(tape.c.run_id == self._run_id, tape.c.cycle == cycle).limit(1)
        async with self._database.reading() as connection:
            return (await connection.scalar(query)) is not None

    async def bodies(self, cycle: int, prefix: str) -> tuple[str, ...]:
        """What the effects of `cycle` returned whose names begin with `prefix`, in the order of their keys.

        Raises `Refused` for one that was changed since it was written.
        """
        query = select(tape).where(
            tape.c.run_id == self._run_id, tape.c.cycle == cycle, tape.c.name.startswith(prefix, autoescape=True)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
        for row in rows:
            genuine(tape, row)
        return tuple(str(row["body"]) for row in sorted(rows, key=lambda row: (row["node"], row["subject"], row["n"])))

    async def begun_at(self, cycle: int) -> datetime | None:
        """The moment of a cycle that was begun; `None` when it recorded no such thing.

        On paper every reading of a cycle's clock is its moment. A live desk's clock goes on within a cycle, and so
        its moment is recorded first, as `MOMENT`.
        """
        query = select(tape).where(
            tape.c.run_id == self._run_id, tape.c.cycle == cycle, tape.c.name.in_(("clock", MOMENT))
        )
        first = (tape.c.name != MOMENT, tape.c.node, tape.c.n)
        async with self._database.reading() as connection:
            earliest = (await connection.execute(query.order_by(*first).limit(1))).mappings().first()
        if earliest is None:
            return None
        row = dict(earliest)
        if row["digest"] != row_digest(tape, row):
            raise Refused(f"the tape was changed at {key_of(tape, row)}: the row does not fit its digest")
        return _INSTANT.validate_json(str(row["body"]))

    def end_cycle(self) -> None:
        """Forget the cycle's entries; what was noted is on its way to the database."""
        self._entries = {}
        self._cycle = None

    def effects(self, *, cycle: int, node: str, subject: str, clock: Clock) -> Effects:
        """The effects of one node on one subject, numbered from 0: a node that runs again repeats nothing.

        Raises `ValueError` when `cycle` was not begun.
        """
        if cycle != self._cycle:
            raise ValueError(f"cycle {cycle} was not begun: the tape stands at {self._cycle}")
        return TapeEffects(self, node=node, subject=subject, clock=clock)

    def recorded(self, key: Key, *, name: str, request: str) -> str | None:
        """The body under `key`, checked; `None` when the effect is to be performed.

        Raises `ReplayDiverged` when a replay has no such entry, or it answered something else, and
        `Refused` when the row was changed since it was written.
        """
        entry = self._entries.get(key)
        at = self._named(key)
        if entry is None:
            if self._recording is not None:
                raise ReplayDiverged(f"the replay asks for {name} at {at}, which the tape does not hold")
            return None
        if entry["digest"] != row_digest(tape, entry):
            raise Refused(f"the tape was changed at {at}: the row does not fit its digest")
        if entry["name"] != name:
            raise ReplayDiverged(f"the replay asks for {name} at {at}, where the tape has {entry['name']}")
        if entry["request"] != request:
            raise ReplayDiverged(f"the replay asks something else of {name} at {at} than was recorded")
        if self._recording is not None:
            self._database.note(tape, self._row(key, name=name, request=request, body=str(entry["body"])))
        return str(entry["body"])

    def record(self, key: Key, *, name: str, request: str, body: str) -> None:
        """Keep what an effect returned. Within a transaction it is a part of that, and gone when that fails."""
        row = self._row(key, name=name, request=request, body=body)
        entries = self._entries

        def undo() -> None:
            entries.pop(key, None)

        self._database.note(tape, row, undo=undo)
        entries[key] = {**row, "digest": row_digest(tape, row)}

    def decode(self, body: str, *, returns: TypeAdapter[T], key: Key) -> T:
        try:
            return returns.validate_json(body)
        except ValidationError as error:
            raise ReplayDiverged(f"what the tape has at {self._named(key)} cannot be read as it once was") from error

    async def flush(self) -> None:
        await self._database.flush()

    def _row(self, key: Key, *, name: str, request: str, body: str) -> Mapping[str, object]:
        return {**self._place(key), "name": name, "request": request, "body": body}

    def _place(self, key: Key) -> dict[str, object]:
        node, subject, n = key
        return {"run_id": self._run_id, "cycle": self._cycle, "node": node, "subject": subject, "n": n}

    def _named(self, key: Key) -> str:
        return key_of(tape, self._place(key))


class TapeEffects:
    """`domain.effects.Effects` on a tape."""

    def __init__(self, tape: Tape, *, node: str, subject: str, clock: Clock) -> None:
        self._tape = tape
        self._node = node
        self._subject = subject
        self._clock = clock
        self._calls = 0

    # Not `async def`: the number must be taken when the call is made, not when it is first scheduled,
    # or calls that run at once would be numbered by chance.
    def once(
        self,
        name: str,
        request: object,
        *,
        returns: TypeAdapter[T],
        perform: Callable[[], Awaitable[T]],
        durable: bool = False,
    ) -> Coroutine[Any, Any, T]:
        """See `domain.effects.Effects`. Raises `ReplayDiverged`, and `Refused` for a changed tape."""
        return self._once(
            self._next(), name=name, request=digest(request), returns=returns, perform=perform, durable=durable
        )

    def answer(
        self, name: str, request: object, *, returns: TypeAdapter[T], perform: Callable[[], Awaitable[T]]
    ) -> Coroutine[Any, Any, Answer[T]]:
        """See `domain.effects.Effects`. Raises as `once` does."""
        return self._answer(self._next(), name=name, request=digest(request), returns=returns, perform=perform)

    async def _once(
        self,
        key: Key,
        *,
        name: str,
        request: str,
        returns: TypeAdapter[T],
        perform: Callable[[], Awaitable[T]],
        durable: bool,
    ) -> T:
        answer = await self._answer(key, name=name, request=request, returns=returns, perform=perform)
        answer.keep()
        if durable:
            await self._tape.flush()
        return answer.value

    async def _answer(
        self, key: Key, *, name: str, request: str, returns: TypeAdapter[T], perform: Callable[[], Awaitable[T]]
    ) -> Answer[T]:
        recorded = self._tape.recorded(key, name=name, request=request)
        if recorded is not None:
            return Answer(self._tape.decode(recorded, returns=returns, key=key), keep=_kept_already)
        body, value = through(await perform(), returns)
        return Answer(value, keep=lambda: self._tape.record(key, name=name, request=request, body=body))

    def now(self) -> datetime:
        """The clock, recorded and played back like the others."""
        key, request = self._next(), digest(None)
        body = self._tape.recorded(key, name="clock", request=request)
        if body is None:
            body = canonical(self._clock.now())
            self._tape.record(key, name="clock", request=request, body=body)
        return self._tape.decode(body, returns=_INSTANT, key=key)

    def _next(self) -> Key:
        key = (self._node, self._subject, self._calls)
        self._calls += 1
        return key


def _kept_already() -> None:
    """It was played back."""
