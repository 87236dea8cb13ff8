"""`agentctl reconcile`: whether the books of a run are what its venue says, and what differs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from agentctl.archive import find_run, reading, wait
from agentctl.money import trading
from agentctl.output import print_json, print_table
from agentctl.settings import load
from domain.digest import plain
from domain.errors import Refused, ServiceUnavailable
from domain.value import Value
from graphs.account.survey import Evidence
from graphs.runs.open_live import require_same
from graphs.session.session import RunSettings
from graphs.trading.reconciliation import survey
from memory.ledger.ledger import Ledger

_NUMBERS = ("filled", "quantity", "cash", "books", "venue", "venue has more")


class Reconciliation(Value):
    """`proven`: books and venue agree. `differs`: they don't. `unread`: the venue did not tell all."""

    run_id: str
    account: str
    result: Literal["proven", "differs", "unread"]
    evidence: Evidence | None
    """`None` on paper, whose venue is the ledger's own past: there, the books are only added up."""


def reconcile(run: str | None, *, db: str | None, as_json: bool) -> None:
    """Raises `LedgerBroken`, exit code 3, when the books themselves don't add up."""

    async def work() -> Reconciliation:
        async with reading(db) as database:
            header = (await find_run(database, run)).header
            ledger = Ledger(database, account=header.run_id, run_id=header.run_id)
            await ledger.check()
            if header.mode == "paper":
                return Reconciliation(run_id=header.run_id, account="paper", result="proven", evidence=None)
            async with trading(header.exchange, symbols=header.symbols, settings=load(db=db)) as at:
                await require_same(header, at.desk)
                instruments = RunSettings.model_validate_json(header.settings).instruments
                now = datetime.now(UTC)
                evidence = await survey(header, at.desk.venue, ledger, instruments=instruments, at=now)
            result: Literal["proven", "differs", "unread"] = "unread" if evidence.unread else "proven"
            if evidence.differences:
                result = "differs"
            return Reconciliation(run_id=header.run_id, account=header.account, result=result, evidence=evidence)

    reconciliation = wait(work())
    if as_json:
        print_json(reconciliation)
    else:
        show(reconciliation)
    if reconciliation.result != "proven":
        sys.exit(Refused.exit_code if reconciliation.result == "differs" else ServiceUnavailable.exit_code)


def show(reconciliation: Reconciliation) -> None:
    """In tables, and in one last line."""
    evidence = reconciliation.evidence
    if evidence is None:
        print(f"{reconciliation.run_id} on paper: the books add up")
        return
    _table(
        "orders that may trade, as the venue has them",
        ("order", "symbol", "state", "filled", "by"),
        [(r.client_order_id, r.symbol, r.state.value, plain(r.filled), r.evidence) for r in evidence.reports],
    )
    _table(
        "done by others, booked in the next cycle",
        ("at, UTC", "what", "asset", "quantity", "cash", "note"),
        [
            (f"{e.at:%Y-%m-%d %H:%M:%S}", e.kind, e.asset, plain(e.quantity), plain(e.cash), e.note)
            for e in evidence.events
        ],
    )
    _table(
        "DIFFERS",
        ("asset", "books", "venue", "venue has more"),
        [(d.asset, plain(d.ours), plain(d.theirs), plain(d.theirs - d.ours)) for d in evidence.differences],
    )
    for why in evidence.suspended:
        print(f"not traded and not proven: {why}")
    for unread in evidence.unread:
        print(f"not told: {unread}")
    if evidence.differences and evidence.untold:
        print(f"not told: {evidence.untold}")
    if evidence.strangers:
        print(f"{evidence.strangers} open orders there are not this desk's")
    lines = {
        "proven": "proven: the books are what the venue says",
        "differs": "NOT PROVEN: nothing is entered until it is; what is held can be left",
        "unread": "NOT PROVEN: the venue did not tell all; try again",
    }
    print(f"{reconciliation.run_id} on {reconciliation.account}: {lines[reconciliation.result]}")


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if rows:
        print_table(title, columns, rows, right=_NUMBERS)
