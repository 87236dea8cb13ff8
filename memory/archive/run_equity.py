"""A run's own worth at the ends of its cycles: its equity without what was brought in."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.money import ZERO
from memory.store.schema import equity

# Built once: building a statement costs more than running it.
_EQUITY = (
    select(equity.c.as_of, equity.c.equity, equity.c.contributed)
    .where(equity.c.run_id == bindparam("run_id"))
    .order_by(equity.c.cycle.desc())
)


class Worth(NamedTuple):
    """`None` where no cycle was closed by then, or none in which all that was held had a price."""

    last: Decimal | None
    before: Decimal | None
    """At the end of the last cycle before the moment."""


async def worth(connection: AsyncConnection, run_id: str, moment: datetime) -> Worth:
    """What a run was worth last, and before `moment`."""
    last: Decimal | None = None
    async with connection.stream(_EQUITY, {"run_id": run_id}) as rows:
        async for as_of, mark, contributed in rows:
            own = Decimal(mark) - (contributed or ZERO)
            last = own if last is None else last
            if as_of < moment:
                return Worth(last, own)
    return Worth(last, None)
