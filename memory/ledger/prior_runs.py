"""What earlier runs of an account did: a new run begins no lost day anew, and rests no less after a loss."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.money import ZERO
from memory.archive.run_equity import worth
from memory.ledger.activity import Activity
from memory.store.database import Database
from memory.store.records import Before, EarlierLoss, RunHeader


async def done_before(
    earlier: Iterable[RunHeader], database: Database, *, since: Iterable[datetime], closed_since: datetime
) -> Before | None:
    """What these runs lost from each moment of `since` on, and closed from `closed_since` on; `None` where nothing."""
    runs = tuple(earlier)
    closed = [trade for run in runs for trade in await _activity(database, run).closed_since(closed_since)]
    before = Before(
        losses=await earlier_losses(runs, database, since=since),
        closed=tuple(sorted(closed, key=lambda trade: (trade.closed_at, trade.symbol))),
    )
    return None if before == Before() else before


def _activity(database: Database, run: RunHeader) -> Activity:
    """Of the run alone: what it took over from others is theirs, and comes from them."""
    return Activity(database, account=run.run_id, run_id=run.run_id)


async def earlier_losses(
    earlier: Iterable[RunHeader], database: Database, *, since: Iterable[datetime]
) -> tuple[EarlierLoss, ...]:
    """What these runs lost together from each moment on, by what they were worth at the ends of their cycles.

    Gains of one make up for losses of another, and are not carried themselves: they buy no larger loss. What was
    brought in or taken out counts as neither. What changed in worth after a run's last cycle is not known here.
    """
    runs = tuple(earlier)
    losses = []
    async with database.reading() as connection:
        for moment in sorted(set(since)):
            lost = sum([await _lost(connection, run, moment) for run in runs], ZERO)
            if lost > 0:
                losses.append(EarlierLoss(since=moment, amount=lost))
    return tuple(losses)


async def _lost(connection: AsyncConnection, run: RunHeader, since: datetime) -> Decimal:
    last, before = await worth(connection, run.run_id, since)
    return ZERO if last is None else (run.start_cash if before is None else before) - last
