"""A run on PostgreSQL is the run that it is on SQLite, to the seal: interrupted, resumed, verified and replayed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, text

from agentctl.cli import main
from agents.settings import DeskSettings, RiskSettings
from builders.runs import archive, go_on, options, run
from builders.servers import EMPTY, tell
from graphs import RunResult, Stop, replay_run
from graphs.trading.events import Event, NodeEnded
from memory import Database
from memory.store.leases import hold_lease

ASKED = options(cycles=12, seed=8, desk=DeskSettings(risk=RiskSettings(reenter_after_bars=0)))


@pytest.fixture
def server(postgres: URL) -> str:
    """The address of an empty database."""
    asyncio.run(tell(postgres, *EMPTY))
    return postgres.render_as_string(hide_password=False)


def sameness(result: RunResult) -> dict[str, Any]:
    return result.model_dump(exclude={"timings"})


async def replay(database: Database) -> tuple[bool, int, str | None]:
    report = await replay_run("r1", source=database, progress=lambda done, cycles: None)
    return report.identical, report.cycles, report.first_difference


async def test_a_run_is_the_same_on_both_databases_and_replays_on_both(server: str, tmp_path: Path) -> None:
    async with archive(tmp_path) as file, await Database.open(server) as database:
        here, there = await run(file, ASKED), await run(database, ASKED)
        assert [order.side for order in here.orders if order.filled]
        assert sameness(there) == sameness(here)
        assert await replay(file) == await replay(database) == (True, ASKED.cycles, None)


async def test_a_run_that_was_cut_short_goes_on_to_the_same_end(server: str, tmp_path: Path) -> None:
    stop = Stop()

    def listen(event: Event) -> None:
        if isinstance(event, NodeEnded) and event.node == "gate" and event.cycle > 2:
            stop.ask()

    async with archive(tmp_path) as file:
        whole = await run(file, ASKED)
    async with await Database.open(server) as database:
        cut = await run(database, ASKED, listen=listen, stop=stop)
        assert (cut.status, await replay(database)) == ("interrupted", (True, cut.cycles, None))
    async with await Database.open(server, create=False) as database:
        resumed = await go_on(database, cycles=ASKED.cycles)
        assert sameness(resumed) == sameness(whole)
        assert await replay(database) == (True, ASKED.cycles, None)


async def test_what_was_changed_on_the_server_is_found_and_named(server: str) -> None:
    async with await Database.open(server) as database:
        await run(database, ASKED)
        async with database.transaction() as connection:
            await connection.execute(text("UPDATE fills SET price = price || '1' WHERE n = 0"))
        identical, _, said = await replay(database)
    assert not identical
    assert said is not None
    assert said.startswith("the archive was changed: fills client_order_id=")


def test_every_command_takes_the_server_by_its_url(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTCTL_DB", server)

    def ask(*argv: str) -> Any:
        with pytest.raises(SystemExit) as ended:
            main([*argv, "--json"])
        assert not ended.value.code
        return json.loads(capsys.readouterr().out)

    result = ask("run", "--cycles", "6", "--seed", "8")
    assert [line["run_id"] for line in ask("runs", "list")] == [result["run_id"]]
    assert ask("runs", "show", result["run_id"])["seal"] == result["seal"]
    assert ask("orders")["orders"] == result["orders"]
    assert ask("positions")["reconciled"] is True
    assert ask("replay", "--run", result["run_id"])["identical"] is True
    assert ask("run", "--resume", result["run_id"], "--cycles", "8")["cycles"] == 8
    assert not list(tmp_path.rglob("agentctl.db"))


def test_a_run_that_a_process_of_another_machine_has_is_left_alone(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTCTL_DB", server)

    def ask(*argv: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main([*argv])
        return int(ended.value.code or 0)

    assert ask("run", "--cycles", "2", "--json") == 0
    run_id = json.loads(capsys.readouterr().out)["run_id"]
    with asyncio.Runner() as elsewhere:
        database = elsewhere.run(Database.open(server))
        holding = hold_lease(database, run_id)
        elsewhere.run(holding.__aenter__())
        assert ask("run", "--resume", run_id, "--cycles", "3") == 2
        assert capsys.readouterr().err.startswith(f"error: another process is running {run_id}")
        elsewhere.run(holding.__aexit__(None, None, None))
        elsewhere.run(database.close())
    assert ask("run", "--resume", run_id, "--cycles", "3") == 0
