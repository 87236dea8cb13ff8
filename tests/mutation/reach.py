"""A pytest plugin of sampled runs. Without a mutant it notes which tests run which lines; with one, who notices it.

`MUTATION_FILES` (a JSON list of files) asks for the first, `MUTATION_TRIAL` (a JSON `Trial`) for the second;
`MUTATION_OUT` is where the JSON of the outcome goes. Both run in a copy of the tree.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import coverage
import pytest

from mutation.trial import OTHER_PROCESS, shorten_properties

_SLOWER = 20
"""How many times longer than without a mutant a test may take, ..."""
_LEAST_S = 30
"""... and what it may take however short it is: the machine may be busy."""


class Reach:
    """Which lines of `files` each test runs, how long it takes, and whether it fails."""

    def __init__(self, files: list[str], out: Path) -> None:
        self._out = out / f"{os.getpid()}.json"
        self._files, self._seconds, self._failed = files, dict[str, float](), set[str]()
        self._coverage = coverage.Coverage(
            data_file=None, include=files, config_file=False, concurrency=["thread", "greenlet"]
        )

    def pytest_sessionstart(self) -> None:
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._coverage.switch_context(item.nodeid)
        start = time.perf_counter()
        try:
            return (yield)
        finally:
            self._seconds[item.nodeid] = time.perf_counter() - start
            self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        if not self._seconds:  # the process that only hands out the tests
            return
        data = self._coverage.get_data()
        here = Path.cwd()
        lines = {
            Path(file).relative_to(here).as_posix(): data.contexts_by_lineno(file)
            for file in self._files
            if file in data.measured_files()
        }
        self._out.write_text(json.dumps({"lines": lines, "seconds": self._seconds, "failed": sorted(self._failed)}))


class Watch:
    """Runs the tests of a trial in their order, until one notices or the time is up."""

    def __init__(self, trial: dict[str, object], out: Path) -> None:
        tests, deadline = trial["tests"], trial["deadline"]
        assert isinstance(tests, dict)
        assert isinstance(deadline, float)
        self._seconds: dict[str, float] = tests
        self._deadline, self._out = deadline, out
        self._by, self._ran = "", 0

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        order = {name: number for number, name in enumerate(self._seconds)}
        first: defaultdict[str, int] = defaultdict(lambda: len(order))
        for name, number in order.items():
            file = name.partition("::")[0]
            first[file] = min(first[file], number)
        chosen = [item for item in items if item.nodeid in order]
        items[:] = sorted(chosen, key=lambda item: (first[item.nodeid.partition("::")[0]], order[item.nodeid]))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        signal.signal(signal.SIGALRM, lambda *_: self._too_long(item))
        signal.alarm(int(max(_LEAST_S, _SLOWER * self._seconds[item.nodeid])))
        try:
            return (yield)
        finally:
            signal.alarm(0)
            self._ran += 1
            if time.monotonic() > self._deadline:
                item.session.shouldstop = "the time is up"

    def _too_long(self, item: pytest.Item) -> None:
        self._by = f"{item.nodeid} (takes too long)"
        self._write()  # what hangs may also catch what stops it, and then the whole process is stopped
        pytest.exit(self._by, returncode=1)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self._by:
            self._by = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self._by:
            self._by = f"{report.nodeid} (when it is imported)"

    def pytest_sessionfinish(self) -> None:
        self._write()

    def _write(self) -> None:
        self._out.write_text(json.dumps({"by": self._by, "ran": self._ran}))


def pytest_configure(config: pytest.Config) -> None:
    out = Path(os.environ["MUTATION_OUT"])
    if trial := os.environ.get("MUTATION_TRIAL"):
        config.pluginmanager.register(Watch(json.loads(Path(trial).read_text()), out))
    else:
        config.pluginmanager.register(Reach(json.loads(os.environ["MUTATION_FILES"]), out))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if item.name not in OTHER_PROCESS]


shorten_properties()
