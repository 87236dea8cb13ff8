"""`agentctl reconcile` on a run with money: the exit code says whether its books are the exchange's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agentctl.cli import main
from builders.live import CYCLES, LiveStage, a_live_stage
from builders.runs import archive


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveStage]:
    """A live run that has ended just now on an exchange of this machine, in a folder with its address and its key."""
    with a_live_stage(at=datetime.now(UTC) - timedelta(hours=1)) as stage:

        async def run() -> None:
            async with archive(tmp_path) as database:
                await stage.run(database, cycles=CYCLES)

        asyncio.run(run())
        present(stage)
        given = stage.stage.double.client_settings()
        for name, key in (("API_KEY", "apiKey"), ("API_SECRET", "secret"), ("API_PASSWORD", "password")):
            monkeypatch.setenv(f"OKX_{name}", str(given[key]))
        address = f'[exchanges.okx]\nbase_url = "{stage.stage.double.url}"\n'
        (tmp_path / "agentctl.toml").write_text(address)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("AGENTCTL_DB", f"sqlite:///{tmp_path / 'agentctl.db'}")
        yield stage


def present(live: LiveStage) -> None:
    """The exchange's time is the machine's."""
    live.stage.wall.at = datetime.now(UTC)
    live.stage.touch()


def reconciled(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, Any]:
    """The exit code, and what is said."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["reconcile", *argv])
    out = capsys.readouterr().out
    return int(ended.value.code or 0), json.loads(out) if "--json" in argv else out


def test_books_that_are_the_exchanges_are_proven(live: LiveStage, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = reconciled(capsys, "--json")
    assert (code, found["result"], found["evidence"]["differences"], found["evidence"]["unread"]) == (
        0,
        "proven",
        [],
        [],
    )
    code, said = reconciled(capsys)
    assert (code, said.splitlines()[-1]) == (0, f"r1 on {found['account']}: proven: the books are what the venue says")
