"""Entries that share a request: each is claimed, judged and ended for itself, and none is sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select

from agents.execution import ExecutionAgent
from agents.reports import word_on
from agents.sending import Approved, together
from builders.desks import a_desk
from builders.markets import a_ticket, an_order
from builders.memory import at
from builders.office import JUDGED, Office, until_it_works
from builders.venues import Crash, Mood
from domain.candle import Quote
from domain.errors import SymbolUnknown, TicketRefused
from domain.order import OrderReport, OrderRequest, OrderState
from memory import Database, Tape
from memory.archive.tape import Recording
from memory.store.schema import tape as tape_rows

BTC, ETH, SOL = SYMBOLS = "BTC/USDT", "ETH/USDT", "SOL/USDT"


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    async with await Database.in_memory() as opened:
        yield opened


async def an_office(database: Database, *, live: bool = True, batch: int = 20, **moods: Any) -> Office:
    return await Office.open(database, live=live, symbols=SYMBOLS, batch=batch, **moods)


async def entries(office: Office, *symbols: str, **over: Any) -> list[Approved]:
    approved = [(symbol, *await office.approve(symbol=symbol, **over)) for symbol in symbols]
    return [Approved(order=order, ticket=ticket, judged=judged(symbol)) for symbol, order, ticket in approved]


def judged(symbol: str, **over: Any) -> Quote:
    return JUDGED.model_copy(update={"symbol": symbol} | over)


async def sent(office: Office, approved: Sequence[Approved], *, node: str = "execution") -> tuple[OrderReport, ...]:
    return await (await office.writer(node=node)).send_all(approved)


async def states(office: Office, approved: Sequence[Approved]) -> list[OrderState]:
    return [(await office.kept(each.order)).state for each in approved]


async def effects(database: Database) -> list[str]:
    await database.flush()
    async with database.reading() as connection:
        return list(await connection.scalars(select(tape_rows.c.name).order_by(tape_rows.c.node, tape_rows.c.n)))


SHARED = ["clock", *["venue:leave"] * 3, *["ledger:control"] * 3, "venue:submit_all"]
ALONE = ["clock", "venue:leave", "ledger:control", "venue:submit"]


# Which share a request


def some(*orders: OrderRequest) -> list[Approved]:
    return [Approved(order=order, ticket=a_ticket(order), judged=judged(order.symbol)) for order in orders]


def grouped(*orders: OrderRequest, batch: int = 20) -> list[list[str]]:
    return [[each.order.client_order_id for each in group] for group in together(some(*orders), batch=batch)]


def entry(id: str, symbol: str = BTC) -> OrderRequest:
    return an_order(symbol=symbol, id=id)


def test_entries_share_a_request_and_each_way_out_goes_alone_before_them() -> None:
    out = [an_order("sell", symbol=symbol, id=f"out{n}", reduce_only=True) for n, symbol in enumerate(SYMBOLS[:2])]
    assert grouped(*out, entry("a"), entry("b", ETH)) == [["out0"], ["out1"], ["a", "b"]]
    assert grouped(entry("a"), *out[1:], entry("b", ETH)) == [["a"], ["out1"], ["b"]]


def test_a_stop_goes_alone() -> None:
    stop = entry("stop", ETH).model_copy(update={"type": "stop", "trigger_price": Decimal(1)})
    assert grouped(entry("a"), stop, entry("b", SOL)) == [["a"], ["stop"], ["b"]]


def test_orders_in_one_symbol_share_no_request() -> None:
    assert grouped(entry("a"), entry("b"), entry("c", ETH)) == [["a"], ["b", "c"]]


@pytest.mark.parametrize(("batch", "groups"), [(0, "a b c"), (1, "a b c"), (2, "ab c"), (3, "abc"), (9, "abc")])
def test_a_request_holds_so_many(batch: int, groups: str) -> None:
    found = grouped(entry("a"), entry("b", ETH), entry("c", SOL), batch=batch)
    assert ["".join(group) for group in found] == groups.split()


# Sending


async def test_entries_go_out_in_one_request_that_is_one_effect(database: Database) -> None:
    office = await an_office(database)
    approved = await entries(office, *SYMBOLS)
    reports = await sent(office, approved)
    assert [r.client_order_id for r in reports] == [each.order.client_order_id for each in approved]
    assert [r.state for r in reports] == await states(office, approved) == [OrderState.WORKING] * 3
    assert office.calls == ["submit_all"]
    assert office.intents == [OrderState.SUBMITTING] * 3, "all are claimed before any is sent"
    assert await effects(database) == SHARED


async def test_the_step_run_again_and_played_back_says_the_same_and_sends_nothing(database: Database) -> None:
    office = await an_office(database, submits=["well", "answer lost", "order lost"])
    approved = await entries(office, *SYMBOLS)
    reports = await sent(office, approved)
    assert await sent(office, approved) == reports
    assert office.calls == ["submit_all"]
    async with await Database.in_memory() as into:
        replay = await an_office(into)
        await entries(replay, *SYMBOLS)
        tape = Tape(into, run_id="r1", recording=Recording(database, "r1"))
        await tape.begin_cycle(1)
        played = tape.effects(cycle=1, node="execution", subject="", clock=replay.clock)
        assert await replay.at_work(played).send_all(approved) == reports
        assert (replay.calls, await states(replay, approved)) == ([], await states(office, approved))


async def test_a_way_out_goes_out_before_the_entries_and_by_itself(database: Database) -> None:
    office = await an_office(database, submits=["well", "well", "order lost", "order lost"])
    (bought,) = await entries(office, BTC, rationale="an earlier one")
    await sent(office, [bought], node="earlier")
    office.clock.set(at(10))
    await office.sync()
    office.venue.calls.clear()
    over: dict[str, Any] = {"cycle": 3, "as_of": at(10)}
    approved = [
        *await entries(office, BTC, side="sell", reduce_only=True, **over),
        *await entries(office, ETH, SOL, **over),
    ]
    reports = await (await office.writer(3)).send_all(approved)
    assert [report.state for report in reports] == [OrderState.WORKING, OrderState.UNKNOWN, OrderState.UNKNOWN]
    assert office.calls == ["submit", "submit_all"]


@pytest.mark.parametrize(("live", "batch"), [(False, 20), (True, 0), (True, 1)])
async def test_each_goes_alone_on_paper_and_where_the_run_began_without_batches(
    database: Database, live: bool, batch: int
) -> None:
    office = await an_office(database, live=live, batch=batch)
    await sent(office, await entries(office, *SYMBOLS))
    assert office.calls == ["submit"] * 3
    assert await effects(database) == ALONE * 3


async def test_one_entry_is_sent_as_it_always_was(database: Database) -> None:
    office = await an_office(database)
    await sent(office, await entries(office, BTC))
    assert (office.calls, await effects(database)) == (["submit"], ALONE)


async def test_at_a_venue_that_takes_no_batch_each_goes_alone_under_the_same_effect(database: Database) -> None:
    office = await an_office(database)
    approved = await entries(office, *SYMBOLS)
    office.venue = office.paper  # type: ignore[assignment]
    reports = await sent(office, approved)
    assert [report.state for report in reports] == [OrderState.WORKING] * 3
    assert await effects(database) == SHARED


# What changed since the gate's word


async def test_one_that_may_not_be_sent_any_more_is_withdrawn_and_the_others_go(database: Database) -> None:
    office = await an_office(database)
    first, moved, forged = await entries(office, *SYMBOLS)
    moved = moved.model_copy(update={"judged": judged(ETH, bid=Decimal("89.98"), ask=Decimal("90.02"))})
    forged = forged.model_copy(update={"ticket": forged.ticket.model_copy(update={"id": "forged"})})
    approved = [first, moved, forged]
    reports = await sent(office, approved)
    assert [report.state for report in reports] == [OrderState.WORKING, OrderState.CANCELLED, OrderState.CANCELLED]
    assert reports[1].reason == "not sent: the price moved 9.985 against it since it was judged"
    assert reports[2].reason.startswith("not sent: the ledger has no such ticket")
    assert office.calls == ["submit"], "of one that is left"
    assert await sent(office, approved) == reports, "the step run again"
    assert office.venue.arrived == [first.order.client_order_id]
    assert (await effects(database))[-1] == "venue:submit"


@pytest.mark.parametrize("why", ["halt", "brake", "disarmed", "expired"])
async def test_what_stops_them_all_sends_nothing(database: Database, why: str) -> None:
    office = await an_office(database)
    approved = await entries(office, *SYMBOLS)
    match why:
        case "halt":
            await office.halt()
        case "brake":
            office.brake.pull("smoke")
        case "disarmed":
            office.arming = None
        case _:
            office.clock.set(at(10))
            approved = [each.model_copy(update={"judged": judged(each.order.symbol, at=at(10))}) for each in approved]
    reports = await sent(office, approved)
    assert [report.state for report in reports] == await states(office, approved) == [OrderState.CANCELLED] * 3
    assert await sent(office, approved) == reports
    assert office.calls == []


async def test_each_is_looked_at_in_the_same_moment_before_any_is_claimed(database: Database) -> None:
    office = await an_office(database)
    approved = await entries(office, *SYMBOLS)
    waiting = asyncio.Barrier(3)
    look = office.venue.quote

    async def quote(symbol: str) -> Quote:
        async with asyncio.timeout(60):
            await waiting.wait()
        assert await states(office, approved) == [OrderState.APPROVED] * 3
        return await look(symbol)

    office.venue.quote = quote  # type: ignore[method-assign]
    assert [report.state for report in await sent(office, approved)] == [OrderState.WORKING] * 3


async def test_a_look_that_fails_ends_the_step_when_the_others_have_ended(database: Database) -> None:
    office = await an_office(database)
    approved = await entries(office, *SYMBOLS)
    ended: list[str] = []

    async def quote(symbol: str) -> Quote:
        if symbol == BTC:
            raise SymbolUnknown("it is gone")
        for _ in range(50):
            await asyncio.sleep(0)
        ended.append(symbol)
        return judged(symbol)

    office.venue.quote = quote  # type: ignore[method-assign]
    with pytest.raises(SymbolUnknown):
        await sent(office, approved)
    assert ended == [ETH, SOL]
    assert (office.calls, await states(office, approved)) == ([], [OrderState.APPROVED] * 3)


# What the venue says, and does not say


async def test_a_lost_answer_leaves_all_of_a_request_in_doubt_and_each_is_then_asked_about(database: Database) -> None:
    office = await an_office(database, submits=["answer lost", "order lost", "answer lost"])
    approved = await entries(office, *SYMBOLS)
    assert [report.state for report in await sent(office, approved)] == [OrderState.UNKNOWN] * 3
    assert await states(office, approved) == [OrderState.UNKNOWN] * 3
    office.clock.set(at(10))
    reports = await ExecutionAgent()(approved, a_desk(orders=await office.writer()))
    assert [report.state for report in reports] == [OrderState.FILLED, OrderState.UNKNOWN, OrderState.FILLED]
    assert await states(office, approved) == [report.state for report in reports]
    asked = office.calls.count("find")
    assert (office.calls[:4], len(office.calls)) == (["submit_all", "find", "find", "find"], asked + 1)


async def test_one_that_is_refused_or_did_not_go_out_leaves_the_others_as_they_are(database: Database) -> None:
    office = await an_office(database, submits=["well", "down", "well"])
    approved = await entries(office, *SYMBOLS)
    taken, kept_back, also_taken = await sent(office, approved)
    assert (taken.state, also_taken.state) == (OrderState.WORKING, OrderState.WORKING)
    assert (kept_back.state, kept_back.evidence) == (OrderState.REJECTED, "it never left")
    assert await states(office, approved) == [OrderState.WORKING, OrderState.REJECTED, OrderState.WORKING]


# After a crash


@pytest.mark.parametrize("crash", ["crash before", "crash after"])
@pytest.mark.parametrize("node", ["execution", "another step"])
async def test_after_a_crash_each_is_asked_about_and_none_is_sent_again(
    database: Database, crash: Mood, node: str
) -> None:
    office = await an_office(database, submits=["well", crash])
    approved = await entries(office, *SYMBOLS)
    with pytest.raises(Crash):
        await sent(office, approved)
    office.clock.set(at(6))
    approved = [each.model_copy(update={"judged": judged(each.order.symbol, at=at(6))}) for each in approved]
    reports = await sent(office, approved, node=node)
    there = OrderState.WORKING if crash == "crash after" else OrderState.UNKNOWN
    assert [report.state for report in reports] == [OrderState.WORKING, there, OrderState.UNKNOWN]
    assert office.calls == ["submit_all", "find", "find", "find"]
    assert len(office.venue.arrived) == len(set(office.venue.arrived))
    assert (await effects(database))[: len(SHARED)] == SHARED, "those of the step that came to its end"


async def test_one_that_an_earlier_attempt_claimed_is_in_no_batch(database: Database) -> None:
    office = await an_office(database, submits=["crash after"])
    approved = await entries(office, *SYMBOLS)
    with pytest.raises(Crash):
        await sent(office, approved[1:2], node="an earlier attempt")
    reports = await sent(office, approved)
    assert [report.state for report in reports] == [OrderState.WORKING] * 3
    first, claimed, last = (each.order.client_order_id for each in approved)
    assert office.venue.calls == [("submit", claimed), ("submit_all", f"{first} {last}"), ("find", claimed)]
    assert sorted(office.venue.arrived) == sorted([first, claimed, last])


async def test_a_wrong_ticket_for_an_order_that_is_out_calls_it_neither_withdrawn_nor_new(database: Database) -> None:
    office = await an_office(database)
    approved = await entries(office, *SYMBOLS)
    await sent(office, approved[:1], node="an earlier attempt")
    wrong = approved[0].model_copy(update={"ticket": approved[0].ticket.model_copy(update={"id": "forged"})})
    with pytest.raises(TicketRefused):
        await sent(office, [wrong, *approved[1:]])
    assert (await states(office, approved))[0] is OrderState.WORKING
    assert office.calls == ["submit"]


# Everything at once

moods = st.sampled_from(["well", "answer lost", "order lost", "crash after", "crash before", "down"])


@given(st.lists(moods, max_size=6), st.lists(moods, max_size=12), st.integers(0, 3))
@hypothesis_settings(max_examples=40)
def test_whatever_befalls_a_batch_each_order_is_sent_once_at_most_and_ends_as_the_exchange_has_it(
    submits: list[Mood], finds: list[Mood], claimed_before: int
) -> None:
    async def live() -> None:
        async with await Database.in_memory() as database:
            office = await an_office(database, submits=submits, finds=finds)
            approved = await entries(office, *SYMBOLS)
            if claimed_before < 3:
                with suppress(Crash):
                    await sent(office, [approved[claimed_before]], node="an earlier attempt")
            await until_it_works(lambda: sent(office, approved))
            await until_it_works(lambda: followed(office, approved))
            await until_it_works(lambda: sent(office, approved))
            await until_it_works(lambda: sent(office, approved, node="another step"))
            for minute in range(10, 30):
                office.clock.set(at(minute))
                await until_it_works(lambda: ask_and_book(office, approved))
            attempts = [id for asked, ids in office.venue.calls if asked != "find" for id in ids.split()]
            assert len(attempts) == len(set(attempts)) == 3, "whether or not it arrived"
            books = await office.paper.portfolio()
            for each in approved:
                kept = await office.kept(each.order)
                there = each.order.client_order_id in office.venue.arrived
                assert kept.state in ([OrderState.FILLED] if there else [OrderState.UNKNOWN, OrderState.REJECTED])
                assert books.quantity(each.order.symbol) == kept.filled
            assert (await office.ledger.portfolio(marks={}, as_of=at(10))).cash == books.cash
            await office.ledger.check()

    asyncio.run(live())


async def followed(office: Office, approved: Sequence[Approved]) -> None:
    orders = [each.order for each in approved]
    await (await office.writer(node="following")).follow(orders)
    await (await office.writer(node="following on")).follow(orders, late=True)


async def ask_and_book(office: Office, approved: Sequence[Approved]) -> None:
    for each in approved:
        kept = await office.kept(each.order)
        if not kept.state.terminal and (word := await word_on(kept, office.venue, at=office.clock.now())):
            await office.ledger.record(word, cycle=2)
