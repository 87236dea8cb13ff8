"""What a run has come to so far, as far as its limits count it: equity at some moments, closed trades, usage."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.money import ZERO
from domain.value import NonNegative, Value
from memory.archive.high_water import high_water
from memory.archive.run_equity import worth
from memory.ledger.books import account_row
from memory.store.database import Database
from memory.store.fault import as_written
from memory.store.readers import episode
from memory.store.records import Before
from memory.store.schema import cycles, episodes, tape
from policy.account import ClosedTrade, EquityMarks

_TRADES = 200

# Built once: building a statement costs more than running it.
_EPISODES = (
    select(episodes)
    .where(episodes.c.run_id == bindparam("run_id"))
    .order_by(episodes.c.cycle.desc(), episodes.c.n.desc())
    .limit(_TRADES)
)
_CLOSED = (
    select(cycles)
    .where(cycles.c.run_id == bindparam("run_id"), cycles.c.cycle > bindparam("after"))
    .order_by(cycles.c.cycle.desc())
)
_CALLS = (
    select(tape.c.cycle, func.count().label("calls"))
    .where(
        tape.c.run_id == bindparam("run_id"),
        tape.c.cycle.between(bindparam("first"), bindparam("last")),
        tape.c.name.startswith("tool:"),
    )
    .group_by(tape.c.cycle)
)
_PAGE = 100


class Spent(Value):
    """What the closed cycles since a moment used."""

    usd: NonNegative | None = Decimal(0)
    """`None` once a model was asked whose price is unknown: unknown, not free."""
    tokens: int = 0
    tool_calls: int = 0


@dataclass(frozen=True, slots=True)
class _Used:
    cycle: int
    as_of: datetime
    usd: Decimal | None
    tokens: int
    tool_calls: int


class Activity:
    """The past of one run in its account. What closed cycles hold does not change, and is read once."""

    def __init__(self, database: Database, *, account: str, run_id: str, before: Before | None = None) -> None:
        self._database = database
        self._account = account
        self._run_id = run_id
        self._before = before or Before()
        self._used: list[_Used] = []
        self._used_since: datetime | None = None
        self._marks: dict[datetime, Decimal] = {}

    async def equity_marks(self, as_of: datetime, *, day_start: datetime, week_start: datetime) -> EquityMarks:
        """Equity at the end of the last cycle before each moment, and the most so far.

        Before the first cycle it is the starting cash, with what earlier runs of the account lost since the moment.
        All as if what was brought in or taken out since had been then: a deposit is no profit, and hides no loss.
        `as_of` is that of the running cycle: what was before a moment that has passed does not change.
        """
        moments = (day_start, week_start)
        async with self._database.reading() as connection:
            account = await account_row(connection, self._account)
            start: Decimal = account["start_cash"]
            since: Decimal = account["contributed"] or ZERO
            marks = dict(self._marks)
            for moment in moments:
                if moment not in marks:
                    marks[moment] = await self._worth_before(connection, moment, start)
            high = await high_water(connection, self._run_id)
        self._marks = {moment: marks[moment] for moment in moments if moment <= as_of}
        return EquityMarks(
            day_start=marks[day_start] + since,
            week_start=marks[week_start] + since,
            high=(start if high is None else high) + since,
        )

    async def _worth_before(self, connection: AsyncConnection, moment: datetime, start: Decimal) -> Decimal:
        own = (await worth(connection, self._run_id, moment)).before
        return start + self._before.lost_from(moment) if own is None else own

    async def closed_since(self, moment: datetime) -> tuple[ClosedTrade, ...]:
        """Trades that this run closed at `moment` or later, the oldest first; no more than the last 200.

        Those that earlier runs of its account closed come before them.
        """
        async with self._database.reading() as connection:
            rows = (await connection.execute(_EPISODES, {"run_id": self._run_id})).mappings().all()
        trades = [episode(row) for row in reversed(rows)]
        own = (ClosedTrade(symbol=t.symbol, closed_at=t.closed_at, profit=t.profit) for t in trades)
        return tuple(trade for trade in (*self._before.closed, *own) if trade.closed_at >= moment)

    async def usage(self, day_start: datetime) -> Spent:
        """What the closed cycles of this run used from `day_start` on."""
        if self._used_since is not None and day_start < self._used_since:
            self._used = []
        usages = [used for used in self._used if used.as_of >= day_start]
        async with self._database.reading() as connection:
            usages += await self._newly_closed(connection, day_start, after=self._used[-1].cycle if self._used else -1)
        self._used, self._used_since = usages or self._used[-1:], day_start
        prices = [used.usd for used in usages]
        known = [usd for usd in prices if usd is not None]
        return Spent(
            usd=sum(known, Decimal(0)) if len(known) == len(prices) else None,
            tokens=sum(used.tokens for used in usages),
            tool_calls=sum(used.tool_calls for used in usages),
        )

    async def _newly_closed(self, connection: AsyncConnection, since: datetime, *, after: int) -> list[_Used]:
        totals = []
        async with connection.stream(_CLOSED, {"run_id": self._run_id, "after": after}) as rows:
            async for row in rows.mappings():
                if row["as_of"] < since:
                    break
                with as_written(cycles, row):
                    body = json.loads(row["body"])
                    usd = None if body["usd"] is None else Decimal(body["usd"])
                    totals.append((row["cycle"], row["as_of"], usd, int(body["tokens"])))
        if not totals:
            return []
        totals.reverse()
        span = {"run_id": self._run_id, "first": totals[0][0], "last": totals[-1][0]}
        calls = {row.cycle: row.calls for row in await connection.execute(_CALLS, span)}
        return [_Used(*one, tool_calls=calls.get(one[0], 0)) for one in totals]
