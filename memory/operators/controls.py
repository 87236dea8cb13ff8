"""The operator's side: the trading state, which only a person relaxes, and the latches. Never on a `Desk`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, Literal

from sqlalchemy import (
    BindParameter,
    CompoundSelect,
    RowMapping,
    Text,
    bindparam,
    func,
    literal,
    null,
    select,
    union,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import NotFound, Refused
from domain.value import Instant, Symbol, Value
from memory.operators.audit_log import EVERYWHERE, HOUSE, ActKind, append, hold_acts, required, words
from memory.operators.faults import CONTROLLING, LATCHING
from memory.store.database import Database
from memory.store.fault import as_written, genuine
from memory.store.rows import put
from memory.store.schema import acts, controls, latches, with_digest

TradingState = Literal["active", "reducing", "halted"]
"""`reducing` lets only orders pass that reduce a position; `halted` lets none pass."""

Level = Literal["reduce", "flatten", "halt"]
"""How far trading is halted, as it is stored; `LEVEL_NAMES` has the words for people."""

LEVEL_NAMES: Final[Mapping[Level, str]] = {"reduce": "reduce-only", "flatten": "flatten", "halt": "all"}


class Control(Value):
    """The trading state of a scope: an account, or `*` for every account of the database."""

    scope: str
    state: TradingState = "active"
    flatten: bool = False
    """Everything is to be sold; while that is on its way the state is `reducing`, for exits must pass."""
    since: Instant | None = None
    """`None` where nobody ever halted."""
    by: str = ""
    reason: str = ""

    @property
    def strictness(self) -> int:
        return _STRICTNESS[self.state, self.flatten]

    @property
    def unnamed(self) -> Control:
        """Without the scope: how it is recorded with a run, so that two runs that decide the same keep the same."""
        return self.model_copy(update={"scope": ""})

    def refuses(self, *, reducing: bool, protecting: bool = False) -> bool:
        """Whether nothing may be sent now; `reducing`: nothing that only reduces.

        Orders that are `protecting`, stops at the venue that can only reduce, are refused in no state: a halt leaves
        no position without its stop.
        """
        return not protecting and (self.state == "halted" or (self.state == "reducing" and not reducing))

    @property
    def in_words(self) -> str:
        """As the reasons of orders have it that were not sent: archived, and so never put otherwise."""
        state = "reducing, to become flat" if self.flatten else self.state
        return f"{state} by {self.by}" + (f": {self.reason}" if self.reason else "")

    @property
    def state_name(self) -> str:
        """The state in an operator's words."""
        state = "reduce-only" if self.state == "reducing" else self.state
        return f"{state}, closing everything" if self.flatten else state

    @property
    def describe(self) -> str:
        """For operators: the state, who set it and why, where more was said than that."""
        reason = "" if self.reason == f"halted by {self.by}" else self.reason
        return f"{self.state_name} by {self.by}" + (f": {reason}" if reason else "")


ACTIVE: Final = Control(scope="")
"""What is in force where nobody halted, as a cycle records it."""

_STRICTNESS: Final[Mapping[tuple[TradingState, bool], int]] = {
    ("active", False): 0,
    ("reducing", False): 1,
    ("reducing", True): 2,
    ("halted", False): 3,
    ("halted", True): 3,
}
_LEVELS: Final[Mapping[Level, tuple[TradingState, bool]]] = {
    "reduce": ("reducing", False),
    "flatten": ("reducing", True),
    "halt": ("halted", False),
}


class LatchRecord(Value):
    """One agent that is or was stopped in one symbol, and by what finding."""

    account: str
    agent: str
    symbol: Symbol
    code: str
    since: Instant
    """In the time of the market, as the gate saw it."""
    cleared_through: Instant | None = None
    """Re-armed: its entries up to then count no more. `None` while it is stopped."""


class _Made(Value):
    """What an act on a control says of it."""

    control: Control
    level: Level | None


class _Stopped(Value):
    """What an act on a latch says of it."""

    agent: str
    symbol: Symbol
    code: str = ""
    through: Instant | None = None


# A row and the last act on it in one statement: between two, somebody may act.
_WHOSE: BindParameter[str] = bindparam("whose", type_=Text)
_SCOPES = union(select(_WHOSE.label("whose")), select(literal(EVERYWHERE))).subquery("asked")
_LAST = (
    select(func.max(acts.c.n))
    .where(acts.c.scope == _SCOPES.c.whose, acts.c.kind.in_(sorted(CONTROLLING)))
    .correlate(_SCOPES)
    .scalar_subquery()
)
_CONTROLS = select(_SCOPES.c.whose, controls, acts.c.n, acts.c.body.label("act")).select_from(
    _SCOPES.outerjoin(controls, controls.c.scope == _SCOPES.c.whose).outerjoin(acts, acts.c.n == _LAST)
)
_LATCHES: CompoundSelect[Any] = union_all(
    select(latches, null().label("n"), null().label("act")).where(latches.c.account == _WHOSE),
    select(*(null().label(column.name) for column in latches.columns), acts.c.n, acts.c.body).where(
        acts.c.scope == _WHOSE, acts.c.kind.in_(sorted(LATCHING))
    ),
)


class Controls:
    """What a person may do to the desk, for every account of a database or for one.

    Each is kept with an act that says who did it and why, in one transaction, and counts for whatever is
    judged or claimed after it. Names and reasons are kept in one line of at most 200 characters.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def state(self, account: str) -> Control:
        """What is in force for `account`: the stricter of its own control and that of `*`."""
        async with self._database.reading() as connection:
            return await control_of(connection, account)

    async def own(self, scope: str) -> Control:
        """What was set for `scope` itself, whatever is in force elsewhere."""
        async with self._database.reading() as connection:
            return await _own(connection, scope)

    async def halt(self, *, scope: str, level: Level, by: str, reason: str, at: datetime) -> Control:
        """Tighten to `level`; asked for what stands, keep that as it is.

        `reduce` lets exits pass, `flatten` has the desk close everything first, `halt` lets nothing pass.
        Raises `Refused`, saying what stands, when that is stricter.
        """
        state, flatten = _LEVELS[level]
        target = Control(scope=scope, state=state, flatten=flatten, since=at, by=words(by), reason=words(reason))
        async with self._database.transaction() as connection:
            await hold_acts(connection)
            before = await _own(connection, scope)
            if before.strictness > target.strictness:
                raise Refused(
                    f"{_named(scope)} is {before.describe}, which is stricter than {LEVEL_NAMES[level]}",
                    remedy="Only agentctl unhalt relaxes it",
                )
            after = before if before.strictness == target.strictness else target
            return await _act(connection, after, kind="halt", by=by, reason=reason, at=at, level=level)

    async def flattened(self, *, scope: str, at: datetime, but: str = "") -> Control:
        """All is flat, but for what can't be left: what was flattening is halted, also where `*` was.

        Anything else stays as it is.
        """
        async with self._database.transaction() as connection:
            await hold_acts(connection)
            before = await control_of(connection, scope)
            if not before.flatten:
                return before
            flat = f"all is flat but {but}," if but else "all is flat"
            reason = words(f"{flat} after: {before.reason}")
            after = Control(scope=scope, state="halted", since=at, by=HOUSE, reason=reason)
            return await _act(connection, after, kind="flattened", by=HOUSE, reason=reason, at=at)

    async def resume(self, *, scope: str, by: str, reason: str, at: datetime) -> Control:
        """Let trading go on in `scope`; a halt of `*` and one of an account are resumed each for itself.

        Raises `Refused` when nothing is halted there, and `UsageError` without a name or a reason.
        """
        by, reason = required(by, name="by"), required(reason, name="reason")
        async with self._database.transaction() as connection:
            await hold_acts(connection)
            if (await _own(connection, scope)).state == "active":
                raise Refused(f"{_named(scope)} is not halted")
            after = Control(scope=scope, since=at, by=by, reason=reason)
            return await _act(connection, after, kind="resume", by=by, reason=reason, at=at)

    async def latches(self, account: str) -> tuple[LatchRecord, ...]:
        """The agents that are stopped, by agent and symbol."""
        async with self._database.reading() as connection:
            records = await latches_of(connection, account)
        return tuple(each for each in records if each.cleared_through is None)

    async def rearm(self, *, account: str, agent: str, symbol: str, by: str, reason: str, at: datetime) -> None:
        """Let an agent that was stopped in `symbol` go on, as if it had not entered there before it was stopped.

        Raises `NotFound` when it isn't stopped there, and `UsageError` without a name or a reason.
        """
        by, reason = required(by, name="by"), required(reason, name="reason")
        async with self._database.transaction() as connection:
            await hold_acts(connection)
            records = {(each.agent, each.symbol): each for each in await latches_of(connection, account)}
            stopped = records.get((agent, symbol))
            if stopped is None or stopped.cleared_through is not None:
                raise NotFound(f"{agent} is not stopped in {symbol}")
            # Stopped, it entered no more: what it did lies before that.
            through = stopped.since
            await put(connection, latches, [_latch_row(stopped.model_copy(update={"cleared_through": through}))])
            body = {"agent": agent, "symbol": symbol, "through": through}
            await append(connection, at=at, kind="rearm", scope=account, by=by, reason=reason, body=body)


async def control_of(connection: AsyncConnection, account: str) -> Control:
    """The stricter of the account's own control and that of `*`.

    Raises `Refused` for one that was changed, or that isn't what the last act on it made: also for one that is gone.
    """
    in_force = await _in_force(connection, account)
    return max(in_force[account], in_force[EVERYWHERE], key=lambda c: c.strictness)


async def latches_of(connection: AsyncConnection, account: str) -> tuple[LatchRecord, ...]:
    """Those that stand and those that were re-armed. Raises `Refused` as `control_of` does."""
    rows = (await connection.execute(_LATCHES, {"whose": account})).mappings().all()
    records = {(each.agent, each.symbol): each for each in map(_latch, (row for row in rows if row["n"] is None))}
    due: dict[tuple[str, str], Instant | None] = {}
    for row in sorted((row for row in rows if row["n"] is not None), key=itemgetter("n")):
        with as_written(acts, row):
            act = _Stopped.model_validate_json(row["act"])
        due[act.agent, act.symbol] = act.through
    if unlike := due.items() ^ {place: each.cleared_through for place, each in records.items()}.items():
        agent, symbol = min(place for place, _ in unlike)
        raise _unlike(f"latches agent={agent} symbol={symbol} of {account}")
    return tuple(records[place] for place in sorted(records))


async def latch(connection: AsyncConnection, record: LatchRecord) -> None:
    """Stop an agent in a symbol, with an act of the house; one that is stopped there stays so."""
    await hold_acts(connection)
    standing = [each for each in await latches_of(connection, record.account) if each.cleared_through is None]
    if any((known.agent, known.symbol) == (record.agent, record.symbol) for known in standing):
        return
    await put(connection, latches, [_latch_row(record)])
    body = {"agent": record.agent, "symbol": record.symbol, "code": record.code}
    await append(
        connection, at=record.since, kind="latch", scope=record.account, by=HOUSE, reason=record.code, body=body
    )


async def _own(connection: AsyncConnection, scope: str) -> Control:
    return (await _in_force(connection, scope))[scope]


async def _in_force(connection: AsyncConnection, scope: str) -> dict[str, Control]:
    """The controls of `scope` and of `*`, by their scopes."""
    rows = (await connection.execute(_CONTROLS, {"whose": scope})).mappings()
    return {row["whose"]: _stands(row) for row in rows}


def _stands(row: RowMapping) -> Control:
    stands = None if row["scope"] is None else _control(row)
    due = None
    if row["act"] is not None:
        with as_written(acts, row):
            due = _Made.model_validate_json(row["act"]).control
    if stands != due:
        raise _unlike(f"controls scope={row['whose']}")
    return stands or Control(scope=row["whose"])


def _unlike(place: str) -> Refused:
    return Refused(
        f"{place} is not what the last act on it made",
        remedy="agentctl snapshots verify names all that was changed",
    )


async def _act(
    connection: AsyncConnection,
    after: Control,
    *,
    kind: ActKind,
    by: str,
    reason: str,
    at: datetime,
    level: Level | None = None,
) -> Control:
    row = {**after.model_dump(), "flatten": int(after.flatten)}
    await put(connection, controls, [with_digest(controls, row)])
    body = {"control": after, "level": level}
    await append(connection, at=at, kind=kind, scope=after.scope, by=by, reason=reason, body=body)
    return after


def _control(row: RowMapping) -> Control:
    genuine(controls, row)
    with as_written(controls, row):
        return Control(**{**{name: row[name] for name in Control.model_fields}, "flatten": bool(row["flatten"])})


def _latch_row(record: LatchRecord) -> dict[str, object]:
    return with_digest(latches, record.model_dump())


def _latch(row: RowMapping) -> LatchRecord:
    genuine(latches, row)
    with as_written(latches, row):
        return LatchRecord(**{name: row[name] for name in LatchRecord.model_fields})


def _named(scope: str) -> str:
    return "every account" if scope == EVERYWHERE else f"the account {scope}"
