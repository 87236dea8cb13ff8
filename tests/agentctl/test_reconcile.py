"""`agentctl reconcile` on a run with money: the exit code says whether its books are the exchange's."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agentctl.cli import main
from agentctl.commands.reconcile import Reconciliation, show
from builders.live import LiveStage, a_live_stage
from builders.runs import archive
from domain.statement import Difference
from exchange_double.faults import ServerError
from exchange_double.wire import Operation
from graphs.account.survey import Evidence

pytestmark = pytest.mark.slow
"""Each makes a run with money first; the look itself is tested in `tests/graphs/test_evidence.py`."""


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveStage]:
    """A live run that has ended just now on an exchange of this machine, in a folder with its address and its key."""
    with a_live_stage(at=datetime.now(UTC) - timedelta(hours=1)) as stage:

        async def run() -> None:
            async with archive(tmp_path) as database:
                await stage.run(database, cycles=1)

        asyncio.run(run())
        present(stage)
        given = stage.stage.double.client_settings()
        for name, key in (("API_KEY", "apiKey"), ("API_SECRET", "secret"), ("API_PASSWORD", "password")):
            monkeypatch.setenv(f"OKX_{name}", str(given[key]))
        address = f'[exchanges.okx]\nbase_url = "{stage.stage.double.url}"\n'
        (tmp_path / "agentctl.toml").write_text(address)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("AGENTCTL_DB", f"sqlite:///{tmp_path / 'agentctl.db'}")
        yield stage


def present(live: LiveStage) -> None:
    """The exchange's time is the machine's."""
    live.stage.wall.at = datetime.now(UTC)
    live.stage.touch()


def reconciled(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, Any]:
    """The exit code, and what is said."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["reconcile", *argv])
    out = capsys.readouterr().out
    return int(ended.value.code or 0), json.loads(out or "null") if "--json" in argv else out


def test_books_that_are_the_exchanges_are_proven(live: LiveStage, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = reconciled(capsys, "--json")
    assert (code, found["result"], found["evidence"]["differences"], found["evidence"]["unread"]) == (
        0,
        "proven",
        [],
        [],
    )
    code, said = reconciled(capsys)
    assert (code, said.splitlines()[-1]) == (0, f"r1 on {found['account']}: proven: the books are what the venue says")


def test_what_others_did_is_shown_and_disproves_nothing(live: LiveStage, capsys: pytest.CaptureFixture[str]) -> None:
    live.stage.double.engine.deposit("USDT", "12.5")
    code, found = reconciled(capsys, "--json")
    assert (code, found["result"]) == (0, "proven")
    assert [(e["kind"], e["cash"]) for e in found["evidence"]["events"]] == [("transfer", "12.5")]


def test_what_differs_is_named_with_both_amounts_and_ends_with_3(
    live: LiveStage, capsys: pytest.CaptureFixture[str]
) -> None:
    live.stage.wall.at -= timedelta(days=1)  # before the books were opened: nothing that is told explains it
    live.stage.double.engine.deposit("BTC", "0.5")
    present(live)
    code, found = reconciled(capsys, "--json")
    (apart,) = found["evidence"]["differences"]
    assert (code, found["result"], apart["asset"]) == (3, "differs", "BTC")
    assert Decimal(apart["theirs"]) - Decimal(apart["ours"]) == Decimal("0.5")
    code, said = reconciled(capsys)
    assert (code, "DIFFERS" in said, "NOT PROVEN: nothing is entered until it is" in said) == (3, True, True)


def test_why_no_deposits_are_told_is_said_where_something_differs(capsys: pytest.CaptureFixture[str]) -> None:
    apart = (Difference(asset="BTC", ours=Decimal(1), theirs=Decimal(2)),)
    for differs in (apart, ()):
        evidence = Evidence(at=datetime.now(UTC), differences=differs, untold="no right to read")
        show(Reconciliation(run_id="r1", account="binance:1", result="proven", evidence=evidence))
        assert ("not told: no right to read" in capsys.readouterr().out) is bool(differs)


def test_an_exchange_that_does_not_tell_all_proves_nothing_and_ends_with_5(
    live: LiveStage, capsys: pytest.CaptureFixture[str]
) -> None:
    live.stage.double.faults.add(ServerError(), on=Operation.BALANCE, times=50)
    code, said = reconciled(capsys)
    assert (code, "not told: " in said, "the venue did not tell all; try again" in said) == (5, True, True)


def test_books_that_were_changed_are_refused_before_the_exchange_is_asked(
    live: LiveStage, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "agentctl.db") as connection:
        connection.execute("UPDATE accounts SET cash = '1'")
    asked = len(live.stage.double.journal)
    code, said = reconciled(capsys, "--json")
    assert (code, said, len(live.stage.double.journal)) == (3, None, asked)


def test_without_its_key_a_live_run_can_not_be_held_against_anything(
    live: LiveStage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OKX_API_KEY")
    assert reconciled(capsys, "--json") == (2, None)


def test_reconciling_changes_nothing(live: LiveStage, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    live.stage.double.engine.deposit("USDT", "12.5")
    before = dump(tmp_path)
    assert reconciled(capsys, "--json")[0] == 0
    assert dump(tmp_path) == before


def dump(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "agentctl.db") as connection:
        return list(connection.iterdump())
