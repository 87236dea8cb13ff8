"""That the trials of mutants tell a deadly one from an equivalent one, and leave no mutant behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUN = ROOT / "tests/mutation/run.py"
NOTICING = ("tests/agents/test_price.py::test_price", "tests/graphs/test_shop.py::test_sell")
PLANTED = """
import json, sys
from dataclasses import replace
from pathlib import Path
from mutation.mutants import Mutant
from mutation.trial import prepare, try_imported, try_in_place

def planted(before, after):
    source = (root / path).read_text()
    assert source.count(before) == 1
    line = source[: source.index(before)].count("\\n") + 1
    return Mutant(path, after, source.replace(before, after), "", range(line, line + 1), True)

root, path = Path.cwd(), "policy/tickets.py"
expiry = "now >= ticket.expires_at"
mutants = [planted(expiry, "now < ticket.expires_at"), planted(expiry, "not now < ticket.expires_at")]
elsewhere = [planted("_KEY_BYTES = 32", "_KEY_BYTES = 31"), planted("_KEY_BYTES = 32", "_KEY_BYTES = 16 + 16")]
files = ["tests/policy/test_tickets.py"]
prepare()
tell = lambda outcome: None
suite, inside = try_in_place(mutants, root, files=files, workers=1, tell=tell)
imported = try_imported(elsewhere, root, suite=suite, files=[files], workers=1, tell=tell)
unfit = try_in_place([replace(mutants[0], path="policy/no_such.py")], root, files=files, workers=1, tell=tell)[1]
Path(sys.argv[1]).write_text(json.dumps([outcome.result for outcome in (*inside, *imported, *unfit)]))
"""


def ran(command: list[str], *, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "MUTATION"))}
    environment["PYTHONPATH"] = f"{cwd}{os.pathsep}{cwd / 'tests'}"
    return subprocess.run([sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_a_deadly_mutant_is_noticed_and_an_equivalent_one_survives(tmp_path):
    done = ran(["-c", PLANTED, str(tmp_path / "results")], cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "results").read_text())
    assert results == ["killed", "survived", "killed", "survived", "unfit"]


def a_repository(folder: Path) -> Path:
    """Two rooms whose tests know the price of a thing but not its discount; `mutation` is ours."""
    files = {
        "pyproject.toml": (ROOT / "pyproject.toml").read_text(),
        "agents/__init__.py": "",
        "graphs/__init__.py": "",
        "agents/price.py": "def price(count):\n    return count * 3\n\n\ndef reduced(count):\n    return count - 1\n",
        "graphs/shop.py": "from agents.price import price\n\nLEAST = 2\n\n\ndef sell(count):\n"
        "    return price(max(count, LEAST))\n",
        "tests/agents/test_price.py": "from agents.price import price\n\n\n"
        "def test_price():\n    assert price(2) == 6\n",
        "tests/graphs/test_shop.py": "from graphs.shop import sell\n\n\n"
        "def test_sell():\n    assert (sell(1), sell(5)) == (6, 15)\n\n\n"
        "def test_of_another_time():\n    assert False\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in ("mutants", "run", "trial", "choice", "sampled", "reach"):
        (folder / "tests/mutation").mkdir(exist_ok=True)
        (folder / f"tests/mutation/{name}.py").write_text((ROOT / f"tests/mutation/{name}.py").read_text())
    return folder


@pytest.mark.slow
def test_a_sampled_run_tells_the_share_of_each_room(tmp_path):
    folder = a_repository(tmp_path / "repository")
    sources = {file: file.read_text() for file in folder.rglob("*.py")}
    command = ["tests/mutation/run.py", "agents", "graphs", "--sample", "8", "--json"]
    done = ran(command, cwd=folder)
    assert done.returncode == 0, done.stderr
    trials = json.loads(done.stdout)["trials"]
    results = {
        (trial["file"], trial["line"], trial["diff"].split("+")[-1].strip()): trial["result"] for trial in trials
    }
    noticed = {key for key, result in results.items() if result == "noticed"}
    assert set(results.values()) == {"noticed", "survived"}
    assert {key for key in results if key[:2] != ("agents/price.py", 6)} == noticed, results
    assert {trial["by"] for trial in trials} == {"", *NOTICING}
    assert "fails without a mutant, and is left out: tests/graphs/test_shop.py::test_of_another_time" in done.stderr
    assert {file: file.read_text() for file in folder.rglob("*.py")} == sources


def test_the_same_seed_draws_the_same_mutants():
    from mutation.choice import sample

    def drawn(seed: int) -> list[str]:
        mutants = sample(ROOT, rooms=["domain", "policy"], count=6, seed=seed, argued=())
        assert [mutant.path.split("/")[0] for mutant in mutants] == ["domain", "policy"] * 3
        return [f"{mutant.path}:{mutant.lines.start} {mutant.diff}" for mutant in mutants]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
