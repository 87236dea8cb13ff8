"""`agentctl policy`: policies shown, checked and compared; verdicts explained, logged and tried out."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentctl.cli import main
from agentctl.masking import MASK, masked
from builders.policy import a_proposal, some_facts
from domain.digest import canonical
from domain.errors import UsageError
from graphs.session.profiles import PROFILES, profile
from policy import parse_policy

USAGE, REFUSED, NOT_FOUND = 2, 3, 4


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("AGENTCTL_DB", "AGENTCTL_DATA_DIR", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def agentctl(*argv: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    return int(ended.value.code or 0)


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", PROFILES)
def test_a_shown_profile_is_a_file_that_says_the_same(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert agentctl("policy", "show", name) == 0
    assert parse_policy(capsys.readouterr().out, source=name) == profile(name)
    assert agentctl("policy", "show", name, "--json") == 0
    shown = said(capsys)
    assert (shown["policy"]["name"], shown["digest"]) == (name, profile(name).digest)


def test_without_a_name_the_policy_in_effect_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "agentctl.toml").write_text('policy = "prop-firm"\n')
    assert agentctl("policy", "show", "--json") == 0
    assert said(capsys)["policy"]["name"] == "prop-firm"


def own(folder: Path, old: str, new: str) -> str:
    """A file like the conservative profile with one thing changed."""
    agentctl("policy", "show", "conservative")
    path = folder / "own.toml"
    path.write_text((Path(__file__).parents[2] / "policy/profiles/conservative.toml").read_text().replace(old, new))
    return str(path)


def test_a_checked_policy_is_compared_to_the_one_in_effect(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = own(folder, "maximum = 5\n", "maximum = 6\n")
    capsys.readouterr()
    assert agentctl("policy", "check", path, "--json") == 0
    report = said(capsys)
    assert report["changes"] == [{"path": "open_positions.maximum", "left": "5", "right": "6", "right_is": "looser"}]
    assert report["loosened"] == ["open_positions.maximum: 6, not 5"]
    assert agentctl("policy", "check", path) == 0
    assert "1 of 1 settings that differ may refuse less than conservative does" in capsys.readouterr().out


def test_a_bad_policy_is_refused_with_every_problem(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = own(folder, "maximum = 5\n", "maximum = 'five'\nmaximun = 5\n")
    capsys.readouterr()
    assert agentctl("policy", "check", path) == USAGE
    err = capsys.readouterr().err
    assert "open_positions.maximum: expected a whole number, not 'five'" in err
    assert "open_positions.maximun: unknown key; did you mean maximum?" in err


EXTENDED = 'name = "own"\nextends = "conservative"\n[open_positions]\nmaximum = 6\n'


def test_a_policy_says_only_what_differs_and_the_commands_say_what_it_extends(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine").mkdir()
    (folder / "mine/own.toml").write_text(EXTENDED)
    (folder / "mine/tighter.toml").write_text('name = "tighter"\nextends = "own.toml"\nopen_positions.maximum = 2\n')
    assert agentctl("policy", "show", "mine/tighter.toml", "--json") == 0
    shown = said(capsys)
    assert shown["extends"] == ["mine/own.toml", "conservative"]
    assert shown["policy"]["open_positions"]["maximum"] == 2
    assert agentctl("policy", "show", "mine/tighter.toml") == 0
    whole = capsys.readouterr().out
    assert whole.splitlines()[1] == "# extends mine/own.toml, conservative"
    assert parse_policy(whole, source="shown").digest == shown["digest"]

    assert agentctl("policy", "check", "mine/own.toml", "--json") == 0
    report = said(capsys)
    assert (report["extends"], [change["path"] for change in report["changes"]]) == (
        ["conservative"],
        ["open_positions.maximum"],
    )
    assert agentctl("policy", "check", "mine/own.toml") == 0
    assert f"is a policy: own, digest {report['digest'][:12]}, extends conservative\n" in capsys.readouterr().out
    assert agentctl("policy", "diff", "conservative", "mine/own.toml") == REFUSED
    assert capsys.readouterr().out.startswith("own, extends conservative\n")
    assert agentctl("policy", "diff", "mine/own.toml", "mine/own.toml", "--json") == 0
    assert said(capsys)["right"]["extends"] == ["conservative"]


def test_what_is_wrong_below_is_named_by_its_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "own.toml").write_text(EXTENDED.replace("conservative", "base.toml"))
    assert agentctl("policy", "check", "own.toml") == USAGE
    assert "own.toml extends 'base.toml', and there is no file base.toml" in capsys.readouterr().err
    (folder / "base.toml").write_text('extends = "./own.toml"')
    assert agentctl("policy", "check", "own.toml") == USAGE
    assert "own.toml extends itself: own.toml -> base.toml -> own.toml" in capsys.readouterr().err
    (folder / "base.toml").write_text("[cash]\nreserve = 1")
    assert agentctl("policy", "check", "./own.toml") == USAGE
    err = capsys.readouterr().err
    assert "base.toml, which own.toml extends, has 2 problems:\n  cash.reserve_share_of_equity: is missing" in err
    (folder / "base.toml").write_bytes(b"\xff")
    assert agentctl("policy", "check", "own.toml") == USAGE
    assert "the policy file base.toml can't be read" in capsys.readouterr().err


def test_a_time_zone_that_nobody_knows_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = own(folder, '"UTC"', '"Mars/Olympus"')
    assert agentctl("policy", "check", path) == USAGE
    assert "day.time_zone: expected a time zone known here" in capsys.readouterr().err


def test_two_policies_are_told_apart_with_the_direction(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("policy", "diff", "conservative", "conservative") == 0
    capsys.readouterr()
    assert agentctl("policy", "diff", "conservative", "prop-firm", "--json") == REFUSED
    report = said(capsys)
    directions = {change["path"]: change["right_is"] for change in report["changes"]}
    assert directions["drawdown.share_of_high"] == "tighter"
    assert directions["daily_loss.share_of_day_start"] == "looser"
    assert report["judged"] is None


def test_the_schema_and_the_reference_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("policy", "schema") == 0
    assert "escalation" in said(capsys)["properties"]
    assert agentctl("policy", "reference") == 0
    assert capsys.readouterr().out.startswith("# The policy\n")


def test_the_decisions_of_a_run_are_logged_explained_and_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("run", "--cycles", "30", "--json") == 0
    run = said(capsys)
    assert agentctl("policy", "log", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) >= sum(order["type"] == "market" for order in run["orders"]) >= 1
    for line in lines:
        assert line["decision_id"]
        assert (line["run_id"], line["erased"]) == (run["run_id"], ["/input/proposal/rationale"])
        assert line["input"]["proposal"]["rationale"] == MASK
        assert line["result"]["facts_digest"] == line["facts_digest"]
        assert line["timestamp"].startswith("2025-01-0")
    assert agentctl("policy", "log", "--mask", "/result/findings", "--mask", "/input/none", "--json") == 0
    (first, *_) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (first["result"]["findings"], first["erased"]) == (MASK, ["/result/findings"])
    assert agentctl("policy", "log") == 0
    assert lines[0]["decision_id"][:12] in capsys.readouterr().out

    order = lines[-1]["result"]["client_order_id"]
    for name in (lines[-1]["decision_id"][:16], order, "last"):
        assert agentctl("policy", "explain", name, "--json") == 0
        told = said(capsys)
        assert (told["verdict"]["client_order_id"], told["still_so"]) == (order, True)
    assert agentctl("policy", "explain", order) == 0
    assert f"{told['verdict']['outcome']} {told['verdict']['symbol']} {order}" in capsys.readouterr().out
    assert agentctl("policy", "explain", "zz") == NOT_FOUND
    assert agentctl("policy", "explain", "ac") == USAGE
    assert "'ac' begins verdicts on several orders" in capsys.readouterr().err

    assert agentctl("policy", "diff", "conservative", "prop-firm", "--run", "last", "--json") == REFUSED
    judged = said(capsys)["judged"]
    assert (judged["judged"], judged["left_allows"]) == (
        len(lines),
        sum(x["result"]["outcome"] == "allow" for x in lines),
    )
    assert judged["left_allows"] - judged["right_allows"] == len(judged["disagreements"])


def test_a_refusal_is_explained_with_its_rule_and_what_would_have_passed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = own(folder, "share_of_equity = 0.10 ", "share_of_equity = 0.01 ")
    assert agentctl("run", "--cycles", "20", "--policy", path, "--json") == 0
    capsys.readouterr()
    assert agentctl("policy", "log", "--json") == 0
    refused = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (first, *_) = [line for line in refused if line["result"]["outcome"] == "deny"]
    assert agentctl("policy", "explain", first["decision_id"]) == 0
    out = capsys.readouterr().out
    assert "MAX_NOTIONAL: " in out
    assert "source: " in out
    assert "its limits stand in [max_notional]" in out
    assert "would have passed; " in out


def test_facts_that_were_changed_since_explain_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("run", "--cycles", "12", "--json") == 0
    capsys.readouterr()
    assert agentctl("policy", "log", "--json") == 0
    (first, *_) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    with sqlite3.connect(folder / ".agentctl/agentctl.db") as database:
        change = "UPDATE blobs SET body = replace(body, 'active', 'halted') WHERE digest = ?"
        database.execute(change, (first["facts_digest"],))
    database.close()
    for command in (["explain", first["decision_id"]], ["log", "--json"]):
        assert agentctl("policy", *command) == REFUSED
        assert "were changed since they were archived" in capsys.readouterr().err


def test_one_proposal_is_judged_on_facts_from_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "sound.json").write_text(canonical(a_proposal()))
    (folder / "large.json").write_text(canonical(a_proposal(quantity="4000", stop_price=None)))
    (folder / "facts.json").write_text(canonical(some_facts()))
    rest = ("--facts", "facts.json", "--policy", "paper-lab", "--json")
    assert agentctl("policy", "eval", "--proposal", "sound.json", *rest) == 0
    assert said(capsys)["outcome"] == "allow"
    assert agentctl("policy", "eval", "--proposal", "large.json", *rest) == REFUSED
    assert said(capsys)["outcome"] == "deny"


@pytest.mark.parametrize(
    ("argv", "code", "named"),
    [
        (["show", "missing.toml"], NOT_FOUND, "prop-firm"),
        (["check", "missing.toml"], NOT_FOUND, "missing.toml"),
        (["diff", "conservative", "missing.toml"], NOT_FOUND, "missing.toml"),
        (["eval", "--proposal", "missing.json", "--facts", "bad.json"], NOT_FOUND, "missing.json"),
        (["eval", "--proposal", "bad.json", "--facts", "bad.json"], USAGE, "quantity: Field required"),
        (["explain", "last"], NOT_FOUND, "agentctl run"),
        (["log"], NOT_FOUND, "agentctl run"),
        (["log", "--mask", "rationale"], USAGE, "'rationale' is no JSON pointer"),
    ],
)
def test_bad_input_gets_one_clear_error(
    folder: Path, capsys: pytest.CaptureFixture[str], argv: list[str], code: int, named: str
) -> None:
    (folder / "bad.json").write_text("{}")
    assert agentctl("policy", *argv) == code
    out, err = capsys.readouterr()
    assert (out, named in err, "Traceback" in err) == ("", True, False)


@pytest.mark.parametrize(
    "text",
    [
        "the key sk-abcdefgh12345678 was used",
        "Bearer abcdefgh12345678",
        "see postgresql://me:hunter2@db/books",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x",
        "api_key = hunter2hunter2",
        "it was my-own-value-1 all along",
    ],
)
def test_what_looks_like_a_secret_or_is_a_known_key_is_masked_wherever_it_stands(text: str) -> None:
    line, erased = masked({"a": [{"b/c": text}], "d": "kept"}, pointers=(), secrets=("my-own-value-1",))
    assert (line, erased) == ({"a": [{"b/c": MASK}], "d": "kept"}, ("/a/0/b~1c",))


def test_a_pointer_without_its_slash_is_refused() -> None:
    with pytest.raises(UsageError):
        masked({}, pointers=("input",), secrets=())


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=3), st.integers() | st.lists(st.integers(), max_size=3), max_size=4))
def test_what_holds_no_secret_is_left_as_it_is(document: dict[str, object]) -> None:
    assert masked(document, pointers=("/nowhere/at/all",), secrets=("x",)) == (document, ())
