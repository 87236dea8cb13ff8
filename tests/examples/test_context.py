"""The context engine on its own, as its notebook shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.notebooks import executed, printed, read_notebook


async def test_the_notebook_shows_budgets_lanes_and_what_was_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = printed(await executed("context.ipynb", tmp_path, monkeypatch))
    assert "Never name a private person." in said
    assert "rumour-tomorrow: not_yet_available" in said
    assert "duplicate, the same as" in said
    carried = [float(line.split(" carry ")[1].split()[0]) for line in said.splitlines() if " carry " in line]
    assert len(carried) >= 5
    assert carried == sorted(carried)  # a larger budget never carries less


@pytest.mark.parametrize("name", ["context.ipynb", "quickstart.ipynb"])
def test_notebooks_are_kept_without_outputs(name: str) -> None:
    cells = read_notebook(name).cells
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
