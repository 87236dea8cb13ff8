"""The order writer: nothing is sent before it is written down, nothing is sent twice, nothing is guessed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select

from agents.execution import ExecutionAgent
from agents.reports import MISSING, word_on
from agents.sending import Approved
from builders.desks import a_desk
from builders.liars import ATTACKS, changed
from builders.markets import START, a_market, a_venue, bars
from builders.memory import a_proposal, admit, an_admission, at, claim
from builders.office import BTC, JUDGED, Office, until_it_works
from builders.venue_contract import VenueContract
from builders.venues import Crash, Mood, MoodyVenue
from domain.candle import Quote
from domain.clock import TickClock
from domain.decision import Ticket
from domain.digest import plain
from domain.errors import TicketRefused, VenueUnavailable
from domain.order import OrderReport, OrderRequest, OrderState
from memory import Database, Ledger, Tape
from memory.archive.tape import Recording
from memory.operators.controls import Level
from memory.store.schema import tape as tape_rows


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    async with await Database.in_memory() as opened:
        yield opened


# Sending


async def test_the_intent_is_kept_before_anything_is_sent(database: Database) -> None:
    office = await Office.open(database)
    order, ticket = await office.approve()
    report = await office.send(order, ticket)
    assert office.intents == [OrderState.SUBMITTING]
    assert (report.state, (await office.kept(order)).state) == (OrderState.WORKING, OrderState.WORKING)
    assert (await office.kept(order)).submitted_at == at(5)


async def test_a_send_without_an_answer_is_unknown_until_the_venue_says_more(database: Database) -> None:
    office = await Office.open(database, submits=["answer lost"])
    order, ticket = await office.approve()
    report = await office.send(order, ticket)
    assert (report.state, report.reason) == (OrderState.UNKNOWN, "no answer came back")
    assert (await office.kept(order)).state is OrderState.UNKNOWN
    office.clock.set(at(10))
    await office.sync()
    assert (await office.kept(order)).state is OrderState.FILLED
    assert office.calls == ["submit", "find"]


async def test_an_order_that_never_arrived_is_not_sent_again_later_but_has_expired(database: Database) -> None:
    office = await Office.open(database, submits=["order lost"])
    order, ticket = await office.approve()
    await office.send(order, ticket)
    (report,) = await office.sync()
    assert (report.state, report.reason) == (OrderState.EXPIRED, "the venue has no such order")
    assert (await office.kept(order)).state is OrderState.EXPIRED
    assert (office.calls, office.venue.arrived) == (["submit", "find"], [])


async def test_an_order_in_doubt_is_not_sent_again_when_the_step_runs_again(database: Database) -> None:
    office = await Office.open(database, submits=["order lost"])
    order, ticket = await office.approve()
    first = await office.send(order, ticket)
    assert await office.send(order, ticket) == first
    assert office.calls == ["submit"]


@pytest.mark.parametrize("find", ["down", "answer lost", "crash before"])
async def test_nothing_is_sent_again_while_the_venue_does_not_say_what_it_has(database: Database, find: Mood) -> None:
    office = await Office.open(database, submits=["crash after"], finds=[find])
    order, ticket = await office.approve()
    with pytest.raises(Crash):
        await office.send(order, ticket)
    if find == "answer lost":
        assert (await office.send(order, ticket)).state is OrderState.UNKNOWN
    else:
        with pytest.raises((VenueUnavailable, Crash)):
            await office.send(order, ticket)
        assert (await office.kept(order)).state is OrderState.SUBMITTING
    assert office.calls == ["submit", "find"]


async def test_an_order_that_the_venue_has_is_found_and_not_sent_again(database: Database) -> None:
    office = await Office.open(database, submits=["crash after"])
    order, ticket = await office.approve()
    with pytest.raises(Crash):
        await office.send(order, ticket)
    report = await office.send(order, ticket)
    assert (office.calls, office.venue.arrived) == (["submit", "find"], [order.client_order_id])
    assert (report.state, (await office.kept(order)).state) == (OrderState.WORKING, OrderState.WORKING)


async def test_an_order_that_the_venue_never_had_is_sent_after_it_said_so(database: Database) -> None:
    office = await Office.open(database, submits=["crash before"])
    order, ticket = await office.approve()
    with pytest.raises(Crash):
        await office.send(order, ticket)
    await office.send(order, ticket)
    assert (office.calls, office.venue.arrived) == (["submit", "find", "submit"], [order.client_order_id])


async def test_the_step_run_again_with_its_tape_performs_nothing_twice(database: Database) -> None:
    office = await Office.open(database)
    order, ticket = await office.approve()
    first = await office.send(order, ticket)
    before = await office.kept(order)
    assert await office.send(order, ticket) == first
    assert await office.kept(order) == before
    assert office.calls == ["submit"]


# Tickets


async def test_an_expired_ticket_withdraws_its_order(database: Database) -> None:
    office = await Office.open(database)
    order, ticket = await office.approve()
    office.clock.set(at(10))
    report = await office.send(order, ticket)
    assert report.state is OrderState.CANCELLED
    assert report.reason.startswith("not sent: ")
    assert report.reason.endswith("has expired")
    assert (await office.kept(order)).state is OrderState.CANCELLED
    assert office.calls == []


async def test_a_ticket_that_the_ledger_does_not_know_withdraws_the_order(database: Database) -> None:
    office = await Office.open(database)
    order, ticket = await office.approve()
    report = await office.send(order, ticket.model_copy(update={"id": "forged"}))
    assert (report.state, (await office.kept(order)).state) == (OrderState.CANCELLED, OrderState.CANCELLED)
    assert office.calls == []


@pytest.mark.parametrize("node", ["execution", "another step"])
async def test_a_withdrawn_order_is_not_sent_when_the_step_runs_again(database: Database, node: str) -> None:
    office = await Office.open(database)
    order, ticket = await office.approve()
    first = await office.send(order, ticket.model_copy(update={"id": "forged"}))
    again = await (await office.writer(node=node)).send(order, ticket, judged=JUDGED)
    assert (again, office.calls) == (first, [])
    assert (await office.kept(order)).state is OrderState.CANCELLED


async def test_an_order_in_doubt_is_not_sent_again_without_its_tape_either(database: Database) -> None:
    office = await Office.open(database, submits=["order lost"])
    order, ticket = await office.approve()
    await office.send(order, ticket)
    report = await (await office.writer(node="another step")).send(order, ticket, judged=JUDGED)
    assert (report.state, office.calls, office.venue.arrived) == (OrderState.EXPIRED, ["submit", "find"], [])


async def test_an_order_that_is_out_is_not_called_cancelled_because_of_a_wrong_ticket(database: Database) -> None:
    office = await Office.open(database)
    order, ticket = await office.approve()
    await office.send(order, ticket)
    other = await office.writer(node="another step")
    with pytest.raises(TicketRefused):
        await other.send(order, ticket.model_copy(update={"id": "forged"}), judged=JUDGED)
    assert (await office.kept(order)).state is OrderState.WORKING


async def test_a_ticket_that_the_venue_refuses_is_an_order_never_sent(database: Database) -> None:
    office = await Office.open(database)
    order, ticket = await office.approve()
    (other, _) = await office.approve(quantity=Decimal(3))

    async def too_late(_: OrderRequest) -> None:
        office.clock.set(ticket.expires_at + timedelta(seconds=1))

    office.venue = MoodyVenue(office.paper, watch=too_late)
    report = await office.send(order, ticket)
    assert (report.state, office.venue.arrived) == (OrderState.REJECTED, [])
    assert report.reason.startswith("not sent: ")
    assert (await office.kept(other)).state is OrderState.APPROVED


async def test_an_order_that_was_changed_after_its_ticket_is_withdrawn_and_says_what_differs(
    database: Database,
) -> None:
    office = await Office.open(database)
    order, ticket = await office.approve()
    judged = order.model_copy()
    report = await office.send(changed(order, quantity=Decimal(9), side="sell"), ticket)
    differs = f"side is sell, not buy; quantity is 9, not {plain(judged.quantity)}"
    assert report.state is OrderState.CANCELLED
    assert report.reason == f"not sent: {order.client_order_id} is not as it was approved: {differs}"
    assert (office.venue.arrived, (await office.kept(judged)).request) == ([], judged)


@pytest.mark.parametrize("attack", ATTACKS)
async def test_what_is_not_the_approved_order_is_never_sent_and_stops_no_other(database: Database, attack: str) -> None:
    office = await Office.open(database)
    (order, ticket), (good, its_ticket) = await office.approve(), await office.approve(quantity=Decimal(3))
    lying, shown = ATTACKS[attack](order, ticket)
    approved = [
        Approved.model_construct(order=lying, ticket=shown, judged=JUDGED),
        Approved(order=good, ticket=its_ticket, judged=JUDGED),
    ]
    with suppress(TicketRefused):
        await (await office.writer()).send_all(approved)
    assert office.venue.arrived == [good.client_order_id]
    with suppress(TicketRefused):
        await (await office.writer(node="again")).send(lying, shown, judged=JUDGED)
    assert office.venue.arrived == [good.client_order_id]


async def test_without_a_ticket_an_order_is_refused_before_anything_is_looked_at(database: Database) -> None:
    office = await Office.open(database)
    order, _ = await office.approve()
    with pytest.raises(TicketRefused, match=r"this is no ticket for .*: it is of type NoneType, not Ticket"):
        await office.send(order, None)  # type: ignore[arg-type]
    assert (office.calls, (await office.kept(order)).state) == ([], OrderState.APPROVED)


# What changed since the gate's word


async def withdrawn(office: Office, order: OrderRequest, ticket: Ticket, *, because: str) -> None:
    """Nothing is sent, and the order is withdrawn for good."""
    report = await office.send(order, ticket)
    assert (report.state, report.reason) == (OrderState.CANCELLED, f"not sent: {because}")
    kept = await office.kept(order)
    assert (kept.state, kept.reason, kept.submitted_at) == (OrderState.CANCELLED, report.reason, None)
    assert await office.send(order, ticket) == report, "the step run again"
    assert (office.calls, office.venue.arrived) == ([], [])


async def test_a_brake_that_is_pulled_after_the_gates_word_stops_the_send(database: Database) -> None:
    office = await Office.open(database)
    order, ticket = await office.approve()
    office.brake.pull("smoke")
    await withdrawn(office, order, ticket, because="the brake is pulled: smoke")


@pytest.mark.parametrize("side", ["buy", "sell"])
async def test_a_price_that_moved_away_after_the_gates_word_stops_the_send(database: Database, side: str) -> None:
    office = await Office.open(database)
    order, ticket = await office.approve(side=side)
    away = Decimal(1) if side == "buy" else Decimal(-1)
    office.venue.shows = Quote(symbol=BTC, bid=JUDGED.bid + away, ask=JUDGED.ask + away, at=at(5))
    await withdrawn(office, order, ticket, because="the price moved 1 against it since it was judged")


async def test_a_price_that_moved_in_its_favour_stops_nothing(database: Database) -> None:
    office = await Office.open(database)
    order, ticket = await office.approve()
    office.venue.shows = Quote(symbol=BTC, bid=JUDGED.bid - 1, ask=JUDGED.ask - 1, at=at(5))
    assert (await office.send(order, ticket)).state is OrderState.WORKING


async def test_an_old_quote_at_the_venue_stops_the_send(database: Database) -> None:
    office = await Office.open(database)
    order, ticket = await office.approve()
    office.venue.shows = JUDGED.model_copy(update={"at": at(5) - timedelta(seconds=901)})
    await withdrawn(
        office, order, ticket, because=f"the quote is not fresh: it is from {office.venue.shows.at.isoformat()}"
    )


@pytest.mark.parametrize(("level", "state"), [("halt", "halted"), ("reduce", "reducing")])
async def test_a_halt_between_the_gates_word_and_the_send_stops_an_entry(
    database: Database, level: Level, state: str
) -> None:
    office = await Office.open(database)
    order, ticket = await office.approve()
    await office.halt(level)
    await withdrawn(office, order, ticket, because=f"trading is {state} by Ada: a doubt")


@pytest.mark.parametrize("level", ["reduce", "flatten"])
async def test_while_trading_is_reducing_exits_are_sent(database: Database, level: Level) -> None:
    office = await Office.open(database)
    await office.bought()
    order, ticket = await office.approve(cycle=3, as_of=at(10), side="sell", reduce_only=True)
    await office.halt(level)
    report = await (await office.writer(3)).send(order, ticket, judged=JUDGED)
    assert (report.state, office.calls) == (OrderState.WORKING, ["submit"])


async def test_resumed_while_halted_an_order_that_never_arrived_is_not_sent_again(database: Database) -> None:
    office = await Office.open(database, submits=["crash before"])
    order, ticket = await office.approve()
    with pytest.raises(Crash):
        await office.send(order, ticket)
    await office.halt()
    report = await office.send(order, ticket)
    assert (report.state, report.reason) == (OrderState.EXPIRED, "not sent again: trading is halted by Ada: a doubt")
    assert (await office.kept(order)).state is OrderState.EXPIRED
    assert await office.send(order, ticket) == report
    assert (office.calls, office.venue.arrived) == (["submit", "find"], [])


async def test_resumed_while_halted_an_order_that_arrived_is_found(database: Database) -> None:
    office = await Office.open(database, submits=["crash after"])
    order, ticket = await office.approve()
    with pytest.raises(Crash):
        await office.send(order, ticket)
    await office.halt()
    assert (await office.send(order, ticket)).state is OrderState.WORKING
    assert (office.calls, office.venue.arrived) == (["submit", "find"], [order.client_order_id])


@pytest.mark.parametrize("doubt", ["brake", "price", "reducing"])
async def test_an_order_is_sent_again_only_when_it_might_be_sent_for_the_first_time(
    database: Database, doubt: str
) -> None:
    office = await Office.open(database, submits=["crash before"])
    order, ticket = await office.approve()
    with pytest.raises(Crash):
        await office.send(order, ticket)
    match doubt:
        case "brake":
            office.brake.pull("smoke")
        case "price":
            office.venue.shows = Quote(symbol=BTC, bid=JUDGED.bid + 1, ask=JUDGED.ask + 1, at=at(5))
        case _:
            await office.halt("reduce")
    report = await office.send(order, ticket)
    assert (report.state, report.reason.startswith("not sent again: ")) == (OrderState.EXPIRED, True)
    assert office.venue.arrived == []


EFFECTS = ["clock", "venue:leave", "ledger:control", "venue:submit"]


@pytest.mark.parametrize("submits", [[], ["crash before"], ["crash after"], ["answer lost"]])
@pytest.mark.parametrize("halted", [False, True])
async def test_effects_come_in_one_order_however_often_the_step_runs_and_when_it_is_played_back(
    database: Database, submits: list[Mood], halted: bool
) -> None:
    office = await Office.open(database, submits=submits)
    order, ticket = await office.approve()
    with suppress(Crash):
        await office.send(order, ticket)
    if halted:
        await office.halt()
    report = await office.send(order, ticket)
    await database.flush()
    async with database.reading() as connection:
        names = await connection.scalars(select(tape_rows.c.name).order_by(tape_rows.c.n))
        assert list(names) == EFFECTS
    async with await Database.in_memory() as into:
        replay = await Office.open(into)
        await replay.approve()
        tape = Tape(into, run_id="r1", recording=Recording(database, "r1"))
        await tape.begin_cycle(1)
        played = tape.effects(cycle=1, node="execution", subject="", clock=replay.clock)
        assert await replay.at_work(played).send(order, ticket, judged=JUDGED) == report
        assert (replay.calls, await replay.kept(order)) == ([], await office.kept(order))


# Taking back


async def a_resting_order(database: Database, *, cancels: Sequence[Mood] = ()) -> tuple[Office, OrderRequest]:
    office = await Office.open(database, cancels=cancels)
    order, ticket = await office.approve(type="limit", limit_price=Decimal(80), stop_price=Decimal(70))
    assert (await office.send(order, ticket)).state is OrderState.WORKING
    return office, order


async def test_an_order_is_taken_back_once_and_booked_once(database: Database) -> None:
    office, order = await a_resting_order(database)
    resting = await office.kept(order)
    report = await (await office.writer(2, node="tick")).cancel(resting)
    before = await office.kept(order)
    assert (report.state, before.state) == (OrderState.CANCELLED, OrderState.CANCELLED)
    assert await (await office.writer(2, node="tick")).cancel(resting) == report
    assert await office.kept(order) == before
    assert office.calls == ["submit", "cancel"]


@pytest.mark.parametrize("cancel", ["answer lost", "order lost"])
async def test_a_cancel_without_an_answer_is_unknown_until_the_venue_says_more(
    database: Database, cancel: Mood
) -> None:
    office, order = await a_resting_order(database, cancels=[cancel])
    report = await (await office.writer(2, node="tick")).cancel(await office.kept(order))
    assert (report.state, (await office.kept(order)).state) == (OrderState.UNKNOWN, OrderState.UNKNOWN)
    await office.sync(3)
    ended = OrderState.CANCELLED if cancel == "answer lost" else OrderState.WORKING
    assert (await office.kept(order)).state is ended


async def test_an_order_that_the_venue_does_not_know_has_expired_when_it_is_taken_back(database: Database) -> None:
    office = await Office.open(database, submits=["order lost"])
    order, ticket = await office.approve()
    await office.send(order, ticket)
    report = await (await office.writer(2, node="tick")).cancel(await office.kept(order))
    assert (report.state, report.reason) == (OrderState.EXPIRED, "the venue has no such order")
    assert (await office.kept(order)).state is OrderState.EXPIRED


async def test_a_venue_that_is_down_takes_nothing_back_and_leaves_the_books(database: Database) -> None:
    office, order = await a_resting_order(database, cancels=["down"])
    with pytest.raises(VenueUnavailable):
        await (await office.writer(2, node="tick")).cancel(await office.kept(order))
    assert (await office.kept(order)).state is OrderState.WORKING


# Asking again


async def test_an_order_that_was_never_claimed_is_withdrawn_without_asking_the_venue(database: Database) -> None:
    office = await Office.open(database)
    order, _ = await office.approve()
    assert await office.sync() == ()
    kept = await office.kept(order)
    assert (kept.state, kept.reason, office.calls) == (OrderState.CANCELLED, "never sent", [])


async def test_orders_of_this_cycle_are_left_to_their_own_step(database: Database) -> None:
    office = await Office.open(database)
    order, _ = await office.approve()
    assert await office.sync(cycle=1) == ()
    assert (await office.kept(order)).state is OrderState.APPROVED


async def test_orders_of_another_run_of_the_account_are_left_to_it(database: Database) -> None:
    office = await Office.open(database)
    other = Ledger(database, account="r1", run_id="r2")
    reserved, sent = an_admission(a_proposal(rationale="reserved")), an_admission(a_proposal(rationale="sent"))
    await admit(other, reserved)
    await admit(other, sent)
    assert sent.ticket is not None
    assert await claim(other, sent.ticket, at=at(5))
    before = await other.orders()
    assert {(o.run_id, o.state) for o in before} == {("r2", OrderState.APPROVED), ("r2", OrderState.SUBMITTING)}
    assert await office.sync(cycle=9) == ()
    assert (await other.orders(), office.calls) == (before, [])


async def test_what_the_venue_said_of_working_orders_is_asked_once_a_cycle(database: Database) -> None:
    office = await Office.open(database)
    order, ticket = await office.approve()
    await office.send(order, ticket)
    office.clock.set(at(10))
    first = await office.sync()
    before = await office.kept(order)
    assert await office.sync() == first
    assert await office.kept(order) == before
    assert office.calls == ["submit", "find"]
    assert await office.sync(cycle=3) == ()


async def test_a_venue_that_is_down_leaves_the_books_as_they_are(database: Database) -> None:
    office = await Office.open(database, finds=["down"])
    order, ticket = await office.approve()
    await office.send(order, ticket)
    with pytest.raises(VenueUnavailable):
        await office.sync()
    assert (await office.kept(order)).state is OrderState.WORKING


# At an exchange


async def test_at_an_exchange_an_order_that_never_arrived_is_not_sent_after_it_said_so(database: Database) -> None:
    office = await Office.open(database, submits=["crash before"], live=True)
    order, ticket = await office.approve()
    with pytest.raises(Crash):
        await office.send(order, ticket)
    office.clock.set(at(6))
    report = await office.send(order, ticket)
    assert report.state is OrderState.UNKNOWN, "until the account proves it"
    assert (report.reason, report.evidence) == ("the venue has none, and it is not sent again", MISSING)
    assert office.venue.asked_since == [at(5)], "so that the venue knows from when on it may be under way"
    assert (office.calls, (await office.kept(order)).state) == (["submit", "find"], OrderState.UNKNOWN)


@pytest.mark.parametrize("find", ["down", "answer lost"])
async def test_an_order_of_which_no_send_is_known_is_in_doubt_also_when_the_exchange_says_that_it_has_none(
    database: Database, find: Mood
) -> None:
    office = await Office.open(database, submits=["crash before"], finds=[find], live=True)
    order, ticket = await office.approve()
    with pytest.raises(Crash):
        await office.send(order, ticket)
    assert (await office.send(order, ticket)).state is OrderState.UNKNOWN
    kept = await office.kept(order)
    assert kept.state is OrderState.UNKNOWN
    found = await word_on(kept, office.venue, at=at(6))
    assert found is not None
    assert (found.state, found.evidence) == (OrderState.UNKNOWN, MISSING)
    assert office.calls == ["submit", "find", "find"]


async def test_an_exchange_that_does_not_answer_a_send_or_a_cancel_leaves_the_order_in_doubt(
    database: Database,
) -> None:
    office = await Office.open(database, submits=["well", "down"], cancels=["down"], live=True)
    resting, ticket = await office.approve(type="limit", limit_price=Decimal(80), stop_price=Decimal(70))
    await office.send(resting, ticket)
    other, its_ticket = await office.approve(quantity=Decimal(1))
    sent = await (await office.writer(node="another")).send(other, its_ticket, judged=JUDGED)
    taken_back = await (await office.writer(2, node="tick")).cancel(await office.kept(resting))
    assert (sent.state, taken_back.state) == (OrderState.UNKNOWN, OrderState.UNKNOWN)
    assert {(await office.kept(o)).state for o in (resting, other)} == {OrderState.UNKNOWN}
    assert sent.reason == "the venue is down"


@pytest.mark.parametrize(
    ("find", "state"), [("answer lost", OrderState.UNKNOWN), ("down", None), ("well", OrderState.WORKING)]
)
async def test_a_question_that_fails_is_no_word_on_an_order(
    database: Database, find: Mood, state: OrderState | None
) -> None:
    office = await Office.open(database, finds=[find], live=True)
    order, ticket = await office.approve()
    await office.send(order, ticket)
    said = await word_on(await office.kept(order), office.venue, at=at(6))
    assert (said and said.state) == state
    assert office.venue.asked_since == [at(5)]


async def test_an_entry_is_withdrawn_when_nobody_arms_the_desk_any_more(database: Database) -> None:
    office = await Office.open(database, live=True)
    order, ticket = await office.approve()
    office.arming = None
    await withdrawn(office, order, ticket, because="the live desk is no longer armed")


async def test_an_exit_does_not_ask_whether_the_desk_is_armed(database: Database) -> None:
    office = await Office.open(database, live=True)
    await office.bought()
    assert office.looks == 1
    order, ticket = await office.approve(cycle=3, as_of=at(10), side="sell", reduce_only=True)
    office.arming = None
    report = await (await office.writer(3)).send(order, ticket, judged=JUDGED)
    assert (report.state, office.calls, office.looks) == (OrderState.WORKING, ["submit"], 1)


QUOTELESS = [("down", "the venue is down"), ("hung", "none within 0.01 s"), ("refused", "the venue is refused")]


@pytest.mark.parametrize(("quotes", "words"), QUOTELESS)
@pytest.mark.parametrize("live", [False, True])
async def test_an_entry_is_withdrawn_when_the_venue_shows_no_price_in_time(
    database: Database, quotes: Any, words: str, live: bool
) -> None:
    office = await Office.open(database, live=live)
    order, ticket = await office.approve()
    office.venue.quotes = quotes
    await withdrawn(office, order, ticket, because=f"no quote: {words}")


@pytest.mark.parametrize(("quotes", "words"), QUOTELESS)
async def test_an_exit_goes_out_by_the_quote_that_it_was_judged_on_when_no_newer_one_comes(
    database: Database, quotes: Any, words: str
) -> None:
    office = await Office.open(database, live=True)
    await office.bought()
    order, ticket = await office.approve(cycle=3, as_of=at(10), side="sell", reduce_only=True)
    office.venue.quotes = quotes
    report = await (await office.writer(3)).send(order, ticket, judged=JUDGED)
    if quotes == "refused":
        assert (report.state, report.reason) == (OrderState.CANCELLED, f"not sent: no quote: {words}")
    else:
        assert (report.state, office.calls) == (OrderState.WORKING, ["submit"])


async def test_an_exit_without_a_newer_quote_is_held_to_the_age_that_a_quote_may_have(database: Database) -> None:
    office = await Office.open(database, live=True)
    await office.bought()
    order, ticket = await office.approve(cycle=3, as_of=at(10), side="sell", reduce_only=True)
    office.venue.quotes = "down"
    old = JUDGED.model_copy(update={"at": at(10) - timedelta(seconds=901)})
    report = await (await office.writer(3)).send(order, ticket, judged=old)
    assert report.reason == f"not sent: the quote is not fresh: it is from {old.at.isoformat()}"


async def test_a_live_quote_may_be_of_a_moment_after_the_send_began(database: Database) -> None:
    office = await Office.open(database, live=True)
    order, ticket = await office.approve()
    office.venue.shows = JUDGED.model_copy(update={"at": at(5) + timedelta(seconds=3)})
    assert (await office.send(order, ticket)).state is OrderState.WORKING


async def test_what_was_never_claimed_is_withdrawn_and_what_was_sent_is_left_to_the_look_at_the_account(
    database: Database,
) -> None:
    office = await Office.open(database, live=True)
    sent, ticket = await office.approve()
    await office.send(sent, ticket)
    unsent, _ = await office.approve(quantity=Decimal(1))
    await (await office.writer(2, node="tick")).withdraw_unsent()
    assert ((await office.kept(unsent)).state, (await office.kept(sent)).state) == (
        OrderState.CANCELLED,
        OrderState.WORKING,
    )
    assert office.calls == ["submit"]


# What becomes of it

PAUSES = [0.5, 1.0, 2.0, 4.0, 8.0, 15.0]


async def followed(office: Office, *orders: OrderRequest) -> tuple[OrderReport, ...]:
    """Followed at once, and on, as when what was filled meanwhile has its stop."""
    early = await (await office.writer(node="following")).follow(orders)
    return early + await (await office.writer(node="following on")).follow(orders, late=True)


async def a_sent_order(database: Database, *, finds: Sequence[Mood] = (), **over: Any) -> tuple[Office, OrderRequest]:
    """One of which the market says in ten seconds that it was filled."""
    office = await Office.open(database, finds=finds, live=True)
    order, ticket = await office.approve(**over)
    await office.send(order, ticket)
    office.clock.set(at(10) - timedelta(seconds=10))
    return office, order


async def test_an_order_that_must_end_soon_is_asked_about_until_it_has(database: Database) -> None:
    office, order = await a_sent_order(database)
    (report,) = await followed(office, order)
    assert (report.state, (await office.kept(order)).state) == (OrderState.FILLED, OrderState.FILLED)
    assert office.pauses == PAUSES[:5]
    assert await followed(office, order) == (report,), "the step run again"
    assert office.calls == ["submit"] + ["find"] * 5


@pytest.mark.parametrize("find", ["answer lost", "down"])
async def test_what_is_still_open_after_half_a_minute_is_left_to_the_next_tick(database: Database, find: Mood) -> None:
    office, order = await a_sent_order(database, finds=[find] * 20)
    assert await followed(office, order) == ()
    assert (office.pauses, sum(office.pauses)) == (PAUSES, 30.5)
    assert (await office.kept(order)).state is OrderState.WORKING


@pytest.mark.parametrize(
    "rests",
    [
        {"type": "limit", "limit_price": Decimal(80), "stop_price": Decimal(70)},
        {"type": "limit", "limit_price": Decimal(80), "stop_price": Decimal(70), "post_only": True},
    ],
)
async def test_nobody_waits_for_an_order_that_may_rest(database: Database, rests: dict[str, Any]) -> None:
    office, order = await a_sent_order(database, **rests)
    assert (await followed(office, order), office.pauses, office.calls) == ((), [], ["submit"])


async def test_a_resting_order_in_doubt_is_asked_about_until_it_is_known_to_rest(database: Database) -> None:
    office = await Office.open(database, submits=["answer lost"], finds=["answer lost", "down"], live=True)
    order, ticket = await office.approve(type="limit", limit_price=Decimal(80), stop_price=Decimal(70))
    await office.send(order, ticket)
    (report,) = await followed(office, order)
    assert (report.state, office.pauses) == (OrderState.WORKING, PAUSES[:3])
    assert (await office.kept(order)).state is OrderState.WORKING


async def test_an_order_that_was_not_sent_and_one_that_has_ended_are_not_asked_about(database: Database) -> None:
    office, ended = await a_sent_order(database)
    await followed(office, ended)
    unsent, ticket = await office.approve(quantity=Decimal(1))
    office.brake.pull("smoke")
    await (await office.writer(node="another")).send(unsent, ticket, judged=JUDGED)
    approved, _ = await office.approve(quantity=Decimal(3))
    office.pauses.clear()
    assert await (await office.writer(node="again")).follow((ended, unsent, approved)) == ()
    assert office.pauses == []


async def test_on_paper_nothing_is_waited_for_and_nothing_is_recorded(database: Database) -> None:
    office = await Office.open(database)
    order, ticket = await office.approve()
    await office.send(order, ticket)
    assert await followed(office, order) == ()
    assert office.calls == ["submit"]
    await database.flush()
    async with database.reading() as connection:
        assert "following" not in set(await connection.scalars(select(tape_rows.c.node)))


# Everything at once


moods = st.sampled_from(["well", "answer lost", "order lost", "crash after", "crash before", "down"])


@given(st.lists(moods, max_size=4), st.lists(moods, max_size=6))
@hypothesis_settings(max_examples=25)
def test_whatever_befalls_a_send_the_order_arrives_once_at_most_and_ends_as_the_venue_has_it(
    submits: list[Mood], finds: list[Mood]
) -> None:
    async def live() -> None:
        async with await Database.in_memory() as database:
            office = await Office.open(database, submits=submits, finds=finds)
            order, ticket = await office.approve()
            await until_it_works(lambda: office.send(order, ticket))
            office.clock.set(at(10))
            await until_it_works(office.sync)
            await until_it_works(lambda: office.sync(3))
            kept, books = await office.kept(order), await office.paper.portfolio()
            assert len(office.venue.arrived) <= 1
            assert kept.state is (OrderState.FILLED if office.venue.arrived else OrderState.EXPIRED)
            assert books.quantity(BTC) == kept.filled
            assert (await office.ledger.portfolio(marks={}, as_of=at(10))).cash == books.cash
            await office.ledger.check()

    asyncio.run(live())


@given(st.lists(moods, max_size=4), st.lists(moods, max_size=8))
@hypothesis_settings(max_examples=25)
def test_at_an_exchange_whatever_befalls_a_send_it_is_sent_once_at_most_and_ends_as_the_exchange_has_it(
    submits: list[Mood], finds: list[Mood]
) -> None:
    async def live() -> None:
        async with await Database.in_memory() as database:
            office = await Office.open(database, submits=submits, finds=finds, live=True)
            order, ticket = await office.approve()
            await until_it_works(lambda: office.send(order, ticket))
            await until_it_works(lambda: followed(office, order))
            await until_it_works(lambda: office.send(order, ticket))
            await until_it_works(lambda: _sent_by_another_step(office, order, ticket))
            assert office.calls.count("submit") == 1, "whether or not it arrived"
            for minute in range(10, 20):
                office.clock.set(at(minute))
                await until_it_works(lambda: _ask_and_book(office, order))
                if (await office.kept(order)).state.terminal:
                    break
            kept, books = await office.kept(order), await office.paper.portfolio()
            assert len(office.venue.arrived) <= 1
            assert kept.state is (OrderState.FILLED if office.venue.arrived else OrderState.UNKNOWN)
            assert books.quantity(BTC) == kept.filled
            assert (await office.ledger.portfolio(marks={}, as_of=at(10))).cash == books.cash
            await office.ledger.check()

    asyncio.run(live())


async def _sent_by_another_step(office: Office, order: OrderRequest, ticket: Ticket) -> None:
    await (await office.writer(node="another step")).send(order, ticket, judged=JUDGED)


async def _ask_and_book(office: Office, order: OrderRequest) -> None:
    if (word := await word_on(await office.kept(order), office.venue, at=office.clock.now())) is not None:
        await office.ledger.record(word, cycle=2)


async def test_an_order_in_doubt_does_not_stop_the_next(database: Database) -> None:
    office = await Office.open(database, submits=["order lost"])
    approved = [await office.approve(), await office.approve(quantity=Decimal(1))]
    desk = a_desk(orders=await office.writer())
    handed = [Approved(order=order, ticket=ticket, judged=JUDGED) for order, ticket in approved]
    reports = await ExecutionAgent()(handed, desk)
    assert [report.state for report in reports] == [OrderState.UNKNOWN, OrderState.WORKING]
    assert [report.client_order_id for report in reports] == [order.client_order_id for order, _ in approved]


@dataclass
class MoodyStage:
    venue: MoodyVenue
    clock: TickClock
    symbol: str = BTC

    async def advance(self, bars: int = 1) -> None:
        self.clock.set(self.clock.now() + timedelta(minutes=5 * bars))

    def now(self) -> datetime:
        return self.clock.now()


class TestAMoodyVenueOnAGoodDay(VenueContract):
    @pytest.fixture
    async def stage(self) -> MoodyStage:
        clock = TickClock(START + timedelta(minutes=100))
        market = a_market(bars(*["100 101 99 100"] * 60, volume="100000"), symbol=BTC)
        return MoodyStage(MoodyVenue(a_venue(market, clock)), clock)
