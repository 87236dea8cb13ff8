"""`agentctl status`: what is in force, what waits for a person, and what was done last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from agentctl.archive import find_run, reading, wait
from agentctl.output import print_json, print_table
from agentctl.question import standing, when
from agentctl.settings import load_anyway
from domain.text import visible
from domain.value import Value
from graphs.session.trading_halt import HALT_FILE, Brake, braked
from memory.operators.approvals import Approval, Approvals
from memory.operators.audit_log import EVERYWHERE, Act, Acts
from memory.operators.controls import Control, Controls, LatchRecord
from memory.store.database import Database
from memory.store.leases import LeaseRecord, leases_in_force

_MOST_ACTS = 10
_ACTS_READ = 10_000
"""Acts among which the accounts are looked for that anything was done to."""
_RESTRICTING = frozenset({"halt", "flattened"})


class Status(Value):
    """`trading` is the strictest of what is in force where it was asked for, the halt file counted."""

    scope: str
    trading: Control
    halt_file: str | None
    in_force: tuple[Control, ...]
    latches: tuple[LatchRecord, ...]
    approvals: tuple[Approval, ...]
    """Those that wait for an answer."""
    leases: tuple[LeaseRecord, ...]
    """Which processes run what now."""
    acts: tuple[Act, ...]
    """The last, the newest first."""


def status(*, run: str | None, db: str | None, as_json: bool) -> None:
    """Print what is in force for a run, or for all of them."""
    settings = load_anyway(db=db, what="the status")
    file = (settings.data_dir / HALT_FILE).absolute()

    async def work() -> Status:
        async with reading(db, settings=settings) as database:
            account = None if run is None else (await find_run(database, run)).header.run_id
            return await _status(database, account=account, file=file)

    report = wait(work())
    if as_json:
        print_json(report)
    else:
        _show(report)


async def in_force(database: Database) -> tuple[Control, ...]:
    """What restricts trading, by scope: each as it was set there, whatever else is in force."""
    controls = Controls(database)
    acts = await Acts(database).all(limit=_ACTS_READ)
    scopes = sorted({act.scope for act in acts if act.kind in _RESTRICTING})
    own = [await controls.own(scope) for scope in scopes]
    return tuple(control for control in own if control.state != "active")


def scope_in_words(scope: str) -> str:
    return "every account of the database" if scope == EVERYWHERE else f"the run {scope}"


async def _status(database: Database, *, account: str | None, file: Path) -> Status:
    controls, now = Controls(database), datetime.now(UTC)
    acts = await Acts(database).all(limit=_ACTS_READ)
    accounts = {act.scope for act in acts if act.kind == "latch"} if account is None else {account}
    pending = await Approvals(database).pending(account)
    everywhere = await in_force(database)
    brake, control = Brake(file), await controls.state(account or EVERYWHERE)
    return Status(
        scope=account or EVERYWHERE,
        trading=braked(control, brake).model_copy(update={"scope": control.scope}),
        halt_file=str(file) if brake.reason else None,
        in_force=tuple(c for c in everywhere if account is None or c.scope in (account, EVERYWHERE)),
        latches=tuple([latch for each in sorted(accounts) for latch in await controls.latches(each)]),
        approvals=tuple(a for a in pending if standing(a, at=now) == "pending"),
        leases=await leases_in_force(database),
        acts=tuple(a for a in acts if account is None or a.scope in (account, EVERYWHERE))[:_MOST_ACTS],
    )


def _show(report: Status) -> None:
    trading = report.trading
    active = "active, but for what is in force below" if report.in_force else "active"
    text = active if trading.state == "active" else visible(trading.describe)
    print(f"{scope_in_words(report.scope)}: {text}")
    if report.halt_file:
        print(f"the halt file {report.halt_file} is there: it halts every run of this folder until it is deleted")
    rows: Sequence[Sequence[str]] = [
        (
            c.scope,
            c.state_name,
            when(c.since) if c.since else "",
            c.by,
            c.reason,
        )
        for c in report.in_force
    ]
    _table("in force", ("scope", "state", "since", "by", "reason"), rows)
    rows = [(each.scope, each.in_words, when(each.expires_at), str(each.token)) for each in report.leases]
    _table("run or traded now", ("run or account", "by", "unless renewed until", "token"), rows)
    rows = [(each.account, each.agent, each.symbol, each.code, when(each.since)) for each in report.latches]
    _table("stopped until agentctl rearm", ("run", "agent", "symbol", "by check", "since, market time"), rows)
    rows = [(a.id, a.run_id, str(a.cycle), ", ".join(a.codes), when(a.expires_at)) for a in report.approvals]
    _table(
        "waiting for a person: agentctl approvals show ID", ("approval", "run", "cycle", "asked by", "expires"), rows
    )
    rows = [(str(act.n), when(act.at), act.kind, act.scope, act.by, act.reason) for act in report.acts]
    _table("the last acts", ("n", "at", "act", "scope", "by", "reason"), rows)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if rows:
        print_table(title, columns, rows)
