"""What earlier runs of an account lost: counted together, since a moment, without what was brought in."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from builders.memory import a_cycle, a_header, at, some_figures
from domain.money import ZERO
from memory import Archive, Database, Ledger
from memory.earlier import earlier_losses, lost_from
from memory.records import EarlierLoss, RunHeader

DAY = 24 * 60


async def a_run(database: Database, name: str, *worths: tuple[int, str], **over: object) -> RunHeader:
    """A run that began with 10,000 and was worth so much at these minutes."""
    header = a_header(run_id=name, **over)
    archive = Archive(database)
    await archive.begin_run(header)
    for cycle, (minute, equity) in enumerate(worths, start=1):
        figures = some_figures(equity=Decimal(equity))
        await archive.close_cycle(name, a_cycle(cycle, as_of=at(minute), figures=figures), timings={})
    return header


async def lost(database: Database, runs: Sequence[RunHeader], *minutes: int) -> list[tuple[int, str]]:
    found = await earlier_losses(runs, database, since=[at(minute) for minute in minutes])
    return [(int((loss.since - at(0)).total_seconds() // 60), str(loss.amount)) for loss in found]


async def test_a_loss_is_counted_from_the_last_worth_before_the_moment(database: Database) -> None:
    run = await a_run(database, "r1", (DAY - 5, "9000"), (DAY, "8900"), (DAY + 5, "8700"))
    assert await lost(database, [run], 0, DAY - 5, DAY, DAY + 5, DAY + 6) == [
        (0, "1300"),
        (DAY - 5, "1300"),
        (DAY, "300"),
        (DAY + 5, "200"),
    ]


async def test_runs_are_counted_together_and_a_gain_is_no_allowance(database: Database) -> None:
    down = await a_run(database, "r1", (5, "9900"))
    up = await a_run(database, "r2", (10, "10040"))
    assert await lost(database, [down, up], 0) == [(0, "60")]
    assert await lost(database, [up], 0) == []
    assert await lost(database, [await a_run(database, "r3")], 0) == [], "a run without a cycle lost nothing"


async def test_what_was_taken_out_is_no_loss(database: Database) -> None:
    header = a_header()
    archive = Archive(database)
    await archive.begin_run(header)
    figures = some_figures(equity=Decimal(6_900), contributed=Decimal(-3_000))
    await archive.close_cycle("r1", a_cycle(1, figures=figures), timings={})
    assert await lost(database, [header], 0) == [(0, "100")]


@pytest.mark.parametrize(("moment", "amount"), [(-1, "250"), (0, "250"), (1, "40"), (DAY, "40"), (DAY + 1, "0")])
def test_what_counts_is_the_longest_stretch_within_what_is_asked_for(moment: int, amount: str) -> None:
    losses = (EarlierLoss(since=at(0), amount=Decimal(250)), EarlierLoss(since=at(DAY), amount=Decimal(40)))
    assert lost_from(losses, at(moment)) == Decimal(amount)
    assert lost_from((), at(moment)) == ZERO


async def test_a_day_that_was_lost_before_stays_lost_until_a_new_one_begins(database: Database) -> None:
    losses = (EarlierLoss(since=at(0), amount=Decimal(250)), EarlierLoss(since=at(DAY), amount=Decimal(40)))
    archive, ledger = Archive(database), Ledger(database, account="r1", run_id="r1", lost_before=losses)
    await archive.begin_run(a_header())
    await ledger.open(currency="USDT", start_cash=Decimal(10_000))
    begun = await ledger.equity_marks(at(DAY + 30), day_start=at(DAY), week_start=at(0))
    assert (begun.day_start, begun.week_start, begun.high) == (Decimal(10_040), Decimal(10_250), Decimal(10_000))
    figures = some_figures(equity=Decimal(9_000))
    await archive.close_cycle("r1", a_cycle(1, as_of=at(DAY + 30), figures=figures), timings={})
    later = await ledger.equity_marks(at(2 * DAY + 5), day_start=at(2 * DAY), week_start=at(0))
    assert (later.day_start, later.week_start) == (Decimal(9_000), Decimal(10_250))
