"""Halting, resuming and re-arming as an operator does it: what is then in force, and what is said when it isn't."""

from __future__ import annotations

import asyncio
import getpass
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agentctl.cli import main
from builders.runs import TIMED
from memory.operators.controls import LatchRecord, latch
from memory.store.database import Database

UNREACHABLE = "postgresql://127.0.0.1:1/none"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every command runs in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("AGENTCTL_DB", "AGENTCTL_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "agentctl.toml").write_text(TIMED)
    return tmp_path


@pytest.fixture
def run_id(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """A run of one cycle, which has entered."""
    return str(json_of(capsys, "run", "--cycles", "1")["run_id"])


def agentctl(*argv: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    return int(ended.value.code or 0)


def json_of(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    """What a command that ends with `code` says with --json."""
    capsys.readouterr()
    assert agentctl(*argv, "--json") == code
    return json.loads(capsys.readouterr().out)


def acts(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str, str]]:
    done = json_of(capsys, "status")["acts"]
    return [(act["kind"], act["scope"], act["reason"]) for act in done]


def entries(result: dict[str, Any]) -> int:
    return sum(order["side"] == "buy" for order in result["orders"])


def sent(result: dict[str, Any]) -> list[str]:
    """The sides of the orders without the stops that came with entries."""
    return [order["side"] for order in result["orders"] if order["type"] != "stop"]


def test_a_halted_run_sends_nothing_until_a_person_resumes_it(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("halt", "--level", "all", "--run", run_id, "--reason", "the feed looks wrong") == 0
    halted = json_of(capsys, "run", "--resume", run_id, "--cycles", "5", code=3)
    assert (halted["cycles"], sent(halted)) == (5, ["buy"])
    assert agentctl("unhalt", "--run", run_id, "--reason", "it was the feed") == 0
    resumed = json_of(capsys, "run", "--resume", run_id, "--cycles", "8")
    assert len(sent(resumed)) > 1
    assert acts(capsys) == [("resume", run_id, "it was the feed"), ("halt", run_id, "the feed looks wrong")]


def test_a_halt_without_a_run_holds_for_every_run_of_the_database(
    run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    halted = json_of(capsys, "halt", "--level", "all", "--reason", "stop", "--by", "mia")["control"]
    assert (halted["scope"], halted["state"], halted["by"]) == ("*", "halted", "mia")
    assert json_of(capsys, "run", "--cycles", "5", code=3)["orders"] == []
    assert json_of(capsys, "status", "--run", run_id)["trading"]["state"] == "halted"


def test_a_halt_of_one_run_leaves_the_others_alone(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("halt", "--level", "all", "--run", run_id, "--reason", "this one") == 0
    assert entries(json_of(capsys, "run", "--cycles", "1")) == 1
    assert json_of(capsys, "status", "--run", "last")["trading"]["state"] == "active"
    assert json_of(capsys, "status", "--run", run_id)["trading"]["state"] == "halted"


def test_a_reducing_run_may_leave_but_not_enter(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("halt", "--level", "reduce-only", "--run", run_id, "--reason", "news") == 0
    result = json_of(capsys, "run", "--resume", run_id, "--cycles", "8", code=3)
    assert sent(result) == ["buy", "sell"]


def test_flatten_leaves_everything_and_then_halts(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("halt", "--level", "flatten", "--run", run_id, "--reason", "weekend") == 0
    assert "cancels what is open and closes its positions" in capsys.readouterr().out
    assert json_of(capsys, "status", "--run", run_id)["trading"]["flatten"] is True
    result = json_of(capsys, "run", "--resume", run_id, "--cycles", "5", code=3)
    assert all(order["state"] in ("filled", "cancelled") for order in result["orders"])
    assert json_of(capsys, "positions", "--run", run_id)["positions"] == {}
    control = json_of(capsys, "status", "--run", run_id)["trading"]
    assert (control["state"], control["flatten"], control["by"]) == ("halted", False, "agentctl")


@pytest.mark.parametrize("level", ["reduce-only", "flatten"])
def test_a_halt_is_only_ever_tightened(run_id: str, capsys: pytest.CaptureFixture[str], level: str) -> None:
    assert agentctl("halt", "--level", "all", "--reason", "first") == 0
    capsys.readouterr()
    assert agentctl("halt", "--level", level, "--reason", "second") == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "halted by" in err
    assert "first" in err
    assert acts(capsys) == [("halt", "*", "first")]
    assert not Path(".agentctl/HALT").exists()


def test_each_level_says_what_it_means_and_what_undoes_it(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    for level, meaning in (
        ("reduce-only", "close or reduce"),
        ("flatten", "once it is flat"),
        ("all", "not even exits"),
    ):
        assert agentctl("halt", "--level", level, "--run", run_id, "--reason", "x") == 0
        out = capsys.readouterr().out
        assert meaning in out
        assert f"agentctl unhalt --run {run_id}" in out


def test_the_operator_is_the_user_of_the_process(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert json_of(capsys, "halt", "--reason", "x")["control"]["by"] == getpass.getuser()


def test_what_is_said_is_kept_in_one_visible_line(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    kept = json_of(capsys, "halt", "--reason", "one\nline\u202e \x1b[31mred", "--by", "m\u200bia")["control"]
    assert (kept["reason"], kept["by"]) == ("one line [31mred", "mia")


@pytest.mark.parametrize("level", ["reduce-only", "all", "flatten"])
def test_without_the_database_the_halt_file_halts(
    folder: Path, run_id: str, capsys: pytest.CaptureFixture[str], level: str
) -> None:
    assert agentctl("halt", "--level", level, "--reason", "fire", "--db", UNREACHABLE) == 5
    err = capsys.readouterr().err
    assert f"NOT in force, as far as is known: {level} in the database" in err
    assert f"in force: the halt file {folder / '.agentctl/HALT'}" in err
    assert ("Nothing is closed." in err) == (level == "flatten")
    assert (folder / ".agentctl/HALT").read_text().startswith("fire (")
    assert sent(json_of(capsys, "run", "--resume", run_id, "--cycles", "5", code=3)) == ["buy"]


def _broken_file(database: Path) -> None:
    for beside in database.parent.glob(f"{database.name}*"):
        beside.unlink()
    database.write_bytes(b"not a database at all" * 200)


def _gone(database: Path) -> None:
    for beside in database.parent.glob(f"{database.name}*"):
        beside.unlink()


def _newer_version(database: Path) -> None:
    with sqlite3.connect(database) as opened:
        opened.execute("UPDATE agentctl_version SET version_num = '9999'")
    opened.close()


def _rewritten_past(database: Path) -> None:
    with sqlite3.connect(database) as opened:
        opened.execute("UPDATE acts SET reason = 'nothing happened'")
    opened.close()


def _no_tables(database: Path) -> None:
    with sqlite3.connect(database) as opened:
        opened.execute("DROP TABLE acts")
    opened.close()


@pytest.mark.parametrize("break_it", [_broken_file, _gone, _newer_version, _rewritten_past, _no_tables])
def test_whatever_is_wrong_with_the_database_a_halt_comes_through(
    folder: Path, run_id: str, capsys: pytest.CaptureFixture[str], break_it: Any
) -> None:
    assert agentctl("halt", "--reason", "before") == 0
    break_it(folder / ".agentctl/agentctl.db")
    done = json_of(capsys, "halt", "--reason", "now", code=5)
    assert (done["control"], done["file"]) == (None, str(folder / ".agentctl/HALT"))
    assert done["failure"]
    assert (folder / ".agentctl/HALT").read_text().startswith("now (")


@pytest.mark.slow
def test_a_database_that_another_holds_is_not_waited_for(
    folder: Path, run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = sqlite3.connect(folder / ".agentctl/agentctl.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    done = json_of(capsys, "halt", "--reason", "now", code=5)
    other.close()
    assert "within 10 seconds" in done["failure"]
    assert (folder / ".agentctl/HALT").exists()


def test_a_halt_that_comes_through_nowhere_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "taken").write_text("a file")
    monkeypatch.setenv("AGENTCTL_DATA_DIR", "taken")
    assert agentctl("halt", "--reason", "x", "--db", UNREACHABLE) == 5
    err = capsys.readouterr().err
    assert "NOTHING IS HALTED" in err
    assert "kill -USR1" in err


def test_where_nothing_ever_ran_a_halt_leaves_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(folder.rglob("*"))
    assert agentctl("halt", "--reason", "wrong folder") == 4
    assert "nothing was halted" in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


def test_the_halt_file_can_be_asked_for_too_and_keeps_its_first_reason(
    folder: Path, run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for reason in ("first", "second"):
        done = json_of(capsys, "halt", "--file", "--reason", reason)
        assert (done["control"]["state"], done["file"]) == ("halted", str(folder / ".agentctl/HALT"))
    assert (folder / ".agentctl/HALT").read_text().startswith("first (")
    found = json_of(capsys, "status")
    assert found["halt_file"] == str(folder / ".agentctl/HALT")
    assert found["trading"]["by"] == "brake"


def test_nothing_is_resumed_while_the_halt_file_is_there(
    folder: Path, run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert agentctl("halt", "--file", "--reason", "x") == 0
    capsys.readouterr()
    assert agentctl("unhalt", "--reason", "done") == 3
    assert str(folder / ".agentctl/HALT") in capsys.readouterr().err
    (folder / ".agentctl/HALT").unlink()
    assert agentctl("unhalt", "--reason", "done") == 0
    assert json_of(capsys, "status")["trading"]["state"] == "active"


def test_resuming_what_is_not_halted_names_what_is(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("unhalt", "--reason", "x") == 3
    assert agentctl("halt", "--run", run_id, "--reason", "x") == 0
    capsys.readouterr()
    assert agentctl("unhalt", "--reason", "x") == 3
    assert f"In force: the run {run_id}" in capsys.readouterr().err


def test_resuming_one_scope_says_what_still_holds(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("halt", "--run", run_id, "--reason", "one") == 0
    assert agentctl("halt", "--reason", "all") == 0
    left = json_of(capsys, "unhalt", "--run", run_id, "--reason", "x")["still_in_force"]
    assert [(control["scope"], control["state"]) for control in left] == [("*", "reducing")]
    assert json_of(capsys, "status", "--run", run_id)["trading"]["state"] == "reducing"


@pytest.mark.parametrize(
    ("argv", "code", "named"),
    [
        (["halt", "--reason", "x", "--level", "panic"], 2, "panic"),
        (["halt", "--level", "reduce-onyl"], 2, "Did you mean reduce-only?"),
        (["halt", "--level", "redcue"], 2, "Did you mean reduce-only?"),
        (["halt", "--level", "al"], 2, "nothing was halted. Did you mean all?"),
        (["halt", "--reason", "x", "--file", "--level", "flatten"], 2, "--file"),
        (["halt", "--reason", "x", "--run", "nope"], 4, "nope"),
        (["halt", "--reason", "x", "--db", "nonsense://x"], 2, "nonsense"),
        (["unhalt"], 2, "--reason"),
        (["unhalt", "--reason", "\u200b"], 2, "reason"),
        (["unhalt", "--reason", "x", "--run", "nope"], 4, "nope"),
        (["status", "--run", "nope"], 4, "nope"),
        (["rearm", "--run", "last", "--agent", "risk", "--symbol", "ETH/USDT", "--reason", "x"], 4, "not stopped"),
    ],
)
def test_what_is_asked_wrongly_gets_one_clear_error_and_does_nothing(
    run_id: str, capsys: pytest.CaptureFixture[str], argv: list[str], code: int, named: str
) -> None:
    capsys.readouterr()
    assert agentctl(*argv) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert named in err
    assert not Path(".agentctl/HALT").exists()
    assert acts(capsys) == []


def test_an_agent_that_was_stopped_is_rearmed_by_a_person(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    stop(run_id, agent="risk", symbol="ETH/USDT")
    stopped = json_of(capsys, "status")["latches"]
    assert [(each["account"], each["agent"], each["symbol"]) for each in stopped] == [(run_id, "risk", "ETH/USDT")]
    assert agentctl("status") == 0
    assert "REPEATED_EXECUTION" in capsys.readouterr().out
    named = ("--run", "last", "--agent", "risk", "--symbol", "ETH/USDT")
    assert agentctl("rearm", *named, "--reason", "looked into it", "--by", "mia") == 0
    assert "by mia" in capsys.readouterr().out
    assert json_of(capsys, "status")["latches"] == []
    assert acts(capsys)[0] == ("rearm", run_id, "looked into it")
    assert agentctl("rearm", *named, "--reason", "again") == 4


def stop(account: str, *, agent: str, symbol: str) -> None:
    """As the gate does where an agent repeats itself."""

    async def work() -> None:
        async with await Database.open("sqlite:///.agentctl/agentctl.db") as database:
            now = datetime.now(UTC)
            record = LatchRecord(account=account, agent=agent, symbol=symbol, code="REPEATED_EXECUTION", since=now)
            async with database.transaction() as connection:
                await latch(connection, record)

    asyncio.run(work())


def test_the_status_can_be_read_by_people(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert agentctl("status") == 0
    assert capsys.readouterr().out == "every account of the database: active\n"
    assert agentctl("halt", "--run", run_id, "--reason", "the feed") == 0
    capsys.readouterr()
    assert agentctl("status") == 0
    out = capsys.readouterr().out
    assert "active, but for what is in force below" in out
    assert all(word in out for word in (run_id, "reduce-only", "the feed", "in force", "the last acts"))


def test_doctor_shows_the_trading_state_and_the_halt_file(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = {one["check"]: one["found"] for one in json_of(capsys, "doctor")}
    assert (found["trading state"], found["halt file"]) == ("active", "none")
    assert agentctl("halt", "--file", "--reason", "the feed") == 0
    found = {one["check"]: one["found"] for one in json_of(capsys, "doctor")}
    assert "the feed" in found["trading state"]
    assert "HALT is there" in found["halt file"]


def test_a_bare_halt_lets_exits_pass_and_says_who_halted(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    control = json_of(capsys, "halt")["control"]
    user = getpass.getuser()
    assert (control["scope"], control["state"], control["reason"]) == ("*", "reducing", f"halted by {user}")
    assert agentctl("halt", "--reason", " ", "--by", "") == 0, "what says nothing is as if it was left out"
    out = capsys.readouterr().out
    assert f"every account of the database: reduce-only by {user}, since" in out
    assert "protective stops at the venue stay" in out
    result = json_of(capsys, "run", "--resume", run_id, "--cycles", "8", code=3)
    assert sent(result) == ["buy", "sell"]


@pytest.mark.parametrize(("level", "state"), [("all", "halted"), ("flatten", "reducing")])
def test_a_bare_halt_leaves_what_is_stricter(
    run_id: str, capsys: pytest.CaptureFixture[str], level: str, state: str
) -> None:
    assert agentctl("halt", "--level", level, "--reason", "first") == 0
    control = json_of(capsys, "halt")["control"]
    assert (control["state"], control["flatten"], control["reason"]) == (state, level == "flatten", "first")


def test_with_the_file_a_bare_halt_stops_exits_too(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert json_of(capsys, "halt", "--file")["control"]["state"] == "halted"


@pytest.mark.parametrize(("old", "new"), [("reduce", "reduce-only"), ("halt", "all")])
def test_the_former_names_of_levels_are_taken_with_a_note(
    run_id: str, capsys: pytest.CaptureFixture[str], old: str, new: str
) -> None:
    capsys.readouterr()
    assert agentctl("halt", "--level", old) == 0
    assert capsys.readouterr().err == f"note: --level {old} is now called {new}\n"
    state = json_of(capsys, "status")["trading"]["state"]
    assert state == ("reducing" if new == "reduce-only" else "halted")


def test_the_former_name_of_unhalt_is_taken_with_a_note(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("halt") == 0
    capsys.readouterr()
    assert agentctl("resume", "--reason", "all quiet") == 0
    assert "agentctl resume is now called agentctl unhalt" in capsys.readouterr().err
    assert json_of(capsys, "status")["trading"]["state"] == "active"


@pytest.mark.parametrize("mistake", ["cycels = 5\n", "this is no TOML\n"])
def test_a_mistake_in_the_settings_does_not_stand_in_the_way_of_a_halt(
    folder: Path, run_id: str, capsys: pytest.CaptureFixture[str], mistake: str
) -> None:
    settings = folder / "agentctl.toml"
    settings.write_text(mistake + TIMED)
    capsys.readouterr()
    assert agentctl("halt") == 0
    assert "For the halt only data_dir and db are read" in capsys.readouterr().err
    settings.write_text(TIMED)
    assert json_of(capsys, "status", "--run", run_id)["trading"]["state"] == "reducing"


@pytest.mark.parametrize("mistake", ["cycels = 5\n", "this is no TOML\n", "seed = -1\n"])
@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (["status"], "the status"),
        (["positions"], "the positions"),
        (["orders"], "the orders"),
        (["orders", "--working"], "the orders"),
    ],
)
def test_a_mistake_in_the_settings_hides_nothing_of_what_a_run_does(
    folder: Path, run_id: str, capsys: pytest.CaptureFixture[str], mistake: str, argv: list[str], what: str
) -> None:
    before = json_of(capsys, *argv)
    (folder / "agentctl.toml").write_text(mistake + TIMED.replace("seed = 2\n", ""))
    capsys.readouterr()
    assert agentctl(*argv, "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == before
    assert err.startswith("warning: ")
    assert f"For {what} only data_dir and db are read from the settings\n" in err


def test_a_run_that_was_halted_throughout_ends_with_3_and_says_so(
    run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert agentctl("halt", "--reason", "news at noon") == 0
    capsys.readouterr()
    assert agentctl("run", "--resume", run_id, "--cycles", "3") == 3
    out, err = capsys.readouterr()
    assert "trading: reduce-only by" in out
    assert "news at noon" in out
    assert "trading was halted throughout: nothing was entered. To lift it: agentctl unhalt --reason TEXT" in err
    shown = json_of(capsys, "runs", "show", run_id)
    assert (shown["trading"]["state"], shown["trading"]["reason"]) == ("reducing", "news at noon")
    assert agentctl("unhalt", "--reason", "all quiet") == 0
    assert "trading" not in json_of(capsys, "run", "--resume", run_id, "--cycles", "4")


def test_a_run_that_was_halted_for_a_part_of_it_is_done(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("halt") == 0
    assert agentctl("run", "--resume", run_id, "--cycles", "1") == 0, "it had no cycle left to run"
