"""Several orders at once: each with an end of its own, and none sent twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import pytest

from builders.live_venue import SPOT, SWAP, Stage, a_stage
from builders.markets import a_ticket, an_order
from domain.clearance import Cleared, cleared
from domain.decision import Ticket
from domain.errors import OrderStateUnknown, TicketRefused
from domain.order import OrderReport, OrderRequest, OrderState
from domain.venue import BatchVenue
from exchange_double import Operation
from exchange_double.faults import Fault, Malformed, RateLimited, Reset, ServerError, Timeout
from venues.exchange.account import NotSent


@pytest.fixture
async def stage(exchange: str) -> AsyncIterator[Stage]:
    async with a_stage(exchange=exchange, symbols=[SPOT, SWAP] if exchange == "okx" else [SPOT]) as stage:
        await stage.hurry()
        yield stage


@pytest.fixture
def exchange() -> str:
    return "okx"


def tickets(*orders: OrderRequest) -> Sequence[tuple[OrderRequest, Ticket]]:
    return [(order, a_ticket(order, id=f"ticket-{order.client_order_id}")) for order in orders]


def some(number: int, *, symbol: str = SPOT) -> list[OrderRequest]:
    return [an_order(symbol=symbol, quantity="0.01", limit="50000", id=f"order{n}") for n in range(number)]


async def test_one_request_carries_all_of_a_kind(stage: Stage) -> None:
    swap = an_order("sell", "0.05", symbol=SWAP, id="swap")
    reports = await stage.venue.submit_all(tickets(*some(3), swap))
    assert [report.state for report in reports if isinstance(report, OrderReport)] == [
        *[OrderState.WORKING] * 3,
        OrderState.FILLED,
    ]
    assert [len(entry.orders) for entry in stage.double.journal.of(Operation.PLACE)] == [3, 1]


@pytest.mark.parametrize("exchange", ["binance"])
async def test_they_go_one_by_one_where_the_venue_takes_no_batch(stage: Stage) -> None:
    assert stage.venue.batch == 1
    reports = await stage.venue.submit_all(tickets(*some(3)))
    assert [getattr(report, "state", None) for report in reports] == [OrderState.WORKING] * 3
    assert len(stage.double.journal.of(Operation.PLACE)) == 3


ELSEWHERE = [("binance", SWAP, 5, "-2019"), ("bybit", SPOT, 10, "170131"), ("bybit", SWAP, 20, "110007")]


@pytest.mark.parametrize(("exchange", "symbol", "most", "poor_code"), ELSEWHERE)
async def test_other_venues_take_batches_too(exchange: str, symbol: str, most: int, poor_code: str) -> None:
    async with a_stage(exchange=exchange, symbols=[symbol]) as stage:
        assert stage.venue.batch == min(most, 8)
        few = some(most + 1, symbol=symbol)
        poor = an_order(symbol=symbol, quantity="50", limit="50000", id="poor")
        reports = await stage.venue.submit_all(tickets(poor, *few))
        journal = stage.double.journal.of(Operation.PLACE)
        assert [len(entry.orders) for entry in journal] == [most - 1, 2]
    refused, *taken = [report for report in reports if isinstance(report, OrderReport)]
    assert (refused.client_order_id, refused.state, refused.evidence) == (
        "poor",
        OrderState.REJECTED,
        f"refused {poor_code}",
    )
    assert [(r.client_order_id, r.state) for r in taken] == [(o.client_order_id, OrderState.WORKING) for o in few]


@pytest.mark.parametrize(("exchange", "symbol", "most", "poor_code"), ELSEWHERE)
async def test_at_other_venues_all_may_be_refused_with_a_code_each(
    exchange: str, symbol: str, most: int, poor_code: str
) -> None:
    async with a_stage(exchange=exchange, symbols=[symbol]) as stage:
        poor = [an_order(symbol=symbol, quantity="50", limit="50000", id=f"poor{n}") for n in range(2)]
        reports = await stage.venue.submit_all(tickets(*poor))
    assert [getattr(report, "evidence", report) for report in reports] == [f"refused {poor_code}"] * 2


async def test_more_than_a_request_holds_go_in_several(stage: Stage) -> None:
    reports = await stage.venue.submit_all(tickets(*some(23)))
    assert len({report.client_order_id for report in reports if isinstance(report, OrderReport)}) == 23
    assert len(stage.double.journal.of(Operation.PLACE)) == 2


async def test_each_is_refused_for_itself(stage: Stage) -> None:
    good, poor = some(1)[0], an_order(symbol=SPOT, quantity="5", limit="50000", id="poor")
    odd = an_order(symbol=SPOT, quantity="0.000000005", id="odd")
    strange = an_order(symbol="SOL/USDT", id="strange")
    taken, poor_report, off_grid, elsewhere = await stage.venue.submit_all(tickets(good, poor, odd, strange))
    assert isinstance(taken, OrderReport)
    assert isinstance(poor_report, OrderReport)
    assert isinstance(off_grid, OrderReport)
    assert isinstance(elsewhere, OrderReport)
    assert taken.state is OrderState.WORKING
    assert (poor_report.state, poor_report.evidence) == (OrderState.REJECTED, "refused 51008")
    assert (off_grid.state, off_grid.evidence) == (OrderState.REJECTED, "our own check")
    assert (elsewhere.state, elsewhere.evidence) == (OrderState.REJECTED, "our own check")


async def test_all_may_be_refused_with_a_code_each(stage: Stage) -> None:
    poor = [an_order(symbol=SPOT, quantity="5", limit="50000", id=f"poor{n}") for n in range(2)]
    reports = await stage.venue.submit_all(tickets(*poor))
    assert [report.evidence for report in reports if isinstance(report, OrderReport)] == ["refused 51008"] * 2


LOST = [
    Timeout(accepted=True),
    Timeout(accepted=False),
    Reset(accepted=True),
    RateLimited(),
    ServerError(accepted=True),
    Malformed(),
]


@pytest.mark.parametrize("fault", LOST, ids=str)
@pytest.mark.parametrize(("exchange", "symbol"), [("okx", SPOT), *[each[:2] for each in ELSEWHERE]])
async def test_a_lost_answer_leaves_each_unknown_until_it_is_asked_for(
    exchange: str, symbol: str, fault: Fault
) -> None:
    async with a_stage(exchange=exchange, symbols=[symbol]) as stage:
        await stage.hurry()
        stage.double.faults.add(fault, on=Operation.PLACE)
        outcomes = await stage.venue.submit_all(tickets(*some(2, symbol=symbol)))
        assert all(isinstance(outcome, OrderStateUnknown) for outcome in outcomes)
        assert len(stage.double.journal.of(Operation.PLACE)) == 1
        for order in stage.double.engine.orders:
            found = await stage.venue.find(order.new.client_order_id, symbol)
            assert found is not None
            assert found.venue_order_id == order.order_id


async def test_a_ticket_that_does_not_fit_keeps_back_its_own_order_alone(stage: Stage) -> None:
    first, second = some(2)
    refused, sent = await stage.venue.submit_all([(first, a_ticket(second)), *tickets(second)])
    assert isinstance(refused, TicketRefused)
    assert isinstance(sent, OrderReport)
    assert [order.new.client_order_id for order in stage.double.engine.orders] == [second.client_order_id]


async def test_what_did_not_go_out_may_go_out_later_under_the_same_tickets(stage: Stage) -> None:
    await stage.venue.aclose()
    stage.double.faults.add(ServerError(), on=Operation.TIME)
    kept_back = await stage.venue.submit_all(tickets(*some(2)))
    assert all(isinstance(outcome, NotSent) for outcome in kept_back)
    sent = await stage.venue.submit_all(tickets(*some(2)))
    assert all(isinstance(outcome, OrderReport) for outcome in sent)


async def test_what_can_not_be_asked_about_after_the_send_is_in_doubt_alone(stage: Stage) -> None:
    there, new = some(2)
    other = stage.another()
    await other.submit(there, a_ticket(there))
    await other.aclose()
    await stage.venue.instruments()
    stage.double.faults.add(ServerError(), on=[Operation.ORDER, Operation.OPEN_ORDERS], times=None)
    in_doubt, sent = await stage.venue.submit_all(tickets(there, new))
    assert isinstance(in_doubt, OrderStateUnknown)
    assert isinstance(sent, OrderReport)
    assert (sent.state, sent.evidence) == (OrderState.WORKING, "accepted")


async def test_as_many_share_a_request_as_can_be_looked_at_and_sent_without_waiting(stage: Stage) -> None:
    assert isinstance(stage.venue, BatchVenue)
    await stage.venue.instruments()
    stage.present.at += timedelta(minutes=1)  # its bucket is full
    together = some(stage.venue.batch)
    stage.double.faults.add(ServerError(), on=Operation.PLACE)
    stage.present.slept.clear()
    for _ in together:
        await stage.venue.quote(SPOT)
    await stage.venue.submit_all(tickets(*together))
    assert (len(together), stage.present.slept) == (8, [])


async def test_a_batch_counts_as_many_against_the_pace_as_it_holds_orders(stage: Stage) -> None:
    stage.double.faults.add(ServerError(), on=Operation.PLACE)  # so that nothing is asked afterwards
    full = stage.venue.health().bucket
    await stage.venue.submit_all(tickets(*some(5)))
    assert full - stage.venue.health().bucket == 5


async def test_the_tickets_are_looked_at_again_when_their_turn_has_come(stage: Stage) -> None:
    looks: list[str] = []

    def once(ticket: Ticket, order: OrderRequest, now: datetime) -> Cleared:
        looks.append(order.client_order_id)
        if len(looks) == 4:
            raise TicketRefused("the ticket has expired")
        return cleared(ticket, order)

    venue = stage.another(check=once)
    first, second = some(2)
    try:
        assert [str(o) for o in await venue.submit_all(tickets(first, second))] == ["the ticket has expired"] * 2
        assert stage.double.journal.of(Operation.PLACE) == ()
        assert all(isinstance(o, OrderReport) for o in await venue.submit_all(tickets(first, second)))
    finally:
        await venue.aclose()
