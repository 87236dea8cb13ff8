"""One verdict found in the archive by its id, or by the order that it was about."""

from __future__ import annotations

from sqlalchemy import func, or_, select

from domain.errors import NotFound, UsageError
from memory.store.database import Database
from memory.store.readers import verdict_record
from memory.store.records import VerdictRecord
from memory.store.schema import verdicts

_LIST_LIMIT = 5


async def find_verdict(database: Database, name: str, *, run_id: str | None = None) -> VerdictRecord:
    """The verdict whose id or client order id is `name`, or begins so; of one run, or of all.

    An order that was judged again after a person's answer has several: an id names one of them, and the
    order's own id the last. Forks share verdicts with their parents: the newest run's is given.

    Raises `NotFound`, and `UsageError` when several orders begin so.
    """
    begins = [func.substr(column, 1, len(name)) == name for column in (verdicts.c.id, verdicts.c.client_order_id)]
    query = select(verdicts).where(or_(*begins)).order_by(verdicts.c.run_id.desc(), verdicts.c.n.desc())
    if run_id is not None:
        query = query.where(verdicts.c.run_id == run_id)
    async with database.reading() as connection:
        records = [verdict_record(row) for row in (await connection.execute(query)).mappings()] if name else []
    exact = [record for record in records if name in (record.id, record.client_order_id)]
    orders = sorted({record.client_order_id for record in exact or records})
    if not orders:
        raise NotFound(f"there is no verdict {name!r}", remedy="agentctl policy log shows those of a run")
    if len(orders) > 1:
        raise UsageError(
            f"{name!r} begins verdicts on several orders: {', '.join(orders[:_LIST_LIMIT])}", remedy="Write more of it"
        )
    return next((record for record in records if record.id.startswith(name)), records[0])
