"""Each tick of a live run begins with its account: what is found is booked once, and without proof nothing enters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from agents.risk import Plan
from builders.account_venue import ScriptedAccount
from builders.memory import a_proposal, a_report, admit, an_admission, claim
from builders.policy import an_instrument
from builders.sessions import BTC, ETH, CrashingCycle, a_cycle, a_live_session
from domain.decision import Proposal
from domain.errors import OrderStateUnknown
from domain.money import ZERO
from domain.order import OrderReport, OrderState
from graphs.account.survey import Evidence
from graphs.session.session import Session
from graphs.trading.graph import execution, judge, tick
from graphs.trading.state import CycleState

TICK = timedelta(minutes=5)
OPENED = datetime(2025, 1, 1, 16, 30, tzinfo=UTC)
"""Before the first bar of the simulation on which a cycle runs."""


class Doubtful(ScriptedAccount):
    """Takes a cancel, and does not say what became of the order."""

    async def cancel(self, client_order_id: str, symbol: str) -> OrderReport:
        raise OrderStateUnknown("the cancel was not answered")


def an_account(kind: type[ScriptedAccount] = ScriptedAccount, *, coins: str = "5", **over: Any) -> ScriptedAccount:
    """Cash, and coins that were bought at 100."""
    account = kind(instruments_={symbol: an_instrument(symbol) for symbol in (BTC, ETH)}, at=OPENED, **over)
    account.wallet["USDT"] = Decimal(10_000)
    account.wallet["BTC"] = Decimal(coins)
    return account


async def ticked(session: Session, account: ScriptedAccount, number: int) -> tuple[CrashingCycle, CycleState]:
    """The tick of the cycle on the bar of that number."""
    cycle = await a_cycle(session, number, bar=number)
    account.at = max(account.at, cycle.as_of)
    return cycle, await tick({}, cycle)


async def held(session: Session) -> tuple[Decimal, Decimal]:
    """Of BTC: the desk's own, and what stands beside it."""
    books = await session.ledger.portfolio(marks={}, as_of=session.clock.now())
    return books.quantity(BTC), (await session.ledger.holdings()).get("BTC", ZERO)


async def a_stop_out(session: Session, account: ScriptedAccount, *, named: bool = True) -> str:
    """A stop that was placed in an earlier cycle and waits at the venue, which said its own id of it if `named`."""
    asked = a_stop()
    admission = an_admission(asked)
    await admit(session.ledger, admission, cycle=0, at=asked.as_of)
    assert await claim(session.ledger, admission.ticket, cycle=0, at=asked.as_of, reducing=True)
    name = account.takes(asked.order())
    await session.ledger.record(a_report(asked, venue_order_id=name if named else ""), cycle=0)
    return asked.client_order_id


def a_stop() -> Proposal:
    return a_proposal(
        cycle=0,
        side="sell",
        type="stop",
        quantity=Decimal(5),
        trigger_price=Decimal(90),
        stop_price=None,
        target_price=None,
        reduce_only=True,
    )


def found(state: CycleState) -> Evidence:
    return state["account"]


# The account at a tick


async def test_a_quiet_account_is_proven_by_one_look_and_the_moment_is_known() -> None:
    account = an_account()
    async with a_live_session(account) as session:
        cycle, state = await ticked(session, account, 0)
        assert (found(state).proven, found(state).events, session.plumbing.sleep.taken) == (True, (), [0])
        assert cycle.reconciled_at == found(state).at
        assert await held(session) == (ZERO, Decimal(5))


async def test_what_was_done_by_hand_is_booked_once_and_the_next_tick_finds_nothing_new() -> None:
    account = an_account()
    async with a_live_session(account) as session:
        account.at += TICK
        account.by_hand("buy", "2", "101")
        account.deposit("300")
        _, state = await ticked(session, account, 0)
        assert [event.kind for event in found(state).events] == ["trade", "transfer"]
        assert (found(state).proven, await held(session)) == (True, (ZERO, Decimal(7)))
        _, again = await ticked(session, account, 1)
        assert (found(again).proven, found(again).events) == (True, ())
        await session.ledger.check()


async def test_what_is_adopted_at_the_start_is_the_desks_own() -> None:
    account = an_account()
    async with a_live_session(account, adopt=[BTC]) as session:
        _, state = await ticked(session, account, 0)
        assert (found(state).proven, await held(session)) == (True, (Decimal(5), ZERO))


async def test_an_order_that_was_approved_before_a_crash_and_never_sent_does_not_block_its_symbol() -> None:
    account = an_account()
    async with a_live_session(account) as session:
        entry = a_proposal(cycle=0)
        await admit(session.ledger, an_admission(entry), cycle=0, at=entry.as_of)
        cycle, state = await ticked(session, account, 1)
        (order,) = await session.ledger.orders()
        assert (order.state, order.reason) == (OrderState.CANCELLED, "never sent")
        assert (found(state).proven, cycle.working) == (True, ())


async def test_a_sale_by_hand_closes_what_the_desk_holds() -> None:
    account = an_account()
    async with a_live_session(account, adopt=[BTC]) as session:
        account.at += TICK
        account.by_hand("sell", "2", "110")
        _, state = await ticked(session, account, 0)
        assert (found(state).proven, await held(session)) == (True, (Decimal(3), ZERO))


async def test_a_sale_by_hand_of_what_was_deposited_meanwhile_does_not_close_what_the_desk_holds() -> None:
    """The first look does not read deposits, and must not take what it does not see for the desk's."""
    account = an_account()
    async with a_live_session(account, adopt=[BTC]) as session:
        account.at += TICK
        account.deposit("4", "BTC")
        account.by_hand("sell", "4", "110")
        _, state = await ticked(session, account, 0)
        assert (found(state).proven, await held(session)) == (True, (Decimal(5), ZERO))
        assert [event.kind for event in found(state).events] == ["transfer", "trade"]


async def test_an_account_that_can_not_be_proven_is_looked_at_three_times_and_enters_nothing() -> None:
    account = an_account()
    async with a_live_session(account) as session:
        account.wallet["BTC"] += 1
        cycle, state = await ticked(session, account, 0)
        assert [(d.asset, d.theirs - d.ours) for d in found(state).differences] == [("BTC", Decimal(1))]
        assert (cycle.reconciled_at, session.plumbing.sleep.taken) == (None, [0, 1, 3])
        account.wallet["BTC"] -= 1
        cycle, state = await ticked(session, account, 1)
        assert found(state).proven
        assert cycle.reconciled_at is not None


@pytest.mark.parametrize("query", ["statement", "trades"])
async def test_what_a_venue_does_not_tell_is_neither_flat_nor_proven(query: str) -> None:
    account = an_account()
    async with a_live_session(account, adopt=[BTC]) as session:
        account.silent.add(query)
        cycle, state = await ticked(session, account, 0)
        assert (set(found(state).unread), cycle.reconciled_at) == ({f"the {query}"}, None)
        assert await held(session) == (Decimal(5), ZERO)


async def test_a_tick_that_runs_again_asks_the_venue_nothing_and_finds_the_same() -> None:
    account = an_account()
    async with a_live_session(account) as session:
        account.at += TICK
        account.by_hand("buy", "2", "101")
        cycle, first = await ticked(session, account, 0)
        before, moment = await session.ledger.holdings(), cycle.reconciled_at
        account.asked.clear()
        account.by_hand("buy", "1", "101")
        cycle = await a_cycle(session, 0)
        assert found(await tick({}, cycle)) == found(first)
        assert not {"statement", "trades", "transfers", "find"} & set(account.asked)
        assert (await session.ledger.holdings(), cycle.reconciled_at) == (before, moment)


# Stops


async def test_a_stop_whose_position_is_gone_is_taken_back() -> None:
    """What it would sell is not the desk's any more, and may be the owner's."""
    account = an_account()
    async with a_live_session(account, adopt=[BTC]) as session:
        stop = await a_stop_out(session, account)
        account.at += TICK
        account.by_hand("sell", "5", "110")
        account.by_hand("buy", "5", "110")
        await ticked(session, account, 0)
        assert await held(session) == (ZERO, Decimal(5))
        assert account.orders[stop].state is OrderState.CANCELLED
        assert (await session.ledger.order(stop)).state is OrderState.CANCELLED


async def test_a_stop_of_what_is_still_held_is_left_where_it_is() -> None:
    account = an_account()
    async with a_live_session(account, adopt=[BTC]) as session:
        stop = await a_stop_out(session, account)
        await ticked(session, account, 0)
        assert (account.orders[stop].state, "cancel" in account.asked) == (OrderState.WORKING, False)


async def judged(
    session: Session, account: ScriptedAccount, stop: str, **over: Any
) -> tuple[CrashingCycle, CycleState]:
    """An exit of BTC that replaces a stop, and was judged."""
    cycle, _ = await ticked(session, account, 0)
    account.at = cycle.as_of
    price = await session.market.quote(BTC, as_of=cycle.as_of)
    account.marks[BTC] = price.bid
    leave = a_proposal(
        **{
            "cycle": 0,
            "as_of": cycle.as_of,
            "side": "sell",
            "quantity": Decimal(5),
            "reduce_only": True,
            "stop_price": None,
            "target_price": None,
            "reference_price": price.mid,
            "releases": (stop,),
            "cause": "flatten",
        }
        | over
    )
    state: CycleState = {"plan": Plan(proposals=(leave,))}
    return cycle, {**state, **await judge(state, cycle)}


async def test_an_exit_is_let_through_as_if_the_stop_that_it_replaces_were_gone_and_the_stop_goes_then() -> None:
    account = an_account()
    async with a_live_session(account, adopt=[BTC]) as session:
        stop = await a_stop_out(session, account)
        cycle, state = await judged(session, account, stop)
        assert [v.outcome for v in state["verdicts"]] == ["allow"]
        assert "cancel" not in account.asked
        (report,) = (await execution(state, cycle))["reports"]
        assert (await session.ledger.order(stop)).state is OrderState.CANCELLED
        assert account.asked.index("cancel") < account.asked.index("submit")
        assert report.state is OrderState.WORKING


@pytest.mark.parametrize("why", ["halted", "too much", "somebody else's"])
async def test_an_exit_that_is_not_let_through_takes_no_stop_away(why: str) -> None:
    account = an_account()
    async with a_live_session(account, adopt=[BTC]) as session:
        stop = await a_stop_out(session, account)
        over: dict[str, Any] = {}
        if why == "halted":
            await session.controls.halt(scope="r1", level="halt", by="Ada", reason="", at=OPENED)
        elif why == "too much":
            over["quantity"] = Decimal(6)
        else:
            over["releases"] = ("acother",)
        _, state = await judged(session, account, stop, **over)
        assert ([v.outcome for v in state["verdicts"]], state["approved"]) == (["deny"], [])
        assert account.orders[stop].state is OrderState.WORKING


async def test_an_exit_that_a_halt_overtakes_takes_no_stop_away() -> None:
    account = an_account()
    async with a_live_session(account, adopt=[BTC]) as session:
        stop = await a_stop_out(session, account)
        cycle, state = await judged(session, account, stop)
        await session.controls.halt(scope="r1", level="halt", by="Ada", reason="", at=OPENED)
        (report,) = (await execution(state, cycle))["reports"]
        assert (report.state, "submit" in account.asked) == (OrderState.CANCELLED, False)
        assert account.orders[stop].state is OrderState.WORKING


class Quick(ScriptedAccount):
    """Reaches the trigger just before the cancel."""

    sold = "5"

    async def cancel(self, client_order_id: str, symbol: str) -> OrderReport:
        self.fills(client_order_id, self.sold, "90")
        return await super().cancel(client_order_id, symbol)


@pytest.mark.parametrize("sold", ["1", "5"])
async def test_what_a_stop_sold_meanwhile_is_not_sold_again(sold: str) -> None:
    account = an_account(Quick)
    account.sold = sold  # type: ignore[attr-defined]
    async with a_live_session(account, adopt=[BTC]) as session:
        stop = await a_stop_out(session, account)
        cycle, state = await judged(session, account, stop)
        (report,) = (await execution(state, cycle))["reports"]
        assert (report.state, report.evidence) == (OrderState.REJECTED, "it never left")
        assert report.reason == "not sent: its stop at the venue may have sold it"
        assert "submit" not in account.asked
        assert (await session.ledger.order(stop)).filled == Decimal(sold)
        assert (await held(session))[0] == 5 - Decimal(sold)


async def test_what_a_stop_sold_before_the_tick_does_not_hold_the_exit_up() -> None:
    account = an_account()
    async with a_live_session(account, adopt=[BTC]) as session:
        stop = await a_stop_out(session, account)
        account.at += TICK
        account.fills(stop, "1", "90")
        cycle, state = await judged(session, account, stop, quantity=Decimal(4))
        await execution(state, cycle)
        assert "submit" in account.asked


@pytest.mark.parametrize("silent", [True, False])
async def test_nothing_is_sold_while_a_stop_that_was_taken_back_is_in_doubt(silent: bool) -> None:
    account = an_account(ScriptedAccount if silent else Doubtful)
    async with a_live_session(account, adopt=[BTC]) as session:
        stop = await a_stop_out(session, account)
        cycle, state = await judged(session, account, stop)
        if silent:
            account.silent.add("cancel")
        (report,) = (await execution(state, cycle))["reports"]
        assert (report.state, "submit" in account.asked) == (OrderState.REJECTED, False)
        assert (await session.ledger.order(stop)).state is OrderState.UNKNOWN


@pytest.mark.parametrize("named", [True, False])
async def test_a_stop_that_the_venue_denies_ends_once_the_account_proves_it(named: bool) -> None:
    account = an_account()
    async with a_live_session(account, adopt=[BTC]) as session:
        stop = await a_stop_out(session, account, named=named)
        account.unanswered.add(stop)  # or the tick would find out before
        cycle, state = await judged(session, account, stop)
        account.unanswered.clear()
        account.hidden.add(stop)
        await execution(state, cycle)
        assert ((await session.ledger.order(stop)).state, "submit" in account.asked) == (OrderState.UNKNOWN, False)
        await ticked(session, account, 1)
        kept = await session.ledger.order(stop)
        assert kept.state is (OrderState.UNKNOWN if named else OrderState.EXPIRED)
        account.at += timedelta(minutes=31)  # what was named is believed to be gone after a while
        await ticked(session, account, 2)
        assert (await session.ledger.order(stop)).state is OrderState.EXPIRED
