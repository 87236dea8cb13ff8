"""What earlier runs of an account lost: a new run does not begin a lost day anew."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.money import ZERO
from memory.database import Database
from memory.records import EarlierLoss, RunHeader
from memory.worth import worth


async def earlier_losses(
    earlier: Iterable[RunHeader], database: Database, *, since: Iterable[datetime]
) -> tuple[EarlierLoss, ...]:
    """What these runs lost together from each moment on, by what they were worth at the ends of their cycles.

    Gains of one make up for losses of another, and are not carried themselves: they buy no larger loss. What was
    brought in or taken out counts as neither. What changed in worth after a run's last cycle is not known here.
    """
    runs = tuple(earlier)
    found = []
    async with database.reading() as connection:
        for moment in sorted(set(since)):
            lost = sum([await _lost(connection, run, moment) for run in runs], ZERO)
            if lost > 0:
                found.append(EarlierLoss(since=moment, amount=lost))
    return tuple(found)


async def _lost(connection: AsyncConnection, run: RunHeader, since: datetime) -> Decimal:
    last, before = await worth(connection, run.run_id, since)
    return ZERO if last is None else (run.start_cash if before is None else before) - last


def lost_from(losses: Iterable[EarlierLoss], moment: datetime) -> Decimal:
    """The loss that counts for what is measured from `moment` on, where the run itself began later than that."""
    within = [loss for loss in losses if loss.since >= moment]
    return min(within, key=lambda loss: loss.since).amount if within else ZERO
