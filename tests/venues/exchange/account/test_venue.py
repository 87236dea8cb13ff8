"""A live account on the exchange double, in good weather: what is sent, and how what happens is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest

from builders.live_venue import SPOT, SWAP, Stage, a_stage
from builders.markets import a_ticket, an_order
from domain.errors import NotFound, OrderStateUnknown
from domain.order import OrderState
from domain.venue import AccountVenue
from exchange_double import Operation


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as stage:
        yield stage


async def test_a_spot_buy_is_told_fill_by_fill_with_its_fee_in_base(stage: Stage) -> None:
    order = an_order(symbol=SPOT, quantity="0.5")
    report = await stage.venue.submit(order, a_ticket(order))
    assert isinstance(stage.venue, AccountVenue)
    (fill,) = report.fills
    assert (report.state, report.filled, report.average_price) == (OrderState.FILLED, Decimal("0.5"), Decimal(60_001))
    assert (fill.quantity, fill.price, fill.fee, fill.fee_base) == (
        Decimal("0.5"),
        Decimal(60_001),
        0,
        Decimal("0.0005"),
    )
    assert (report.venue_order_id, report.evidence) == (stage.double.engine.orders[0].order_id, "by id")


async def test_a_perpetual_is_counted_in_base_and_sent_in_contracts(stage: Stage) -> None:
    order = an_order("sell", "0.05", symbol=SWAP)
    report = await stage.venue.submit(order, a_ticket(order))
    (placed,) = stage.double.engine.orders
    (fill,) = report.fills
    assert placed.new.quantity == 5
    assert (report.state, report.filled, fill.quantity) == (OrderState.FILLED, Decimal("0.05"), Decimal("0.05"))
    assert (fill.fee, fill.fee_base) == (Decimal("0.05") * 60_000 * Decimal("0.0005"), 0)
    statement = await stage.venue.statement()
    assert statement.positions == {SWAP: Decimal("-0.05")}
    assert statement.balances == {"USDT": 100_000 - fill.fee}


async def test_a_binance_perpetual_is_exited_below_its_least_notional_and_not_entered() -> None:
    """0.001 are worth 60, and the least that may be entered is 100."""
    async with a_stage(exchange="binance", symbol=SWAP, symbols=[SWAP]) as stage:
        enter = an_order(symbol=SWAP, quantity="0.002", id="enter")
        assert (await stage.venue.submit(enter, a_ticket(enter))).state is OrderState.FILLED
        over = {"symbol": SWAP, "quantity": Decimal("0.001")}
        waits = an_order("sell", id="waits", reduce_only=True, limit="61000").model_copy(update=over)
        stops = waits.model_copy(
            update={"client_order_id": "stops", "type": "stop", "limit_price": None, "trigger_price": Decimal(59_000)}
        )
        leave = an_order("sell", id="leave", reduce_only=True).model_copy(update=over)
        small = an_order(id="small", limit="59000").model_copy(update=over)
        for order, state in ((waits, "working"), (stops, "working"), (leave, "filled")):
            assert (await stage.venue.submit(order, a_ticket(order))).state.value == state
        refused = await stage.venue.submit(small, a_ticket(small))
        assert refused.reason == "not sent: the notional 59 is below the minimum 100"


async def test_one_order_is_one_request_that_says_until_when_it_may_be_carried_out(stage: Stage) -> None:
    order = an_order(symbol=SPOT, quantity="0.5")
    await stage.venue.submit(order, a_ticket(order))
    (entry,) = stage.double.journal.of(Operation.PLACE)
    until = stage.now() + timedelta(seconds=5)
    assert entry.request.headers["exptime"] == str(int(until.timestamp() * 1000))


async def test_an_order_that_is_nowhere_is_missed_only_when_it_can_no_longer_be_under_way(stage: Stage) -> None:
    with pytest.raises(OrderStateUnknown, match="not visible yet"):
        await stage.venue.find("nobody", SPOT, stage.now())
    sent_at = stage.now()
    stage.present.at += timedelta(seconds=35)
    assert await stage.venue.find("nobody", SPOT, sent_at) is None
    with pytest.raises(NotFound):
        await stage.venue.cancel("nobody", SPOT)


async def test_a_restart_finds_what_was_sent_before_it(stage: Stage) -> None:
    order = an_order(symbol=SPOT, quantity="0.5", limit="50000")
    sent = await stage.venue.submit(order, a_ticket(order))
    stage.double.engine.trade(SPOT, price="50000", size="0.2")
    again = stage.another()
    try:
        found = await again.find(order.client_order_id, SPOT)
        assert found is not None
        assert (found.venue_order_id, found.state, found.filled) == (
            sent.venue_order_id,
            OrderState.PARTIAL,
            Decimal("0.2"),
        )
        assert await again.open_orders() == [found.model_copy(update={"evidence": "open orders"})]
    finally:
        await again.aclose()
