"""The quickstart in both its forms, run as a reader would run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from builders.notebooks import EXAMPLES, executed, printed


@pytest.fixture(scope="module")
def script() -> str:
    """What the script prints."""
    ran = subprocess.run(
        [sys.executable, EXAMPLES / "quickstart.py"],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONUTF8": "1"},
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def test_the_script_goes_from_the_scan_to_the_verdict(script: str) -> None:
    for said in (
        "[system]\n",
        "[user]\n",
        " of 1700 tokens\n",
        "\nbudget ",
        "\nallow SOL/USDT\n",
        "\npass  WELL_FORMED",
    ):
        assert said in script


async def test_the_notebook_shows_what_the_script_prints_and_draws_the_decision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    notebook = await executed("quickstart.ipynb", tmp_path, monkeypatch)
    shown = [line for line in printed(notebook).splitlines() if line]
    assert "allow SOL/USDT" in shown
    assert shown == [line for line in script.splitlines() if line in set(shown)]
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    (chart,) = (output.data["image/png"] for output in outputs if output.output_type == "display_data")
    assert len(chart) > 10_000
