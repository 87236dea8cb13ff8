"""The books: approved once, sent once, filled once, and always adding up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from sqlalchemy import select, update

from builders.memory import (
    FIRST,
    a_fill,
    a_proposal,
    a_report,
    a_ticket,
    admit,
    an_admission,
    at,
    claim,
    trade,
)
from builders.venues import Crash
from domain.clock import TickClock
from domain.digest import digest
from domain.effects import Unrecorded
from domain.errors import LedgerBroken, NotFound, Refused, TicketRefused
from domain.order import OrderReport, OrderState
from domain.portfolio import Position
from domain.statement import ExternalEvent
from memory import Admission, Database, Ledger, Tape
from memory.store.schema import accounts, fills, order_events, verdicts


async def a_ledger(database: Database, *, start_cash: str = "10000") -> Ledger:
    ledger = Ledger(database, account="r1", run_id="r1")
    await ledger.open(currency="USDT", start_cash=Decimal(start_cash))
    return ledger


async def sent(ledger: Ledger, admission: Admission) -> None:
    assert admission.ticket is not None
    await admit(ledger, admission)
    assert await claim(ledger, admission.ticket)


async def states(database: Database) -> list[str]:
    async with database.reading() as connection:
        found = await connection.scalars(select(order_events.c.state).order_by(order_events.c.n))
        return list(found)


async def test_an_account_is_opened_once_and_found_open_again(database: Database) -> None:
    ledger = await a_ledger(database)
    await ledger.open(currency="USDT", start_cash=Decimal("10000.00"))
    portfolio = await ledger.portfolio(marks={}, as_of=at(0))
    assert (portfolio.cash, portfolio.equity, portfolio.positions) == (Decimal(10_000), Decimal(10_000), {})
    with pytest.raises(Refused, match="10000 USDT"):
        await ledger.open(currency="USDT", start_cash=Decimal(5))


async def test_an_account_that_was_never_opened_has_no_portfolio(database: Database) -> None:
    with pytest.raises(LedgerBroken, match="never opened"):
        await Ledger(database, account="x", run_id="x").portfolio(marks={}, as_of=at(0))


async def test_a_refusal_is_kept_and_makes_no_order(database: Database) -> None:
    ledger = await a_ledger(database)
    await admit(ledger, an_admission(outcome="deny"))
    assert await ledger.orders() == ()
    async with database.reading() as connection:
        assert list(await connection.scalars(select(verdicts.c.outcome))) == ["deny"]


async def test_the_gate_may_admit_the_same_again(database: Database) -> None:
    ledger, admission = await a_ledger(database), an_admission()
    await sent(ledger, admission)
    await admit(ledger, admission, at=at(6))
    (order,) = await ledger.orders(working_only=True)
    assert (order.state, order.submitted_at, order.cycle) == (OrderState.SUBMITTING, at(5), 1)
    assert await states(database) == ["approved", "submitting"]


async def test_a_proposal_is_not_judged_otherwise_the_second_time(database: Database) -> None:
    ledger = await a_ledger(database)
    await admit(ledger, an_admission(outcome="deny"))
    with pytest.raises(Refused, match="verdicts"):
        await admit(ledger, an_admission())
    assert await ledger.orders() == ()


@pytest.mark.parametrize(
    "other",
    [
        {"order_digest": digest("another order")},
        {"client_order_id": "acother"},
        {"verdict_digest": digest("another verdict")},
    ],
)
async def test_a_ticket_that_does_not_fit_admits_nothing(database: Database, other: dict[str, str]) -> None:
    ledger, fitting = await a_ledger(database), an_admission()
    ticket = a_ticket(fitting.proposal, verdict_digest=fitting.verdict_digest).model_copy(update=other)
    with pytest.raises(TicketRefused):
        await admit(ledger, an_admission(ticket=ticket))
    with pytest.raises(TicketRefused):
        await admit(ledger, an_admission(outcome="deny", ticket=fitting.ticket))
    assert await ledger.orders() == ()


async def test_the_right_to_send_is_taken_once(database: Database) -> None:
    ledger, admission = await a_ledger(database), an_admission()
    assert admission.ticket is not None
    await admit(ledger, admission)
    claims = await asyncio.gather(*(claim(ledger, admission.ticket) for _ in range(3)))
    assert sorted(claims) == [False, False, True]


async def test_two_connections_cannot_both_take_the_right_to_send(url: str) -> None:
    first, second, admission = await Database.open(url), await Database.open(url), an_admission()
    assert admission.ticket is not None
    ledgers = [await a_ledger(first), await a_ledger(second)]
    await admit(ledgers[0], admission)
    claims = await asyncio.gather(*(claim(ledger, admission.ticket) for ledger in ledgers))
    assert sorted(claims) == [False, True]
    await first.close()
    await second.close()


async def test_a_strange_or_expired_ticket_claims_nothing(database: Database) -> None:
    ledger, admission = await a_ledger(database), an_admission()
    ticket = admission.ticket
    assert ticket is not None
    await admit(ledger, admission)
    for strange, why in (
        ({"id": "t0"}, "no such ticket"),
        ({"order_digest": digest("x")}, f"order_digest is {digest('x')}, not {ticket.order_digest}"),
        ({"expires_at": ticket.expires_at + timedelta(days=1)}, "expires_at is "),
    ):
        with pytest.raises(TicketRefused, match=why):
            await claim(ledger, ticket.model_copy(update=strange))
    with pytest.raises(TicketRefused, match="expired"):
        await claim(ledger, ticket, at=ticket.expires_at)
    assert await states(database) == ["approved"]


async def test_the_rights_to_send_several_are_taken_in_one_commit_and_each_for_itself(database: Database) -> None:
    ledger = await a_ledger(database)
    admissions = [an_admission(a_proposal(rationale=f"entry {n}")) for n in range(4)]
    tickets = [a.ticket for a in admissions if a.ticket is not None]
    await admit(ledger, *admissions)
    assert await claim(ledger, tickets[1])
    strange = tickets[2].model_copy(update={"id": "t0"})
    given: dict[str, Any] = {"cycle": 1, "at": at(6), "reducing": False, "effects": Unrecorded(TickClock(at(6)))}
    orders = [admission.proposal.order() for admission in admissions]
    said = await ledger.claim(list(zip(orders, [*tickets[:2], strange, tickets[3]], strict=True)), **given)
    assert said == (True, False, f"the ledger has no such ticket for {strange.client_order_id}", True)
    kept = [await ledger.order(ticket.client_order_id) for ticket in tickets]
    assert [(order.state.value, order.submitted_at) for order in kept] == [
        ("submitting", at(6)),
        ("submitting", FIRST),
        ("approved", None),
        ("submitting", at(6)),
    ]
    again = [(orders[0], tickets[0]), (orders[3], tickets[3])]
    assert await ledger.claim(again, **given) == (False, False)
    await ledger.check()


async def test_of_rights_that_are_claimed_together_all_are_taken_or_none(database: Database) -> None:
    ledger = await a_ledger(database)
    admissions = [an_admission(a_proposal(rationale=f"entry {n}")) for n in range(2)]
    tickets = [a.ticket for a in admissions if a.ticket is not None]
    await admit(ledger, *admissions)

    class Ends(Unrecorded):
        """Our own process ends when it looks for the second time."""

        looks = 0

        async def once(self, *asked: Any, **over: Any) -> Any:
            self.looks += 1
            if self.looks == 2:
                raise Crash
            return await super().once(*asked, **over)

    given = [(admission.proposal.order(), ticket) for admission, ticket in zip(admissions, tickets, strict=True)]
    with pytest.raises(Crash):
        await ledger.claim(given, cycle=1, at=at(6), reducing=False, effects=Ends(TickClock(at(6))))
    assert await states(database) == ["approved", "approved"]


async def test_an_order_that_was_not_claimed_can_be_withdrawn_and_then_not_claimed(database: Database) -> None:
    ledger, admission = await a_ledger(database), an_admission()
    key = admission.proposal.client_order_id
    assert admission.ticket is not None
    await admit(ledger, admission)
    assert await ledger.withdraw(key, reason="the run ended", cycle=1, at=at(6))
    assert not await claim(ledger, admission.ticket, at=at(6))
    assert (await ledger.order(key)).state is OrderState.CANCELLED
    with pytest.raises(NotFound):
        await ledger.withdraw("acnone", reason="", cycle=1, at=at(6))


async def test_an_order_that_may_be_out_is_not_withdrawn(database: Database) -> None:
    ledger, admission = await a_ledger(database), an_admission()
    await sent(ledger, admission)
    assert not await ledger.withdraw(admission.proposal.client_order_id, reason="", cycle=1, at=at(6))
    assert (await ledger.order(admission.proposal.client_order_id)).state is OrderState.SUBMITTING


async def test_fills_move_cash_and_position_once(database: Database) -> None:
    ledger, admission = await a_ledger(database), an_admission()
    proposal = admission.proposal
    await sent(ledger, admission)
    part = a_fill(proposal, quantity=Decimal("0.5"), fee=Decimal("0.05"))
    rest = a_fill(proposal, trade_id="second", quantity=Decimal("1.5"), price=Decimal(102), fee=Decimal("0.15"))
    assert await ledger.record(a_report(proposal, fills=[part]), cycle=1)
    assert (await ledger.order(proposal.client_order_id)).state is OrderState.PARTIAL
    whole = a_report(proposal, state=OrderState.FILLED, fills=[part, rest])
    assert await ledger.record_all([whole, whole], cycle=2)
    assert not await ledger.record(whole, cycle=3)
    order = await ledger.order(proposal.client_order_id)
    assert (order.state, order.filled, order.fee, order.average_price) == (
        OrderState.FILLED,
        Decimal(2),
        Decimal("0.2"),
        Decimal("101.5"),
    )
    portfolio = await ledger.portfolio(marks={"BTC/USDT": Decimal(110)}, as_of=at(9))
    assert portfolio.cash == Decimal("10000") - Decimal("203") - Decimal("0.2")
    assert portfolio.positions["BTC/USDT"] == Position(
        symbol="BTC/USDT",
        quantity=Decimal(2),
        cost=Decimal(203),
        fees=Decimal("0.2"),
        opened_at=at(6),
        stop_price=Decimal(90),
        target_price=Decimal(120),
    )
    assert portfolio.equity == Decimal("10016.8")
    assert await states(database) == ["approved", "submitting", "partial", "filled"]
    assert [fill.trade_id for fill in await ledger.fills()] == [part.trade_id, "second"]
    await ledger.check()


async def test_an_order_that_ended_stays_so_and_late_fills_still_count(database: Database) -> None:
    ledger, admission = await a_ledger(database), an_admission()
    proposal = admission.proposal
    await sent(ledger, admission)
    await ledger.record(a_report(proposal, state=OrderState.CANCELLED, reason="by\u202euser\x00"), cycle=1)
    assert not await ledger.record(a_report(proposal, state=OrderState.WORKING), cycle=1)
    late = a_fill(proposal, quantity=Decimal(1))
    assert await ledger.record(a_report(proposal, state=OrderState.FILLED, fills=[late]), cycle=2)
    order = await ledger.order(proposal.client_order_id)
    assert (order.state, order.filled, order.reason, order.remaining) == (
        OrderState.CANCELLED,
        Decimal(1),
        "byuser",
        Decimal(0),
    )
    assert (await ledger.portfolio(marks={}, as_of=at(9))).quantity("BTC/USDT") == 1
    await ledger.check()


async def test_unknown_blocks_until_the_venue_speaks(database: Database) -> None:
    ledger, admission = await a_ledger(database), an_admission()
    await sent(ledger, admission)
    await ledger.record(a_report(admission.proposal, state=OrderState.UNKNOWN), cycle=1)
    assert [order.state for order in await ledger.orders(working_only=True)] == [OrderState.UNKNOWN]
    await ledger.record(a_report(admission.proposal, state=OrderState.REJECTED), cycle=1)
    assert await ledger.orders(working_only=True) == ()


async def test_an_end_without_all_its_trades_is_not_believed(database: Database) -> None:
    ledger, admission = await a_ledger(database), an_admission()
    proposal = admission.proposal
    await sent(ledger, admission)
    await ledger.record(a_report(proposal, state=OrderState.FILLED, filled=Decimal(2)), cycle=1)
    order = await ledger.order(proposal.client_order_id)
    assert (order.state, order.reason) == (OrderState.UNKNOWN, "the venue says 2 filled, its trades show 0")
    await ledger.record(a_report(proposal, state=OrderState.FILLED, fills=[a_fill(proposal)]), cycle=1)
    assert (await ledger.order(proposal.client_order_id)).state is OrderState.FILLED
    await ledger.check()


@pytest.mark.parametrize(
    "wrong",
    [
        {"symbol": "ETH/USDT"},
        {"side": "sell"},
        {"quantity": Decimal(3)},
        {"quantity": Decimal(1)},
        {"filled": Decimal(3)},
        {"state": OrderState.APPROVED},
        {"fills": [a_fill(a_proposal(), quantity=Decimal(3))]},
        {"fills": [a_fill(a_proposal(), side="sell")]},
        {"fills": [a_fill(a_proposal(), client_order_id="acstranger")]},
    ],
)
async def test_a_report_that_contradicts_its_order_leaves_it_unknown_until_there_is_a_better_one(
    database: Database, wrong: dict[str, object]
) -> None:
    ledger, admission = await a_ledger(database), an_admission()
    await sent(ledger, admission)
    await ledger.record(a_report(admission.proposal, **wrong), cycle=1)
    assert await ledger.fills() == ()
    assert await states(database) == ["approved", "submitting", "unknown"]
    await ledger.record(a_report(admission.proposal, state=OrderState.WORKING), cycle=1)
    assert await states(database) == ["approved", "submitting", "unknown", "working"]


async def test_a_report_on_an_order_that_was_never_approved_is_a_mistake_of_ours(database: Database) -> None:
    ledger, admission = await a_ledger(database), an_admission()
    await sent(ledger, admission)
    with pytest.raises(LedgerBroken, match="never approved"):
        await ledger.record(a_report(admission.proposal, client_order_id="acstranger"), cycle=1)


async def test_a_fill_that_the_venue_changes_is_not_booked_again(database: Database) -> None:
    ledger, proposal = await a_ledger(database), a_proposal()
    fill = await trade(ledger, proposal)
    changed = fill.model_copy(update={"price": Decimal(1)})
    await ledger.record(a_report(proposal, state=OrderState.FILLED, fills=[changed]), cycle=1)
    order = await ledger.order(proposal.client_order_id)
    assert (order.state, order.reason, order.fills) == (
        OrderState.UNKNOWN,
        f"the venue changed its fill {fill.trade_id}",
        (fill,),
    )
    await ledger.record(a_report(proposal, state=OrderState.FILLED, fills=[fill]), cycle=1)
    assert (await ledger.order(proposal.client_order_id)).state is OrderState.FILLED
    await ledger.check()


async def test_a_trade_of_one_order_is_not_booked_for_another(database: Database) -> None:
    ledger, first, second = await a_ledger(database), a_proposal(), a_proposal(rationale="another")
    fill = await trade(ledger, first)
    await sent(ledger, an_admission(second))
    taken = fill.model_copy(update={"client_order_id": second.client_order_id})
    report = a_report(second, state=OrderState.FILLED, fills=[taken], venue_order_id="v2")
    await ledger.record(report, cycle=1)
    order = await ledger.order(second.client_order_id)
    assert (order.state, order.fills) == (OrderState.UNKNOWN, ())
    assert "in the books already" in order.reason
    await ledger.check()


async def test_a_trade_that_was_booked_as_one_by_hand_is_not_booked_for_an_order_too(database: Database) -> None:
    ledger, proposal = await a_ledger(database), a_proposal()
    await sent(ledger, an_admission(proposal))
    event = ExternalEvent(id="trade:BTC/USDT:t1", kind="trade", asset="BTC", quantity=Decimal(2), at=at(6))
    await ledger.book_external([event], cycle=1)
    report = a_report(proposal, state=OrderState.FILLED, fills=[a_fill(proposal, trade_id="t1")], venue_order_id="v1")
    await ledger.record(report, cycle=1)
    assert (await ledger.order(proposal.client_order_id)).state is OrderState.UNKNOWN
    assert await ledger.fills() == ()
    await ledger.check()


async def test_an_answer_is_kept_with_what_is_booked_of_it_or_not_at_all(database: Database) -> None:
    ledger, admission = await a_ledger(database), an_admission()
    await sent(ledger, admission)
    tape = Tape(database, run_id="r1")
    await tape.begin_cycle(1)

    async def stranger() -> OrderReport:
        return a_report(admission.proposal, client_order_id="acstranger")

    async def answer(perform: Callable[[], Awaitable[OrderReport]]) -> None:
        effects = tape.effects(cycle=1, node="tick", subject="", clock=TickClock(at(6)))
        found = await effects.answer("venue:submit", None, returns=TypeAdapter(OrderReport), perform=perform)
        await ledger.book_answer((found.value,), cycle=1, keep=found.keep)

    with pytest.raises(LedgerBroken):
        await answer(stranger)
    await database.flush()
    assert not await tape.holds(1)

    async def better() -> OrderReport:
        return a_report(admission.proposal, state=OrderState.WORKING)

    await answer(better)
    assert await tape.holds(1)
    await answer(stranger)  # played back, and nothing is asked again
    assert await states(database) == ["approved", "submitting", "working"]


async def test_what_is_known_of_an_order_is_a_venues_report(database: Database) -> None:
    ledger, proposal = await a_ledger(database), a_proposal()
    fill = await trade(ledger, proposal)
    report = (await ledger.order(proposal.client_order_id)).report
    assert report == a_report(proposal, state=OrderState.FILLED, fills=[fill], average_price=Decimal(100), at=report.at)


async def test_everything_survives_a_second_opening(url: str) -> None:
    async with await Database.open(url) as database:
        ledger = await a_ledger(database)
        await trade(ledger, a_proposal())
        orders, fills_before = await ledger.orders(), await ledger.fills()
    async with await Database.open(url) as database:
        ledger = await a_ledger(database)
        assert (await ledger.orders(), await ledger.fills()) == (orders, fills_before)
        await ledger.check()


async def test_a_trade_is_closed_in_the_cycle_that_made_it_flat(database: Database) -> None:
    ledger = await a_ledger(database)
    for cycle, side, quantity, price in ((1, "buy", "2", "100"), (2, "sell", "1", "110"), (3, "sell", "1", "90")):
        proposal = a_proposal(cycle=cycle, as_of=at(5 * cycle), side=side, quantity=Decimal(quantity))
        await trade(ledger, proposal, price=price)
    assert await ledger.closed_trades(cycle=2) == ()
    (episode,) = await ledger.closed_trades(cycle=3)
    assert (episode.direction, episode.notional, episode.profit, episode.fees) == (
        "long",
        Decimal(200),
        Decimal("-0.6"),
        Decimal("0.6"),
    )
    assert (episode.opened_at, episode.closed_at) == (at(6), at(16))


async def test_books_that_do_not_add_up_are_named(database: Database) -> None:
    ledger = await a_ledger(database)
    await trade(ledger, a_proposal())
    async with database.transaction() as connection:
        await connection.execute(update(accounts).values(cash=Decimal(5)))
    with pytest.raises(LedgerBroken, match="accounts account=r1"):
        await ledger.check()


async def test_a_lost_fill_is_named_by_its_order(database: Database) -> None:
    ledger, proposal = await a_ledger(database), a_proposal()
    await trade(ledger, proposal)
    async with database.transaction() as connection:
        await connection.execute(fills.delete())
    with pytest.raises(LedgerBroken, match=f"orders client_order_id={proposal.client_order_id}"):
        await ledger.check()


orders_at_random = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell"]),
        st.decimals("0.0001", "5", places=4),
        st.decimals("0.01", "1000", places=2),
        st.decimals("-1", "3", places=8),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25)
@given(orders_at_random)
def test_cash_and_positions_are_exactly_the_sum_of_fills_and_fees(
    made: list[tuple[str, Decimal, Decimal, Decimal]],
) -> None:
    async def play() -> None:
        async with await Database.in_memory() as database:
            ledger = await a_ledger(database)
            closed = Decimal(0)
            for cycle, (side, quantity, price, fee) in enumerate(made, start=1):
                proposal = a_proposal(cycle=cycle, as_of=at(5 * cycle), side=side, quantity=quantity)
                await trade(ledger, proposal, price=str(price), fee=str(fee))
                closed += sum((e.profit for e in await ledger.closed_trades(cycle=cycle)), Decimal(0))
            await ledger.check()
            mark = Decimal("123.45")
            portfolio = await ledger.portfolio(marks={"BTC/USDT": mark}, as_of=at(99))
            gained = portfolio.realized + portfolio.unrealized - portfolio.fees
            assert portfolio.equity == portfolio.start_cash + gained
            if not portfolio.positions:
                assert closed == portfolio.realized - portfolio.fees

    asyncio.run(play())
