"""Whether the tests notice a mutant: each is tried in a process of its own, forked from one where all is imported.

Nothing is written: a changed function body takes the place of the old one in the child's memory, and a
module that is changed elsewhere is imported changed.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.machinery
import importlib.util
import os
import pickle
import resource
import select
import signal
import sys
import time
import types
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import hypothesis
import pytest
from _pytest.runner import runtestprotocol

from mutation.mutants import Mutant

OTHER_PROCESS = (
    "test_another_process_gives_the_same_bytes",
    "test_the_same_input_gives_the_same_bytes_in_another_process",
)
"""Tests that would hold a mutant against the unchanged program, which no defect in the program could fail."""

UNFIT = "unfit"
_PYTEST = ["-q", "-o", "addopts=", "--import-mode=importlib", "--assert=plain", "-p", "no:cacheprovider"]
_PYTEST += ["-p", "no:faulthandler", "-p", "pytest_asyncio.plugin", "-m", "not slow"]
_MEMORY = 6 * 2**30
_LEAST_S = 5.0
"""CPU time that any test may take, and ..."""
_SLOWER = 20
"""... how many times longer than without a mutant."""
_UNMEASURED_S = 6.0
"""Before it is multiplied, for imports and for tests that were not run without a mutant."""


@dataclass(frozen=True, slots=True)
class Outcome:
    mutant: Mutant
    result: str
    """`killed`, `timeout`, `survived`, or `unfit`: it could not be put in place, and nothing was tried."""
    by: str = ""
    """The test that noticed."""


@dataclass(slots=True)
class Suite:
    """What the tests do without a mutant."""

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, set[tuple[str, int]]] = field(default_factory=dict)
    """By test: the lines of `policy/` that it runs. Tests of properties are left to the second trial."""
    failed: list[str] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)
    """The modules that they import from elsewhere, and so never changed."""


def prepare() -> None:
    """Make runs of pytest in this process the same every time."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    shorten_properties()


def shorten_properties() -> None:
    """Make the runs of hypothesis the same every time, and short: a failure is enough, however large."""
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
    checks = list(hypothesis.HealthCheck)
    hypothesis.settings.register_profile(
        "mutation", derandomize=True, database=None, phases=phases, deadline=None, suppress_health_check=checks
    )
    hypothesis.settings.load_profile("mutation")


def _forked(work: Callable[[], object], *, workers: dict[int, int], silent: bool = True) -> int:
    """Start `work` in a child; its value comes through the pipe that `workers` keeps by process id."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        workers[pid] = reader
        return pid
    os.close(reader)
    if silent:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
    value = work()
    with os.fdopen(writer, "wb") as pipe:
        pickle.dump(value, pipe)
    os._exit(0)


def _awaited(workers: dict[int, int]) -> tuple[int, object]:
    """The next child that is done, and its value; none when it was stopped."""
    (reader, *_), _, _ = select.select(list(workers.values()), [], [])
    pid = next(pid for pid, its in workers.items() if its == reader)
    del workers[pid]
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(pid, 0)
    return pid, (pickle.loads(told) if status == 0 else None)


def _tried(
    mutants: Iterable[Mutant], trial: Callable[[Mutant], object], *, count: int
) -> Iterator[tuple[Mutant, object]]:
    """Each mutant with what its trial came to, `count` at a time."""
    workers: dict[int, int] = {}
    running: dict[int, Mutant] = {}
    for mutant in mutants:
        running[_forked(lambda m=mutant: trial(m), workers=workers)] = mutant
        if len(running) >= count:
            pid, value = _awaited(workers)
            yield running.pop(pid), value
    while running:
        pid, value = _awaited(workers)
        yield running.pop(pid), value


def _bound(seconds: float) -> None:
    """Let the child die of a test that takes too long."""
    signal.setitimer(signal.ITIMER_VIRTUAL, max(_LEAST_S, _SLOWER * seconds))


class InPlace:
    """A pytest plugin: once the tests are collected, tries mutants of functions on them instead of running them."""

    def __init__(self, mutants: Sequence[Mutant], root: Path, *, workers: int, tell: Callable[[Outcome], None]) -> None:
        self._mutants, self._root, self._workers, self._tell = mutants, root, workers, tell
        self._kills: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.outcomes: list[Outcome] = []
        self.suite = Suite()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted("the tests could not be collected")
        self._items = {item.nodeid: item for item in session.items if item.name not in OTHER_PROCESS}
        self._properties = {n for n, item in self._items.items() if hasattr(getattr(item, "obj", None), "hypothesis")}
        workers: dict[int, int] = {}
        _forked(self._measured, workers=workers)
        measured = _awaited(workers)[1]
        assert isinstance(measured, Suite), "the tests could not be run without a mutant"
        self.suite = measured
        if measured.failed:
            return True
        self._where = defaultdict(list)
        for name, lines in measured.lines.items():
            for line in lines:
                self._where[line].append(name)
        gc.unfreeze()  # what conftest.py froze isn't among the collector's objects
        self._functions = [thing for thing in gc.get_objects() if isinstance(thing, types.FunctionType)]
        gc.collect()
        gc.freeze()  # so that no child copies what it only looks at
        for mutant, value in _tried(self._mutants, self._trial, count=self._workers):
            outcome = _judged(mutant, value)
            self.outcomes.append(outcome)
            if outcome.by:
                self._kills[mutant.path][outcome.by] += 1
                self._kills[mutant.where][outcome.by] += 1
            self._tell(outcome)
        return True

    def _measured(self) -> Suite:
        suite, prefix = Suite(), str(self._root / "policy") + os.sep
        for name, item in self._items.items():
            seen: set[tuple[str, int]] = set()

            def line(frame: types.FrameType, event: str, _: object, seen: set[tuple[str, int]] = seen) -> object:
                if event == "line":
                    seen.add((frame.f_code.co_filename, frame.f_lineno))
                return line

            def call(frame: types.FrameType, event: str, argument: object, line: object = line) -> object:
                return line if frame.f_code.co_filename.startswith(prefix) else None

            start = time.process_time()
            if name not in self._properties:
                sys.settrace(call)  # type: ignore[arg-type]
            failed = _fails(item, None)
            sys.settrace(None)
            suite.seconds[name] = time.process_time() - start
            if name not in self._properties:
                root = str(self._root) + os.sep
                suite.lines[name] = {(file.removeprefix(root), number) for file, number in seen}
            if failed:
                suite.failed.append(name)
        suite.libraries = [name for name, module in sys.modules.items() if self._is_a_library(module)]
        return suite

    def _is_a_library(self, module: types.ModuleType) -> bool:
        file = getattr(module, "__file__", None)
        return bool(file) and not str(file).startswith(str(self._root))

    def _ordered(self, mutant: Mutant) -> list[str]:
        """The tests that run the changed statement, those first that are likely to notice."""
        names = {name for number in mutant.lines for name in self._where.get((mutant.path, number), ())}
        kills, nearby = self._kills[mutant.where], self._kills[mutant.path]
        code = Path(mutant.path).stem.upper()
        return sorted(names, key=lambda n: (-kills[n], -nearby[n], code not in n.upper(), self.suite.seconds[n]))

    def _trial(self, mutant: Mutant) -> str:
        if not _put_in_place(mutant, self._root, self._functions):
            return UNFIT
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        for name in self._ordered(mutant):
            _bound(self.suite.seconds[name])
            if _fails(self._items[name], None):
                return name
        return ""


def _fails(item: pytest.Item, after: pytest.Item | None) -> bool:
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=after))


def _judged(mutant: Mutant, value: object) -> Outcome:
    if value is None:
        return Outcome(mutant, "timeout")
    if value in ("", UNFIT):
        return Outcome(mutant, str(value) or "survived")
    return Outcome(mutant, "killed", str(value))


def _compiled(mutant: Mutant, root: Path) -> types.CodeType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compile(mutant.source, str(root / mutant.path), "exec", dont_inherit=True)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield inner
            yield from _codes(inner)


def _put_in_place(mutant: Mutant, root: Path, functions: Iterable[types.FunctionType]) -> bool:
    """Give the functions of the module that is already imported their changed code. False when it doesn't fit."""
    changed = {code.co_qualname: code for code in _codes(_compiled(mutant, root))}
    file, found = str(root / mutant.path), False
    for function in functions:
        if function.__code__.co_filename == file:
            new = changed.get(function.__code__.co_qualname)
            if new is None or len(new.co_freevars) != len(function.__code__.co_freevars):
                return False
            function.__code__, found = new, True
    return found


class _Changed(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, mutant: Mutant, root: Path) -> None:
        super().__init__(name, str(root / mutant.path))
        self._mutant, self._root = mutant, root

    def get_code(self, fullname: str) -> types.CodeType:
        return _compiled(self._mutant, self._root)


class Imported:
    """A finder that gives out one module changed."""

    def __init__(self, mutant: Mutant, root: Path) -> None:
        self._mutant, self._root = mutant, root
        self._name = mutant.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        return importlib.util.spec_from_loader(
            name, _Changed(name, self._mutant, self._root), is_package=self._mutant.path.endswith("__init__.py")
        )


class _FirstFailure:
    """A pytest plugin: knows which test failed first, and lets none take too long."""

    def __init__(self, suite: Suite) -> None:
        self._suite, self.name = suite, ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.name not in OTHER_PROCESS]

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        _bound(self._suite.seconds.get(item.nodeid, _UNMEASURED_S))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid


def _imported_trial(mutant: Mutant, root: Path, *, suite: Suite, files: Sequence[Sequence[str]]) -> str:
    sys.meta_path.insert(0, Imported(mutant, root))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    for some in files:
        first = _FirstFailure(suite)
        _bound(_UNMEASURED_S)
        code = pytest.main([*_PYTEST, "-x", *some], plugins=[first])
        if code != pytest.ExitCode.OK:
            return first.name or "import"
    return ""


def try_in_place(
    mutants: Sequence[Mutant], root: Path, *, files: Sequence[str], workers: int, tell: Callable[[Outcome], None]
) -> tuple[Suite, list[Outcome]]:
    """Run in a child, so that this process stays without the modules that are to be changed."""

    def work() -> tuple[Suite, list[Outcome]]:
        plugin = InPlace(mutants, root, workers=workers, tell=tell)
        code = pytest.main([*_PYTEST, *files], plugins=[plugin])
        if not plugin.suite.seconds:
            raise SystemExit(f"the tests could not be collected: exit code {code}")
        return plugin.suite, plugin.outcomes

    workers_running: dict[int, int] = {}
    _forked(work, workers=workers_running, silent=False)
    _, value = _awaited(workers_running)
    if value is None:
        raise SystemExit("the trial in place was stopped")
    assert isinstance(value, tuple)
    return value


def _load(libraries: Sequence[str]) -> None:
    """So that no child has to: most of the time that a trial takes would go there."""
    for name in libraries:
        with contextlib.suppress(Exception):  # some are known by names under which they can't be imported
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


def try_imported(
    mutants: Sequence[Mutant],
    root: Path,
    *,
    suite: Suite,
    files: Sequence[Sequence[str]],
    workers: int,
    tell: Callable[[Outcome], None],
) -> list[Outcome]:
    """Try mutants by importing each anew. `files` are groups of tests, each run only if the ones before passed.

    Stops when a test fails on a module that is imported in the same way and not changed: it would seem to notice all.
    """
    _load(suite.libraries)
    outcomes = []
    trial = lambda mutant: _imported_trial(mutant, root, suite=suite, files=files)  # noqa: E731
    for mutant in mutants[:1]:
        unchanged = replace(mutant, source=(root / mutant.path).read_text())
        ((_, failed),) = _tried([unchanged], trial, count=1)
        if failed != "":
            raise SystemExit(f"without a mutant this fails or takes too long: {failed or 'unknown'}")
    for mutant, value in _tried(mutants, trial, count=workers):
        outcomes.append(_judged(mutant, value))
        tell(outcomes[-1])
    return outcomes
