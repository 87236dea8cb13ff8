"""What a run's limits count: equity when a day began, the most so far, closed trades, and what was used."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from pydantic import TypeAdapter
from sqlalchemy import update

from builders.memory import START, Watch, a_cycle, a_header, at, some_figures
from domain.decision import Episode
from memory import Archive, Database, Ledger, Tape
from memory.ledger.activity import Spent
from memory.store.schema import equity
from memory.verify import verify
from policy.account import EquityMarks

DAY = 24 * 60


async def a_run(database: Database) -> tuple[Archive, Ledger]:
    archive, ledger = Archive(database), Ledger(database, account="r1", run_id="r1")
    await archive.begin_run(a_header())
    await ledger.open(currency="USDT", start_cash=Decimal(10_000))
    return archive, ledger


async def close(archive: Archive, cycle: int, **over: object) -> None:
    await archive.close_cycle("r1", a_cycle(cycle, **over), timings={})


async def marks(ledger: Ledger, minutes: int, *, day: int, week: int = 0) -> EquityMarks:
    return await ledger.equity_marks(at(minutes), day_start=at(day), week_start=at(week))


async def test_before_the_first_cycle_everything_is_the_starting_cash(database: Database) -> None:
    _, ledger = await a_run(database)
    start = Decimal(10_000)
    assert await marks(ledger, 0, day=0) == EquityMarks(day_start=start, week_start=start, high=start)
    assert await ledger.usage(START) == Spent()
    assert await ledger.closed_since(START) == ()


async def test_a_day_starts_with_the_last_equity_of_the_day_before(database: Database) -> None:
    archive, ledger = await a_run(database)
    moments = (at(DAY - 5), at(DAY - 1), at(DAY), at(DAY) + timedelta(microseconds=1))
    for cycle, as_of in enumerate(moments, start=1):
        await close(archive, cycle, as_of=as_of, figures=some_figures(equity=Decimal(cycle)))
    assert (await marks(ledger, DAY - 1, day=0)).day_start == Decimal(10_000)
    found = await marks(ledger, DAY + 60, day=DAY)
    assert (found.day_start, found.week_start) == (Decimal(2), Decimal(10_000))
    assert (await marks(ledger, 2 * DAY, day=2 * DAY)).day_start == Decimal(4)


async def test_a_mark_of_a_day_that_has_begun_is_the_same_for_a_new_process(database: Database) -> None:
    archive, ledger = await a_run(database)
    for cycle in range(1, 4):
        await close(archive, cycle, as_of=at(DAY * cycle), figures=some_figures(equity=Decimal(cycle)))
        fresh = Ledger(database, account="r1", run_id="r1")
        asked = {"day": DAY * cycle + 1, "week": DAY * (cycle - 1) + 1}
        assert await marks(ledger, DAY * cycle + 5, **asked) == await marks(fresh, DAY * cycle + 5, **asked)


async def test_the_high_water_mark_only_rises_and_starts_with_the_cash(database: Database) -> None:
    archive, ledger = await a_run(database)
    highs = []
    for cycle, value in enumerate(["9000", "9999.5", "100000", "20000"], start=1):
        await close(archive, cycle, figures=some_figures(equity=Decimal(value)))
        highs.append((await marks(ledger, 5 * cycle, day=0)).high)
    assert highs == [Decimal(10_000), Decimal(10_000), Decimal(100_000), Decimal(100_000)]


async def test_a_cycle_without_a_price_leaves_the_mark_where_it_was(database: Database) -> None:
    archive, ledger = await a_run(database)
    await close(archive, 1, figures=some_figures(equity=Decimal(12_000)))
    await close(archive, 2, figures=None)
    await close(archive, 3, figures=some_figures(equity=Decimal(11_000)))
    assert (await marks(ledger, 20, day=0)).high == Decimal(12_000)


@pytest.mark.parametrize("cycle", [1, 2])
async def test_a_high_water_mark_that_was_changed_is_found(database: Database, cycle: int) -> None:
    archive, _ = await a_run(database)
    for number in (1, 2):
        await close(archive, number)
    async with database.transaction() as connection:
        await connection.execute(update(equity).where(equity.c.cycle == cycle).values(high=Decimal(10_001)))
    (fault,) = await verify(database, "r1")
    assert str(fault) == f"equity cycle={cycle}: high is 10001, and the cycles make 10000"


async def test_usage_is_that_of_the_cycles_since_the_day_began(database: Database) -> None:
    archive, ledger = await a_run(database)
    for cycle, minutes in enumerate((DAY - 5, DAY, DAY + 5)):
        await close(archive, cycle, as_of=at(minutes), tokens=10 + cycle, usd=Decimal(cycle))
        assert (await ledger.usage(at(0))).tokens == sum(range(10, 11 + cycle))
    assert await ledger.usage(at(DAY)) == Spent(usd=Decimal(3), tokens=23)
    assert await ledger.usage(at(0)) == Spent(usd=Decimal(3), tokens=33), "an earlier day can still be asked for"
    assert await ledger.usage(at(2 * DAY)) == Spent()


async def test_one_price_that_is_not_known_makes_the_days_cost_unknown(database: Database) -> None:
    archive, ledger = await a_run(database)
    for cycle, usd in enumerate((Decimal(1), None, Decimal(1))):
        await close(archive, cycle, as_of=at(DAY * cycle), usd=usd)
    assert (await ledger.usage(at(0))).usd is None
    assert (await ledger.usage(at(2 * DAY))).usd == Decimal(1)


async def test_tool_calls_are_counted_from_the_tape(database: Database) -> None:
    archive, ledger = await a_run(database)
    tape = Tape(database, run_id="r1")

    async def nothing() -> int:
        return 0

    for cycle in range(3):
        await tape.begin_cycle(cycle)
        effects = tape.effects(cycle=cycle, node="research", subject="", clock=Watch())
        effects.now()
        for name in ("tool:quote", "tool:news", "model:rules"):
            await effects.once(name, None, returns=TypeAdapter(int), perform=nothing)
        await close(archive, cycle, as_of=at(DAY * cycle))
        assert (await ledger.usage(at(DAY))).tool_calls == 2 * cycle


async def test_usage_goes_on_where_another_process_stopped(database: Database) -> None:
    archive, ledger = await a_run(database)
    for cycle in range(5):
        await close(archive, cycle, as_of=at(DAY * cycle), tokens=cycle, usd=Decimal(0))
        for day in range(cycle + 1):
            assert await ledger.usage(at(DAY * day)) == await Ledger(database, account="r1", run_id="r1").usage(
                at(DAY * day)
            )


async def test_closed_trades_come_oldest_first_from_a_moment_on(database: Database) -> None:
    archive, ledger = await a_run(database)
    for cycle in range(3):
        trade = Episode(
            symbol="BTC/USDT",
            direction="long",
            opened_at=START,
            closed_at=at(5 * cycle),
            notional=Decimal(1),
            profit=Decimal(cycle),
            fees=Decimal(0),
        )
        archive.note_episode("r1", cycle=cycle, n=0, episode=trade)
    await database.flush()
    found = await ledger.closed_since(at(5))
    assert [(trade.closed_at, trade.profit) for trade in found] == [(at(5), Decimal(1)), (at(10), Decimal(2))]
