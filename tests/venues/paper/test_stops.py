"""Stops at the paper venue: they wait, trigger within the bar by its high and low, and are attached to entries."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from builders.markets import FREE, a_bar, a_market, a_ticket, a_venue, an_order, at, bars
from domain.candle import Candle
from domain.clock import TickClock
from domain.order import OrderReport, OrderRequest, OrderState
from venues.costs import FeeSchedule, PaperCosts
from venues.paper.order import RestoredOrder
from venues.paper.venue import PaperVenue

SPOT, SWAP = "ETH/USDT", "ETH/USDT:USDT"
FLAT = "100 100 100 100"
TAKER = FREE.model_copy(update={"spot": FeeSchedule(maker=Decimal(0), taker=Decimal("0.001"))})


def an_entry(quantity: str = "1", *, stop: str | None = "95", target: str | None = "110", **over: Any) -> OrderRequest:
    return an_order(over.pop("side", "buy"), quantity, **{"id": "acentry", "symbol": SPOT} | over).model_copy(
        update={"stop_price": Decimal(stop) if stop else None, "target_price": Decimal(target) if target else None}
    )


def a_stop(trigger: str = "95", *, target: str | None = None, quantity: str = "1", **over: Any) -> OrderRequest:
    return OrderRequest(
        **{
            "client_order_id": "acstop",
            "symbol": SPOT,
            "side": "sell",
            "type": "stop",
            "quantity": quantity,
            "trigger_price": trigger,
            "target_price": target,
            "reduce_only": True,
        }
        | over
    )


class Desk:
    """A venue on given bars, with the clock at the close of the first, and what it says of orders by their ids."""

    def __init__(self, candles: list[Candle], *, symbol: str = SPOT, costs: PaperCosts = FREE) -> None:
        self.clock = TickClock(at(1))
        self.market, self.symbol, self.costs = a_market(candles, symbol=symbol), symbol, costs
        self.venue: PaperVenue = a_venue(self.market, self.clock, costs=costs)

    async def send(self, order: OrderRequest) -> OrderReport:
        return await self.venue.submit(order, a_ticket(order, id=f"t-{order.client_order_id}"))

    async def see(self, id: str, *, after: int) -> OrderReport:
        self.clock.set(at(after))
        report = await self.venue.find(id, self.symbol)
        assert report is not None, id
        return report

    async def exit(self, entry: OrderRequest, *, after: int) -> OrderReport:
        return await self.see(entry.exit_id, after=after)


async def held(
    *after: str, symbol: str = SPOT, costs: PaperCosts = FREE, side: str = "buy", volume: str = "1000"
) -> Desk:
    """One bought at 100, or sold, in the second bar; then come the bars `after`."""
    desk = Desk(bars(FLAT, FLAT, *after, volume=volume), symbol=symbol, costs=costs)
    await desk.send(an_order(side, "1", id="acentry", symbol=symbol))
    desk.clock.set(at(2))
    assert (await desk.venue.portfolio()).positions
    return desk


def prices(report: OrderReport) -> list[Decimal]:
    return [fill.price for fill in report.fills]


# Within the bar


async def test_a_stop_waits_and_a_bar_that_recovers_stops_out_at_its_trigger() -> None:
    desk = await held(FLAT, "100 100 80 100", costs=TAKER)
    assert (await desk.send(a_stop())).state is OrderState.WORKING
    assert (await desk.see("acstop", after=3)).state is OrderState.WORKING
    report = await desk.see("acstop", after=4)
    assert (report.state, prices(report)) == (OrderState.FILLED, [Decimal("94.9952")])  # 95 less half a spread of 1 bps
    assert report.fills[0].fee == Decimal("94.9952") / 1000
    assert at(3) < report.fills[0].at < at(4)
    assert (await desk.venue.portfolio()).positions == {}


async def test_slippage_and_impact_are_paid_at_the_trigger() -> None:
    costs = FREE.model_copy(update={"slippage_bps": Decimal(10), "impact_bps": Decimal(100)})
    desk = await held("100 100 80 100", costs=costs)
    await desk.send(a_stop())
    # 1 of the 100 that the bar permits: 10 bps slippage, a hundredth of 100 bps impact, half a spread of 1 bps.
    assert prices(await desk.see("acstop", after=3)) == [Decimal("94.8907")]


@pytest.mark.parametrize(
    ("bar", "price"),
    [
        ("90 91 80 85", "89.9955"),
        ("95 96 94 95", "94.9952"),
        ("120 121 119 120", "119.9940"),
        ("110 111 90 100", "109.9945"),
    ],
)
async def test_a_gap_fills_at_the_open_and_not_at_the_stop_or_the_target(bar: str, price: str) -> None:
    desk = await held(bar)
    await desk.send(a_stop(target="110"))
    report = await desk.see("acstop", after=3)
    assert (prices(report), report.fills[0].at) == ([Decimal(price)], at(2))


@pytest.mark.parametrize(
    ("bar", "price"),
    [
        ("100 109.99 95.01 100", None),
        ("100 110 96 100", "109.9945"),  # touching it is enough: it is sent at the market then, with a taker's costs
        ("100 115 80 100", "94.9952"),  # both: the stop
        ("100 115 95 112", "94.9952"),
    ],
)
async def test_the_high_meets_the_target_and_stop_and_target_in_one_bar_is_the_stop(
    bar: str, price: str | None
) -> None:
    desk = await held(bar)
    await desk.send(a_stop(target="110"))
    report = await desk.see("acstop", after=3)
    assert prices(report) == ([Decimal(price)] if price else [])


@pytest.mark.parametrize(
    ("bar", "price"), [("100 106 99 100", "105.0053"), ("100 101 89 95", "90.0045"), ("100 106 89 95", "105.0053")]
)
async def test_a_short_is_stopped_out_by_the_high_and_takes_its_profit_by_the_low(bar: str, price: str) -> None:
    desk = await held(bar, symbol=SWAP, side="sell")
    await desk.send(a_stop("105", target="90", side="buy", symbol=SWAP))
    assert prices(await desk.see("acstop", after=3)) == [Decimal(price)]


async def test_what_a_bar_has_no_volume_for_goes_on_at_the_next_open_wherever_the_price_is() -> None:
    quiet = [a_bar(n, FLAT) for n in range(2)] + [
        a_bar(2, "100 100 90 100", volume="4"),
        a_bar(3, "101 102 101 101", volume="0"),
        a_bar(4, "103 103 103 103", volume="4"),
        a_bar(5, "104 104 104 104"),
    ]
    desk = Desk(quiet)
    await desk.send(an_order("buy", "1", id="acentry"))
    desk.clock.set(at(2))
    await desk.send(a_stop())
    first = await desk.see("acstop", after=3)
    assert (first.state, first.filled) == (OrderState.PARTIAL, Decimal("0.4"))
    last = await desk.see("acstop", after=6)
    assert [(fill.quantity, fill.at) for fill in last.fills][1:] == [(Decimal("0.4"), at(4)), (Decimal("0.2"), at(5))]
    assert prices(last)[1] > 102
    assert last.state is OrderState.FILLED


async def test_a_stop_that_nothing_could_be_traded_for_when_it_was_met_is_a_market_order_from_then_on() -> None:
    candles = [a_bar(0, FLAT), a_bar(1, FLAT), a_bar(2, "100 100 90 100", volume="0"), a_bar(3, "100 101 99 100")]
    desk = Desk(candles)
    await desk.send(an_order("buy", "1", id="acentry"))
    desk.clock.set(at(2))
    await desk.send(a_stop())
    met = await desk.see("acstop", after=3)
    assert (met.state, met.filled) == (OrderState.WORKING, 0)
    assert (await desk.see("acstop", after=4)).fills[0].at == at(3)


async def test_the_market_must_not_have_met_a_stop_that_is_sent() -> None:
    desk = await held()
    for stop in (a_stop("100"), a_stop("90", target="99", client_order_id="acother")):
        report = await desk.send(stop)
        assert (report.state, "the market has met its" in report.reason) == (OrderState.REJECTED, True)
    off_grid = await desk.send(a_stop("95.00001", client_order_id="acgrid"))
    assert "is not a multiple of the tick" in off_grid.reason


async def test_an_exit_at_the_open_leaves_a_stop_nothing_to_sell() -> None:
    desk = await held("100 100 90 100")
    await desk.send(an_order("sell", "1", id="acexit", reduce_only=True))
    await desk.send(a_stop())
    assert (await desk.see("acexit", after=3)).state is OrderState.FILLED
    left = await desk.see("acstop", after=3)
    assert (left.state, left.filled, "no position is left" in left.reason) == (OrderState.CANCELLED, 0, True)


async def test_a_cancelled_stop_triggers_no_more() -> None:
    desk = await held("100 100 90 100")
    await desk.send(a_stop())
    assert (await desk.venue.cancel("acstop", SPOT)).state is OrderState.CANCELLED
    assert (await desk.see("acstop", after=3)).filled == 0


async def test_a_bar_that_was_open_when_a_stop_came_works_on_it() -> None:
    desk = await held("100 100 90 100", FLAT)
    desk.clock.set(at(2) + (at(3) - at(2)) / 100)
    await desk.send(a_stop())
    assert prices(await desk.see("acstop", after=3)) == [Decimal("94.9952")]


# Attached to an entry


async def test_an_entry_brings_its_stop_with_what_it_fills_and_not_before() -> None:
    desk, entry = Desk(bars(FLAT, "100 101 99 100")), an_entry()
    await desk.send(entry)
    assert await desk.venue.find(entry.exit_id, SPOT) is None
    report = await desk.exit(entry, after=2)
    assert (report.state, report.quantity, report.filled) == (OrderState.WORKING, Decimal(1), 0)
    assert {o.client_order_id for o in await desk.venue.open_orders()} == {entry.exit_id}


@pytest.mark.parametrize(
    ("bar", "price"),
    [
        ("100 100 80 100", "94.9952"),
        ("100 112 99 100", "109.9945"),
        ("100 112 80 100", "94.9952"),
        ("94 100 93 100", "93.9953"),  # it opens beyond the stop: bought and sold at the open
    ],
)
async def test_an_attached_exit_works_in_the_bar_in_which_its_entry_fills(bar: str, price: str) -> None:
    desk, entry = Desk(bars(FLAT, bar)), an_entry()
    await desk.send(entry)
    report = await desk.exit(entry, after=2)
    assert (report.state, prices(report)) == (OrderState.FILLED, [Decimal(price)])
    assert (await desk.venue.portfolio()).positions == {}


@pytest.mark.parametrize(
    ("bar", "price"),
    [
        ("100 112 96 100", None),  # the high may have been before the entry at 97
        ("100 112 96 111", "109.9945"),  # the close was not
        ("100 100 94 100", "94.9952"),  # below 95 it came after 97
    ],
)
async def test_after_a_limit_entry_counts_only_what_certainly_came_later(bar: str, price: str | None) -> None:
    desk, entry = Desk(bars(FLAT, bar)), an_entry(limit="97")
    await desk.send(entry)
    report = await desk.exit(entry, after=2)
    assert prices(report) == ([Decimal(price)] if price else [])
    assert (await desk.see("acentry", after=2)).fills[0].price == 97


async def test_an_attached_stop_grows_with_its_entry_and_covers_what_a_cancelled_one_filled() -> None:
    desk = Desk([a_bar(n, FLAT, volume="4") for n in range(5)])
    entry = an_entry()
    await desk.send(entry)
    sizes = [(await desk.exit(entry, after=after)).quantity for after in (2, 3)]
    await desk.venue.cancel("acentry", SPOT)
    assert [*sizes, (await desk.exit(entry, after=5)).quantity] == [Decimal("0.4"), Decimal("0.8"), Decimal("0.8")]
    assert (await desk.venue.portfolio()).quantity(SPOT) == Decimal("0.8")


async def test_an_entry_that_fills_nothing_has_no_stop() -> None:
    desk = Desk([a_bar(0, FLAT), a_bar(1, FLAT, volume="0")])
    entry = an_entry(tif="IOC")
    await desk.send(entry)
    assert (await desk.see("acentry", after=2)).state is OrderState.CANCELLED
    assert await desk.venue.find(entry.exit_id, SPOT) is None


# Limits


async def test_a_limit_that_waited_is_met_at_its_price_where_the_market_gaps_beyond_it() -> None:
    desk = Desk(bars(FLAT, "100 101 96 100", "90 91 89 90"))
    await desk.send(an_order("buy", "1", id="acentry", limit="95"))
    report = await desk.see("acentry", after=3)
    assert (prices(report), report.fills[0].at) == ([Decimal(95)], at(2))


async def test_a_limit_that_waited_is_not_filled_at_an_open_that_only_touches_it() -> None:
    desk = Desk(bars(FLAT, "100 101 96 100", "95 97 95 96"))
    await desk.send(an_order("buy", "1", id="acentry", limit="95"))
    assert (await desk.see("acentry", after=3)).filled == 0


# Restarts


@pytest.mark.parametrize("restart", [2, 3, 4, 5])
async def test_a_venue_that_starts_again_goes_on_with_its_stops(restart: int) -> None:
    """The bar at 4 meets the stop and has no volume; what it sells it sells at 5."""
    candles = [a_bar(n, FLAT) for n in range(3)]
    candles += [a_bar(3, "100 103 96 100"), a_bar(4, "100 100 90 100", volume="0"), a_bar(5, "101 101 101 101")]
    first, entry = Desk(candles), an_entry()
    await first.send(entry)
    ids = (entry.client_order_id, entry.exit_id)
    seen = [await first.see(id, after=restart) for id in ids]
    later = Desk(candles)
    later.clock.set(at(restart))
    requests = (entry, entry.exit_order(seen[0].filled))
    later.venue.restore(
        [
            RestoredOrder(request=request, submitted_at=at(1), report=report)
            for request, report in zip(requests, seen, strict=True)
        ],
        seen_until=at(restart),
    )
    assert [await later.see(id, after=6) for id in ids] == [await first.see(id, after=6) for id in ids]
    assert (await later.venue.portfolio()) == (await first.venue.portfolio())
    assert (await later.exit(entry, after=6)).state is OrderState.FILLED
