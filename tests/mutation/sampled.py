"""A sampled run over all rooms: few mutants, each written into a copy of the tree and tried on the tests that reach it.

First all tests of the rooms are run once without a mutant, to learn which lines each runs, how long it takes and
whether it fails. A mutant is then tried in processes of its own on the tests that run its line, or else its module,
those of its own room first.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mutation.mutants import Mutant

_PYTEST = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "--import-mode=importlib", "-m", "not slow"]
_PYTEST += ["-p", "no:cacheprovider", "-p", "mutation.reach"]
_GRACE_S = 60
"""What a trial gets after its time, to end by itself and drop its databases."""
NOTICED = "noticed"

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Tried:
    mutant: Mutant
    result: str
    """`noticed`, `survived`, or `unfinished`: the time was up before all its tests had run."""
    by: str
    """The test that noticed, or what else told."""
    ran: int
    tests: int
    seconds: float

    def __str__(self) -> str:
        what = f"by {self.by}" if self.result == NOTICED else f"{self.ran} of {self.tests} tests run"
        return f"{self.result}: {self.mutant.path}:{self.mutant.lines.start} {self.mutant.where} · {what}"


@dataclass(slots=True)
class Measured:
    """What the tests do without a mutant, by the path of a module and by test."""

    lines: dict[str, dict[int, set[str]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def add(self, part: Mapping[str, Any]) -> None:
        """What one process has measured."""
        self.seconds |= part["seconds"]
        self.failed |= set(part["failed"])
        for file, lines in part["lines"].items():
            known = self.lines.setdefault(file, {})
            for number, tests in lines.items():
                known.setdefault(int(number), set()).update(tests)

    def tests_of(self, mutant: Mutant, texts: Mapping[str, str]) -> dict[str, float]:
        """The tests to try in their order, each with its seconds.

        They run the changed statement; for one that runs at import, or in processes of their own, they run other
        lines of its module, or stand in a file that names it. Of the mutant's room before others, in a file that is
        named like its module before others, quick before slow.
        """
        lines = self.lines.get(mutant.path, {})
        chosen = {test for number in mutant.lines for test in lines.get(number, ()) if test}
        if not chosen or not mutant.in_function:
            module = re.compile(rf"\b{re.escape(_module(mutant.path))}\b")
            naming = {file for file, text in texts.items() if module.search(text)}
            chosen |= {test for tests in lines.values() for test in tests if test}
            chosen |= {test for test in self.seconds if _file(test) in naming}
        room, stem = mutant.path.split("/")[0], Path(mutant.path).stem

        def nearness(test: str) -> tuple[bool, bool, float]:
            file = Path(_file(test))
            return file.parts[1] != room, stem not in file.stem, self.seconds[test]

        return {test: self.seconds[test] for test in sorted(chosen - self.failed, key=nearness)}


def copy_of(repository: Path, folder: Path) -> Path:
    """A copy of the tree in `folder`, beside what the tests read next to the repository."""
    root = folder / "tree"
    shutil.copytree(repository, root, ignore=shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "data"))
    if (repository.parent / "shared").exists():
        (folder / "shared").symlink_to(repository.parent / "shared")
    return root


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """How the tests of rooms are run once without a mutant. What is measured of a room is kept in `kept`, and taken
    from there where neither the tree nor the sample has changed since."""

    root: Path
    rooms: Sequence[str]
    mutants: Sequence[Mutant]
    workers: int
    until: float
    kept: Path
    tell: Tell

    def run(self) -> Measured:
        """Raises `SystemExit` when the tests can't be run, or not by `until`."""
        measured, key = Measured(), self._key()
        for room in self.rooms:
            file = self.kept / f"{room}-{key}.json"
            if not file.exists():
                parts = self._room(room)
                self.kept.mkdir(parents=True, exist_ok=True)
                file.write_text(json.dumps(parts))
            for part in json.loads(file.read_text()):
                measured.add(part)
        return measured

    def _room(self, room: str) -> list[object]:
        start = time.monotonic()
        self.tell(f"{room}: its tests run without a mutant")
        files = json.dumps(sorted({str(self.root / mutant.path) for mutant in self.mutants}))
        with tempfile.TemporaryDirectory(prefix="reach-") as folder:
            try:
                done = subprocess.run(
                    [*_PYTEST, "-n", str(self.workers), "--dist", "worksteal", f"tests/{room}"],
                    cwd=self.root,
                    env=_environment(self.root) | {"MUTATION_FILES": files, "MUTATION_OUT": folder},
                    capture_output=True,
                    text=True,
                    timeout=max(1, self.until - start),
                    start_new_session=True,
                )
            except subprocess.TimeoutExpired:
                raise SystemExit(f"the time was up before the tests of {room} had run: give more --minutes") from None
            parts = [json.loads(file.read_text()) for file in Path(folder).glob("*.json")]
        if not parts:
            raise SystemExit(f"the tests of {room} could not be run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        count = sum(len(part["seconds"]) for part in parts)
        self.tell(f"{room}: {count} tests in {time.monotonic() - start:.0f} s")
        return parts

    def _key(self) -> str:
        """Of the sample, and of all that is tested and tests."""
        found = hashlib.sha256(" ".join(sorted({mutant.path for mutant in self.mutants})).encode())
        for file in sorted(self.root.rglob("*.py")):
            found.update(file.read_bytes())
        return found.hexdigest()[:16]


def try_all(
    trees: Sequence[Path], mutants: Sequence[Mutant], measured: Measured, *, limit_s: int, until: float, tell: Tell
) -> Iterator[Tried]:
    """Try each mutant for `limit_s` at most, as many at a time as there are `trees`; none is begun after `until`."""
    texts = {str(file.relative_to(trees[0])): file.read_text() for file in (trees[0] / "tests").rglob("*.py")}
    free, running, waiting = list(trees), list[_Trial](), list(mutants)
    try:
        while running or (waiting and time.monotonic() < until):
            while free and waiting and time.monotonic() < until:
                mutant = waiting.pop(0)
                running.append(_Trial(free.pop(), mutant, measured.tests_of(mutant, texts), limit_s=limit_s))
            time.sleep(0.1)
            for trial in [trial for trial in running if trial.is_over()]:
                running.remove(trial)
                free.append(trial.tree)
                yield trial.outcome()
    finally:
        for trial in running:
            trial.stop()
    if waiting:
        tell(f"the time is up: {len(waiting)} mutants were not tried")


class _Trial:
    """One mutant in one tree, while its tests run."""

    def __init__(self, tree: Path, mutant: Mutant, tests: dict[str, float], *, limit_s: int) -> None:
        self.tree, self._mutant, self._tests = tree, mutant, tests
        self._start = time.monotonic()
        self._deadline = self._start + limit_s
        self._folder = tempfile.TemporaryDirectory(prefix="trial-")
        trial, self._out = (Path(self._folder.name) / name for name in ("trial.json", "outcome.json"))
        trial.write_text(json.dumps({"tests": tests, "deadline": self._deadline}))
        self._file = tree / mutant.path
        self._original, self._times = self._file.read_bytes(), self._file.stat()
        self._process: subprocess.Popen[bytes] | None = None
        if tests:
            self._file.write_text(mutant.source)
            self._process = subprocess.Popen(
                [*_PYTEST, "-x", "--assert=plain", *sorted({_file(test) for test in tests})],
                cwd=tree,
                env=_environment(tree) | {"MUTATION_TRIAL": str(trial), "MUTATION_OUT": str(self._out)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def is_over(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            return True
        return time.monotonic() > self._deadline + _GRACE_S

    def outcome(self) -> Tried:
        code = self._process.poll() if self._process else 0
        report = json.loads(self._out.read_text()) if self._out.exists() else {"by": "", "ran": 0}
        self.stop()
        by, ran = report["by"], report["ran"]
        if not by and code is None:
            by = "the run of the tests, which does not end"
        elif not by and code not in (0, 2, 5):  # 2 is for the time, 5 when no test was left to run
            by = f"the run of the tests, which ends with {code}"
        result = NOTICED if by else "survived" if ran == len(self._tests) else "unfinished"
        return Tried(self._mutant, result, by, ran, len(self._tests), time.monotonic() - self._start)

    def stop(self) -> None:
        """End all that was started, and put the module back as it was, with its times: so no bytecode is mistaken."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._file.write_bytes(self._original)
        os.utime(self._file, ns=(self._times.st_atime_ns, self._times.st_mtime_ns))
        self._folder.cleanup()


def report(outcomes: Sequence[Tried], rooms: Sequence[str]) -> str:
    """The share noticed by room, and each mutant that was not, with what it changes."""
    lines = [f"{'room':12}{'tried':>7}{'noticed':>9}{'survived':>10}{'unfinished':>12}{'share':>8}"]
    for room in (*rooms, "all"):
        counts = Counter(o.result for o in outcomes if room in ("all", o.mutant.path.split("/")[0]))
        tried = counts.total()
        share = f"{counts[NOTICED] / tried:8.0%}" if tried else f"{'-':>8}"
        lines.append(
            f"{room:12}{tried:>7}{counts[NOTICED]:>9}{counts['survived']:>10}{counts['unfinished']:>12}{share}"
        )
    lines += [f"\n{outcome}\n{outcome.mutant.diff}" for outcome in outcomes if outcome.result != NOTICED]
    return "\n".join(lines)


def as_json(outcomes: Sequence[Tried], *, seed: int) -> str:
    trials = [
        {
            "file": outcome.mutant.path,
            "line": outcome.mutant.lines.start,
            "where": outcome.mutant.where,
            "diff": outcome.mutant.diff,
            "result": outcome.result,
            "by": outcome.by,
            "ran": outcome.ran,
            "tests": outcome.tests,
            "seconds": round(outcome.seconds, 1),
        }
        for outcome in outcomes
    ]
    return json.dumps({"seed": seed, "noticed": sum(o.result == NOTICED for o in outcomes), "trials": trials}, indent=1)


def _environment(root: Path) -> dict[str, str]:
    """Of pytest, and of what its tests start: the tree before what is installed, and no bytecode of a mutant."""
    return os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}", "PYTHONDONTWRITEBYTECODE": "1"}


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _file(test: str) -> str:
    return test.partition("::")[0]
