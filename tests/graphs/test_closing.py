"""How a run ends: without an end of its own, keeping its positions, or closing them first; and what it then says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from builders.live import BTC, a_live_stage, faults_of_books
from builders.memory import a_header
from builders.runs import archive, drive, options, timed
from builders.sessions import NOW, MuteMarket
from graphs import RunResult, Stop, prepare, resume, start
from graphs.runs.replay import replay_run
from graphs.session.ending import OpenPosition, unwatched
from graphs.session.session import Session
from graphs.trading.events import CycleEnded, Event, NodeEnded
from memory import Controls, Database
from memory.operators.controls import Level
from memory.store.records import RunHeader

MOST = 6
"""Cycles in which positions are closed."""


class ShortMarket(MuteMarket):
    """`market` that ends after some bars."""

    def __init__(self, market: Any, *, bars: int) -> None:
        super().__init__(market, mute=())
        self._left = bars

    async def _some(self, after: datetime | None) -> AsyncIterator[datetime]:
        async for moment in self._market.ticks(after=after):
            if self._left == 0:
                return
            self._left -= 1
            yield moment

    def ticks(self, *, after: datetime | None = None) -> Any:
        return self._some(after)


async def opened(database: Database, *, bars: int | None = None) -> Session:
    """A run that enters in its first cycle, on a market that may end."""
    header, market, model = await prepare(timed(), run_id="r1", at=NOW)
    return await start(header, market if bars is None else ShortMarket(market, bars=bars), model, database=database)


async def identical(database: Database) -> bool:
    report = await replay_run("r1", source=database, progress=lambda done, planned: None)
    assert report.first_difference is None
    return report.identical


def symbols(result: RunResult) -> list[str]:
    return [position.symbol for position in result.open_positions]


@pytest.mark.parametrize(
    ("given", "planned"),
    [({}, 60), ({"market": "okx"}, None), ({"market": "okx", "cycles": 5}, 5), ({"cycles": 0}, None)],
)
def test_on_an_exchange_a_run_has_no_end_unless_one_is_asked_for(given: dict[str, Any], planned: int | None) -> None:
    assert options(**{"cycles": None} | given).planned_cycles == planned


def test_a_header_without_an_end_says_nothing_of_it() -> None:
    endless = a_header(planned_cycles=None)
    assert "planned_cycles" not in endless.model_dump_json()
    assert RunHeader.model_validate_json(endless.model_dump_json()) == endless
    assert endless.config_digest == a_header().config_digest


async def test_without_an_end_a_run_goes_on_with_its_market() -> None:
    async with await Database.in_memory() as database:
        result = await drive(await opened(database, bars=9), cycles=None)
    assert (result.status, result.cycles) == ("finished", 9)


async def test_without_an_end_a_run_that_is_stopped_was_interrupted() -> None:
    stop = Stop()

    def listen(event: Event) -> None:
        if isinstance(event, CycleEnded) and event.cycle == 1:
            stop.ask()

    async with await Database.in_memory() as database:
        result = await drive(await opened(database), cycles=None, listen=listen, stop=stop)
    assert (result.status, result.cycles) == ("interrupted", 2)


async def test_a_run_that_keeps_its_positions_says_what_is_open() -> None:
    async with await Database.in_memory() as database:
        result = await drive(await opened(database), cycles=2)
    (position,) = result.open_positions
    assert (position.symbol, position.quantity > 0, position.guarded) == ("ETH/USDT", True, True)
    assert "held at sim" in position.describe("sim")


async def test_a_run_that_closes_its_positions_does_so_after_its_last_cycle_and_replays(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        result = await drive(await opened(database), cycles=2, stop=Stop(on_exit="flatten"))
        assert (result.status, symbols(result), 2 < result.cycles <= 2 + MOST) == ("finished", [], True)
        assert [(o.type, o.state.value) for o in result.orders] == [
            ("market", "filled"),
            ("stop", "cancelled"),
            ("market", "filled"),
        ]
        assert result.trading is None, "nothing is halted by that"
        assert await identical(database)


async def test_a_run_that_is_stopped_closes_its_positions_enters_nothing_and_goes_on_later(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        session = await opened(database)
        stop = Stop(on_exit="flatten")

        def listen(event: Event) -> None:
            if isinstance(event, CycleEnded) and event.cycle == 1:
                stop.ask()

        result = await drive(session, cycles=40, listen=listen, stop=stop)
        assert (result.status, symbols(result), result.cycles <= 2 + MOST) == ("interrupted", [], True)
        later = await drive(await resume("r1", database=database), cycles=result.cycles + 8)
        assert (later.status, len(later.orders) > len(result.orders)) == ("finished", True)
        assert await identical(database)


async def test_a_run_that_is_stopped_within_a_cycle_ends_that_cycle_and_is_refused_entries_in_it() -> None:
    stop = Stop(on_exit="flatten")
    async with await Database.in_memory() as database:
        session = await opened(database)

        def listen(event: Event) -> None:
            if isinstance(event, NodeEnded) and event.node == "tick":  # as Ctrl-C in a cycle that would enter
                session.closing = True
                stop.ask()

        result = await drive(session, cycles=40, listen=listen, stop=stop)
    assert (result.status, result.orders, symbols(result)) == ("interrupted", (), [])
    assert "TRADING_STATE" in " ".join(code for d in result.decisions for code in d.reasons if d.outcome == "deny")


async def test_a_market_that_ends_leaves_open_what_can_no_longer_be_closed() -> None:
    async with await Database.in_memory() as database:
        result = await drive(await opened(database, bars=2), cycles=None, stop=Stop(on_exit="flatten"))
    assert (result.status, symbols(result), result.cycles) == ("finished", ["ETH/USDT"], 2)


async def test_a_run_that_has_got_there_is_gone_on_with_to_close_its_positions() -> None:
    async with await Database.in_memory() as database:
        assert symbols(await drive(await opened(database), cycles=2)) == ["ETH/USDT"]
        session = await resume("r1", database=database, cycles=2)
        result = await drive(session, cycles=2, stop=Stop(on_exit="flatten"))
    assert (result.status, symbols(result)) == ("finished", [])


@pytest.mark.parametrize(("level", "left"), [("halt", ["ETH/USDT"]), ("reduce", [])])
async def test_under_a_halt_positions_are_closed_where_exits_pass(level: Level, left: list[str]) -> None:
    async with await Database.in_memory() as database:
        await drive(await opened(database), cycles=2)
        await Controls(database).halt(scope="*", level=level, by="Ada", reason="a doubt", at=NOW)
        session = await resume("r1", database=database, cycles=2)
        result = await drive(session, cycles=2, stop=Stop(on_exit="flatten"))
    assert symbols(result) == left
    assert (result.cycles == 2) == (level == "halt"), "no cycle is spent on what can't be done"
    assert result.trading is not None
    assert result.trading.by == "Ada"


async def test_what_can_not_be_sold_is_tried_a_few_times_and_no_more() -> None:
    async with await Database.in_memory() as database:
        await drive(await opened(database), cycles=2)
        session = await resume("r1", database=database, cycles=2)
        session.market = MuteMarket(session.market, mute=["ETH/USDT"])
        result = await drive(session, cycles=2, stop=Stop(on_exit="flatten"))
    assert (symbols(result), result.cycles) == (["ETH/USDT"], 2 + MOST)


async def test_at_an_exchange_positions_are_closed_at_once_and_its_own_account_is_flat(tmp_path: Path) -> None:
    with a_live_stage((BTC,)) as live:
        async with archive(tmp_path) as database:
            kept = await live.run(database, cycles=2)
            (position,) = kept.open_positions
            assert (position.guarded, "held at okx" in position.describe("okx")) == (True, True)
            begun = live.stage.wall.now()
            async with live.opened() as desk:
                result = await drive(await live.go_on(database, desk), cycles=2, stop=Stop(on_exit="flatten"))
            took = (live.stage.wall.now() - begun).total_seconds()
            assert (result.status, symbols(result)) == ("finished", [])
            assert took < 120, "no bar was waited for"
            assert await faults_of_books(live, database) == []
        async with archive(tmp_path) as database:
            assert await identical(database)


def a_position(**over: Any) -> OpenPosition:
    given = {"symbol": BTC, "quantity": Decimal("0.5"), "average_price": Decimal(100), "stop_price": Decimal(90)}
    return OpenPosition.model_validate(given | over)


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"at_venue": Decimal("0.5"), "guarded": True}, "stop 90 held at okx"),
        ({"at_venue": Decimal("0.2")}, "stop 90 held at okx for 0.2 of it"),
        ({"in_doubt": True}, "stop 90 sent to okx, which has not confirmed it"),
        ({}, "stop 90 watched by the run only"),
        ({"stop_price": None}, "no stop"),
        (
            {"quantity": Decimal("-0.5"), "at_venue": Decimal("0.5"), "guarded": True},
            "short 0.5 at 100; stop 90 held at okx",
        ),
        ({"target_price": Decimal(120)}, "; target 120"),
        (
            {"target_price": Decimal(120), "at_venue": Decimal("0.5"), "guarded": True, "targeted": True},
            "stop 90 and target 120 held at okx",
        ),
    ],
)
def test_a_position_is_said_with_its_stop_and_where_that_rests(over: dict[str, Any], words: str) -> None:
    assert words in a_position(**over).describe("okx")


def test_what_nobody_watches_is_named() -> None:
    bare, held = a_position(), a_position(symbol="ETH/USDT", at_venue=Decimal("0.5"), guarded=True)
    assert unwatched([held]) == "all targets, time limits and theses"
    assert unwatched([bare, held]) == f"the stop of {BTC} and all targets, time limits and theses"
    aimed = {"target_price": Decimal(120)}
    whole = a_position(symbol="ETH/USDT", at_venue=Decimal("0.5"), guarded=True, targeted=True, **aimed)
    assert unwatched([whole]) == "time limits and theses"
    assert unwatched([a_position(**aimed), whole]) == (
        f"the stop of {BTC} and the target of {BTC}, time limits and theses"
    )


async def test_the_restriction_in_force_is_in_the_result_as_long_as_it_stands() -> None:
    async with await Database.in_memory() as database:
        await Controls(database).halt(scope="*", level="reduce", by="Ada", reason="a doubt", at=NOW)
        result = await drive(await opened(database), cycles=1)
        assert result.trading is not None
        assert (result.trading.scope, result.trading.describe) == ("*", "reduce-only by Ada: a doubt")
        await Controls(database).resume(scope="*", by="Ada", reason="it was nothing", at=NOW)
        later = await drive(await resume("r1", database=database), cycles=2)
    assert "trading" not in later.model_dump()
