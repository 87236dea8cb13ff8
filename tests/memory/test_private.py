"""What is made is its owner's alone, whatever umask the process has."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentctl.cli import main
from memory import Database
from memory.store.private import private_file, private_folder


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o277], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}


async def test_a_database_and_what_lies_beside_it_are_its_owners(tmp_path: Path, umask: int) -> None:
    async with await Database.open(f"sqlite:///{tmp_path / 'a' / 'b' / 'agentctl.db'}") as database:
        async with database.transaction():
            pass
        found = modes(tmp_path)
    assert {found.pop("a"), found.pop("a/b")} == {0o700}
    assert "a/b/agentctl.db-wal" in found
    assert set(found.values()) == {0o600}


def test_a_run_and_a_halt_leave_nothing_that_others_may_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for argv in (["run", "--cycles", "1", "--json"], ["halt", "--file", "--reason", "a doubt", "--json"]):
        with pytest.raises(SystemExit) as ended:
            main(argv)
        out, err = capsys.readouterr()
        assert ended.value.code in (0, None), err
    assert json.loads(out)
    found = modes(tmp_path)
    assert {".agentctl/HALT", ".agentctl/agentctl.db", ".agentctl/checkpoints.db"} <= set(found)
    assert found.pop(".agentctl") == 0o700
    assert {name: oct(mode) for name, mode in found.items() if mode != 0o600} == {}


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    shared, file = tmp_path / "shared", tmp_path / "file"
    shared.mkdir()
    shared.chmod(0o750)
    file.write_text("kept")
    file.chmod(0o640)
    private_folder(shared)
    private_file(file)
    assert modes(tmp_path) == {"shared": 0o750, "file": 0o640}
    assert file.read_text() == "kept"
    with pytest.raises(FileExistsError):
        private_folder(file)
