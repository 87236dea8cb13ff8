"""`agentctl halt`, `unhalt` and `rearm`: what an operator does to the desk. Each is kept, with a name and a reason."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Final

from agentctl.archive import find_run, reading, wait
from agentctl.commands.status import in_force, scope_in_words
from agentctl.output import print_json, warn
from agentctl.person import named
from agentctl.question import when
from agentctl.settings import Settings, load, load_anyway
from domain.errors import AgentctlError, NotFound, Refused, ServiceUnavailable, UsageError
from domain.value import Value
from graphs.session.trading_halt import HALT_FILE, halts
from memory.operators.audit_log import EVERYWHERE, words
from memory.operators.controls import LEVEL_NAMES, Control, Controls, Level
from memory.store.database import Database
from memory.store.private import private_file, private_folder
from memory.store.url import Address

_PATIENCE_S = 10
"""How long the database may take to keep a halt, before it is taken for out of reach."""

_LEVELS: Final[dict[str, Level]] = {name: level for level, name in LEVEL_NAMES.items()}
_FORMER: Final[dict[str, Level]] = {"reduce": "reduce", "halt": "halt"}
"""What two levels were called before; still taken, with a note."""

_ENTRIES: Final = "Working entries are cancelled in a run's next cycle; protective stops at the venue stay."
_MEANING: Final[dict[Level, str]] = {
    "reduce": f"Only orders that close or reduce a position are sent. {_ENTRIES}",
    "flatten": (
        "A run cancels what is open and closes its positions, through the gate, in its next cycle, and is halted once "
        "it is flat. A run that is not going on does it when it is resumed."
    ),
    "halt": (
        "No orders are sent, not even exits: targets, time limits and stops that only the run watches are not acted "
        f"on. {_ENTRIES}"
    ),
}


class Halt(Value):
    """What `halt` did: `control` is what the database keeps, none where it failed for `failure`."""

    level: Level
    control: Control | None
    file: str | None
    """The halt file that was written."""
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A halt as it was asked for, with everything filled in that was not said."""

    level: Level
    by: str
    reason: str
    run: str | None
    tighten: bool
    """No level was named: what is stricter may stand."""


def halt(
    *,
    level: str | None,
    reason: str | None,
    run: str | None,
    by: str | None,
    file: bool,
    db: str | None,
    as_json: bool,
) -> None:
    """Tighten. Where the database fails, for whatever cause, the halt file is written in its place; exit code 5.

    Nothing need be said: the level is then `reduce-only`, or `all` with the file, and the reason who halted. Raises
    `UsageError` for a level that is not known, `Refused` where something stricter stands than the level that was
    named, and `NotFound` for an unknown run or where nothing ever ran.
    """
    target: Level = ("halt" if file else "reduce") if level is None else _level(level)
    if file and target != "halt":
        raise UsageError(
            f"--file stops all orders, including exits, so it can't be combined with --level {LEVEL_NAMES[target]}",
            remedy="Drop one of them",
        )
    who = named(by or None)
    order = _Order(
        level=target, by=who, reason=words(reason or "") or f"halted by {who}", run=run, tighten=level is None
    )
    settings = load_anyway(db=db, what="the halt")
    Address.parse(settings.database_url)
    try:
        result = wait(asyncio.wait_for(_halt_in_database(order, settings), _PATIENCE_S))
    except Exception as error:  # the one command that must come through, whatever is wrong with the database
        return _without_database(error, order, settings, as_json=as_json)
    if isinstance(result, AgentctlError):
        raise result
    try:
        written = _write(settings, f"{order.reason} ({who})") if file else None
    except OSError as error:
        raise ServiceUnavailable(
            f"{_unwritten(settings, error)}. In force in the database: {result.describe}"
        ) from error
    if as_json:
        return print_json(Halt(level=target, control=result, file=written))
    print(f"{scope_in_words(result.scope)}: {result.describe}, since {when(result.since) if result.since else 'ever'}")
    print(_MEANING[_level_of(result)])
    if there := _standing(settings):
        print(f"The halt file {there} is there too: until it is deleted, no run of this folder sends anything.")
    return print(f"Only a person lets it go on: agentctl unhalt{_run_option(result.scope)} --reason TEXT")


def unhalt(*, reason: str, run: str | None, by: str | None, db: str | None, as_json: bool) -> None:
    """Let trading go on. Raises `Refused` while the halt file is there, or when nothing is halted."""
    if there := _standing(load(db=db)):
        raise Refused(f"the halt file {there} exists", remedy="Delete it first: trading stays halted while it exists")
    who = named(by)

    async def work() -> tuple[Control, tuple[Control, ...]]:
        async with reading(db) as database:
            scope = await _scope_of(database, run)
            try:
                control = await Controls(database).resume(scope=scope, by=who, reason=reason, at=datetime.now(UTC))
            except Refused as error:
                others = ", ".join(scope_in_words(each.scope) for each in await in_force(database))
                raise Refused(error.message, remedy=error.remedy or f"In force: {others or 'nothing'}") from error
            return control, await in_force(database)

    control, rest = wait(work())
    if as_json:
        return print_json({"control": control, "still_in_force": rest})
    print(f"{scope_in_words(control.scope)}: {control.describe}")
    print("The gate judges every order as before. A process whose own brake was pulled stays halted until it ends.")
    for other in rest:
        print(f"still in force: {scope_in_words(other.scope)} is {other.describe}")
    return None


def rearm(*, run: str, agent: str, symbol: str, reason: str, by: str | None, db: str | None, as_json: bool) -> None:
    """Let an agent that was stopped in a symbol go on. Raises `NotFound` when it isn't stopped there."""
    who = named(by)

    async def work() -> str:
        async with reading(db) as database:
            account = (await find_run(database, run)).header.run_id
            await Controls(database).rearm(
                account=account, agent=agent, symbol=symbol, by=who, reason=reason, at=datetime.now(UTC)
            )
            return account

    account = wait(work())
    if as_json:
        print_json({"account": account, "agent": agent, "symbol": symbol, "by": who})
    else:
        print(f"{agent} may enter {symbol} again in {account}, by {who}")


def _level(name: str) -> Level:
    """The level of that name. Raises `UsageError` for one that is not known."""
    if name in _FORMER:
        warn(f"note: --level {name} is now called {LEVEL_NAMES[_FORMER[name]]}")
        return _FORMER[name]
    if name not in _LEVELS:
        known = _LEVELS | _FORMER
        near = get_close_matches(name.lower(), known, n=1)
        guess = f"Did you mean {LEVEL_NAMES[known[near[0]]]}? " if near else ""
        raise UsageError(
            f"--level {name!r} is not known, and nothing was halted",
            remedy=f"{guess}Levels: reduce-only (exits pass; the default), flatten (close everything), all (no orders)",
        )
    return _LEVELS[name]


def _level_of(control: Control) -> Level:
    """The level that stands, which may be stricter than the one that was asked for."""
    if control.state == "halted":
        return "halt"
    return "flatten" if control.flatten else "reduce"


async def _halt_in_database(order: _Order, settings: Settings) -> Control | AgentctlError:
    """The halt as the database keeps it, or why it was asked wrongly. What this raises, the database failed by."""
    async with await Database.open(settings.database_url, create=False) as database:
        try:
            scope = await _scope_of(database, order.run)
        except (NotFound, UsageError) as unknown:
            return unknown
        controls = Controls(database)
        try:
            return await controls.halt(
                scope=scope, level=order.level, by=order.by, reason=order.reason, at=datetime.now(UTC)
            )
        except Refused as refused:
            stands = await controls.own(scope)
            if _stricter(stands, order.level):
                return stands if order.tighten else refused
            raise


def _stricter(stands: Control, level: Level) -> bool:
    return level != "halt" and (stands.state == "halted" or (stands.flatten and level == "reduce"))


def _without_database(error: Exception, order: _Order, settings: Settings, *, as_json: bool) -> None:
    if isinstance(error, NotFound) and not settings.data_dir.is_dir():
        raise NotFound(
            f"nothing was halted: {error.message}", remedy="Go to the folder of the run, or name it: --db URL"
        )
    late = f"the database did not keep the halt within {_PATIENCE_S} seconds"
    failure = late if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    try:
        written = _write(settings, f"{order.reason} ({order.by})")
    except OSError as unwritten:
        raise ServiceUnavailable(
            f"NOTHING IS HALTED: {failure}; {_unwritten(settings, unwritten)}",
            remedy="Send SIGUSR1 to the process of the run (kill -USR1 PID)",
        ) from error
    if as_json:
        print_json(Halt(level=order.level, control=None, file=written, failure=failure))
    warn(f"error: {failure}")
    warn(f"NOT in force, as far as is known: {LEVEL_NAMES[order.level]} in the database. Runs of other folders go on.")
    warn(f"in force: the halt file {written}, for every run of this folder. {_MEANING['halt']}")
    if order.level == "flatten":
        warn("Nothing is closed.")
    warn("Once the database answers: agentctl halt again, delete the file, and agentctl unhalt when it is time.")
    sys.exit(ServiceUnavailable.exit_code)


def _standing(settings: Settings) -> str | None:
    file = settings.data_dir / HALT_FILE
    return str(file.absolute()) if halts(file) else None


def _write(settings: Settings, text: str) -> str:
    """Write the halt file, and return where it is. One that is there already says why it is, and stays."""
    file = settings.data_dir / HALT_FILE
    private_folder(file.parent)
    if not halts(file):
        private_file(file)
        file.write_text(text + "\n", encoding="utf-8")
    return str(file.absolute())


def _unwritten(settings: Settings, error: OSError) -> str:
    return f"the halt file {(settings.data_dir / HALT_FILE).absolute()} can't be written: {error.strerror}"


async def _scope_of(database: Database, run: str | None) -> str:
    return EVERYWHERE if run is None else (await find_run(database, run)).header.run_id


def _run_option(scope: str) -> str:
    return "" if scope == EVERYWHERE else f" --run {scope}"
