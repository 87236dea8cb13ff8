"""`agentctl halt`, `resume` and `rearm`: what a person does to the desk. Each is kept, with a name and a reason."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from typing import Final

from agentctl.archive import reading, run_meant, wait
from agentctl.commands.status import in_force, scope_in_words
from agentctl.output import print_json, warn
from agentctl.person import named
from agentctl.question import when
from agentctl.settings import Settings, load
from domain.errors import AgentctlError, NotFound, Refused, ServiceUnavailable, UsageError
from domain.value import Value
from graphs.brake import HALT_FILE
from memory.acts import EVERYWHERE, required
from memory.address import Address
from memory.controls import Control, Controls, Level
from memory.database import Database

_PATIENCE_S = 10
"""How long the database may take to keep a halt, before it is taken for out of reach."""

_MEANING: Final[dict[Level, str]] = {
    "reduce": "Only orders that reduce a position are sent; entries are refused.",
    "flatten": (
        "The run cancels what is open and closes what is held, through the gate, in its next cycle, and is halted once "
        "it is flat. A run that is not going on does it when it is resumed."
    ),
    "halt": (
        "Nothing is sent, exits neither: stops are not acted upon. Orders that rest at the venue stay there, and are "
        "still accounted for."
    ),
}


class Halt(Value):
    """What `halt` did: `control` is what the database keeps, none where it failed for `failure`."""

    level: Level
    control: Control | None
    file: str | None
    """The halt file that was written."""
    failure: str = ""


def halt(
    *, level: Level, reason: str, run: str | None, by: str | None, file: bool, db: str | None, as_json: bool
) -> None:
    """Tighten. Where the database fails, for whatever cause, the halt file is written in its place; exit code 5.

    Raises `Refused` where something stricter stands, and `NotFound` for an unknown run or where nothing ever ran.
    """
    if file and level != "halt":
        raise UsageError(f"--file lets no order pass, and --level {level} needs exits to pass", remedy="Leave one out")
    who, said, settings = named(by), required(reason, name="reason"), load(db=db)
    Address.parse(settings.database_url)
    try:
        kept = wait(asyncio.wait_for(_kept(run, level=level, by=who, reason=said, db=db), _PATIENCE_S))
    except Exception as error:  # the one command that must come through, whatever is wrong with the database
        _without_database(error, level=level, by=who, reason=said, settings=settings, as_json=as_json)
        return None
    if isinstance(kept, AgentctlError):
        raise kept
    try:
        written = _write(settings, f"{said} ({who})") if file else None
    except OSError as error:
        raise ServiceUnavailable(f"{_unwritten(settings, error)}. In force in the database: {kept.in_words}") from error
    if as_json:
        return print_json(Halt(level=level, control=kept, file=written))
    print(f"{scope_in_words(kept.scope)}: {kept.in_words}, since {when(kept.since) if kept.since else 'ever'}")
    print(_MEANING[level])
    if there := _standing(settings):
        print(f"The halt file {there} is there too: until it is deleted, no run of this folder sends anything.")
    return print(f"Only a person lets it go on: agentctl resume{_run_option(kept.scope)} --reason TEXT")


def resume(*, reason: str, run: str | None, by: str | None, db: str | None, as_json: bool) -> None:
    """Let trading go on. Raises `Refused` while the halt file is there, or when nothing is halted."""
    if there := _standing(load(db=db)):
        raise Refused(f"the halt file {there} is there", remedy="Delete it first: it halts by being there")
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
    print(f"{scope_in_words(control.scope)}: {control.in_words}")
    print("The gate judges every order as before. A process whose own brake was pulled stays halted until it ends.")
    for other in rest:
        print(f"still in force: {scope_in_words(other.scope)} is {other.in_words}")
    return None


def rearm(*, run: str, agent: str, symbol: str, reason: str, by: str | None, db: str | None, as_json: bool) -> None:
    """Let an agent that was stopped in a symbol go on. Raises `NotFound` when it isn't stopped there."""
    who = named(by)

    async def work() -> str:
        async with reading(db) as database:
            account = (await run_meant(database, run)).header.run_id
            await Controls(database).rearm(
                account=account, agent=agent, symbol=symbol, by=who, reason=reason, at=datetime.now(UTC)
            )
            return account

    account = wait(work())
    if as_json:
        print_json({"account": account, "agent": agent, "symbol": symbol, "by": who})
    else:
        print(f"{agent} may enter {symbol} again in {account}, by {who}")


async def _kept(run: str | None, *, level: Level, by: str, reason: str, db: str | None) -> Control | AgentctlError:
    """The halt as the database keeps it, or why it was asked wrongly. What this raises, the database failed by."""
    async with reading(db) as database:
        try:
            scope = await _scope_of(database, run)
        except (NotFound, UsageError) as unknown:
            return unknown
        controls = Controls(database)
        try:
            return await controls.halt(scope=scope, level=level, by=by, reason=reason, at=datetime.now(UTC))
        except Refused as refused:
            if _stricter(await controls.state(scope), level):
                return refused
            raise


def _stricter(stands: Control, level: Level) -> bool:
    return level != "halt" and (stands.state == "halted" or (stands.flatten and level == "reduce"))


def _without_database(
    error: Exception, *, level: Level, by: str, reason: str, settings: Settings, as_json: bool
) -> None:
    if isinstance(error, NotFound) and not settings.data_dir.is_dir():
        raise NotFound(
            f"nothing was halted: {error.message}", remedy="Go to the folder of the run, or name it: --db URL"
        )
    late = f"the database did not keep the halt within {_PATIENCE_S} seconds"
    failure = late if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    try:
        written = _write(settings, f"{reason} ({by})")
    except OSError as unwritten:
        raise ServiceUnavailable(
            f"NOTHING IS HALTED: {failure}; {_unwritten(settings, unwritten)}",
            remedy="Send SIGUSR1 to the process of the run (kill -USR1 PID)",
        ) from error
    if as_json:
        print_json(Halt(level=level, control=None, file=written, failure=failure))
    warn(f"error: {failure}")
    warn(f"NOT in force, as far as is known: {level} in the database. Runs of other folders on it go on.")
    warn(f"in force: the halt file {written}, for every run of this folder. {_MEANING['halt']}")
    if level == "flatten":
        warn("Nothing is cancelled and nothing is closed.")
    warn("Once the database answers: agentctl halt again, delete the file, and agentctl resume when it is time.")
    sys.exit(ServiceUnavailable.exit_code)


def _standing(settings: Settings) -> str | None:
    file = settings.data_dir / HALT_FILE
    return str(file.absolute()) if file.exists() else None


def _write(settings: Settings, text: str) -> str:
    """Write the halt file, and return where it is. One that is there already says why it is, and stays."""
    file = settings.data_dir / HALT_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        file.write_text(text + "\n", encoding="utf-8")
    return str(file.absolute())


def _unwritten(settings: Settings, error: OSError) -> str:
    return f"the halt file {(settings.data_dir / HALT_FILE).absolute()} can't be written: {error.strerror}"


async def _scope_of(database: Database, run: str | None) -> str:
    return EVERYWHERE if run is None else (await run_meant(database, run)).header.run_id


def _run_option(scope: str) -> str:
    return "" if scope == EVERYWHERE else f" --run {scope}"
