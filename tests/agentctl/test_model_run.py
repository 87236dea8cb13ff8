"""`run --model openai/…` from the command line, with the wire in place of the provider."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from agentctl.cli import main
from agents.gateway import LiteLLMModel
from builders.models import an_answer, an_error, recording, replies, reply
from builders.processes import NO_NETWORK
from builders.processes import agentctl as process

KEY = "sk-test-never-to-be-seen-0123456789"
MODEL = "openai/gpt-5-mini"
CYCLES = "10"
ARGV = ("run", "--model", MODEL, "--symbols", "ETH/USDT", "--seed", "8", "--cycles", CYCLES, "--json")
INTERRUPTED = 130
OPINION = {
    "stance": "buy",
    "conviction": 0.91,
    "horizon": "swing",
    "evidence": ["quote:ETH/USDT", "indicators:ETH/USDT"],
    "rationale": "said by the model",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return tmp_path


@pytest.fixture
def wire() -> Iterator[respx.Route]:
    """The provider's door, and no other: a request to anywhere else fails."""
    with respx.mock() as router:
        yield router.post("https://api.openai.com/v1/chat/completions")


def an_opinion(request: httpx.Request) -> httpx.Response:
    return an_answer(json.dumps(OPINION))


def agentctl(*argv: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), json.loads(out) if out else None, out + err


def test_a_model_decides_is_counted_and_its_key_is_seen_nowhere(
    folder: Path, wire: respx.Route, capsys: pytest.CaptureFixture[str]
) -> None:
    wire.mock(side_effect=an_opinion)
    code, result, said = agentctl(*ARGV, capsys=capsys)
    assert code == 0
    assert wire.call_count > 0
    assert all(call.request.headers["authorization"] == f"Bearer {KEY}" for call in wire.calls)
    bought = [d for d in result["decisions"] if (d["outcome"], d["stance"]) == ("allow", "buy")]
    assert {d["conviction"] for d in bought} == {"0.91"}
    assert "said by the model" in bought[0]["reasons"][0]
    assert result["orders"][0]["side"] == "buy"
    assert len(result["snapshots"]) == wire.call_count
    assert result["cost"]["tokens"] == 120 * wire.call_count
    assert 0 < Decimal(result["cost"]["usd"]) < Decimal("0.01") * wire.call_count
    assert result["model"] == MODEL
    assert KEY not in said
    assert_nowhere(KEY, folder)


def test_characters_that_hide_or_reorder_are_shown_as_escapes_wherever_an_answer_is(
    folder: Path, wire: respx.Route, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "all is \u202ewell\u2066 in\u200bdeed \U000e0041"
    wire.mock(side_effect=lambda request: an_answer(json.dumps(OPINION | {"rationale": hostile})))
    _, result, shown = agentctl(*ARGV, capsys=capsys)
    bought = next(d for d in result["decisions"] if d["outcome"] == "allow")
    commands = [
        ("snapshots", "show", "last"),
        ("snapshots", "show", "last", "--json"),
        ("snapshots", "show", "last", "--format", "html"),
        ("policy", "log", "--json", "--mask", "/no/thing"),
        ("policy", "explain", "last"),
        ("runs", "show", "last"),
        ("runs", "show", "last", "--json"),
    ]
    for command in commands:
        with pytest.raises(SystemExit):
            main(list(command))
        out, err = capsys.readouterr()
        shown += out + err
        if command[:2] == ("snapshots", "show"):
            assert "\\u200b" in out, command
    assert not {c for c in shown if unicodedata.category(c) in {"Cf", "Cs", "Co"}}
    assert "well" in bought["reasons"][0]


def test_an_outage_is_an_abstention_with_its_reason_and_the_run_goes_on(
    folder: Path, wire: respx.Route, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_pause(seconds: float) -> None: ...

    monkeypatch.setitem(LiteLLMModel.__init__.__kwdefaults__, "sleep", no_pause)
    failing = iter([an_error(500, f"broken, with {KEY}")] * 3)
    wire.mock(side_effect=lambda request: next(failing, None) or an_opinion(request))
    code, result, said = agentctl(*ARGV, capsys=capsys)
    assert (code, result["cycles"]) == (0, int(CYCLES))
    first = next(d for d in result["decisions"] if d["outcome"] != "quiet")
    assert (first["stance"], first["conviction"], first["outcome"]) == ("abstain", "0", "abstain")
    assert first["reasons"][0].startswith("unavailable: ")
    assert result["orders"]
    assert KEY not in said
    assert_nowhere(KEY, folder)


def test_what_a_model_said_is_replayed_and_resumed_without_key_or_network(
    folder: Path, wire: respx.Route, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.mock(side_effect=an_opinion)
    _, result, _ = agentctl(*ARGV, capsys=capsys)
    asked = wire.call_count
    monkeypatch.delenv("OPENAI_API_KEY")
    elsewhere = process("replay", "--run", result["run_id"], "--json", folder=folder, prelude=NO_NETWORK)
    assert elsewhere.code == 0, elsewhere.err
    report = json.loads(elsewhere.out)
    assert (report["identical"], report["cycles"]) == (True, int(CYCLES))
    code, report, _ = agentctl("replay", result["snapshots"][0], "--json", capsys=capsys)
    assert (code, report["identical"]) == (0, True)
    code, again, _ = agentctl("run", "--resume", result["run_id"], "--json", capsys=capsys)
    assert (code, again["seal"], again["cost"]) == (0, result["seal"], result["cost"])
    assert wire.call_count == asked


def test_a_paid_answer_is_asked_for_once_however_often_a_run_is_cut(
    folder: Path, wire: respx.Route, capsys: pytest.CaptureFixture[str]
) -> None:
    wire.mock(side_effect=an_opinion)
    _, whole, _ = agentctl(*ARGV, capsys=capsys)
    asked = wire.call_count

    def interrupting(request: httpx.Request) -> httpx.Response:
        os.kill(os.getpid(), signal.SIGINT)
        return an_opinion(request)

    wire.mock(side_effect=interrupting)
    code, cut, said = agentctl(*ARGV, capsys=capsys)
    assert (code, cut["status"]) == (INTERRUPTED, "interrupted")
    assert f"--resume {cut['run_id']}" in said
    while code == INTERRUPTED:
        code, cut, _ = agentctl("run", "--resume", cut["run_id"], "--json", capsys=capsys)
    assert (code, cut["seal"], cut["orders"], cut["cost"]) == (0, whole["seal"], whole["orders"], whole["cost"])
    assert wire.call_count == 2 * asked


def test_a_second_ctrl_c_does_not_wait_for_a_model_that_hangs(
    folder: Path, wire: respx.Route, capsys: pytest.CaptureFixture[str]
) -> None:
    async def hang(request: httpx.Request) -> httpx.Response:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGINT)
        return await asyncio.Future()

    wire.mock(side_effect=hang)
    code, cut, _ = agentctl(*ARGV, capsys=capsys)
    assert (code, cut["status"], cut["cost"]["tokens"]) == (INTERRUPTED, "interrupted", 0)
    wire.mock(side_effect=an_opinion)
    code, ended, _ = agentctl("run", "--resume", cut["run_id"], "--json", capsys=capsys)
    assert (code, ended["status"], ended["cycles"]) == (0, "finished", int(CYCLES))


def assert_nowhere(secret: str, folder: Path) -> None:
    """In no byte of any file that the run left."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "agentctl.db" for path in files)
    for path in files:
        assert secret.encode() not in path.read_bytes(), path


UNKNOWN = "openai/gpt-9"
PRICED = f'[models."{UNKNOWN}"]\nprice = {{ input = "1.25", output = "10" }}\n'


def test_a_model_of_unknown_price_enters_nothing_and_the_run_says_so_at_its_start(
    wire: respx.Route, capsys: pytest.CaptureFixture[str]
) -> None:
    wire.mock(side_effect=an_opinion)
    code, result, said = agentctl(*ARGV, "--model", UNKNOWN, capsys=capsys)
    assert (code, result["orders"], result["cost"]["usd"]) == (0, [], None)
    assert wire.call_count > 0
    reasons = {r.split(":")[0] for d in result["decisions"] if d["outcome"] == "deny" for r in d["reasons"]}
    assert "AGENT_BUDGET" in reasons
    warned = f"the price of {UNKNOWN} is unknown: once it was asked, AGENT_BUDGET refuses every entry"
    assert warned in said
    assert f'[models."{UNKNOWN}"] price = {{input = "1.25", output = "10"}}' in said
    assert any(warned in note for note in result["notes"])


def test_a_price_that_is_set_lets_it_enter_and_is_kept_with_the_run(
    folder: Path, wire: respx.Route, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "agentctl.toml").write_text(PRICED)
    wire.mock(side_effect=an_opinion)
    code, result, said = agentctl(*ARGV, "--model", UNKNOWN, capsys=capsys)
    assert (code, bool(result["orders"])) == (0, True)
    assert Decimal(result["cost"]["usd"]) == Decimal("0.000325") * wire.call_count
    assert "unknown" not in said
    (folder / "agentctl.toml").unlink()
    code, resumed, said = agentctl("run", "--resume", result["run_id"], "--cycles", "14", "--json", capsys=capsys)
    assert (code, resumed["cost"]["usd"] is not None) == (0, True)
    assert "unknown" not in said


def test_a_run_that_goes_on_takes_a_price_that_was_set_since(
    folder: Path, wire: respx.Route, capsys: pytest.CaptureFixture[str]
) -> None:
    wire.mock(side_effect=an_opinion)
    _, result, _ = agentctl(*ARGV, "--model", UNKNOWN, capsys=capsys)
    (folder / "agentctl.toml").write_text(PRICED)
    go_on = ("run", "--resume", result["run_id"], "--cycles", "14", "--reload", "--by", "Ada", "--json")
    code, _, said = agentctl(*go_on, capsys=capsys)
    assert code == 0
    assert f"models.{UNKNOWN}.price" in said
    assert "the price of" not in said


def test_a_run_that_never_asks_says_nothing_of_prices(capsys: pytest.CaptureFixture[str]) -> None:
    _, _, said = agentctl("run", "--cycles", "2", "--json", capsys=capsys)
    assert "price of" not in said


def a_policy(folder: Path, limits: str) -> Path:
    path = folder / "budget.toml"
    path.write_text(f'name = "budget"\nextends = "conservative"\n\n[agent_budget]\n{limits}\n')
    return path


def failures(result: Any) -> list[str]:
    return [reason for d in result["decisions"] for reason in d["reasons"] if "AGENT_BUDGET" in reason]


def test_a_budget_stops_questions_before_they_are_asked_and_replays_alike(
    folder: Path, wire: respx.Route, capsys: pytest.CaptureFixture[str]
) -> None:
    wire.mock(side_effect=an_opinion)
    policy = a_policy(folder, "usd = 0.02\ntokens = 14000")
    argv = ("run", "--model", MODEL, "--seed", "8", "--cycles", "14", "--policy", str(policy), "--json")
    code, result, _ = agentctl(*argv, capsys=capsys)
    assert (code, wire.call_count > 0) == (0, True)
    assert result["cost"]["tokens"] <= 14_000
    assert Decimal(result["cost"]["usd"]) <= Decimal("0.02")
    assert any("the model was not asked: that may take" in reason for reason in failures(result))
    asked = wire.call_count
    code, _, said = agentctl("replay", "--run", result["run_id"], "--json", capsys=capsys)
    assert (code, wire.call_count) == (0, asked), said


def test_attempts_that_time_out_stay_reserved(
    folder: Path, wire: respx.Route, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.mock(side_effect=httpx.ReadTimeout("never"))
    quickly(monkeypatch)
    policy = a_policy(folder, "usd = 0.02")
    argv = ("run", "--model", MODEL, "--seed", "8", "--cycles", "14", "--policy", str(policy), "--json")
    _, result, _ = agentctl(*argv, capsys=capsys)
    most = Decimal("0.008")  # of one attempt: 4,000 tokens out at 2 USD a million, and the prompt
    assert 0 < wire.call_count <= Decimal("0.02") / most
    assert wire.call_count * most <= Decimal(result["cost"]["usd"]) <= Decimal("0.02")
    assert failures(result)


def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_pause(seconds: float) -> None:
        """A provider that is down is asked again after pauses; a test has no time for them."""

    monkeypatch.setitem(LiteLLMModel.__init__.__kwdefaults__, "sleep", no_pause)


@pytest.mark.parametrize(
    ("name", "kind", "remedy"),
    [
        ("openai__error_auth", "auth", "Check its key"),
        ("anthropic__error_not_found", "not_found", "Check the model's name"),
        ("reported_errors", "quota", "Top up the account"),
        ("", "no_server", "Start its server"),
    ],
)
def test_a_dead_model_ends_a_run_on_paper_before_its_second_cycle(
    wire: respx.Route,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    kind: str,
    remedy: str,
) -> None:
    quickly(monkeypatch)
    if not name:
        wire.mock(side_effect=httpx.ConnectError("refused"))
    elif name == "reported_errors":
        wire.mock(return_value=reply(recording(name)[0]))
    else:
        wire.mock(return_value=replies(name)[0])
    code, result, said = agentctl(*ARGV, capsys=capsys)
    assert (code, result) == (5, None)
    assert f"error: {MODEL} can't be asked: {kind}: " in said
    assert remedy in said
    first = wire.call_count
    run_id = json_of(capsys, "runs", "list")[0]["run_id"]
    assert json_of(capsys, "runs", "show", run_id)["model_failures"] == {kind: 1}
    code, _, _ = agentctl("run", "--resume", run_id, "--json", capsys=capsys)
    assert (code, wire.call_count) == (5, 2 * first), "asked again, and as little as before"


def json_of(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    return agentctl(*argv, "--json", capsys=capsys)[1]


def test_a_run_of_one_cycle_with_a_dead_model_is_no_success(
    wire: respx.Route, capsys: pytest.CaptureFixture[str]
) -> None:
    wire.mock(return_value=an_error(401, "Incorrect API key provided"))
    cycle = next(n for n in range(1, 12) if agentctl(*ARGV, "--cycles", str(n), capsys=capsys)[0] == 5)
    assert wire.call_count == 1, f"it was asked first in cycle {cycle}"


def test_single_failures_are_counted_by_kind(
    wire: respx.Route, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    quickly(monkeypatch)
    odd = iter([an_answer("{"), an_answer("I can't help with that."), *[an_error(503)] * 3])
    wire.mock(side_effect=lambda request: next(odd, None) or an_opinion(request))
    argv = [part for part in ARGV if part != "--json"]
    with pytest.raises(SystemExit) as ended:
        main(argv)
    out, _ = capsys.readouterr()
    assert int(ended.value.code or 0) == 0
    assert "questions to the model without an answer: refusal 1, unavailable 1, unreadable 1" in out


def test_doctor_asks_a_model_only_when_it_is_told_to(wire: respx.Route, capsys: pytest.CaptureFixture[str]) -> None:
    wire.mock(return_value=an_answer('{"alive": true}'))
    os.environ["AGENTCTL_MODEL"] = MODEL
    try:
        found = {one["check"]: one["found"] for one in json_of(capsys, "doctor")}
        assert found["model"] == f"{MODEL}: its key is set, not asked: agentctl doctor --model {MODEL} does"
        assert wire.call_count == 0
        code, findings, _ = agentctl("doctor", "--model", MODEL, "--json", capsys=capsys)
    finally:
        del os.environ["AGENTCTL_MODEL"]
    told = {one["check"]: one["found"] for one in findings}[MODEL]
    assert [one for one in findings if not one["ok"]] == []
    assert (code, told.split(";")[0], wire.call_count) == (0, "answers as asked", 1)
    assert " USD" in told
    wire.mock(return_value=an_error(401, f"Incorrect API key provided: {KEY}"))
    code, findings, said = agentctl("doctor", "--model", MODEL, "--json", capsys=capsys)
    failed = [one for one in findings if not one["ok"]]
    assert (code, [one["check"] for one in failed]) == (3, [MODEL])
    assert "auth: Incorrect API key" in failed[0]["found"]
    assert KEY not in said
