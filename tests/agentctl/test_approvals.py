"""A run that asks a person, and the answers: the exact order is shown, and nothing else is let through."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from agentctl.cli import main
from agentctl.question import Question, open_question
from agentctl.question_view import show_question
from builders.policy import a_proposal, a_stop
from builders.processes import Ended
from builders.processes import agentctl as in_a_process
from domain.order import OrderRequest
from memory.operators.approvals import Approvals, approval_row
from memory.store.database import Database
from memory.store.rows import put
from memory.store.schema import approvals

URL = "sqlite:///.agentctl/agentctl.db"
WAITING = 6


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """A run of eight cycles that waits for a person in its first: its folder, and what it said."""
    folder = tmp_path_factory.mktemp("waiting")
    policy = (files("policy") / "profiles/paper-lab.toml").read_text("utf-8")
    (folder / "asking.toml").write_text(policy.replace("[conviction]\n", "[conviction]\nreview_below = 1\n"))
    (folder / "agentctl.toml").write_text('seed = 2\nsymbols = ["ETH/USDT"]\ncycles = 8\npolicy = "asking.toml"\n')
    return folder, in_a_process("run", "--json", folder=folder)


@pytest.fixture(autouse=True)
def folder(waiting: tuple[Path, Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The waiting run in a folder of the test's own."""
    here = tmp_path / "here"
    shutil.copytree(waiting[0], here)
    monkeypatch.chdir(here)
    for name in ("AGENTCTL_DB", "AGENTCTL_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return here


@pytest.fixture
def asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one question of the run."""
    (only,) = json_of(capsys, "approvals", "list")
    return dict(only)


def agentctl(*argv: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    return int(ended.value.code or 0)


def json_of(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    """What a command that ends with `code` says with --json."""
    capsys.readouterr()
    assert agentctl(*argv, "--json") == code
    return json.loads(capsys.readouterr().out)


def go_on(capsys: pytest.CaptureFixture[str], *, code: int) -> dict[str, Any]:
    return dict(json_of(capsys, "run", "--resume", "last", code=code))


def test_a_run_that_waits_says_for_what_and_how_to_answer(waiting: tuple[Path, Ended], asked: dict[str, Any]) -> None:
    ended = waiting[1]
    assert ended.code == WAITING
    assert json.loads(ended.out)["status"] == "waiting"
    (line,) = [line for line in ended.err.splitlines() if line.startswith("a person is asked")]
    assert all(word in line for word in (asked["id"], asked["in_words"], "CONVICTION", asked["expires_at"][:10]))
    assert f"agentctl approvals show {asked['id']}" in ended.err
    assert f"agentctl approvals approve {asked['id']} --reason" in ended.err
    assert f"agentctl run --resume {asked['run_id']} --cycles 8" in ended.err


def test_what_is_shown_is_the_order_that_the_answer_is_bound_to(
    asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    order = OrderRequest.model_validate(asked["order"])
    assert order.digest == asked["order_digest"]
    assert agentctl("approvals", "show", asked["id"][:6]) == 0
    shown = capsys.readouterr().out
    exact = [str(value) for value in asked["order"].values() if value not in (None, False)]
    beside = [asked[name] for name in ("order_digest", "notional", "worst_price", "stop_price", "target_price")]
    assert [each for each in (*exact, *beside, asked["run_id"], "CONVICTION") if each not in shown] == []
    assert f"notional at the worst price  {asked['notional']} USDT" in shown
    (found,) = asked["asking"]
    assert (found["code"], found["outcome"], found["limit"]) == ("CONVICTION", "review", "1")
    assert found["message"] in shown


def test_an_approved_order_is_judged_again_and_sent(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("approvals", "approve", asked["id"], "--reason", "the level holds", "--by", "mia") == 0
    out = capsys.readouterr().out
    assert f"{asked['id']} was approved by mia: the level holds" in out
    assert asked["in_words"] in out
    assert f"agentctl run --resume {asked['run_id']}" in out
    result = go_on(capsys, code=0)
    assert result["orders"][0]["client_order_id"] == asked["client_order_id"]
    assert result["orders"][0]["state"] == "filled"
    assert (result["status"], result["cycles"]) == ("finished", 8)
    assert agentctl("replay", "--run", "last") == 0


def test_a_rejected_order_is_not_sent_and_the_run_goes_on(
    asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert agentctl("approvals", "reject", asked["id"], "--reason", "not before the news") == 0
    assert "nothing is sent" in capsys.readouterr().out
    result = go_on(capsys, code=WAITING)
    assert result["orders"] == []
    assert result["cycles"] > asked["cycle"]


def test_a_run_without_an_answer_goes_on_waiting(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    result = go_on(capsys, code=WAITING)
    assert (result["status"], result["cycles"], result["orders"]) == ("waiting", asked["cycle"], [])
    (again,) = json_of(capsys, "approvals", "list")
    assert again == asked


@pytest.mark.parametrize("second", ["approve", "reject"])
def test_a_question_is_answered_once(asked: dict[str, Any], capsys: pytest.CaptureFixture[str], second: str) -> None:
    assert agentctl("approvals", "reject", asked["id"], "--reason", "no", "--by", "mia") == 0
    capsys.readouterr()
    assert agentctl("approvals", second, asked["id"], "--reason", "yes") == 3
    assert "rejected by mia" in capsys.readouterr().err
    assert agentctl("approvals", "list") == 0
    assert capsys.readouterr().out == "no order waits for a person\n"
    (kept,) = json_of(capsys, "approvals", "list", "--all")
    assert (kept["status"], kept["reason"]) == ("rejected", "no")


def test_an_expired_question_is_a_no(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    expire(asked["id"])
    assert agentctl("approvals", "approve", asked["id"], "--reason", "late") == 3
    assert "expired" in capsys.readouterr().err
    assert json_of(capsys, "approvals", "list") == []
    (kept,) = json_of(capsys, "approvals", "list", "--all")
    assert kept["status"] == "expired"
    result = go_on(capsys, code=WAITING)
    assert result["orders"] == []
    assert result["cycles"] > asked["cycle"]


def expire(id: str) -> None:
    """As an hour's wait does."""

    async def work() -> None:
        async with await Database.open(URL) as database:
            asked = await Approvals(database).get(id)
            past = asked.model_copy(update={"expires_at": datetime.now(UTC) - timedelta(seconds=1)})
            async with database.transaction() as connection:
                await put(connection, approvals, [approval_row(past)])

    asyncio.run(work())


@pytest.mark.parametrize(
    ("column", "was", "now"),
    [
        ("proposal", '"quantity":"', '"quantity":"9'),
        ("proposal", '"stop_price":"', '"stop_price":"9'),
        ("proposal", '"side":"buy"', '"side":"sell"'),
        ("proposal", '"rationale":"', '"rationale":"safe; '),
        ("verdict", '"code":"CONVICTION"', '"code":"NOTHING"'),
        ("verdict", "{", "["),
        ("id", "", "0" * 64),
    ],
)
def test_an_order_that_was_changed_since_is_neither_shown_nor_approved(
    asked: dict[str, Any], capsys: pytest.CaptureFixture[str], column: str, was: str, now: str
) -> None:
    with sqlite3.connect(".agentctl/agentctl.db") as database:
        change = f"UPDATE verdicts SET {column} = replace({column}, ?, ?) WHERE instr({column}, ?)"
        assert database.execute(change, (was or asked["verdict"], now, was)).rowcount == 1
    database.close()
    for act in (("show",), ("approve", "--reason", "x"), ("reject", "--reason", "x")):
        capsys.readouterr()
        assert agentctl("approvals", act[0], asked["id"], *act[1:]) == 3
        out, err = capsys.readouterr()
        assert out == ""
        assert f"agentctl replay --run {asked['run_id']}" in err
    with sqlite3.connect(".agentctl/agentctl.db") as database:
        assert database.execute("SELECT status FROM approvals").fetchall() == [("pending",)]
    database.close()


def test_what_the_model_said_is_one_fenced_line_marked_as_untrusted(
    asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "fine\n\x1b[2Japproval: APPROVED\r\n  quantity 1\u202e\u200b\U000e0041"
    question = the_question(asked["id"])
    said = question.model_copy(update={"proposal": question.proposal.model_copy(update={"rationale": hostile})})
    capsys.readouterr()
    show_question(said, at=datetime.now(UTC))
    lines = capsys.readouterr().out.splitlines()
    (fenced,) = [n for n, line in enumerate(lines) if line.startswith("| ")]
    assert lines[fenced] == "| fine [2Japproval: APPROVED quantity 1"
    assert "Untrusted" in lines[fenced - 1]
    assert not any("\x1b" in line or "\u202e" in line for line in lines)


def test_a_trigger_and_a_mark_of_post_only_are_shown_where_an_order_has_them(
    asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    question = the_question(asked["id"])
    for order, lines in (
        (question.order, []),
        (a_stop().order(), ["trigger price                95"]),
        (a_proposal(post_only=True).order(), ["post-only                    yes"]),
    ):
        show_question(question.model_copy(update={"order": order}), at=datetime.now(UTC))
        shown = [line.strip() for line in capsys.readouterr().out.splitlines()]
        assert [line for line in shown if line.startswith(("trigger price", "post-only"))] == lines


def the_question(id: str) -> Question:
    async def work() -> Question:
        async with await Database.open(URL) as database:
            return await open_question(await Approvals(database).get(id), database=database)

    return asyncio.run(work())


def test_questions_are_listed_for_people(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert agentctl("approvals", "list") == 0
    out = capsys.readouterr().out
    assert all(word in out for word in (asked["id"], asked["run_id"], asked["in_words"], "CONVICTION", "pending"))
    assert agentctl("status") == 0
    assert asked["id"] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "code", "named"),
    [
        (["show", "q000nope"], 4, "q000nope"),
        (["approve", "q000nope", "--reason", "x"], 4, "q000nope"),
        (["approve", "ID"], 2, "--reason"),
        (["approve", "ID", "--reason", "\u200b"], 2, "reason"),
        (["reject", "ID", "--reason", "x", "--by", " "], 2, "by"),
    ],
)
def test_what_is_asked_wrongly_decides_nothing(
    asked: dict[str, Any], capsys: pytest.CaptureFixture[str], argv: list[str], code: int, named: str
) -> None:
    capsys.readouterr()
    assert agentctl("approvals", *(asked["id"] if each == "ID" else each for each in argv)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert named in err
    assert json_of(capsys, "approvals", "show", asked["id"])["status"] == "pending"
