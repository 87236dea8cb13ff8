"""What earlier runs of an account did: losses since a moment, without what was brought in, and trades closed."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from builders.memory import a_cycle, a_header, at, some_figures
from domain.decision import Episode
from domain.money import ZERO
from memory import Archive, Database, Ledger
from memory.ledger.prior_runs import done_before, earlier_losses
from memory.store.records import Before, EarlierLoss, RunHeader

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
    assert Before(losses=losses).lost_from(at(moment)) == Decimal(amount)
    assert Before().lost_from(at(moment)) == ZERO


async def test_a_day_that_was_lost_before_stays_lost_until_a_new_one_begins(database: Database) -> None:
    losses = (EarlierLoss(since=at(0), amount=Decimal(250)), EarlierLoss(since=at(DAY), amount=Decimal(40)))
    archive, ledger = Archive(database), Ledger(database, account="r1", run_id="r1", before=Before(losses=losses))
    await archive.begin_run(a_header())
    await ledger.open(currency="USDT", start_cash=Decimal(10_000))
    begun = await ledger.equity_marks(at(DAY + 30), day_start=at(DAY), week_start=at(0))
    assert (begun.day_start, begun.week_start, begun.high) == (Decimal(10_040), Decimal(10_250), Decimal(10_000))
    figures = some_figures(equity=Decimal(9_000))
    await archive.close_cycle("r1", a_cycle(1, as_of=at(DAY + 30), figures=figures), timings={})
    later = await ledger.equity_marks(at(2 * DAY + 5), day_start=at(2 * DAY), week_start=at(0))
    assert (later.day_start, later.week_start) == (Decimal(9_000), Decimal(10_250))


def a_trade(minute: int, profit: int) -> Episode:
    return Episode(
        symbol="BTC/USDT",
        direction="long",
        opened_at=at(0),
        closed_at=at(minute),
        notional=Decimal(1),
        profit=Decimal(profit),
        fees=ZERO,
    )


async def test_after_a_trade_of_an_earlier_run_the_next_one_rests_too(database: Database) -> None:
    archive = Archive(database)
    runs = [await a_run(database, name) for name in ("r1", "r2")]
    for name, minute, profit in (("r1", 5, 1), ("r2", 10, -2), ("r1", 20, -3)):
        archive.note_episode(name, cycle=minute, n=0, episode=a_trade(minute, profit))
    await database.flush()
    before = await done_before(runs, database, since=[at(0)], closed_since=at(10))
    assert before is not None
    assert [(trade.closed_at, trade.profit) for trade in before.closed] == [
        (at(10), Decimal(-2)),
        (at(20), Decimal(-3)),
    ]
    archive.note_episode("r3", cycle=1, n=0, episode=a_trade(30, 4))
    await database.flush()
    ledger = Ledger(database, account="r3", run_id="r3", before=before)
    assert [int(trade.profit) for trade in await ledger.closed_since(at(0))] == [-2, -3, 4]
    assert [int(trade.profit) for trade in await ledger.closed_since(at(20))] == [-3, 4]


async def test_of_runs_that_bear_on_nothing_any_more_nothing_is_said(database: Database) -> None:
    run = await a_run(database, "r1", (5, "9000"))
    Archive(database).note_episode("r1", cycle=1, n=0, episode=a_trade(5, -9))
    await database.flush()
    assert await done_before([run], database, since=[at(6)], closed_since=at(6)) is None
    assert await done_before([], database, since=[at(0)], closed_since=at(0)) is None
