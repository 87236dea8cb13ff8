"""Stops that a venue attaches to entries: in the ledger from the first fill on, as large as what was filled."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update

from builders.memory import a_fill, a_proposal, a_report, admit, an_admission, at, claim
from domain.errors import LedgerBroken
from domain.order import CONTRADICTION, Fill, OrderReport, OrderState
from memory import Database, Ledger
from memory.ledger.audit import account_faults
from memory.ledger.orders import OrderRecord
from memory.ledger.state_at import order_then
from memory.store.schema import order_events, orders, row_digest

ENTRY = a_proposal(attached=True)
"""Buys 2, with a stop at 90 and a target at 120."""
ORDER = ENTRY.order()
PLAIN = a_proposal(attached=True, quantity=Decimal(3), target_price=None)


async def sent(database: Database) -> Ledger:
    ledger = Ledger(database, account="r1", run_id="r1")
    await ledger.open(currency="USDT", start_cash=Decimal(10_000))
    admission = an_admission(ENTRY)
    await admit(ledger, admission)
    assert await claim(ledger, admission.ticket)
    return ledger


def filled(*quantities: str, **over: Any) -> OrderReport:
    fills = [
        a_fill(ENTRY, quantity=Decimal(quantity), trade_id=f"t{n}", **over) for n, quantity in enumerate(quantities)
    ]
    whole = sum(map(Decimal, quantities)) == ENTRY.quantity
    return a_report(ENTRY, state=OrderState.FILLED if whole else OrderState.PARTIAL, fills=fills)


def said(state: OrderState = OrderState.WORKING, *, sold: str = "", price: str = "89.5", **over: Any) -> OrderReport:
    """What the venue says of the stop."""
    trade = {"trade_id": "x1", "side": "sell", "quantity": sold, "price": price, "at": at(9)}
    order = {"client_order_id": ORDER.exit_id, "symbol": ORDER.symbol}
    fills = (Fill.model_validate(trade | order),) if sold else ()
    return OrderReport(
        **{
            **order,
            "state": state,
            "filled": Decimal(sold or 0),
            "fills": fills,
            "at": at(9),
        }
        | over
    )


async def exit_of(ledger: Ledger) -> OrderRecord:
    return await ledger.order(ORDER.exit_id)


async def test_an_entry_that_filled_nothing_has_no_stop(database: Database) -> None:
    ledger = await sent(database)
    await ledger.record(a_report(ENTRY), cycle=1)
    assert [order.client_order_id for order in await ledger.orders()] == [ENTRY.client_order_id]


async def test_the_stop_is_there_with_the_first_fill_and_grows_with_the_others(database: Database) -> None:
    ledger = await sent(database)
    await ledger.record(filled("0.5"), cycle=1)
    exit = await exit_of(ledger)
    assert exit.request == ORDER.exit_order(Decimal("0.5"))
    assert (exit.state, exit.cycle, exit.submitted_at) == (OrderState.SUBMITTING, 1, at(5))
    assert exit.request.protects
    await ledger.record(said(), cycle=2)
    await ledger.record(filled("0.5", "1.5"), cycle=2)
    exit = await exit_of(ledger)
    assert (exit.state, exit.request.quantity) == (OrderState.WORKING, Decimal(2))
    await ledger.check()


async def test_what_a_fill_paid_in_base_is_not_there_to_be_sold(database: Database) -> None:
    ledger = await sent(database)
    await ledger.record(filled("2", fee=Decimal(0), fee_base=Decimal("0.002")), cycle=1)
    assert (await exit_of(ledger)).request.quantity == Decimal("1.998")


@pytest.mark.parametrize("size", ["1.99", "2.5"])
async def test_how_large_it_is_is_the_venues_own_word(database: Database, size: str) -> None:
    """It may round to its lot, or take all that was filled before the fee: a stop too large is replaced later."""
    ledger = await sent(database)
    await ledger.record_all([filled("2"), said(quantity=Decimal(size))], cycle=1)
    assert (await exit_of(ledger)).request.quantity == Decimal(size)
    await ledger.record(said(OrderState.FILLED, sold=size, quantity=Decimal(size)), cycle=2)
    exit = await exit_of(ledger)
    assert (exit.state, exit.remaining) == (OrderState.FILLED, 0)
    await ledger.check()


async def test_a_stop_that_has_ended_grows_no_more(database: Database) -> None:
    ledger = await sent(database)
    await ledger.record_all([filled("0.5"), said(OrderState.FILLED, sold="0.5")], cycle=1)
    await ledger.record(filled("0.5", "1.5"), cycle=2)
    exit = await exit_of(ledger)
    held = (await ledger.portfolio(marks={}, as_of=at(10))).quantity(ORDER.symbol)
    assert (exit.state, exit.request.quantity, held) == (OrderState.FILLED, Decimal("0.5"), Decimal("1.5"))


@pytest.mark.parametrize(("price", "cause"), [("89.5", "stop"), ("70", "stop"), ("119", "target"), ("140", "target")])
async def test_an_episode_says_which_price_was_met(database: Database, price: str, cause: str) -> None:
    ledger = await sent(database)
    await ledger.record_all([filled("2"), said(OrderState.FILLED, sold="2", price=price)], cycle=1)
    (episode,) = await ledger.closed_trades(cycle=1)
    assert episode.cause == cause


async def test_a_stop_of_what_the_books_do_not_take_for_filled_is_not_booked(database: Database) -> None:
    ledger = await sent(database)
    doubted = filled("2").model_copy(update={"evidence": CONTRADICTION, "reason": "another's trade"})
    await ledger.record_all([doubted, said()], cycle=1)
    assert [order.state for order in await ledger.orders()] == [OrderState.UNKNOWN]


async def test_it_has_the_ticket_of_its_entry_and_none_of_its_own(database: Database) -> None:
    ledger = await sent(database)
    await ledger.record_all([filled("2"), said()], cycle=1)
    async with database.reading() as connection:
        assert await account_faults(connection, "r1") == []
    await ledger.check()
    await ledger.record(said(OrderState.FILLED, sold="2"), cycle=2)
    await ledger.recheck()


async def test_one_that_no_entry_brought_is_found(database: Database) -> None:
    ledger = await sent(database)
    await ledger.record_all([filled("2"), said()], cycle=1)
    async with database.transaction() as connection:
        query = select(orders).where(orders.c.client_order_id == ORDER.exit_id)
        row = dict((await connection.execute(query)).mappings().one())
        row["request"] = row["request"].replace('"trigger_price":"90"', '"trigger_price":"50"')
        row["digest"] = row_digest(orders, row)
        await connection.execute(update(orders).where(orders.c.client_order_id == ORDER.exit_id).values(row))
    with pytest.raises(LedgerBroken, match="no order without a ticket"):
        await ledger.check()


async def test_as_of_an_earlier_cycle_it_is_as_large_as_it_was(database: Database) -> None:
    ledger = await sent(database)
    await ledger.record_all([filled("0.5"), said()], cycle=1)
    await ledger.record_all([filled("0.5", "1.5"), said(quantity=Decimal(2))], cycle=2)
    entry, exit = await ledger.orders_as_of(before=2)
    assert (entry.filled, exit.request.quantity, exit.state) == (Decimal("0.5"), Decimal("0.5"), OrderState.WORKING)
    assert [order.request.quantity for order in await ledger.orders_as_of(before=3)] == [2, 2]


async def test_as_of_the_cycle_before_its_entry_was_filled_it_is_not_there(database: Database) -> None:
    ledger = await sent(database)
    await ledger.record(a_report(ENTRY), cycle=1)
    await ledger.record_all([filled("2"), said()], cycle=2)
    (entry,) = await ledger.orders_as_of(before=2)
    assert (entry.client_order_id, entry.state, entry.filled) == (ENTRY.client_order_id, OrderState.WORKING, 0)


async def test_an_order_as_its_first_events_left_it_is_as_large_as_it_was(database: Database) -> None:
    ledger = await sent(database)
    await ledger.record_all([filled("0.5"), said()], cycle=1)
    await ledger.record(filled("0.5", "1.5"), cycle=2)
    async with database.reading() as connection:
        query = select(order_events).where(order_events.c.client_order_id == ORDER.exit_id)
        events = (await connection.execute(query.order_by(order_events.c.n))).mappings().all()
    now = await exit_of(ledger)
    then = order_then(now, events[:2], [])
    assert (then.request.quantity, then.state, then.submitted_at) == (Decimal("0.5"), OrderState.WORKING, at(5))
    assert order_then(now, events, []).request == now.request


async def test_what_was_attached_counts_as_no_order_of_its_own_at_the_gate(database: Database) -> None:
    ledger = await sent(database)
    await ledger.record_all([filled("2"), said()], cycle=1)
    async with ledger.gate(cycle=2, at=at(10)) as held:
        standing = await held.standing(sent_since=at(0))
    assert [order.client_order_id for order in standing.sent] == [ENTRY.client_order_id]
    assert [order.client_order_id for order in standing.working] == [ORDER.exit_id]


def test_its_id_is_the_entrys_own_and_valid_on_every_venue() -> None:
    ids = {ORDER.exit_id, PLAIN.order().exit_id}
    assert len(ids) == 2
    assert all(len(id) == 32 and id.startswith("ax") for id in ids)
    assert ORDER.exit_order(Decimal(1)).client_order_id == ORDER.exit_id
    assert PLAIN.order().exit_order(Decimal(1)).target_price is None
