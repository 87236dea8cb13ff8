"""What changed an account's positions: fills, adoptions, liquidations and funding, in the order of their booking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import RowMapping, Select, Table, Text, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.money import ZERO
from domain.order import Fill
from domain.portfolio import Position
from domain.statement import ExternalEvent
from memory.ledger.external_events import event_fill, external_from, position_with
from memory.ledger.orders import fill_from
from memory.store.schema import external_events, fills


@dataclass(frozen=True, slots=True)
class Move:
    """One entry: its place in the account's order, and what the position held after it."""

    n: int
    of: Fill | ExternalEvent
    """A fill of an order; or what changed the position without one."""
    symbol: str
    held: Decimal
    cycle: int = 0
    """In which it was booked."""

    @property
    def at(self) -> datetime:
        return self.of.at

    @property
    def fill(self) -> Fill | None:
        """What was traded, or taken over, in the form of a fill; `None` for funding."""
        return self.of if isinstance(self.of, Fill) else event_fill(self.of, symbol=self.symbol)


def _of(table: Table) -> Select[Any]:
    """An event without a symbol moved no position."""
    query = select(table).where(table.c.account == bindparam("account"))
    return query.where(table.c.symbol.is_not(None)) if table is external_events else query


def _in_cycle(table: Table) -> Select[Any]:
    return _of(table).where(table.c.run_id == bindparam("run_id"), table.c.cycle == bindparam("cycle"))


def _between(table: Table) -> Select[Any]:
    return _of(table).where(
        table.c.symbol == bindparam("symbol"), table.c.n > bindparam("after"), table.c.n < bindparam("before")
    )


def _last_flat(table: Table) -> Select[Any]:
    return _between(table).where(table.c.held == ZERO).with_only_columns(func.max(table.c.n))


def _first_at(table: Table) -> Select[Any]:
    at = table.c.at >= bindparam("at", type_=Text)
    return _between(table).where(at).with_only_columns(func.min(table.c.n))


# Built once: building a statement costs more than running it. Sorted in Python: asked to, SQLite would walk all of
# an account's entries for the few that are wanted.
_TABLES = (fills, external_events)
_FROM = [_of(table).where(table.c.n >= bindparam("first")) for table in _TABLES]
_IN_CYCLE = [_in_cycle(table) for table in _TABLES]
_BETWEEN = [_between(table) for table in _TABLES]
_LAST_FLAT = select(*(_last_flat(table).scalar_subquery() for table in _TABLES))
_FIRST_AT = select(*(_first_at(table).scalar_subquery() for table in _TABLES))
_END = 2**31 - 1


async def moves_from(connection: AsyncConnection, account: str, *, first: int) -> list[Move]:
    """All from the entry `first` on."""
    return await _read(connection, _FROM, {"account": account, "first": first})


async def moves_in(connection: AsyncConnection, account: str, *, run_id: str, cycle: int) -> list[Move]:
    """Those that `run_id` booked in `cycle`."""
    return await _read(connection, _IN_CYCLE, {"account": account, "run_id": run_id, "cycle": cycle})


async def moves_since_flat(connection: AsyncConnection, account: str, *, symbol: str, before: int) -> list[Move]:
    """Those of one symbol before the entry `before`, from when the position was last flat."""
    span = {"account": account, "symbol": symbol, "after": -1, "before": before}
    return await _read(connection, _BETWEEN, {**span, "after": await _flat(connection, span)})


async def moves_in_time(connection: AsyncConnection, account: str, *, symbol: str) -> list[Move]:
    """Those since the position of a symbol was last flat, by when they happened and not by when we heard of them.

    Where some came so late that they belong before that, from an earlier moment at which it was flat.
    """
    span: dict[str, object] = {"account": account, "symbol": symbol, "after": -1, "before": _END}
    flat = await _flat(connection, span)
    while True:
        moves = await _read(connection, _BETWEEN, {**span, "after": flat})
        if not moves:
            return []
        # Fractions of a second do not sort as text: whole seconds are asked for, which may be too many.
        first = min(move.at for move in moves).replace(microsecond=0, tzinfo=None).isoformat()
        beside = await connection.execute(_FIRST_AT, {**span, "before": flat + 1, "at": first})
        crossed = [n for n in beside.one() if n is not None]
        if not crossed:
            return sorted(moves, key=lambda move: (move.at, move.n))
        flat = await _flat(connection, {**span, "before": min(crossed)})


def folded(symbol: str, moves: Sequence[Move]) -> Position:
    """The position that `moves` make, from flat, without what orders say of exits."""
    position = Position(symbol=symbol)
    for move in moves:
        position = position.after(move.of) if isinstance(move.of, Fill) else position_with(position, move.of)
    return position


async def _flat(connection: AsyncConnection, span: Mapping[str, object]) -> int:
    """The last entry in the span that left nothing held; -1 where there is none."""
    return max((n for n in (await connection.execute(_LAST_FLAT, span)).one() if n is not None), default=-1)


async def _read(
    connection: AsyncConnection, statements: list[Select[Any]], parameters: Mapping[str, object]
) -> list[Move]:
    traded, taken = [(await connection.execute(query, parameters)).mappings() for query in statements]
    moves = [_move(row, fill_from(row)) for row in traded]
    moves += [_move(row, external_from(row)) for row in taken]
    return sorted(moves, key=lambda move: move.n)


def _move(row: RowMapping, of: Fill | ExternalEvent) -> Move:
    return Move(n=row["n"], of=of, symbol=row["symbol"], held=row["held"], cycle=row["cycle"])
