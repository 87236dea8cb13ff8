"""The high-water mark of a run's own worth, without what was brought in: kept with each cycle, and verified."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.digest import plain
from domain.errors import NotCanonical
from memory.store.fault import Fault
from memory.store.raw_rows import Raw
from memory.store.schema import equity

# Built once: building a statement costs more than running it.
_LAST = (
    select(equity.c.high)
    .where(equity.c.run_id == bindparam("run_id"), equity.c.cycle < bindparam("before"))
    .order_by(equity.c.cycle.desc())
    .limit(1)
)

_END = 2**31 - 1


async def high_water(connection: AsyncConnection, run_id: str, *, before: int = _END) -> Decimal | None:
    """The most that the run's own worth has been at the end of a cycle before `before`; `None` without one."""
    high: Decimal | None = await connection.scalar(_LAST, {"run_id": run_id, "before": before})
    return high


def high_faults(rows: Sequence[Raw], *, start_cash: Decimal) -> Iterator[Fault]:
    """The rows of one run's equity, in order, whose mark is not the most so far. A mark is under no digest."""
    high = start_cash
    for row in rows:
        try:
            high = max(high, Decimal(str(row["equity"])) - Decimal(str(row["contributed"] or 0)))
            due = plain(high)
        except (InvalidOperation, NotCanonical):
            continue  # changed, and found so by its digest
        if row["high"] != due:
            yield Fault("equity", f"cycle={row['cycle']}", f"is {row['high']}, and the cycles make {due}", field="high")
