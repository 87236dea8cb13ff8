"""What a trading state and losses near their limits ask of cycles: leaving, shrinking, halving, and a halt."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from agents.settings import DeskSettings
from builders.desks import a_position, an_account, out
from builders.runs import NOW, a_policy, archive, busy, drive, go_on, run, timed
from builders.sessions import BTC, ETH, CrashingCycle, MovedMarket, a_cycle, a_session, an_entry, at_the_gate, passed
from domain.effects import Unrecorded
from domain.errors import LedgerBroken, ServiceUnavailable
from domain.instrument import Instrument
from domain.order import OrderState
from domain.portfolio import Portfolio, Position
from domain.venue import Market
from graphs import policy_in_effect, prepare, resume, start
from graphs.runs.replay import replay_run
from graphs.session.session import Session
from graphs.trading.constraints import take_on
from graphs.trading.gate import gate
from graphs.trading.graph import judge, research, risk, signal
from graphs.trading.state import CycleState
from memory import Acts, Archive, Controls, Database, Ledger
from memory.operators.controls import Control, Level
from memory.store.schema import controls
from venues.open import open_market

PROP = policy_in_effect("prop-firm")
"""2 % drawdown from the best; alert, halve, flatten at 70, 90 and 100 % of it; sizes fall from 50 % on."""
BARE = {"corroboration": {"enabled": False, "minimum_sources": 1}}
NO_STOPS = {"order_type": {"types": ["limit", "market"], "times_in_force": ["GTC", "IOC"]}}
"""The venue holds nothing that could sell: the run watches its stops itself."""
EAGER = DeskSettings.model_validate({"signal": {"threshold": "0"}})
BUSY = 45
"""A bar of the default simulation at which both symbols are bought."""


def quietly(done: int, cycles: int) -> None:
    pass


async def halt(database: Database, level: Level) -> Control:
    return await Controls(database).halt(scope="r1", level=level, by="Ada", reason="a doubt", at=NOW)


async def let_go_on(database: Database) -> None:
    await Controls(database).resume(scope="r1", by="Bob", reason="looked at it", at=NOW)


async def kinds(database: Database) -> list[tuple[str, str]]:
    """What was done and by whom, the first first."""
    return [(act.kind, act.by) for act in reversed(await Acts(database).all())]


async def orders(database: Database) -> list[tuple[int, str]]:
    """What was sent, without the stops that came with entries."""
    sent = await Ledger(database, account="r1", run_id="r1").orders()
    return [(o.cycle, o.request.side) for o in sent if o.request.attached_to is None]


async def exits(database: Database) -> list[tuple[int, OrderState]]:
    """What became of the stops that came with entries, by the cycle that decided these."""
    sent = await Ledger(database, account="r1", run_id="r1").orders()
    return [(o.cycle, o.state) for o in sent if o.request.attached_to is not None]


async def asked_a_model(database: Database) -> set[int]:
    """The cycles in which one was asked."""
    return {snapshot.cycle for snapshot in await Archive(database).snapshots("r1", limit=None)}


async def identical(database: Database) -> None:
    report = await replay_run("r1", source=database, progress=quietly)
    assert (report.first_difference, report.identical) == (None, True)


# What people ask for, in a run that buys in cycle 0, would sell in 3, and buys in 4


async def test_a_flatten_leaves_everything_then_halts_and_a_person_lets_it_trade_again(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, timed(cycles=2))
        await halt(database, "flatten")
        await go_on(database, cycles=4)
        assert await orders(database) == [(0, "buy"), (2, "sell")]
        assert await exits(database) == [(0, OrderState.CANCELLED)]
        assert await kinds(database) == [("halt", "Ada"), ("flattened", "agentctl")]
        assert (await Controls(database).state("r1")).state == "halted"
        assert await asked_a_model(database) == {0, 1}
        await let_go_on(database)
        result = await go_on(database, cycles=6)
        assert [entry for entry in await orders(database) if entry[0] >= 4] == [(4, "buy")]
        assert 4 in await asked_a_model(database)
        await identical(database)
    assert result.equity.reconciled


async def test_while_trading_is_reducing_positions_are_left_and_none_is_entered(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, timed(cycles=2))
        await halt(database, "reduce")
        result = await go_on(database, cycles=6)
        assert await orders(database) == [(0, "buy"), (3, "sell")]
        await identical(database)
    assert any("no entries: a doubt" in reason for d in result.decisions if d.cycle == 4 for reason in d.reasons)


async def test_while_trading_is_halted_not_even_a_position_is_left(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, timed(cycles=2))
        await halt(database, "halt")
        await go_on(database, cycles=6)
        assert (await orders(database), await exits(database)) == ([(0, "buy")], [(0, OrderState.WORKING)])
        await identical(database)


async def test_while_trading_is_halted_the_venue_leaves_a_position_whose_stop_is_met(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, busy(cycles=2))
        await halt(database, "halt")
        await go_on(database, cycles=6)
        assert (await orders(database), await exits(database)) == ([(0, "buy")], [(0, OrderState.FILLED)])
        await identical(database)


async def test_no_run_begins_or_goes_on_where_a_halt_was_lifted_by_hand(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, timed(cycles=2))
        await Controls(database).halt(scope="*", level="halt", by="Ada", reason="a doubt", at=NOW)
        async with database.transaction() as connection:
            await connection.execute(delete(controls))
        with pytest.raises(LedgerBroken, match=r"controls scope=\*: is missing"):
            await run(database, timed(), run_id="r2")
        with pytest.raises(LedgerBroken, match=r"controls scope=\*: is missing"):
            await go_on(database, cycles=4)
        assert [kept.header.run_id for kept in await Archive(database).runs()] == ["r1"]


async def test_a_flatten_takes_back_what_is_working(tmp_path: Path) -> None:
    async with a_session(policy=a_policy(**BARE)) as session:
        cycle = await at_the_gate(session)
        wanted = await an_entry(cycle)
        resting = {"type": "limit", "limit_price": (wanted.stop_price or 0) * 1, "time_in_force": "GTC"}
        lower = {"stop_price": (wanted.stop_price or 0) - 1_000}
        judged = await gate([wanted.model_copy(update=resting | lower)], cycle)
        assert [v.reasons for v in judged.verdicts] == [()]
        (approved,) = judged.approved
        writer = cycle.desk("execution").orders
        assert (await writer.send(approved.order, approved.ticket, judged=approved.judged)).state is OrderState.WORKING
        await halt(session.database, "flatten")
        later = await a_cycle(session, 1, bar=1)
        state, _ = await passed(later)
        assert await session.venue.open_orders() == []
        assert [o.state for o in await session.ledger.orders()] == [OrderState.CANCELLED]
        assert await kinds(session.database) == [("halt", "Ada"), ("flattened", "agentctl")]
    assert OrderState.CANCELLED in {report.state for report in state["reports"]}
    assert (later.duty.entries, later.duty.sends) == (False, False)


DUST = a_position(BTC, quantity="0.000001")
SMALL = a_position(ETH, quantity="0.001")
"""Ten cents' worth: a lot or more, and less than the venue takes."""
PLENTY = a_position(BTC, quantity="5")


@pytest.mark.parametrize(
    ("held", "working", "but"),
    [
        ((DUST,), {}, "0.000001 of BTC/USDT"),
        ((DUST, SMALL), {}, "0.000001 of BTC/USDT, 0.001 of ETH/USDT"),
        ((PLENTY,), {"bars": 3}, "5 of BTC/USDT, acother in doubt"),
        ((), {"bars": 3}, "acother in doubt"),
        ((PLENTY,), {}, None),
        ((DUST, a_position(ETH, quantity="5")), {}, None),
        ((PLENTY,), {"bars": 3, "quantity": "2"}, None),
        ((PLENTY,), {"bars": 3, "side": "buy"}, None),
        ((PLENTY,), {"bars": 2}, None),
        ((DUST,), {"bars": 3, "state": OrderState.WORKING}, None),
    ],
)
async def test_a_flatten_ends_when_nothing_that_is_held_can_be_left_any_more(
    held: tuple[Position, ...], working: dict[str, Any], but: str | None
) -> None:
    async with a_session() as session:
        cycle = await at_the_gate(session)
        cycle.portfolio = an_account(*held)
        if working:
            since = cycle.as_of - session.timeframe.length * working.pop("bars")
            cycle.working = (out(**{"state": OrderState.UNKNOWN} | working, updated_at=since),)
        await halt(session.database, "flatten")
        control = await taken_on(session, cycle)
        done = await kinds(session.database)
    assert done == [("halt", "Ada")] + ([("flattened", "agentctl")] if but else [])
    assert (control.state, control.flatten) == (("halted", False) if but else ("reducing", True))
    assert control.reason == (f"all is flat but {but}, after: a doubt" if but else "a doubt")
    assert (cycle.duty.sends, cycle.duty.flatten) == (but is None, but is None)


async def test_dust_is_waited_for_while_there_is_no_price_that_says_it_is() -> None:
    async with a_session() as session:
        cycle = await at_the_gate(session)
        await halt(session.database, "flatten")
        cycle.portfolio = an_account(SMALL, marks={})
        assert (await taken_on(session, cycle)).flatten
        cycle.portfolio = an_account(DUST, marks={})
        assert not (await taken_on(session, cycle)).flatten, "less than a lot is dust at any price"


class CoarseMarket(MovedMarket):
    """A market that takes nothing worth less than what was bought here is worth at half its price."""

    async def instruments(self) -> Mapping[str, Instrument]:
        found = await super().instruments()
        return {s: i.model_copy(update={"min_notional": Decimal(6_600)}) for s, i in found.items()}


def a_coarse_market(spec: str, **given: Any) -> Market:
    return CoarseMarket(open_market(spec, **given), by=Decimal(0))


def a_fallen_market(spec: str, **given: Any) -> Market:
    return CoarseMarket(open_market(spec, **given), by=Decimal("-0.5"))


async def test_a_run_that_can_not_leave_what_it_holds_halts_and_is_played_back_the_same(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        asked = busy(cycles=2, seed=15, policy=a_policy(**NO_STOPS))
        header, market, model = await prepare(asked, run_id="r1", at=NOW, opener=a_coarse_market)
        await drive(await start(header, market, model, database=database), cycles=2)
        await halt(database, "flatten")
        await drive(await resume("r1", database=database, opener=a_fallen_market), cycles=4)
        assert await orders(database) == [(0, "buy")]
        assert await kinds(database) == [("halt", "Ada"), ("flattened", "agentctl")]
        stands = await Controls(database).state("r1")
        assert (stands.state, stands.reason) == ("halted", "all is flat but 2.8615 of ETH/USDT, after: a doubt")
        await identical(database)


# The brake


async def test_a_brake_halts_the_account_before_the_next_cycle_and_the_run_goes_on(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, timed(cycles=2))
        session = await resume("r1", database=database)
        session.brake.pull("smoke")
        result = await drive(session, cycles=6)
        state = await Controls(database).state("r1")
        assert await orders(database) == [(0, "buy")]
        assert await kinds(database) == [("halt", "brake")]
        await identical(database)
    assert (result.status, result.cycles) == ("finished", 6)
    assert (state.state, state.by, state.reason) == ("halted", "brake", "smoke")


class DeafControls(Controls):
    """A database that takes no acts."""

    asked = 0

    async def halt(self, **said: Any) -> Control:
        self.asked += 1
        raise ServiceUnavailable("the database is full")


async def test_a_brake_works_when_it_can_not_be_written_down(tmp_path: Path) -> None:
    async with archive(tmp_path) as database:
        await run(database, timed(cycles=2))
        session = await resume("r1", database=database)
        session.controls = deaf = DeafControls(database)
        session.brake.pull("smoke")
        result = await drive(session, cycles=6)
        assert await orders(database) == [(0, "buy")]
        assert (await Controls(database).state("r1")).state == "active"
        await identical(database)
    assert (result.status, result.cycles, deaf.asked) == ("finished", 6, 5)


# Losses near their limits


@asynccontextmanager
async def worth(equity: str, *, step: str = "none", number: int = 0) -> AsyncIterator[tuple[Session, CrashingCycle]]:
    """A cycle of a prop firm's account that was worth 100,000 at best and is worth `equity` now, most of it in cash."""
    async with a_session(policy=PROP) as session:
        cycle = await at_the_gate(session, number)
        cycle.portfolio = fallen(equity)
        session.step = step  # type: ignore[assignment]
        yield session, cycle


def fallen(equity: str) -> Portfolio:
    """One BTC without a stop, and five ETH with theirs close by, each marked at 100."""
    kept = {"target_price": None, "opened_at": None}
    held = (
        a_position(BTC, quantity="1", stop_price=None, **kept),
        a_position(ETH, quantity="5", stop_price="99", **kept),
    )
    return an_account(*held, cash=Decimal(equity) - 600)


async def taken_on(session: Session, cycle: CrashingCycle) -> Control:
    await take_on(cycle, await session.controls.state("r1"), Unrecorded(session.clock))
    return await session.controls.state("r1")


@pytest.mark.parametrize(
    ("equity", "step", "halves", "flattens", "factor"),
    [
        ("100000", "none", False, False, "1"),
        ("99000", "none", False, False, "1"),
        ("98600.01", "none", False, False, "0.60001"),
        ("98600", "alert", False, False, "0.6"),
        ("98200.01", "alert", False, False, "0.20001"),
        ("98200", "halve", True, False, "0.2"),
        ("98000.01", "halve", True, False, "0.00001"),
        ("98000", "flatten", False, True, "0"),
        ("90000", "flatten", False, True, "0"),
    ],
)
async def test_each_step_is_taken_where_the_policy_says(
    equity: str, step: str, halves: bool, flattens: bool, factor: str
) -> None:
    async with worth(equity) as (session, cycle):
        control = await taken_on(session, cycle)
        done = await kinds(session.database)
    assert (cycle.step, cycle.duty.halve, cycle.duty.flatten) == (step, halves, flattens)
    assert cycle.duty.size_factor == Decimal(factor)
    assert (control.flatten, control.state) == (flattens, "reducing" if flattens else "active")
    assert done == ([("halt", "agentctl")] if flattens else [])
    assert (cycle.duty.reason != "") == (step != "none" or factor != "1")


@pytest.mark.parametrize(("before", "equity"), [("halve", "98100"), ("flatten", "98100"), ("flatten", "97000")])
async def test_a_step_is_not_taken_again_while_the_account_stays_there(before: str, equity: str) -> None:
    async with worth(equity, step=before) as (session, cycle):
        await taken_on(session, cycle)
        assert await kinds(session.database) == []
    assert (cycle.duty.halve, cycle.duty.flatten) == (False, False)


@pytest.mark.parametrize(("level", "state"), [("reduce", ("reducing", True)), ("halt", ("halted", False))])
async def test_a_limit_that_is_reached_tightens_what_a_person_set_and_never_relaxes_it(
    level: Level, state: tuple[str, bool]
) -> None:
    async with worth("98000") as (session, cycle):
        await halt(session.database, level)
        control = await taken_on(session, cycle)
    assert (control.state, control.flatten) == state
    assert cycle.duty.flatten is state[1]


async def test_an_account_that_can_not_be_priced_takes_no_step() -> None:
    async with worth("90000") as (session, cycle):
        assert cycle.portfolio is not None
        cycle.portfolio = cycle.portfolio.model_copy(update={"marks": {}})
        await taken_on(session, cycle)
    assert (cycle.step, cycle.duty.flatten) == ("none", False)


async def test_the_half_of_the_riskiest_position_is_left_and_the_gate_lets_it() -> None:
    async with worth("98200") as (session, cycle):
        await taken_on(session, cycle)
        plan = (await risk({"theses": []}, cycle))["plan"]
        judged = await gate(plan.proposals, cycle)
    assert [(p.symbol, p.side, p.quantity, p.reduce_only) for p in plan.proposals] == [
        (BTC, "sell", Decimal("0.5"), True)
    ]
    assert plan.proposals[0].rationale == "halved: 90 % of the limit of DRAWDOWN is used up"
    assert [v.reasons for v in judged.verdicts] == [()]


@pytest.mark.parametrize("equity", ["100000", "94000", "93000", "91000", "90001", "90000", "80000"])
async def test_entries_shrink_with_drawdown_and_never_exceed_what_the_gate_allows(equity: str) -> None:
    """Of the default policy: to nothing at 10 % below the best, in a line from 5 % on."""
    no_other = {"daily_loss": {"share_of_day_start": "1"}, "weekly_loss": {"share_of_week_start": "1"}}
    async with a_session(desk=EAGER, policy=a_policy(**no_other)) as session:
        cycle = await a_cycle(session, bar=BUSY)
        cycle.portfolio = an_account(cash=equity)
        await take_on(cycle, Control(scope="r1"), Unrecorded(session.clock))
        scan = (await signal({}, cycle))["scan"]
        theses = [(await research({"candidate": found}, cycle))["theses"][0] for found in scan.signals]
        state: CycleState = {"theses": theses, **(await risk({"theses": theses}, cycle))}
        cycle.reconciled_at, cycle.clock_skew_ms = cycle.as_of, Decimal(0)
        judged = await judge(state, cycle)
        quotes = {s: await session.market.quote(s, as_of=cycle.as_of) for s in (BTC, ETH)}
    most = Decimal(equity) * Decimal("0.1") * min(Decimal(1), max(Decimal(0), (Decimal(equity) - 90_000) / 5_000))
    entries = state["plan"].proposals
    assert all(p.quantity * quotes[p.symbol].ask <= most for p in entries)
    assert (len(entries) == 2) == (Decimal(equity) > 90_001)
    sized = {f.outcome for v in judged["verdicts"] for f in v.findings if f.code == "MAX_NOTIONAL"}
    assert sized <= {"pass", "warn"}


LOSING: dict[str, Any] = {"drawdown": {"share_of_high": "0.0004", "sizes_fall_from": "1"}}
"""Reached in cycle 5, with a position that was entered in cycle 4."""


async def test_a_run_that_reaches_its_limit_sells_all_halts_itself_and_keeps_the_step(tmp_path: Path) -> None:
    asked = timed(policy=a_policy(**LOSING), cycles=7)
    async with archive(tmp_path / "whole") as database:
        whole = await run(database, asked)
        steps = [closed.record.step async for closed in Archive(database).cycles("r1")]
        assert await kinds(database) == [("halt", "agentctl"), ("flattened", "agentctl")]
        assert sorted(await orders(database)) == [(0, "buy"), (3, "sell"), (4, "buy"), (5, "sell")]
        assert "of the limit of DRAWDOWN is used up" in (await Controls(database).state("r1")).reason
        await identical(database)
        await let_go_on(database)
        await go_on(database, cycles=9)
        assert len(await kinds(database)) == 3, "what was reached before is not reached again"
        await identical(database)
    for cut_at in (5, 6):
        async with archive(tmp_path / f"cut-{cut_at}") as database:
            await run(database, asked.model_copy(update={"cycles": cut_at}))
            resumed = await go_on(database, cycles=7)
            assert await kinds(database) == [("halt", "agentctl"), ("flattened", "agentctl")]
        assert resumed.orders == whole.orders
    assert steps == ["none"] * 5 + ["flatten"] * 2
