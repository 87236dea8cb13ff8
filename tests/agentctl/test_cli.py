"""The command line as a person or a script meets it: output, exit codes, and nothing half written."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from agentctl.cli import main
from agentctl.snapshot_view import bar
from memory import Database
from memory.store.leases import hold_lease


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every command runs in an empty folder, as in a new project."""
    monkeypatch.chdir(tmp_path)
    for name in ("AGENTCTL_DB", "AGENTCTL_DATA_DIR", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def agentctl(*argv: str) -> int:
    """Run a command in this process; returns its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    return int(ended.value.code or 0)


def said(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_a_run_ends_with_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("run", "--graph", "trading", "--cycles", "6", "--json") == 0
    out, _ = said(capsys)
    result = json.loads(out)
    wanted = "run_id graph market model mode seed cycles decisions orders snapshots equity cost timings"
    assert set(wanted.split()) <= set(result)
    assert {"cycle", "symbol", "stance", "conviction", "outcome", "reasons"} <= set(result["decisions"][0])
    assert (result["market"], result["mode"], result["cycles"]) == ("sim", "paper", 6)
    assert isinstance(result["equity"]["start"], str)
    assert isinstance(result["equity"]["end"], str)
    assert set(result["cost"]) == {"tokens", "usd"}


def test_a_run_can_be_listed_shown_and_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("run", "--cycles", "12", "--json") == 0
    result = json.loads(said(capsys)[0])
    assert agentctl("runs", "list", "--json") == 0
    assert [line["run_id"] for line in json.loads(said(capsys)[0])] == [result["run_id"]]
    assert agentctl("runs", "show", result["run_id"], "--json") == 0
    shown = json.loads(said(capsys)[0])
    assert {k: shown[k] for k in shown if k != "timings"} == {k: result[k] for k in result if k != "timings"}
    assert agentctl("replay", "--run", result["run_id"], "--json") == 0
    replayed = json.loads(said(capsys)[0])
    assert (replayed["identical"], replayed["first_difference"]) == (True, None)
    assert replayed["steps"] > 12 * 5


def test_a_run_shows_no_tokens_and_no_times_that_were_not_spent(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("run", "--cycles", "12") == 0
    assert "model: rules, no tokens; time per cycle: median " in said(capsys)[0]
    assert agentctl("runs", "show", "last", "--json") == 0
    shown = json.loads(said(capsys)[0])
    assert (shown["cost"], shown["timings"]["cycles"]) == ({"tokens": 0, "usd": "0"}, 12)
    assert 0 < shown["timings"]["median_ms"] <= shown["timings"]["max_ms"]
    with sqlite3.connect(".agentctl/agentctl.db") as database:  # as an older version left it
        database.execute("UPDATE cycles SET timings = '{}'")
    assert agentctl("runs", "show", "last") == 0
    out, _ = said(capsys)
    assert "model: rules, no tokens\n" in out
    assert "median" not in out


def test_the_books_and_contexts_of_a_run_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("run", "--cycles", "12", "--json") == 0
    result = json.loads(said(capsys)[0])
    assert agentctl("orders", "--json") == 0
    assert json.loads(said(capsys)[0])["orders"] == result["orders"]
    assert agentctl("orders") == 0
    assert result["orders"][0]["client_order_id"][:12] in said(capsys)[0]
    assert agentctl("positions", "--json") == 0
    assert json.loads(said(capsys)[0])["reconciled"] is True
    assert agentctl("positions") == 0
    assert "the books add up" in said(capsys)[0]
    assert agentctl("snapshots", "list", "--json") == 0
    listed = json.loads(said(capsys)[0])
    assert listed[0]["id"] in result["snapshots"]
    assert agentctl("snapshots", "show", listed[0]["id"][:12]) == 0
    assert "lanes" in said(capsys)[0]
    assert agentctl("replay", listed[0]["id"][:12], "--json") == 0
    assert json.loads(said(capsys)[0])["identical"] is True


def test_a_changed_byte_is_found_and_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("run", "--cycles", "8", "--json") == 0
    run_id = json.loads(said(capsys)[0])["run_id"]
    with sqlite3.connect(folder / ".agentctl/agentctl.db") as database:
        database.execute("UPDATE tape SET body = replace(body, '0', '1') WHERE cycle = 3 AND name = 'tool:quote'")
    database.close()
    assert agentctl("replay", "--run", run_id, "--json") == 3
    replayed = json.loads(said(capsys)[0])
    assert replayed["identical"] is False
    assert "tape" in replayed["first_difference"]
    assert "cycle=3" in replayed["first_difference"]


USAGE, NOT_FOUND = 2, 4


@pytest.mark.parametrize(
    ("argv", "code", "named"),
    [
        (["run", "--symbols", "NOPE/USDT"], NOT_FOUND, "NOPE/USDT"),
        (["run", "--symbols", "nonsense"], USAGE, "symbols"),
        (["run", "--graph", "nope"], NOT_FOUND, "nope"),
        (["run", "--market", "file:missing"], NOT_FOUND, "missing"),
        (["run", "--market", "okx"], USAGE, "okx"),
        (["run", "--market", "file:broken"], USAGE, "BTC-USDT_5m.csv:3"),
        (["run", "--policy", "missing.toml"], NOT_FOUND, "missing.toml"),
        (["run", "--policy", "broken.toml"], USAGE, "broken.toml"),
        (["run", "--model", "gpt"], USAGE, "gpt"),
        (["run", "--model", "openai/gpt-5-mini"], USAGE, "OPENAI_API_KEY"),
        (["run", "--timeframe", "7q"], USAGE, "7q"),
        (["run", "--cycles", "-1"], USAGE, "cycles"),
        (["run", "--cash", "-5"], USAGE, "cash"),
        (["run", "--cash", "lots"], USAGE, "lots"),
        (["run", "--live"], USAGE, "--live"),
        (["run", "--db", "nonsense://x"], USAGE, "nonsense"),
        (["run", "--bogus"], USAGE, "--bogus"),
        (["run", "--resume", "nope"], NOT_FOUND, "agentctl"),
        (["run", "--resume", "nope", "--seed", "3"], USAGE, "--seed"),
        (["replay"], USAGE, "--run"),
        (["replay", "--run", "nope"], NOT_FOUND, "agentctl"),
        (["runs", "list"], NOT_FOUND, "agentctl run"),
        (["orders"], NOT_FOUND, "agentctl run"),
        (["graphs", "show", "nope"], NOT_FOUND, "trading"),
        (["run", "--db", "postgresql://127.0.0.1:1/none"], 5, "127.0.0.1"),
    ],
)
def test_bad_input_gets_one_clear_error_and_leaves_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], argv: list[str], code: int, named: str
) -> None:
    (folder / "broken").mkdir()
    rows = "timestamp_ms,open,high,low,close,volume\n1735700400000,1,1,1,1,1\n1735700700000,1,x,1,1,1\n"
    (folder / "broken/BTC-USDT_5m.csv").write_text(rows)
    (folder / "broken.toml").write_text("max_notional = 3\n")
    before = sorted(folder.rglob("*"))
    assert agentctl(*argv) == code
    out, err = said(capsys)
    assert out == ""
    assert named in err
    assert "Traceback" not in err
    assert sorted(folder.rglob("*")) == before


def test_a_database_of_a_newer_version_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("run", "--cycles", "1", "--json") == 0
    path = folder / ".agentctl/agentctl.db"
    with sqlite3.connect(path) as database:
        (table,) = database.execute("SELECT name FROM sqlite_master WHERE name LIKE '%version%'").fetchone()
        database.execute(f"UPDATE {table} SET version_num = '9999'")
    database.close()
    before = path.read_bytes()
    said(capsys)
    assert agentctl("run", "--cycles", "1") == USAGE
    assert "9999" in said(capsys)[1]
    assert path.read_bytes() == before


def test_settings_come_from_options_then_variables_then_the_file(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "agentctl.toml").write_text('seed = 11\ncycles = 3\n[desk.risk]\nmax_position = "0.05"\n')
    monkeypatch.setenv("AGENTCTL_CYCLES", "4")
    assert agentctl("config", "show", "--json") == 0
    shown = json.loads(said(capsys)[0])
    assert (shown["seed"], shown["cycles"], shown["desk"]["risk"]["max_position"]) == (11, 4, "0.05")
    assert agentctl("run", "--cycles", "2", "--json") == 0
    result = json.loads(said(capsys)[0])
    assert (result["seed"], result["cycles"]) == (11, 2)


def test_an_unknown_setting_is_refused_by_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "agentctl.toml").write_text("sedd = 11\n")
    assert agentctl("run") == USAGE
    assert "sedd" in said(capsys)[1]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "sedd = 11\ncyclse = 3\n",
            ["sedd: unknown key; did you mean seed?", "cyclse: unknown key; did you mean cycles?"],
        ),
        ("[desk.risk]\nmax_positon = 0.1\n", ["desk.risk.max_positon: unknown key; did you mean max_position?"]),
        ("[exchanges.okx]\nsandbx = true\n", ["exchanges.okx.sandbx: unknown key; did you mean sandbox?"]),
        ("zzz = 1\n", ["zzz: unknown key"]),
        (
            'symbols = ["BTCUSDT", "ETH-USDT", "sol/usdt", "???"]\n',
            [
                "'BTCUSDT' is no symbol; did you mean BTC/USDT?",
                "'ETH-USDT' is no symbol; did you mean ETH/USDT?",
                "'sol/usdt' is no symbol; did you mean SOL/USDT?",
                "'???' is no symbol",
            ],
        ),
        ("a = " + "[" * 5_000, ["nested too deeply"]),
        ("desk." * 30 + "x = 1", ["nested too deeply"]),
        ("x." * 40_000 + "x = 1", ["more than 100 dots in line 1"]),
        ("x = 1\n" * 20_000, ["larger than 100,000 bytes"]),
        ("x = " + "9" * 9_000, ["a number of too many digits"]),
    ],
)
def test_what_is_wrong_with_the_settings_is_said_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, problems: list[str]
) -> None:
    (folder / "agentctl.toml").write_text(text)
    assert agentctl("config", "show") == USAGE
    err = said(capsys)[1]
    assert [problem for problem in problems if problem not in err] == []
    assert "a-z" not in err.lower()


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("AGENTCTL_MODLE", "AGENTCTL_MODEL"),
        ("agentctl_polcy", "AGENTCTL_POLICY"),
        ("AGENTCTL_CYCLE", "AGENTCTL_CYCLES"),
        ("AGENTCTL_SECRET_FILE", "AGENTCTL_SECRETS_FILE"),
        ("AGENTCTL_DESK_RISK_STOP_ATR", "AGENTCTL_DESK__RISK__STOP_ATR"),
        ("AGENTCTL_DESKS__RISK__STOP_ATR", "AGENTCTL_DESK__RISK__STOP_ATR"),
        ("AGENTCTL_ARCHIVE_KEEP_CYCLES", "AGENTCTL_ARCHIVE__KEEP_CYCLES"),
    ],
)
def test_a_mistyped_variable_is_refused_as_a_mistyped_key_is_and_the_value_is_not_repeated(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variable: str, meant: str
) -> None:
    monkeypatch.setenv(variable, "s3cret")
    assert agentctl("config", "show") == USAGE
    assert said(capsys)[1] == f"error: {variable} is no setting. Did you mean {meant}? Rename it, or unset it\n"


def test_a_variable_that_may_be_somebody_elses_is_named_and_test_switches_are_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTCTL_HOME_OF_MINE", "s3cret")
    for known in ("AGENTCTL_EVERY_POINT", "AGENTCTL_TEST_POSTGRES", "AGENTCTL_SECRETS_FILE"):
        monkeypatch.setenv(known, "1")
    assert agentctl("config", "show", "--json") == 0
    assert said(capsys)[1] == "note: AGENTCTL_HOME_OF_MINE is no setting, and changes nothing\n"


@pytest.mark.parametrize("raw", [b"\xef\xbb\xbfseed = 11\r\n[desk.risk]\r\n", b"seed = 11\r\n"])
def test_a_byte_order_mark_and_line_ends_of_windows_change_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], raw: bytes
) -> None:
    (folder / "agentctl.toml").write_bytes(raw)
    assert agentctl("config", "show", "--json") == 0
    assert json.loads(said(capsys)[0])["seed"] == 11


def test_settings_in_another_encoding_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "agentctl.toml").write_bytes("seed = 11".encode("utf-16"))
    assert agentctl("config", "show") == USAGE
    assert "agentctl.toml: it is not text in UTF-8" in said(capsys)[1]


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        ("run --timeframe 9999w", "timeframe '9999w' is longer than 4w"),
        ("run --timeframe 5m\u202e", "is not a number with m, h, d or w"),
        ("run --policy /dev/zero", "the policy file /dev/zero can't be read: it is a device, and no file"),
        ("policy eval --proposal /dev/zero --facts /dev/zero", "/dev/zero can't be read: it is a device, and no file"),
        ("run --symbols BTCUSDT,ETH-USDT", "did you mean ETH/USDT?"),
    ],
)
def test_what_no_run_can_use_is_refused_at_once(capsys: pytest.CaptureFixture[str], argv: str, problem: str) -> None:
    assert agentctl(*argv.split()) == USAGE
    assert problem in said(capsys)[1]


READERS = {
    "--policy": "run --policy PATH",
    "a policy that another extends": "run --policy extends.toml",
    "policy check": "policy check PATH",
    "policy diff": "policy diff standard PATH",
    "--proposal": "policy eval --proposal PATH --facts PATH",
    "--prompt": "run --prompt PATH",
    "replay --prompt": "replay last --prompt PATH",
    "--market": "run --market file:PATH",
    "settings": "config show",
    "market.toml": "run --market file:candles",
    "headlines": "run --market file:candles",
    "secrets": "run --live --market okx --symbols BTC/USDT",
}
"""Each way in which a file of a person's is read."""


@pytest.mark.parametrize("kind", ["a named pipe", "a folder", "a device", "a link to nothing"])
@pytest.mark.parametrize("way", READERS)
def test_what_is_no_file_is_named_at_once_and_nothing_waits_for_it(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, way: str, kind: str
) -> None:
    candles = folder / "candles"
    candles.mkdir()
    (candles / "BTC-USDT_5m.csv").write_text("timestamp_ms,open,high,low,close,volume\n1735700400000,1,1,1,1,1\n")
    places = {
        "--market": folder / "ETH-USDT_5m.csv",
        "settings": folder / "agentctl.toml",
        "market.toml": candles / "market.toml",
        "headlines": candles / "headlines.jsonl",
    }
    path = places.get(way, folder / "thing.toml")
    (folder / "extends.toml").write_text(f'extends = "{path.name}"\n')
    if way == "secrets":
        monkeypatch.setenv("AGENTCTL_SECRETS_FILE", str(path))
    if way == "replay --prompt":
        assert agentctl("run", "--cycles", "3", "--json") == 0
        said(capsys)
    match kind:
        case "a named pipe":
            os.mkfifo(path)
        case "a folder":
            path.mkdir()
        case "a device":
            path.symlink_to("/dev/zero")
        case "a link to nothing":
            path.symlink_to(folder / "nowhere")
    code = agentctl(*READERS[way].replace("PATH", str(path)).split())
    out, err = said(capsys)
    if (way, kind) == ("--market", "a folder"):
        assert (code, "has no candle files" in err) == (USAGE, True)
    elif kind == "a link to nothing":
        assert (code in (USAGE, NOT_FOUND), out, str(path.name) in err) == (True, "", True)
    else:
        assert (code, out, f"it is {kind}, and no file" in err, path.name in err) == (USAGE, "", True, True)


def test_all_unknown_symbols_are_named_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("run", "--symbols", "NOPE/USDT,BTC/USDT,NADA/USDT") == NOT_FOUND
    assert "NOPE/USDT, NADA/USDT can't be simulated" in said(capsys)[1]


@pytest.mark.parametrize("text", ["a = " + "[" * 5_000, "x." * 40_000 + "x = 1", "x = 1\n" * 20_000])
def test_a_policy_that_would_take_long_to_read_is_refused_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (folder / "mine.toml").write_text(text)
    assert agentctl("run", "--policy", "mine.toml") == USAGE
    assert "mine.toml" in said(capsys)[1]


def test_a_finished_run_that_is_resumed_with_more_cycles_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("run", "--cycles", "9", "--json") == 0
    whole = json.loads(said(capsys)[0])
    assert agentctl("run", "--cycles", "4", "--json") == 0
    part = json.loads(said(capsys)[0])
    assert agentctl("run", "--resume", part["run_id"], "--cycles", "9", "--json") == 0
    resumed = json.loads(said(capsys)[0])
    assert (resumed["seal"], resumed["orders"]) == (whole["seal"], whole["orders"])


def test_doctor_finds_a_whole_installation(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("doctor", "--json") == 0
    findings = json.loads(said(capsys)[0])
    assert all(finding["ok"] for finding in findings)


def test_graphs_can_be_listed_and_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("graphs", "list", "--json") == 0
    assert json.loads(said(capsys)[0])[0]["name"] == "trading"
    assert agentctl("graphs", "show", "trading") == 0
    assert "research" in said(capsys)[0]


def test_the_configuration_schema_is_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("config", "schema") == 0
    assert "desk" in json.loads(said(capsys)[0])["properties"]


def test_a_password_in_the_database_url_is_never_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTCTL_DB", "postgresql://me:hunter2@127.0.0.1:1/books")
    assert agentctl("config", "show", "--json") == 0
    assert agentctl("doctor", "--json") == 3
    assert agentctl("run", "--cycles", "1") == 5
    assert "hunter2" not in "".join(said(capsys))


def test_a_run_that_another_process_has_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("run", "--cycles", "2", "--json") == 0
    run_id = json.loads(said(capsys)[0])["run_id"]
    with asyncio.Runner() as elsewhere:
        database = elsewhere.run(Database.open(f"sqlite:///{folder}/.agentctl/agentctl.db"))
        holding = hold_lease(database, run_id)
        elsewhere.run(holding.__aenter__())
        assert agentctl("run", "--resume", run_id, "--cycles", "3") == USAGE
        assert f"another process is running {run_id}: process {os.getpid()} on " in said(capsys)[1]
        assert agentctl("snapshots", "prune", run_id, "--keep", "1") == USAGE
        assert agentctl("status", "--json") == 0
        (lease,) = json.loads(said(capsys)[0])["leases"]
        assert (lease["scope"], lease["token"] > 1, lease["holder"]["pid"]) == (run_id, True, os.getpid())
        elsewhere.run(holding.__aexit__(None, None, None))
        elsewhere.run(database.close())
    assert agentctl("run", "--resume", run_id, "--cycles", "3") == 0


def test_a_run_that_was_lengthened_and_stopped_says_how_far_to_go(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("run", "--cycles", "4", "--json") == 0
    run_id = json.loads(said(capsys)[0])["run_id"]
    assert agentctl("run", "--resume", run_id, "--cycles", "3") == USAGE
    assert "4 already" in said(capsys)[1]
    assert agentctl("run", "--resume", run_id, "--json") == 0
    assert json.loads(said(capsys)[0])["cycles"] == 4


def test_pruning_names_its_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("run", "--cycles", "6", "--json") == 0
    said(capsys)
    assert agentctl("snapshots", "prune", "--keep", "2") == USAGE
    assert agentctl("snapshots", "prune", "--run", "last", "--keep", "2", "--json") == 0
    assert json.loads(said(capsys)[0])["snapshots"] > 0
    assert agentctl("snapshots", "verify") == 0
    assert "whole" in said(capsys)[0]


def lanes_in_effect(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    assert agentctl("config", "show", "--json") == 0
    shown: dict[str, dict[str, Any]] = json.loads(said(capsys)[0])["lanes"]
    return shown


def test_a_lane_is_set_by_a_table_of_its_name_and_the_others_stay(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    default = lanes_in_effect(capsys)
    (folder / "agentctl.toml").write_text(
        '[lanes.news-sentiment]\nstate = "muted"\n[lanes.news-sentiment.weights]\nrecency = "5"\n'
        "[lanes.macro]\nfloor = 150\n"
    )
    shown = lanes_in_effect(capsys)
    assert list(shown) == [*default, "macro"]
    news = default["news-sentiment"]
    weights = news["weights"] | {"recency": "5"}
    assert shown["news-sentiment"] == news | {"state": "muted", "weights": weights}
    assert shown["market-data"] == default["market-data"]
    monkeypatch.setenv("AGENTCTL_LANES", '{"market-data": {"floor": 77}}')
    assert lanes_in_effect(capsys) == shown | {"market-data": default["market-data"] | {"floor": 77}}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[[lanes]]\nid = "macro"', "[lanes.ID]"),
        ('[[lanes.lanes]]\nid = "macro"', "[lanes.ID]"),
        ('[lanes.news-sentiment]\nstat = "muted"', "lanes.news-sentiment.stat"),
        ('[lanes.news-sentiment]\nstate = "quiet"', "lanes.news-sentiment.state"),
        ('[lanes.macro]\nid = "micro"', "macro"),
        ("[lanes.Macro]\nfloor = 1", "Macro"),
    ],
)
def test_a_lane_that_does_not_fit_is_refused_by_name(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, named: str
) -> None:
    (folder / "agentctl.toml").write_text(text + "\n")
    assert agentctl("run") == USAGE
    assert named in said(capsys)[1]


def test_the_schema_of_the_configuration_knows_lanes_by_id(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("config", "schema") == 0
    lane = json.loads(said(capsys)[0])["properties"]["lanes"]["additionalProperties"]
    assert lane["additionalProperties"] is False
    assert {"state", "weights", "floor"} <= set(lane["properties"])
    assert "id" not in lane["properties"]


def test_lanes_are_muted_in_a_run_and_in_a_fork_and_the_fork_names_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert agentctl("run", "--cycles", "4", "--json") == 0
    (folder / "agentctl.toml").write_text('[lanes.news-sentiment]\nstate = "muted"\n')
    assert agentctl("replay", "--run", "last", "--from", "2", "--json") == 0
    said(capsys)
    assert agentctl("snapshots", "show", "last", "--format", "json") == 0
    shown = json.loads(said(capsys)[0])
    assert [(lane["lane"], lane["state"]) for lane in shown["lanes"] if lane["state"] != "enabled"] == [
        ("news-sentiment", "muted")
    ]
    assert len(shown["lanes"]) == 5
    assert [one["item"] for one in shown["selected"]] == shown["snapshot"]["selected"]
    assert all(one["tokens"] > 0 and one["lane"] and one["trust"] for one in shown["selected"])
    assert agentctl("diff", "parent", "last", "--json") == 3
    rows = json.loads(said(capsys)[0])["differences"]
    settings = {row["symbol"]: (row["left"], row["right"]) for row in rows if row["aspect"] == "setting"}
    assert list(settings) == ["lanes.news-sentiment"]
    assert '"state":"muted"' in settings["lanes.news-sentiment"][1]
    assert any(row["aspect"] == "context" and "only here" in row["left"] for row in rows)


def touch(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / ".agentctl/agentctl.db") as database:
        assert database.execute(statement).rowcount > 0
    database.close()


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("DELETE FROM runs", "runs run_id={run}: is missing"),
        ("UPDATE snapshots SET body = ''", "is empty, and nobody pruned it"),
        ("UPDATE snapshots SET body = '', blobs = '[]'", "is empty, and nobody pruned it"),
        (
            "UPDATE snapshots SET body = CAST(x'22ff22' AS TEXT) WHERE cycle = (SELECT max(cycle) FROM snapshots)",
            "snapshots id=",
        ),
        ("UPDATE runs SET body = CAST(x'22ff22' AS TEXT)", "runs run_id={run}: cannot be read"),
        ("UPDATE runs SET created_at = 'x'", "runs run_id={run}: does not fit its digest"),
        ("UPDATE snapshots SET blobs = 'x' WHERE cycle = (SELECT max(cycle) FROM snapshots)", "snapshots id="),
    ],
)
def test_contexts_that_are_not_whole_are_found_and_named(
    folder: Path, capsys: pytest.CaptureFixture[str], statement: str, fault: str
) -> None:
    for _ in range(2):
        assert agentctl("run", "--cycles", "3", "--json") == 0
    run_id = json.loads("{" + said(capsys)[0].rpartition("\n}\n{")[2])["run_id"]
    touch(folder, statement)
    for argv in (["snapshots", "verify"], ["snapshots", "verify", "--run", run_id]):
        assert agentctl(*argv) == 3
        out, err = said(capsys)
        assert err == ""
        assert fault.format(run=run_id) in out
        assert ": broken" in out
    assert agentctl("replay", "--run", run_id) == 3


def test_a_run_that_is_no_text_any_more_sends_to_what_names_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert agentctl("run", "--cycles", "1", "--json") == 0
    touch(folder, "UPDATE runs SET body = CAST(x'22ff22' AS TEXT)")
    said(capsys)
    for argv in (["runs", "list"], ["replay", "--run", "last"]):
        assert agentctl(*argv) == 3
        assert "agentctl snapshots verify" in said(capsys)[1]


def test_what_if_and_diff_refuse_a_run_that_was_changed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("run", "--cycles", "4", "--json") == 0
    touch(folder, "UPDATE verdicts SET verdict = replace(verdict, 'allow', 'maybe')")
    said(capsys)
    for argv in (["replay", "--run", "last", "--policy", "conservative"], ["diff", "last", "last"]):
        assert agentctl(*argv) == 3
        out, err = said(capsys)
        assert out == ""
        assert "was changed: verdicts cycle=" in err


@pytest.mark.parametrize("statement", ["DELETE FROM blobs", "UPDATE blobs SET body = body || ' '"])
def test_a_context_that_rests_on_what_is_gone_or_changed_is_different(
    folder: Path, capsys: pytest.CaptureFixture[str], statement: str
) -> None:
    assert agentctl("run", "--cycles", "2", "--json") == 0
    touch(folder, statement)
    said(capsys)
    assert agentctl("replay", "last") == 3
    assert said(capsys)[0].startswith("different: ")
    assert agentctl("replay", "f" * 64) == NOT_FOUND


def test_the_list_of_contexts_begins_with_the_last_and_says_what_it_leaves_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for cycles in ("6", "3"):
        assert agentctl("run", "--cycles", cycles, "--json") == 0
    run_id = json.loads("{" + said(capsys)[0].rpartition("\n}\n{")[2])["run_id"]
    assert agentctl("snapshots", "list", "--json") == 0
    listed = json.loads(said(capsys)[0])
    assert listed[0]["run_id"] == run_id
    assert agentctl("snapshots", "show", "last", "--format", "json") == 0
    assert json.loads(said(capsys)[0])["id"] == listed[0]["id"]
    assert agentctl("snapshots", "list", "--limit", "1") == 0
    assert f"{len(listed) - 1} more" in said(capsys)[0]
    assert agentctl("snapshots", "list") == 0
    assert "more" not in said(capsys)[0]


def test_a_prompt_that_does_not_fit_or_is_not_read_is_said_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("run", "--cycles", "2", "--json") == 0
    (folder / "big.txt").write_text("word " * 5_000)
    (folder / "small.txt").write_text("Be brief.")
    said(capsys)
    assert agentctl("replay", "last", "--prompt", "big.txt") == USAGE
    assert "Shorten the --prompt" in said(capsys)[1]
    assert agentctl("replay", "last", "--prompt", "small.txt") == 0
    assert "rules reads no prompt" in said(capsys)[0]


@pytest.mark.parametrize(("tokens", "drawn"), [(0, ""), (1, "▏"), (50, "▎"), (2_000, "█" * 10), (4_000, "█" * 20)])
def test_what_takes_any_part_of_the_budget_is_seen_in_its_bar(tokens: int, drawn: str) -> None:
    assert bar(tokens, 4_000) == drawn


def test_the_lanes_and_the_brief_add_up_to_what_was_sent(capsys: pytest.CaptureFixture[str]) -> None:
    assert agentctl("run", "--cycles", "2", "--json") == 0
    said(capsys)
    assert agentctl("snapshots", "show", "last") == 0
    lines = said(capsys)[0].splitlines()
    (total,) = [int(line.split(" of ")[0]) for line in lines if " tokens by " in line]
    table = lines[lines.index(next(line for line in lines if line.strip() == "lanes")) :]
    rows = [line.split("│") for line in table[: next(n for n, line in enumerate(table) if "└" in line)] if "│" in line]
    assert rows[0][1].strip() == "brief and headings"
    assert sum(int(row[5]) for row in rows) == total


def test_a_secret_in_the_wrong_place_is_not_repeated(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "agentctl.toml").write_text('api_key = "sk-hunter2"\n')
    assert agentctl("run") == USAGE
    err = said(capsys)[1]
    assert "api_key" in err
    assert "hunter2" not in err
