"""What the libraries below us would send elsewhere: named by doctor, and refused where money moves."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from agentctl.cli import main
from agentctl.tracing import idle, require_untraced, switched_on
from domain.errors import Refused

SWITCHES = (
    "LANGSMITH_TRACING",
    "LANGSMITH_TRACING_V2",
    "LANGCHAIN_TRACING_V2",
    "LANGCHAIN_TRACING",
    "USE_LITELLM_PROXY",
    "LITELLM_LENS_URL",
)


@pytest.fixture(autouse=True)
def untraced(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SWITCHES, "LANGSMITH_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "litellm", raising=False)


@pytest.mark.parametrize("name", SWITCHES)
def test_each_switch_is_named_and_refused_unless_it_is_allowed(name: str) -> None:
    (found,) = switched_on({name: "true"})
    assert found.startswith(f"{name} sends to ")
    with pytest.raises(Refused, match=name):
        require_untraced({name: "true"}, allowed=False)
    require_untraced({name: "true"}, allowed=True)
    assert switched_on({name: "false"}) == switched_on({name: " "}) == []


@pytest.mark.parametrize("name", SWITCHES[:3])
def test_langsmith_reads_its_switches_as_we_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from langsmith.utils import get_env_var, tracing_is_enabled

    get_env_var.cache_clear()
    assert not tracing_is_enabled()
    monkeypatch.setenv(name, "true")
    get_env_var.cache_clear()
    assert tracing_is_enabled()
    monkeypatch.delenv(name)
    get_env_var.cache_clear()


def test_a_key_alone_sends_nothing() -> None:
    assert (switched_on({"LANGSMITH_API_KEY": "k"}), idle({"LANGSMITH_API_KEY": "k"})) == ([], ["LANGSMITH_API_KEY"])


def test_callbacks_that_somebody_gave_to_litellm_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        sys.modules,
        "litellm",
        SimpleNamespace(success_callback=["cache", "langfuse"], input_callback=["cache"], callbacks=[]),
    )  # type: ignore[arg-type]
    assert switched_on({}) == ["litellm.success_callback hears every prompt and answer"]


def test_doctor_names_what_is_switched_on_and_what_only_lies_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def tracing() -> tuple[bool, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit):
            main(["doctor", "--json"])
        (found,) = [each for each in json.loads(capsys.readouterr().out) if each["check"] == "tracing"]
        return found["ok"], found["found"]

    assert tracing() == (True, "nothing is sent elsewhere")
    monkeypatch.setenv("LANGSMITH_API_KEY", "a-secret")
    assert tracing() == (True, "nothing is sent elsewhere; LANGSMITH_API_KEY set, which switches nothing on")
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    ok, found = tracing()
    assert (ok, "LANGSMITH_TRACING sends to LangSmith" in found, "a-secret" in found) == (False, True, False)
    (tmp_path / "agentctl.toml").write_text("[live]\nallow_tracing = true\n")
    ok, found = tracing()
    assert (ok, "as [live] allow_tracing says" in found) == (True, True)


def test_a_live_run_is_refused_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANGCHAIN_TRACING_V2", "true")
    for name in ("KEY", "SECRET", "PASSWORD"):
        monkeypatch.setenv(f"OKX_API_{name}", "x")
    with pytest.raises(SystemExit) as ended:
        main(["run", "--live", "--market", "okx", "--symbols", "BTC/USDT"])
    assert (ended.value.code, "LANGCHAIN_TRACING_V2" in capsys.readouterr().err) == (3, True)


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["run", "--live", "--market", "okx", "--symbols", "BTC/USDT"], 2),
        (["run", "--live", "--market", "binance,okx", "--symbols", "BTC/USDT"], 2),
        (["arm", "okx", "--for", "8h", "--reason", "x"], 2),
        (["doctor", "--venue", "okx"], 3),
    ],
)
def test_a_base_url_without_tls_carries_no_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], argv: list[str], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agentctl.toml").write_text('[exchanges.okx]\nbase_url = "http://okx.example"\n')
    for exchange in ("OKX", "BINANCE"):
        for name in ("KEY", "SECRET", "PASSWORD"):
            monkeypatch.setenv(f"{exchange}_API_{name}", "x")
    with pytest.raises(SystemExit) as ended:
        main(argv)
    told = "".join(capsys.readouterr())
    assert (ended.value.code, "exchanges.okx.base_url has no TLS" in told) == (code, True)
    assert not (tmp_path / ".agentctl").exists()
