"""What every `Venue` must do. A test class inherits `VenueContract` and gives it a `stage`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar, Protocol

import pytest

from builders.liars import ATTACKS, changed, more
from builders.markets import a_ticket, an_order
from domain.errors import NotFound, Refused, SymbolUnknown, TicketRefused
from domain.money import floor_to
from domain.order import OrderState
from domain.venue import AccountVenue, BatchVenue, Venue


class Stage(Protocol):
    """A venue with a fresh account of at least 1,000 in the quote currency, and a hand on its time."""

    venue: Venue
    symbol: str

    async def advance(self, bars: int = 1) -> None: ...

    def now(self) -> datetime: ...


async def _affordable(stage: Stage, share: str = "0.1") -> str:
    instrument = (await stage.venue.instruments())[stage.symbol]
    quote = await stage.venue.quote(stage.symbol)
    cash = (await stage.venue.portfolio()).cash
    return str(floor_to(cash * Decimal(share) / quote.ask, instrument.lot_size))


async def _far_below(stage: Stage) -> str:
    instrument = (await stage.venue.instruments())[stage.symbol]
    return str(floor_to((await stage.venue.quote(stage.symbol)).bid / 2, instrument.tick_size))


class VenueContract:
    counts_fees: ClassVar[bool] = True
    """Whether its portfolio says what was paid in fees. An exchange tells what is held, and not what it has cost."""

    async def test_candles_are_closed_in_order_and_never_from_the_future(self, stage):
        far = datetime(2100, 1, 1, tzinfo=UTC)
        candles = await stage.venue.candles(stage.symbol, limit=20, until=far)
        assert [c.closed_at for c in candles] == sorted({c.closed_at for c in candles})
        assert candles[-1].closed_at <= stage.now()
        assert all(0 < c.low <= min(c.open, c.close) <= max(c.open, c.close) <= c.high for c in candles)

    async def test_a_quote_is_not_crossed_and_not_from_the_future(self, stage):
        quote = await stage.venue.quote(stage.symbol)
        assert 0 < quote.bid < quote.ask
        assert quote.at <= stage.now()

    async def test_the_clock_is_the_venues_own_or_it_tells_none(self, stage):
        theirs = await stage.venue.time()
        assert theirs is None or abs(theirs - stage.now()) < timedelta(minutes=1)

    async def test_a_symbol_that_is_not_there_is_named(self, stage):
        with pytest.raises(SymbolUnknown, match="NOPE/USDT"):
            await stage.venue.quote("NOPE/USDT")

    async def test_nothing_is_sent_without_a_ticket_that_fits(self, stage):
        order = an_order(quantity=await _affordable(stage), symbol=stage.symbol)
        other = an_order(quantity=order.quantity * 2, symbol=stage.symbol)
        with pytest.raises(TicketRefused):
            await stage.venue.submit(order, a_ticket(other))
        assert await stage.venue.find(order.client_order_id, order.symbol) is None

    async def test_a_ticket_serves_one_order(self, stage):
        first = an_order(quantity=await _affordable(stage), symbol=stage.symbol, id="order1")
        second = an_order(quantity=await _affordable(stage), symbol=stage.symbol, id="order2")
        await stage.venue.submit(first, a_ticket(first, id="ticket"))
        with pytest.raises(TicketRefused):
            await stage.venue.submit(second, a_ticket(second, id="ticket"))

    @pytest.mark.parametrize("attack", ATTACKS)
    async def test_what_is_no_order_or_no_ticket_by_its_exact_type_is_refused(self, stage, attack):
        order = an_order(quantity=await _affordable(stage, "0.01"), symbol=stage.symbol)
        attacking, ticket = ATTACKS[attack](order, a_ticket(order))
        with pytest.raises(TicketRefused):
            await stage.venue.submit(attacking, ticket)
        await stage.advance(3)
        assert (await stage.venue.portfolio()).quantity(stage.symbol) == 0
        assert await stage.venue.find("order1", stage.symbol) is None

    async def test_in_a_batch_each_of_those_is_refused_alone_and_the_others_are_sent(self, stage):
        if not isinstance(stage.venue, BatchVenue):
            pytest.skip("it takes no batches")
        quantity = await _affordable(stage, "0.01")
        good, *used = [
            an_order(quantity=quantity, symbol=stage.symbol, id=f"order{n}") for n in range(len(ATTACKS) + 1)
        ]
        attacks = [attack(order, a_ticket(order)) for attack, order in zip(ATTACKS.values(), used, strict=True)]
        first, *refused = await stage.venue.submit_all([(good, a_ticket(good)), *attacks])
        assert [type(outcome) for outcome in refused] == [TicketRefused] * len(ATTACKS)
        assert first.client_order_id == good.client_order_id
        await stage.advance(3)
        report = await stage.venue.find(good.client_order_id, stage.symbol)
        bought = good.quantity - sum(fill.fee_base for fill in report.fills)
        assert (await stage.venue.portfolio()).quantity(stage.symbol) == bought

    async def test_what_becomes_of_an_order_while_it_is_sent_changes_nothing(self, stage):
        order = an_order(quantity=await _affordable(stage, "0.01"), symbol=stage.symbol)
        judged, ticket = order.model_copy(), a_ticket(order)
        sending = asyncio.ensure_future(stage.venue.submit(order, ticket))
        await asyncio.sleep(0)
        changed(order, quantity=more(order), side="sell")
        object.__setattr__(ticket, "id", "another")
        await sending
        await stage.advance(3)
        report = await stage.venue.find(judged.client_order_id, stage.symbol)
        assert report.filled == judged.quantity
        assert {fill.side for fill in report.fills} == {"buy"}

    async def test_a_market_order_is_filled_in_time_and_the_books_say_so(self, stage):
        order = an_order(quantity=await _affordable(stage), symbol=stage.symbol)
        start = await stage.venue.portfolio()
        sent_at = stage.now()
        sent = await stage.venue.submit(order, a_ticket(order))
        assert sent.client_order_id == order.client_order_id
        await stage.advance(3)
        report = await stage.venue.find(order.client_order_id, order.symbol)
        assert report is not None
        assert report.state is OrderState.FILLED
        assert report.filled == order.quantity == sum(fill.quantity for fill in report.fills)
        assert all(fill.at >= sent_at for fill in report.fills)
        books = await stage.venue.portfolio()
        paid = sum(fill.notional + fill.fee for fill in report.fills)
        assert books.cash == start.cash - paid
        assert books.quantity(stage.symbol) == order.quantity - sum(fill.fee_base for fill in report.fills)
        if self.counts_fees:
            assert books.fees - start.fees == sum(fill.fee for fill in report.fills)

    async def test_the_same_order_again_is_the_same_order(self, stage):
        order = an_order(quantity=await _affordable(stage), symbol=stage.symbol)
        await stage.venue.submit(order, a_ticket(order))
        await stage.advance(3)
        again = await stage.venue.submit(order, a_ticket(order))
        assert again == await stage.venue.find(order.client_order_id, order.symbol)
        bought = order.quantity - sum(fill.fee_base for fill in again.fills)
        assert (await stage.venue.portfolio()).quantity(stage.symbol) == bought

    async def test_an_id_belongs_to_one_order(self, stage):
        order = an_order(quantity=await _affordable(stage, "0.1"), symbol=stage.symbol)
        other = an_order(quantity=await _affordable(stage, "0.2"), symbol=stage.symbol)
        await stage.venue.submit(order, a_ticket(order))
        with pytest.raises(Refused):
            await stage.venue.submit(other, a_ticket(other, id="another"))

    async def test_an_order_that_waits_can_be_cancelled(self, stage):
        order = an_order(quantity=await _affordable(stage), symbol=stage.symbol, limit=await _far_below(stage))
        await stage.venue.submit(order, a_ticket(order))
        assert [o.client_order_id for o in await stage.venue.open_orders()] == [order.client_order_id]
        report = await stage.venue.cancel(order.client_order_id, order.symbol)
        assert (report.state, report.filled) == (OrderState.CANCELLED, 0)
        assert await stage.venue.open_orders() == []
        assert await stage.venue.cancel(order.client_order_id, order.symbol) == report

    async def test_an_unknown_order_is_not_found(self, stage):
        assert await stage.venue.find("nobody", stage.symbol) is None
        with pytest.raises(NotFound):
            await stage.venue.cancel("nobody", stage.symbol)

    async def test_what_cannot_be_paid_is_rejected_with_a_reason(self, stage):
        order = an_order(quantity=await _affordable(stage, "15"), symbol=stage.symbol)
        report = await stage.venue.submit(order, a_ticket(order))
        assert report.state is OrderState.REJECTED
        assert report.reason
        assert await stage.venue.find(order.client_order_id, order.symbol) == report

    async def test_what_is_off_the_grid_is_rejected(self, stage):
        instrument = (await stage.venue.instruments())[stage.symbol]
        quantity = Decimal(await _affordable(stage)) + instrument.lot_size / 2
        order = an_order(quantity=str(quantity), symbol=stage.symbol)
        assert (await stage.venue.submit(order, a_ticket(order))).state is OrderState.REJECTED

    async def test_a_reduce_only_order_cannot_open_a_position(self, stage):
        order = an_order("sell", await _affordable(stage), symbol=stage.symbol, reduce_only=True)
        assert (await stage.venue.submit(order, a_ticket(order))).state is OrderState.REJECTED
        assert (await stage.venue.portfolio()).quantity(stage.symbol) == 0

    async def test_an_entry_brings_its_exits_where_the_venue_attaches_them(self, stage):
        if isinstance(stage.venue, AccountVenue) and not stage.venue.attaches_stops(stage.symbol):
            pytest.skip("it attaches none under an id of ours")
        instrument = (await stage.venue.instruments())[stage.symbol]
        far = {
            "stop_price": Decimal(await _far_below(stage)),
            "target_price": floor_to((await stage.venue.quote(stage.symbol)).ask * 2, instrument.tick_size),
        }
        entry = an_order(quantity=await _affordable(stage), symbol=stage.symbol).model_copy(update=far)
        assert await stage.venue.find(entry.exit_id, stage.symbol) is None
        await stage.venue.submit(entry, a_ticket(entry))
        await stage.advance(3)
        exit = await stage.venue.find(entry.exit_id, stage.symbol)
        assert exit is not None
        held = (await stage.venue.portfolio()).quantity(stage.symbol)
        assert (exit.state, exit.filled) == (OrderState.WORKING, 0)
        assert floor_to(held, instrument.lot_size) == exit.quantity
        assert [o.client_order_id for o in await stage.venue.open_orders()] == [entry.exit_id]
        assert (await stage.venue.cancel(entry.exit_id, stage.symbol)).state is OrderState.CANCELLED
        assert await stage.venue.open_orders() == []

    async def test_a_stop_waits_where_the_venue_holds_them(self, stage):
        if isinstance(stage.venue, AccountVenue) and not stage.venue.holds_stops(stage.symbol):
            pytest.skip("it holds none")
        instrument = (await stage.venue.instruments())[stage.symbol]
        entry = an_order(quantity=await _affordable(stage), symbol=stage.symbol)
        await stage.venue.submit(entry, a_ticket(entry))
        await stage.advance(3)
        held = floor_to((await stage.venue.portfolio()).quantity(stage.symbol), instrument.lot_size)
        waits = {"type": "stop", "trigger_price": Decimal(await _far_below(stage))}
        stop = an_order("sell", str(held), symbol=stage.symbol, id="order2", reduce_only=True)
        stop = stop.model_copy(update=waits)
        assert (await stage.venue.submit(stop, a_ticket(stop))).state is OrderState.WORKING
        await stage.advance()
        assert (await stage.venue.find("order2", stage.symbol)).state is OrderState.WORKING
        assert (await stage.venue.cancel("order2", stage.symbol)).state is OrderState.CANCELLED
