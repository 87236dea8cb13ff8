"""Arming and reconciling as an operator does it: what is then in force, what is said, and how the command ends."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agentctl.cli import main

UNREACHABLE = "postgresql://127.0.0.1:1/none"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every command runs in a folder of its own, without keys."""
    monkeypatch.chdir(tmp_path)
    for name in ("AGENTCTL_DB", "AGENTCTL_DATA_DIR", "AGENTCTL_SECRETS_FILE", "OKX_API_KEY", "OKX_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def agentctl(*argv: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    return int(ended.value.code or 0)


def json_of(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    """What a command that ends with `code` says with --json."""
    capsys.readouterr()
    assert agentctl(*argv, "--json") == code
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *argv: str, code: int) -> str:
    """What is said on stderr by a command that ends with `code` and prints no result."""
    capsys.readouterr()
    assert agentctl(*argv) == code
    out, err = capsys.readouterr()
    assert (out, "Traceback" in err) == ("", False)
    return err


def arm(exchange: str = "okx", duration: str = "8h", *more: str) -> tuple[str, ...]:
    return ("arm", exchange, "--for", duration, "--reason", "a trial", *more)


def test_a_person_arms_an_exchange_for_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    before = datetime.now(UTC)
    said = json_of(capsys, *arm("okx", "8h", "--by", "mia"))
    until = datetime.fromisoformat(said["until"])
    assert (said["exchange"], said["by"]) == ("okx", "mia")
    assert timedelta(0) <= until - before - timedelta(hours=8) < timedelta(minutes=2)
    done = json_of(capsys, "status")["acts"]
    assert [(act["kind"], act["scope"], act["by"], act["reason"]) for act in done] == [("arm", "okx", "mia", "a trial")]


def test_arming_says_in_words_what_it_allows_and_what_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl(*arm()) == 0
    out = capsys.readouterr().out
    assert f"okx is armed by {getpass.getuser()} until " in out
    assert "agentctl disarm okx --reason TEXT ends it" in out


def test_disarmed_it_is_at_once_and_not_a_second_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl(*arm()) == 0
    off = ("disarm", "okx", "--reason", "enough", "--by", "mia")
    assert json_of(capsys, *off) == {"exchange": "okx", "armed": False, "by": "mia"}
    assert "okx is not armed" in refused(capsys, *off, code=3)
    assert agentctl(*arm("binance")) == 0
    assert "okx is not armed" in refused(capsys, *off, code=3), "each exchange has its own"


def test_what_is_disarmed_says_that_it_can_be_left(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl(*arm()) == 0
    capsys.readouterr()
    assert agentctl("disarm", "okx", "--reason", "enough") == 0
    assert "nothing is entered there, and what is held can be left" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (arm("sim"), "sim is no exchange"),
        (arm("file:candles"), "file:candles is no exchange"),
        (arm("okex"), "Did you mean okx"),
        (arm("okx", "8d"), "7 days at most"),
        (arm("okx", "soon"), "soon"),
        (arm("okx", "0h"), "0h"),
        (("arm", "okx", "--for", "8h"), "--reason"),
        (("arm", "okx", "--reason", "x"), "--for"),
        (arm("okx", "8h", "--by", " "), "by is empty"),
        (("arm", "okx", "--for", "8h", "--reason", " "), "reason is empty"),
    ],
)
def test_a_wrong_arming_is_refused_and_nothing_is_armed(
    capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], said: str
) -> None:
    assert said in refused(capsys, *argv, code=2)
    assert agentctl(*arm("binance")) == 0
    capsys.readouterr()
    assert [act["scope"] for act in json_of(capsys, "status")["acts"]] == ["binance"]


def test_where_there_is_no_database_nothing_is_armed_and_none_is_made(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert refused(capsys, "disarm", "okx", "--reason", "enough", code=4)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("argv", [arm(), ("disarm", "okx", "--reason", "enough"), ("reconcile",)])
def test_a_database_that_does_not_answer_is_a_service_that_does_not(
    capsys: pytest.CaptureFixture[str], argv: tuple[str, ...]
) -> None:
    assert refused(capsys, *argv, "--db", UNREACHABLE, code=5)


# The books


def test_a_paper_run_is_proven_by_its_own_books(capsys: pytest.CaptureFixture[str]) -> None:
    run_id = json_of(capsys, "run", "--cycles", "1")["run_id"]
    found = json_of(capsys, "reconcile")
    assert found == {"run_id": run_id, "account": "paper", "result": "proven", "evidence": None}
    assert agentctl("reconcile", "--run", run_id) == 0
    assert capsys.readouterr().out == f"{run_id} on paper: the books add up\n"


def test_books_that_do_not_add_up_are_named(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    import sqlite3

    json_of(capsys, "run", "--cycles", "1")
    with sqlite3.connect(folder / ".agentctl" / "agentctl.db") as connection:
        connection.execute("UPDATE accounts SET cash = '1'")
    assert "accounts" in refused(capsys, "reconcile", code=3)


def test_a_run_that_is_not_there_is_not_found(capsys: pytest.CaptureFixture[str]) -> None:
    json_of(capsys, "run", "--cycles", "1")
    assert "nope" in refused(capsys, "reconcile", "--run", "nope", code=4)


@pytest.mark.parametrize(("market", "said"), [("sim", "sim takes no orders"), ("okx", "trading on okx needs a key")])
def test_nothing_trades_with_money_without_an_exchange_and_its_key(
    capsys: pytest.CaptureFixture[str], market: str, said: str
) -> None:
    assert said in refused(capsys, "run", "--live", "--market", market, "--cycles", "1", code=2)
