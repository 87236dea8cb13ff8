"""A certification against exchange doubles: each step at each exchange, and what becomes of it when something fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest

from builders.certification import KEYS, Trials, replayed, results
from builders.live import a_live_stage
from builders.runs import archive
from domain.digest import plain
from domain.errors import Refused, UsageError
from exchange_double.faults import (
    ClockSkew,
    ExitRefused,
    Fault,
    PartialThenCancel,
    Reset,
    ServerError,
    Timeout,
)
from exchange_double.orders import NewOrder
from exchange_double.recorded import recorded_exchange
from exchange_double.served import ServedDouble
from exchange_double.stops import StopStatus
from exchange_double.wire import READS_ORDERS, Operation
from graphs.certification import STEPS, Step
from graphs.certification.rules import certify_policy
from graphs.runs.replay import replay_run
from memory import Archive, Database, Ledger
from memory.operators.controls import Controls
from memory.store.leases import hold_lease
from memory.verify import verify
from venues.exchange.account.recording import Recording

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"


@pytest.mark.parametrize(
    ("exchange", "symbol"),
    [
        ("okx", SPOT),
        ("okx", SWAP),
        ("binance", SPOT),
        ("binance", SWAP),
        ("binanceusdm", SWAP),
        ("bybit", SPOT),
        ("bybit", SWAP),
    ],
)
async def test_every_step_passes_and_the_recording_of_it_gives_the_same_table(exchange: str, symbol: str) -> None:
    with a_live_stage((symbol,), exchange=exchange.removesuffix("usdm")) as live:
        trials = Trials.on(live)
        trials.exchange = exchange
        live.stage.double.engine.deposit("ETH", "4711.0815")
        async with await Database.in_memory() as database:
            found = await trials.certify(database)
            assert await verify(database, "c1") == ()
            orders = await Ledger(database, account="c1", run_id="c1").orders()
        assert live.stage.double.placed_twice() == ()
    assert results(found) == dict.fromkeys(STEPS, "pass"), found.steps
    assert (found.passed, found.left, len(orders)) == (True, (), 5)
    recording = trials.recording(found)
    shown = recording.model_dump_json()
    assert [word for word in (*KEYS.words(), "4711.0815", "signature", "okx:1") if word in shown] == []
    assert await replay(recording) == (results(found), [], ())


async def replay(recording: Recording) -> tuple[dict[str, str], list[str], tuple[str, ...]]:
    """The table of a certification against the recording, and what of that did not fit."""
    with recorded_exchange(recording) as recorded:
        async with await Database.in_memory() as database:
            again = await replayed(recording, recorded).certify(database)
        return results(again), recorded.unmatched, recorded.missing


@dataclass
class Trouble:
    """What goes wrong, on an exchange double, and what the certification makes of it."""

    name: str
    at: dict[Step, Callable[[ServedDouble], object]]
    """By the step before which it happens."""
    fails: tuple[Step, ...]
    why: str
    """Words of the first step that fails; with none, of the row that shows it."""
    cleaned: bool = True
    """Whether there was something to clean up."""
    symbol: str = "BTC/USDT"
    exchange: str = "okx"


def lost(fault: Fault, on: Operation, *, times: int | None = 1) -> Callable[[ServedDouble], object]:
    return lambda double: double.faults.add(fault, on=on, times=times)


def over(double: ServedDouble) -> None:
    double.faults.clear()


def dearer(double: ServedDouble) -> None:
    listing = double.engine.listings["BTC/USDT"]
    double.engine.listings["BTC/USDT"] = replace(listing, taker_fee=Decimal("0.003"))


def least(size: str) -> Callable[[ServedDouble], object]:
    """The exchange takes no order of less."""

    def change(double: ServedDouble) -> None:
        listing = double.engine.listings["BTC/USDT"]
        double.engine.listings["BTC/USDT"] = replace(listing, min_size=Decimal(size))

    return change


def blind(double: ServedDouble) -> None:
    """The next order arrives, and nothing is told of it."""
    double.faults.add(Reset(accepted=True), on=Operation.PLACE)
    for asked in (*READS_ORDERS, Operation.BALANCE):
        double.faults.add(Reset(accepted=True), on=asked, times=None)


def pays(amount: str, currency: str = "USDT") -> Callable[[ServedDouble], object]:
    return lambda double: double.engine.deposit(currency, amount)


TROUBLES = (
    Trouble(
        name="the entry is refused",
        at={"entry": least("1")},
        fails=("entry",),
        why="rejected",
        cleaned=False,
    ),
    Trouble(
        name="the entry fills in part",
        at={"entry": lost(PartialThenCancel(), Operation.PLACE)},
        fails=("entry",),
        why="0.00000503 filled",
    ),
    Trouble(
        name="the stop is refused",
        at={"stop": least("1"), "exit": least("0.000001")},
        fails=("stop",),
        why="rejected",
        cleaned=False,
        exchange="bybit",
    ),
    Trouble(
        name="the stop that was attached to the entry is gone",
        at={"find stop": lambda double: double.engine.cancel_stop(double.engine.stops[-1].stop_id)},
        fails=("find stop",),
        why="cancelled",
    ),
    Trouble(
        name="the answer to the stop is lost and the stop is not there",
        at={"stop": lost(Reset(accepted=False), Operation.PLACE)},
        fails=("stop",),
        why="unknown",
        exchange="bybit",
    ),
    Trouble(
        name="no cancel gets through",
        at={"cancel": lost(Reset(accepted=False), Operation.CANCEL, times=None), "clean up": over},
        fails=("cancel",),
        why="unknown",
    ),
    Trouble(
        name="the stop's cancel does not get through",
        at={"cancel stop": lost(Timeout(accepted=False), Operation.CANCEL, times=None), "clean up": over},
        fails=("cancel stop",),
        why="unknown",
    ),
    Trouble(
        name="the exit is refused once",
        at={"exit": lost(ExitRefused(), Operation.PLACE)},
        fails=("exit",),
        why="rejected",
    ),
    Trouble(
        name="the exchange takes more than it states",
        at={"entry": dearer},
        fails=("fee",),
        why="30 bps, above the 15 bps that are stated",
        cleaned=False,
    ),
    Trouble(
        name="money comes in by another way",
        at={"exit": pays("5")},
        fails=("reconcile",),
        why="in cash and the exchange says",
        cleaned=False,
    ),
    Trouble(
        name="the answer to the entry is lost, and every answer about it",
        at={"entry": blind, "clean up": over},
        fails=("entry",),
        why="unknown",
    ),
    Trouble(
        name="the connection is lost before the entry",
        at={"entry": lambda double: double.faults.add(Reset(accepted=False), times=None), "reconcile": over},
        fails=("entry",),
        why="there are no bars",
        cleaned=False,
    ),
    Trouble(
        name="the connection is lost while a position is held",
        at={"stop": lambda double: double.faults.add(Reset(accepted=True), times=None), "clean up": over},
        fails=("stop",),
        why="unknown",
        exchange="bybit",
    ),
)


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
async def test_whatever_fails_is_named_and_nothing_is_left_of_it(trouble: Trouble) -> None:
    with a_live_stage((trouble.symbol,), exchange=trouble.exchange) as live:
        double = live.stage.double
        trials = Trials.on(live)
        trials.before = lambda step: trouble.at.get(step, over_nothing)(double)
        async with await Database.in_memory() as database:
            found = await trials.certify(database)
            assert await verify(database, "c1") == ()
            await Ledger(database, account="c1", run_id="c1").check()
        rows = {row.step: row for row in found.steps}
        assert tuple(step for step, row in rows.items() if row.result == "fail") == trouble.fails, found.steps
        assert trouble.why in rows[trouble.fails[0]].answered
        assert ("clean up" in rows) is trouble.cleaned
        assert (found.passed, found.left) == (False, ())
        assert open_orders(double) == [], "nothing waits at the exchange"
        assert plain(bought(double)) == (found.stays.removesuffix(" BTC") or "0"), "what can't be sold is named"
        assert bought(double) < double.engine.listings[trouble.symbol].min_size
    assert await replay(trials.recording(found)) == (results(found), [], ())


def over_nothing(double: ServedDouble) -> None:
    pass


def open_orders(double: ServedDouble) -> list[str]:
    orders = [order.new.client_order_id for order in double.engine.orders if order.open]
    return orders + [stop.client_order_id for stop in double.engine.stops if stop.status is StopStatus.WAITING]


def bought(double: ServedDouble) -> Decimal:
    """How much of the base currency the account has."""
    held = double.engine.funds().balances.get("BTC")
    return held.cash if held else Decimal(0)


async def test_what_can_not_be_sold_is_named_with_what_to_type_and_the_next_one_cleans_it_up() -> None:
    with a_live_stage() as live:
        double = live.stage.double
        async with await Database.in_memory() as database:
            first = Trials.on(live)
            refused = lost(ExitRefused(), Operation.PLACE)
            first.before = lambda step: [refused(double) for _ in range(9)] if step == "exit" else None
            found = await first.certify(database)
            assert results(found)["clean up"] == "fail"
            assert (found.left[0], found.stays) == ("0.00001004994 BTC/USDT was bought at okx and is not sold", "")
            assert "agentctl doctor --exchange okx --certify cleans up before it begins" in found.left[-1]
            double.faults.clear()
            second = Trials.on(live)
            again = await second.certify(database, run_id="c2")
            assert second.operator.cleaned == ["c1"]
            assert "nothing is left of it now" in second.said[0]
            assert (again.passed, again.left) == (True, ())
            assert await verify(database, "c1") == ()
        assert open_orders(double) == []
        assert bought(double) < double.engine.listings[SPOT].min_size


@pytest.mark.parametrize("step", ["far limit", "cancel", "entry", "fill", "stop", "amend stop", "cancel stop", "exit"])
async def test_stopped_in_any_step_it_ends_after_it_and_leaves_nothing(step: Step) -> None:
    with a_live_stage() as live:
        double, trials = live.stage.double, Trials.on(live)

        def stop(begun: Step) -> None:
            trials.stop.requested = trials.stop.requested or begun == step

        trials.before = stop
        async with await Database.in_memory() as database:
            found = await trials.certify(database)
            assert (await Archive(database).run("c1")).status == "interrupted"
        assert results(found)[step] == "pass", "the step that it was in came to its end"
        assert (found.interrupted, found.left, open_orders(double)) == (True, (), [])
        assert bought(double) < double.engine.listings[SPOT].min_size


@pytest.mark.parametrize("step", ["find by id", "fill", "find stop", "amend stop", "exit"])
async def test_killed_in_any_step_it_says_what_is_left_and_the_next_one_cleans_it_up(step: Step) -> None:
    with a_live_stage() as live:
        double = live.stage.double
        async with await Database.in_memory() as database:
            killed = Trials.on(live)

            def kill(begun: Step) -> None:
                if begun == step:
                    raise asyncio.CancelledError

            killed.before = kill
            with pytest.raises(asyncio.CancelledError):
                await killed.certify(database)
            assert any("cleans up before it begins" in line for line in killed.said)
            assert open_orders(double) or bought(double) > 0
            second = Trials.on(live)
            again = await second.certify(database, run_id="c2")
            assert second.operator.cleaned == ["c1"]
            assert again.passed, again.steps
            assert [await verify(database, run) for run in ("c1", "c2")] == [(), ()]
        assert (open_orders(double), double.placed_twice()) == ([], ())
        assert bought(double) < 2 * double.engine.listings[SPOT].min_size


async def test_a_live_run_is_told_which_command_settles_a_certification_that_was_killed() -> None:
    with a_live_stage() as live:
        async with await Database.in_memory() as database:
            killed = Trials.on(live)

            def kill(begun: Step) -> None:
                if begun == "find by id":
                    raise asyncio.CancelledError

            killed.before = kill
            with pytest.raises(asyncio.CancelledError):
                await killed.certify(database)
            with pytest.raises(Refused, match="agentctl doctor --exchange okx --certify settles them"):
                async with live.opened() as desk:
                    await live.begin(database, desk)


async def test_what_it_lost_counts_for_the_runs_after_it() -> None:
    with a_live_stage() as live:
        async with await Database.in_memory() as database:
            found = await Trials.on(live).certify(database)
            assert found.passed
            async with live.opened() as desk:
                session = await live.begin(database, desk)
            figures = (await Archive(database).last_cycle("c1")).record.figures
    lost_since = session.header.before.losses
    assert {loss.amount for loss in lost_since} == {Decimal(100_000) - figures.own}
    assert figures.own < 100_000


@pytest.mark.parametrize(
    ("prepare", "step", "why"),
    [
        (lambda double: double.faults.add(ClockSkew(seconds=5), times=None), "clock", "1000 ms are allowed"),
        (lambda double: double.engine.deposit("USDT", -100_000), "instrument", "there are 0 USDT to trade with"),
    ],
)
async def test_what_is_wrong_before_anything_is_sent_ends_it_there(
    prepare: Callable[[ServedDouble], object], step: Step, why: str
) -> None:
    with a_live_stage() as live:
        prepare(live.stage.double)
        trials = Trials.on(live)
        async with await Database.in_memory() as database:
            found = await trials.certify(database)
            assert await Archive(database).runs() == ()
        assert results(found)[step] == "fail"
        assert why in next(row.answered for row in found.steps if row.step == step)
        assert (found.run_id, trials.operator.intents, list(live.stage.double.engine.orders)) == ("", [], [])


async def test_an_exchange_that_does_not_answer_is_not_reached() -> None:
    with a_live_stage() as live:
        live.stage.double.faults.add(ServerError(status=502), times=None)
        async with await Database.in_memory() as database:
            found = await Trials.on(live).certify(database)
    assert (found.unreached, found.passed) == (True, False)


async def test_it_spends_no_more_than_it_may() -> None:
    with a_live_stage(exchange="binance") as live:
        trials = Trials.on(live)
        async with await Database.in_memory() as database:
            with pytest.raises(UsageError, match=r"the least orders in BTC/USDT are worth .* --most allows 5"):
                await trials.certify(database, most=Decimal(5))
            assert list(live.stage.double.engine.orders) == []
            found = await trials.certify(database, most=Decimal(9))
            assert found.passed, found.steps
        bought_for = sum(f.price * f.size for f in live.stage.double.engine.fills if f.side == "buy")
    (intent,) = trials.operator.intents
    assert (intent.most, bought_for <= intent.notional <= 9) == (9, True)


async def test_the_gate_itself_holds_the_bound() -> None:
    policy = certify_policy(SPOT, most=Decimal(10), equity=Decimal(100_000), quantity=Decimal(1))
    assert policy.position is not None
    assert policy.position.share_of_equity * 100_000 == 10
    assert (policy.authority.agents, policy.authority.modes) == ({"certify"}, {"live"})
    assert policy.symbol.allow == {SPOT}


async def test_orders_of_ours_in_the_symbol_refuse_it() -> None:
    with a_live_stage() as live:
        live.stage.double.engine.place(
            NewOrder(
                symbol=SPOT,
                side="buy",
                type="limit",
                quantity=Decimal("0.001"),
                limit_price=Decimal(50_000),
                client_order_id="ac" + "0" * 30,
            )
        )
        async with await Database.in_memory() as database:
            with pytest.raises(Refused, match="1 orders of another run are open at okx:1"):
                await Trials.on(live).certify(database)
            assert len(list(live.stage.double.engine.orders)) == 1


async def test_a_run_that_holds_the_account_refuses_it(tmp_path: Path) -> None:
    with a_live_stage() as live:
        async with archive(tmp_path) as database, archive(tmp_path) as other, hold_lease(other, "r1") as lease:
            await lease.take("okx:1")
            with pytest.raises(UsageError, match="another process is running okx:1"):
                await Trials.on(live).certify(database)
            assert list(live.stage.double.engine.orders) == []


async def test_while_trading_is_halted_nothing_is_sent() -> None:
    with a_live_stage() as live:
        async with await Database.in_memory() as database:
            await Controls(database).halt(scope="*", level="halt", by="Ada", reason="a look", at=live.stage.wall.now())
            found = await Trials.on(live).certify(database)
        assert "TRADING_STATE: trading is halted" in next(r.answered for r in found.steps if r.step == "far limit")
        assert (found.left, list(live.stage.double.engine.orders)) == ((), [])


async def test_a_certification_can_not_be_replayed_or_gone_on_with() -> None:
    with a_live_stage() as live:
        async with await Database.in_memory() as database:
            await Trials.on(live).certify(database)
            with pytest.raises(UsageError, match="its steps are fixed, and nothing decided them"):
                await replay_run("c1", source=database, progress=lambda done, planned: None)
