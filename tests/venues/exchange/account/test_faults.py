"""A live account in bad weather: every fault that the double has, on every operation, alone and in pairs.

Whatever happens, no order is there twice, nothing is called ended that the engine has not ended, and a query that
failed is never read as nothing.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest

from builders.live_venue import SPOT, SWAP, Stage, a_stage
from builders.markets import a_ticket, an_order
from domain.errors import NotFound, OrderStateUnknown, TicketRefused, VenueUnavailable
from domain.order import OrderReport, OrderRequest, OrderState
from exchange_double import EVERY_FAULT, Fault, Operation
from exchange_double.faults import (
    BalanceLag,
    ClockSkew,
    FaultScript,
    FilledBeforeCancel,
    FillsLate,
    Maintenance,
    Malformed,
    OrderHidden,
    PartialThenCancel,
    RateLimited,
    Reset,
    ServerError,
    Timeout,
)
from exchange_double.orders import Order, Status

pytestmark = pytest.mark.slow  # every fault at three exchanges

LIES = (Timeout, Reset, RateLimited, ServerError, Malformed, Maintenance)
"""After these nobody knows what became of a request."""

STATES = {
    Status.LIVE: OrderState.WORKING,
    Status.PARTIAL: OrderState.PARTIAL,
    Status.FILLED: OrderState.FILLED,
    Status.CANCELLED: OrderState.CANCELLED,
}


EVERYWHERE = pytest.mark.parametrize("exchange", ["okx", "binance", "bybit"])
"""Those that the double does not speak are skipped."""

EARLY = {"okx": "refused 50102", "binance": "refused -1021", "bybit": "refused 10002"}
"""What a clock that is off is told."""


@pytest.fixture
def exchange() -> str:
    return "okx"


@pytest.fixture
async def stage(exchange: str) -> AsyncIterator[Stage]:
    async with a_stage(exchange=exchange, symbols=[SPOT, SWAP] if exchange != "binance" else [SPOT]) as stage:
        await stage.hurry()
        yield stage


def faults_on(*operations: Operation) -> list[tuple[Fault, Operation]]:
    """Every fault on each of these operations, where it means something there."""
    return [
        (fault, operation) for operation in operations for fault in EVERY_FAULT if means_something(fault, operation)
    ]


def means_something(fault: Fault, operation: Operation) -> bool:
    try:
        FaultScript().add(fault, on=operation)
    except ValueError:
        return False
    return True


def on(*operations: Operation) -> pytest.MarkDecorator:
    pairs = faults_on(*operations)
    return pytest.mark.parametrize(("fault", "operation"), pairs, ids=[f"{fault}-{where}" for fault, where in pairs])


def in_base(order: Order, stage: Stage) -> Decimal:
    return order.filled * stage.double.engine.listings[order.new.symbol].contract_size


def agree(report: OrderReport, stage: Stage) -> None:
    """The report is what the engine has, to the last fill."""
    (order,) = [o for o in stage.double.engine.orders if o.new.client_order_id == report.client_order_id]
    state = OrderState.CANCELLED if report.state is OrderState.EXPIRED else report.state  # Binance's word for its own
    assert (state, report.filled) == (STATES[order.status], in_base(order, stage))
    assert sum(fill.quantity for fill in report.fills) == report.filled
    assert len({fill.trade_id for fill in report.fills}) == len(report.fills)


async def settled(stage: Stage, order: OrderRequest) -> OrderReport | None:
    """The venue's word after as much asking as it takes."""
    for _ in range(12):
        try:
            report = await stage.venue.find(order.client_order_id, order.symbol)
        except (VenueUnavailable, OrderStateUnknown):
            stage.present.at += timedelta(seconds=20)
            continue
        if report is None or sum(fill.quantity for fill in report.fills) == report.filled:
            return report
    raise AssertionError("the order was never settled")


# Sending.


@EVERYWHERE
@on(Operation.PLACE)
async def test_no_fault_makes_two_orders_of_one_or_an_answer_of_none(
    stage: Stage, fault: Fault, operation: Operation
) -> None:
    stage.double.faults.add(fault, on=operation)
    order = an_order(symbol=SPOT, quantity="0.5")
    if isinstance(fault, LIES):
        with pytest.raises(OrderStateUnknown):
            await stage.venue.submit(order, a_ticket(order))
    else:
        report = await stage.venue.submit(order, a_ticket(order))
        if isinstance(fault, ClockSkew):
            assert (report.state, report.evidence) == (OrderState.REJECTED, EARLY[stage.exchange])
        elif isinstance(fault, OrderHidden):
            assert (report.state, report.evidence, report.fills) == (OrderState.WORKING, "accepted", ())
        else:
            agree(report, stage)
    assert len(stage.double.journal.of(Operation.PLACE)) == 1
    found = await settled(stage, order)
    if stage.double.engine.orders:
        assert found is not None
        agree(found, stage)
    else:
        assert found is None or found.state is OrderState.REJECTED
    assert stage.double.placed_twice() == ()


@on(Operation.ORDER, Operation.FILLS)
async def test_an_order_that_was_taken_stays_taken_when_the_look_after_it_fails(
    stage: Stage, fault: Fault, operation: Operation
) -> None:
    stage.double.faults.add(fault, on=operation)
    order = an_order(symbol=SPOT, quantity="0.5")
    report = await stage.venue.submit(order, a_ticket(order))
    assert report.state in (OrderState.WORKING, OrderState.FILLED)
    assert report.venue_order_id == stage.double.engine.orders[0].order_id
    found = await settled(stage, order)
    assert found is not None
    agree(found, stage)


async def test_the_same_order_after_a_lost_answer_is_looked_up_and_not_sent(stage: Stage) -> None:
    stage.double.faults.add(Timeout(accepted=True), on=Operation.PLACE)
    order = an_order(symbol=SPOT, quantity="0.5")
    with pytest.raises(OrderStateUnknown):
        await stage.venue.submit(order, a_ticket(order))
    agree(await stage.venue.submit(order, a_ticket(order)), stage)
    assert len(stage.double.journal.of(Operation.PLACE)) == 1


async def test_an_order_that_the_venue_already_has_is_no_rejection(stage: Stage) -> None:
    order = an_order(symbol=SPOT, quantity="0.5")
    await stage.venue.submit(order, a_ticket(order))
    again = stage.another()
    try:
        report = await again.submit(order, a_ticket(order, id="another"))
        agree(report, stage)
        assert report.state is OrderState.FILLED
    finally:
        await again.aclose()


async def test_what_the_venue_refuses_is_rejected_with_its_code(stage: Stage) -> None:
    order = an_order(symbol=SPOT, quantity="1.9")
    stage.double.engine.deposit("USDT", -90_000)
    report = await stage.venue.submit(order, a_ticket(order))
    assert (report.state, report.evidence) == (OrderState.REJECTED, "refused 51008")
    assert "double" not in report.reason


async def test_fills_that_come_late_are_asked_for_again(stage: Stage) -> None:
    stage.double.faults.add(FillsLate(), on=Operation.FILLS)
    order = an_order(symbol=SPOT, quantity="0.5")
    agree(await stage.venue.submit(order, a_ticket(order)), stage)
    assert stage.present.slept == [0.2]


async def test_fills_that_stay_away_are_not_made_up(stage: Stage) -> None:
    stage.double.faults.add(FillsLate(), on=Operation.FILLS, times=None)
    order = an_order(symbol=SPOT, quantity="0.5")
    report = await stage.venue.submit(order, a_ticket(order))
    assert (report.state, report.filled, report.fills) == (OrderState.FILLED, Decimal("0.5"), ())


# Asking.


@on(Operation.ORDER)
async def test_no_fault_makes_a_known_order_unknown(stage: Stage, fault: Fault, operation: Operation) -> None:
    order = an_order(symbol=SPOT, quantity="0.5")
    await stage.venue.submit(order, a_ticket(order))
    stage.present.at += timedelta(minutes=1)
    stage.double.faults.add(fault, on=operation)
    try:
        found = await stage.venue.find(order.client_order_id, SPOT)
    except VenueUnavailable:
        assert isinstance(fault, LIES)
    else:
        assert found is not None
        agree(found, stage)


@on(Operation.ORDER, Operation.OPEN_ORDERS, Operation.HISTORY, Operation.FILLS)
async def test_a_failed_query_is_never_read_as_no_such_order(stage: Stage, fault: Fault, operation: Operation) -> None:
    stage.present.at += timedelta(minutes=1)
    stage.double.faults.add(fault, on=operation, times=None if isinstance(fault, LIES) else 1)
    if isinstance(fault, LIES):
        with pytest.raises(VenueUnavailable):
            await stage.venue.find("nobody", SPOT)
    else:
        assert await stage.venue.find("nobody", SPOT) is None


@pytest.mark.parametrize("looks", range(1, 8))
async def test_an_order_that_shows_late_is_found_or_waited_for(stage: Stage, looks: int) -> None:
    stage.double.faults.add(OrderHidden(looks=looks), on=Operation.PLACE)
    stage.double.faults.add(Timeout(accepted=True), on=Operation.PLACE)
    order = an_order(symbol=SPOT, quantity="0.5", limit="50000")
    with pytest.raises(OrderStateUnknown):
        await stage.venue.submit(order, a_ticket(order))
    if looks > 6:  # by id, open, ended: twice, for stops too, and the trades
        with pytest.raises(OrderStateUnknown, match="not visible yet"):
            await stage.venue.find(order.client_order_id, SPOT)
    found = await settled(stage, order)
    assert found is not None
    agree(found, stage)


# Taking back.


@EVERYWHERE
@on(Operation.CANCEL)
async def test_no_fault_makes_a_cancel_more_than_it_was(stage: Stage, fault: Fault, operation: Operation) -> None:
    order = an_order(symbol=SPOT, quantity="0.5", limit="50000")
    await stage.venue.submit(order, a_ticket(order))
    stage.double.faults.add(fault, on=operation)
    # Binance's cancel is a DELETE, and the HTTP client itself repeats that on a connection that was reset.
    repeated = isinstance(fault, Reset) and stage.exchange == "binance"
    if isinstance(fault, LIES) and not repeated:
        with pytest.raises(OrderStateUnknown):
            await stage.venue.cancel(order.client_order_id, SPOT)
    else:
        report = await stage.venue.cancel(order.client_order_id, SPOT)
        agree(report, stage)
        assert report.state is (OrderState.FILLED if isinstance(fault, FilledBeforeCancel) else OrderState.CANCELLED)
    found = await settled(stage, order)
    assert found is not None
    agree(found, stage)


@on(Operation.ORDER, Operation.FILLS)
async def test_a_cancel_whose_end_cannot_be_read_is_unknown(stage: Stage, fault: Fault, operation: Operation) -> None:
    order = an_order(symbol=SPOT, quantity="0.5", limit="50000")
    await stage.venue.submit(order, a_ticket(order))
    stage.double.engine.trade(SPOT, price="50000", size="0.2")
    stage.double.faults.add(fault, on=operation)
    try:
        report = await stage.venue.cancel(order.client_order_id, SPOT)
    except OrderStateUnknown:
        assert isinstance(fault, LIES)
    else:
        assert (report.state, report.filled) == (OrderState.CANCELLED, Decimal("0.2"))
    found = await settled(stage, order)
    assert found is not None
    agree(found, stage)


async def test_what_is_filled_already_is_told_as_filled(stage: Stage) -> None:
    order = an_order(symbol=SPOT, quantity="0.5")
    sent = await stage.venue.submit(order, a_ticket(order))
    assert await stage.venue.cancel(order.client_order_id, SPOT) == sent


async def test_a_partial_fill_that_the_venue_cancels_keeps_what_was_filled(stage: Stage) -> None:
    stage.double.faults.add(PartialThenCancel(), on=Operation.PLACE)
    order = an_order("buy", "0.04", symbol=SWAP)
    report = await stage.venue.submit(order, a_ticket(order))
    assert (report.state, report.filled) == (OrderState.CANCELLED, Decimal("0.02"))
    agree(report, stage)


# The account.


@on(Operation.BALANCE, Operation.POSITIONS, Operation.OPEN_ORDERS, Operation.BOOK)
async def test_a_statement_is_whole_or_there_is_none(stage: Stage, fault: Fault, operation: Operation) -> None:
    order = an_order("sell", "0.05", symbol=SWAP)
    waiting = an_order(symbol=SPOT, quantity="0.5", limit="50000", id="order2")
    for one in (order, waiting):
        await stage.venue.submit(one, a_ticket(one, id=one.client_order_id))
    right = await stage.venue.statement()
    assert (right.positions, len(right.open_orders)) == ({SWAP: Decimal("-0.05")}, 1)
    stage.double.faults.add(fault, on=operation)
    try:
        told = await stage.venue.statement()
    except VenueUnavailable:
        assert isinstance(fault, LIES)
    else:
        lagging = isinstance(fault, BalanceLag)
        whole = right.model_copy(update={"at": told.at})
        unmarked = whole.model_copy(update={"marks": told.marks}) if operation is Operation.BOOK else whole
        assert lagging or told == unmarked
        assert told.marks.items() <= right.marks.items(), "a mark may be missing, and is never another"


# In pairs.


@EVERYWHERE
@pytest.mark.parametrize("seed", range(30))
async def test_two_faults_at_once_end_in_what_the_engine_has(exchange: str, seed: int) -> None:
    draw = random.Random(seed)
    symbol = draw.choice([SPOT, SWAP])
    async with a_stage(exchange=exchange, symbol=symbol, symbols=[symbol]) as stage:
        await stage.hurry()
        operations = [Operation.PLACE, Operation.ORDER, Operation.FILLS, Operation.CANCEL, Operation.OPEN_ORDERS]
        for fault, operation in draw.sample(faults_on(*operations), 2):
            stage.double.faults.add(fault, on=operation, times=draw.choice([1, 2]))
        limit = draw.choice([None, "50000"])
        order = an_order(symbol=symbol, quantity="0.05", limit=limit)
        said: list[OrderReport] = []
        with suppress(OrderStateUnknown, TicketRefused):
            said.append(await stage.venue.submit(order, a_ticket(order)))
        if draw.random() < 0.5:
            with suppress(OrderStateUnknown, VenueUnavailable, NotFound):
                said.append(await stage.venue.cancel(order.client_order_id, symbol))
        for report in said:
            if report.state.terminal and report.state is not OrderState.REJECTED:
                (placed,) = stage.double.engine.orders
                assert not placed.open
        found = await settled(stage, order)
        assert stage.double.placed_twice() == ()
        assert len(stage.double.journal.of(Operation.PLACE)) <= 1
        if stage.double.engine.orders:
            assert found is not None
            agree(found, stage)
        else:
            assert found is None or found.state is OrderState.REJECTED
