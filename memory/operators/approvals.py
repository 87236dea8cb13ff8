"""Questions put to a person about one order each, and the answers, which are given once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import RowMapping, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.digest import canonical, digest
from domain.errors import Refused
from domain.order import ClientOrderId
from domain.value import Digest, Instant, Value
from memory.operators.audit_log import append, hold_acts, required
from memory.store.database import Database
from memory.store.fault import as_written, genuine
from memory.store.readers import full_id
from memory.store.rows import insert_new, put
from memory.store.schema import approvals, with_digest

_ID_HEX = 15


def approval_id(verdict: str, *, run_id: str) -> str:
    """The id of a run's question about a verdict: asked again, it is the same question.

    Two runs that decide the same have equal verdicts. Each asks for itself: an answer counts for one order.
    """
    return "q" + digest([run_id, verdict])[:_ID_HEX]


class Approval(Value):
    """A question about one order, and what was answered. Its times are the wall's, not the market's."""

    id: str
    account: str
    run_id: str
    cycle: int
    client_order_id: ClientOrderId
    order_digest: Digest
    verdict: Digest
    """What was said of the order: by it, a person knows what the question is about."""
    codes: tuple[str, ...]
    """The findings that a yes lets stand aside, as far as the verdict shows them."""
    requested_at: Instant
    expires_at: Instant
    status: Literal["pending", "approved", "rejected"] = "pending"
    """An unanswered question stays pending; from `expires_at` on it is a no."""
    decided_at: Instant | None = None
    by: str = ""
    reason: str = ""


class Approvals:
    """The questions of a database, and the place to answer them. Never on a `Desk`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, account: str | None = None) -> tuple[Approval, ...]:
        """The unanswered ones, also those that have expired; the oldest first."""
        query = select(approvals).where(approvals.c.status == "pending")
        return await self._read(query if account is None else query.where(approvals.c.account == account))

    async def get(self, prefix: str) -> Approval:
        """One question by its id or the beginning of it.

        Raises `NotFound`, and `UsageError` when several begin so.
        """
        async with self._database.reading() as connection:
            full = await full_id(connection, approvals.c.id, prefix=prefix, noun="approval")
            return await _approval(connection, full)

    async def of(self, ids: Sequence[str]) -> tuple[Approval, ...]:
        """Those with `ids`, any status; the oldest first."""
        return await self._read(select(approvals).where(approvals.c.id.in_(ids)))

    async def consents(self, *, run_id: str, cycle: int) -> tuple[Approval, ...]:
        """Every question of a cycle, any status; the oldest first."""
        return await self._read(select(approvals).where(approvals.c.run_id == run_id, approvals.c.cycle == cycle))

    async def decide(self, id: str, *, approve: bool, by: str, reason: str, at: datetime) -> Approval:
        """Answer once, by the id or the beginning of it.

        Raises `Refused` for a question that was answered or has expired, `UsageError` without a name or a
        reason or when several ids begin so, and `NotFound`.
        """
        by, reason = required(by, name="by"), required(reason, name="reason")
        async with self._database.transaction() as connection:
            await hold_acts(connection)
            full = await full_id(connection, approvals.c.id, prefix=id, noun="approval")
            approval = await _approval(connection, full)
            if approval.status != "pending":
                raise Refused(f"{full} was {approval.status} by {approval.by}, and is answered once")
            if at >= approval.expires_at:
                raise Refused(f"{full} expired at {approval.expires_at.isoformat()}, which was a no")
            answer = {"status": "approved" if approve else "rejected", "decided_at": at, "by": by, "reason": reason}
            row = approval_row(approval.model_copy(update=answer))
            await put(connection, approvals, [row])
            await append(
                connection,
                at=at,
                kind="approve" if approve else "reject",
                scope=approval.account,
                by=by,
                reason=reason,
                body={
                    "approval": full,
                    "order": approval.order_digest,
                    "codes": approval.codes,
                    "digest": row["digest"],
                },
            )
            return await _approval(connection, full)

    async def _read(self, query: Select[tuple[object, ...]]) -> tuple[Approval, ...]:
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).mappings()
            return tuple(sorted((_approval_from(row) for row in rows), key=lambda a: (a.requested_at, a.id)))


async def ask(connection: AsyncConnection, questions: Sequence[Approval]) -> None:
    """Keep questions that are new; one that was asked before stays as it is, answered or not."""
    there = set(await connection.scalars(select(approvals.c.id).where(approvals.c.id.in_([q.id for q in questions]))))
    await insert_new(connection, approvals, [approval_row(q) for q in questions if q.id not in there])


def approval_row(approval: Approval) -> dict[str, object]:
    return with_digest(approvals, {**approval.model_dump(), "codes": canonical(approval.codes)})


async def _approval(connection: AsyncConnection, id: str) -> Approval:
    return _approval_from((await connection.execute(select(approvals).where(approvals.c.id == id))).mappings().one())


def _approval_from(row: RowMapping) -> Approval:
    genuine(approvals, row)
    with as_written(approvals, row):
        rest = {name: row[name] for name in Approval.model_fields if name != "codes"}
        return Approval(codes=tuple(json.loads(row["codes"])), **rest)
