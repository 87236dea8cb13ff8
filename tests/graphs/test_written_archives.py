"""Runs of each kind that older versions wrote: they verify, show, compare, and are judged again, whatever was renamed.

`archives/runs-VERSION.json.gz` is what `builders.varied_runs` wrote with that version.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.old_archives import ARCHIVES, put_back
from builders.varied_runs import FORK, FORKED_AT, KINDS, LIVE, PERPETUAL, REFUSED, SPOT, a_tight_policy
from domain.order import OrderState
from graphs import RunResult, policy_in_effect
from graphs.archive.diff import diff_runs
from graphs.archive.summary import summary
from graphs.archive.what_if import judge_again
from graphs.runs.replay import replay_run
from graphs.runs.timing import Stopwatch
from graphs.session.eras import this_version
from memory import Archive, Database
from memory.verify import verify

VERSIONS = sorted(path.name.removesuffix(".json.gz") for path in ARCHIVES.glob("runs-*.json.gz"))

pytestmark = pytest.mark.parametrize("version", VERSIONS)


async def opened(folder: Path, version: str) -> Database:
    url = f"sqlite:///{folder / 'agentctl.db'}"
    await put_back(version, url)
    return await Database.open(url)


async def shown_of(kind: str, database: Database) -> RunResult:
    return await summary(await Archive(database).run(kind), database=database, timings=Stopwatch().timings())


async def test_every_run_verifies(tmp_path: Path, version: str) -> None:
    async with await opened(tmp_path, version) as database:
        assert {kind: await verify(database, kind) for kind in KINDS} == dict.fromkeys(KINDS, ())


async def test_every_run_can_be_shown(tmp_path: Path, version: str) -> None:
    async with await opened(tmp_path, version) as database:
        shown = {kind: await shown_of(kind, database) for kind in KINDS}
    assert all(result.status == "finished" and result.equity.reconciled for result in shown.values())
    filled = {kind for kind, result in shown.items() if any(o.state is OrderState.FILLED for o in result.orders)}
    assert filled == set(KINDS) - {REFUSED}
    assert {order.symbol for order in shown[PERPETUAL].orders} == {"ETH/USDT:USDT"}


async def test_a_fork_differs_from_its_parent_where_it_left_it(tmp_path: Path, version: str) -> None:
    async with await opened(tmp_path, version) as database:
        diff = await diff_runs(SPOT, FORK, database=database)
    assert {d.aspect for d in diff.differences} >= {"setting", "verdict"}
    assert min(d.cycle for d in diff.differences if d.aspect == "verdict" and d.cycle is not None) >= FORKED_AT


@pytest.mark.parametrize("kind", [SPOT, LIVE, PERPETUAL])
async def test_what_it_allowed_can_be_judged_by_another_policy(tmp_path: Path, version: str, kind: str) -> None:
    async with await opened(tmp_path, version) as database:
        tight = await judge_again(kind, a_tight_policy(), database=database)
        own = await judge_again(kind, policy_in_effect(None), database=database)
    assert tight.judged == own.judged > 0
    assert 0 < len(tight.changes) >= len(own.changes)


@pytest.mark.parametrize("kind", KINDS)
async def test_it_replays_to_the_byte_or_says_whose_decisions_they_were(
    tmp_path: Path, version: str, kind: str
) -> None:
    async with await opened(tmp_path, version) as database:
        report = await replay_run(kind, source=database, progress=lambda done, cycles: None)
    if not report.identical:
        assert version.removeprefix("runs-") != this_version()
        assert report.first_difference is not None
        assert "which decided differently" in report.first_difference
