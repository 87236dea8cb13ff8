"""Arming: a person's leave, for a while, to trade with money at one venue. Kept as acts, and nowhere else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from domain.errors import Refused, UsageError
from domain.value import Instant, Value
from memory.operators.audit_log import ActKind, append, required
from memory.store.database import Database
from memory.store.fault import as_written, genuine
from memory.store.schema import acts
from policy.account import Arming

LONGEST: Final = timedelta(days=7)
"""Nobody arms a desk and forgets it for longer."""

_ARMING: Final = ("arm", "disarm")


class _Armed(Value):
    """What an act of arming says besides who and why."""

    until: Instant | None


class Armings:
    """Who armed which venue, until when. Only a person does, and every time with a name and a reason."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def arm(self, venue: str, *, until: datetime, by: str, reason: str, at: datetime) -> Arming:
        """Raises `UsageError` for a moment that has passed or is more than `LONGEST` away, and an empty reason."""
        if not at < until <= at + LONGEST:
            raise UsageError("a desk is armed for at least a moment and for 7 days at most", remedy="Write --for 8h")
        named, why = required(by, name="by"), required(reason, name="reason")
        await self._write("arm", venue, _Armed(until=until), by=named, reason=why, at=at)
        return Arming(by=named, until=until)

    async def disarm(self, venue: str, *, by: str, reason: str, at: datetime) -> None:
        """From now on nothing is entered there. Raises `Refused` where nothing is armed, and `UsageError`."""
        if await self.in_force(venue, at=at) is None:
            raise Refused(f"{venue} is not armed")
        named, why = required(by, name="by"), required(reason, name="reason")
        await self._write("disarm", venue, _Armed(until=None), by=named, reason=why, at=at)

    async def in_force(self, venue: str, *, at: datetime) -> Arming | None:
        """The last word on `venue`; `None` where it was never armed, disarmed, or armed until before `at`.

        Raises `Refused` for an act that was changed since it was written.
        """
        query = select(acts).where(acts.c.scope == venue, acts.c.kind.in_(_ARMING)).order_by(acts.c.n.desc()).limit(1)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        if row is None:
            return None
        genuine(acts, row)
        with as_written(acts, row):
            until = _Armed.model_validate_json(row["body"]).until
        return None if until is None or until <= at else Arming(by=row["by"], until=until)

    async def _write(self, kind: ActKind, venue: str, armed: _Armed, *, by: str, reason: str, at: datetime) -> None:
        async with self._database.transaction() as connection:
            await append(connection, at=at, kind=kind, scope=venue, by=by, reason=reason, body=armed.model_dump())
