"""Retention as an operator meets it: a setting, and what commands then say of contexts that are gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentctl.cli import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AGENTCTL_DB", raising=False)
    return tmp_path


def agentctl(*argv: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    return int(ended.value.code or 0)


def test_a_run_prunes_its_own_contexts_when_the_settings_say_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "agentctl.toml").write_text("[archive]\nkeep_cycles = 2\n")
    assert agentctl("run", "--cycles", "6", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert agentctl("snapshots", "verify", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["snapshots"], report["faults"]) == (len(result["snapshots"]), [])
    assert report["pruned"] > 0
    assert agentctl("snapshots", "verify") == 0
    assert f"in 1 run, {report['pruned']} of them pruned: whole" in capsys.readouterr().out
    assert agentctl("snapshots", "list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert {one["cycle"] for one in listed if not one["pruned"]} == {4, 5}
    assert sum(one["pruned"] for one in listed) == report["pruned"]
    gone = next(one["id"] for one in listed if one["pruned"])
    assert agentctl("replay", gone) == 4
    assert "was pruned" in capsys.readouterr().err
    assert agentctl("replay", "last") == 0
    assert agentctl("replay", "--run", result["run_id"]) == 0


@pytest.mark.parametrize(
    ("line", "named"), [("keep_cycle = 2", "archive.keep_cycle"), ("keep_cycles = 0", "keep_cycles")]
)
def test_a_retention_that_does_not_fit_is_refused_by_name(
    folder: Path, capsys: pytest.CaptureFixture[str], line: str, named: str
) -> None:
    (folder / "agentctl.toml").write_text(f"[archive]\n{line}\n")
    assert agentctl("run") == 2
    assert named in capsys.readouterr().err
    assert not (folder / ".agentctl").exists()


def test_the_retention_in_effect_can_be_seen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTCTL_ARCHIVE__KEEP_CYCLES", "500")
    assert agentctl("config", "show", "--json") == 0
    assert json.loads(capsys.readouterr().out)["archive"] == {"keep_cycles": 500}
    assert agentctl("config", "schema") == 0
    assert "keep_cycles" in capsys.readouterr().out
