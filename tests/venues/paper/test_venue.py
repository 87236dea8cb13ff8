from datetime import timedelta
from decimal import Decimal

import pytest

from builders.markets import FREE, a_bar, a_market, a_ticket, a_venue, an_order, at, bars
from domain.clock import TickClock
from domain.order import OrderReport, OrderState
from venues.costs import PaperCosts
from venues.paper.order import RestoredOrder

FLAT = "100 100 100 100"


class Run:
    """A venue on given bars, with the clock at the close of the first."""

    def __init__(self, candles, **options):
        symbol = options.pop("symbol", "ETH/USDT")
        self.clock = TickClock(at(1))
        self.venue = a_venue(a_market(candles, symbol=symbol), self.clock, **options)

    async def send(self, order):
        return await self.venue.submit(order, a_ticket(order))

    async def see(self, order, *, after):
        """The order once `after` bars have closed."""
        self.clock.set(at(after))
        return await self.venue.find(order.client_order_id, order.symbol)


async def test_a_market_order_fills_at_the_next_open_and_pays_half_the_spread():
    run = Run(bars(FLAT, "110 112 109 111", FLAT), costs=FREE)
    order = an_order("buy", "2")
    sent = await run.send(order)
    assert (sent.state, sent.fills) == (OrderState.WORKING, ())
    report = await run.see(order, after=2)
    # The bar before was flat, so its spread is the narrowest: 1 bps in all.
    assert report.fills[0].price == Decimal("110.0055")
    assert report.fills[0].at == at(1)
    assert report.state is OrderState.FILLED


async def test_nothing_fills_before_the_next_bar_has_closed():
    run = Run(bars(FLAT, FLAT), costs=FREE)
    order = an_order()
    await run.send(order)
    assert (await run.venue.find("order1", "ETH/USDT")).filled == 0


async def test_a_bar_that_was_open_when_the_order_came_does_not_fill_it():
    run = Run(bars(FLAT, "100 120 80 100", FLAT), costs=FREE)
    run.clock.set(at(1) + (at(2) - at(1)) / 2)
    order = an_order("buy", "1", limit="90")
    await run.send(order)
    assert (await run.see(order, after=3)).filled == 0


async def test_slippage_and_impact_are_paid_by_both_sides():
    costs = PaperCosts(slippage_bps=Decimal(10), impact_bps=Decimal(100))
    run = Run(bars(FLAT, FLAT, FLAT, FLAT), costs=costs)
    buy = an_order("buy", "50", id="buy")
    await run.send(buy)
    bought = await run.see(buy, after=2)
    # 50 of the 100 that a bar of 1000 permits: 10 bps slippage, half of 100 bps impact.
    assert bought.fills[0].price == Decimal("100.6051")
    sell = an_order("sell", "50", id="sell")
    await run.send(sell)
    assert (await run.see(sell, after=3)).fills[0].price == Decimal("99.3950")


async def test_a_large_order_takes_a_tenth_of_each_bar_until_it_is_done():
    run = Run(bars(FLAT, FLAT, FLAT, FLAT, volume="100"), costs=FREE)
    order = an_order("buy", "25")
    await run.send(order)
    first = await run.see(order, after=2)
    assert (first.state, first.filled) == (OrderState.PARTIAL, 10)
    last = await run.see(order, after=4)
    assert [fill.quantity for fill in last.fills] == [10, 10, 5]
    assert [fill.trade_id for fill in last.fills] == ["order1-1", "order1-2", "order1-3"]
    assert last.state is OrderState.FILLED


async def test_orders_in_one_symbol_share_a_bar():
    run = Run(bars(FLAT, FLAT, FLAT, volume="100"), costs=FREE)
    one, two = an_order("buy", "8", id="a"), an_order("buy", "8", id="b")
    await run.send(two)
    await run.send(one)
    assert (await run.see(one, after=2)).filled == 8
    assert (await run.see(two, after=2)).filled == 2


@pytest.mark.parametrize(("tif", "filled"), [("IOC", 10), ("FOK", 0)])
async def test_orders_that_do_not_wait_end_at_the_first_open(tif, filled):
    run = Run(bars(FLAT, FLAT, FLAT, volume="100"), costs=FREE)
    order = an_order("buy", "25", tif=tif)
    await run.send(order)
    report = await run.see(order, after=3)
    assert (report.state, report.filled) == (OrderState.CANCELLED, filled)
    assert tif in report.reason


async def test_fill_or_kill_fills_what_the_bar_can_carry():
    run = Run(bars(FLAT, FLAT, volume="100"), costs=FREE)
    order = an_order("buy", "10", tif="FOK")
    await run.send(order)
    assert (await run.see(order, after=2)).state is OrderState.FILLED


async def test_a_bar_without_volume_fills_nothing():
    run = Run([a_bar(0, FLAT), a_bar(1, FLAT, volume="0"), a_bar(2, FLAT)], costs=FREE)
    waits, hurries = an_order("buy", "1", id="waits"), an_order("buy", "1", id="hurries", tif="IOC")
    await run.send(waits)
    await run.send(hurries)
    assert (await run.see(waits, after=2)).state is OrderState.WORKING
    assert (await run.see(hurries, after=2)).state is OrderState.CANCELLED
    assert (await run.see(waits, after=3)).fills[0].at == at(2)


async def test_a_limit_that_is_only_touched_is_not_filled():
    run = Run(bars(FLAT, "100 101 95 100", "100 101 94.9 100"), costs=FREE)
    order = an_order("buy", "1", limit="95")
    await run.send(order)
    assert (await run.see(order, after=2)).filled == 0
    report = await run.see(order, after=3)
    assert report.fills[0].price == 95


async def test_a_resting_limit_pays_the_makers_fee_at_its_limit():
    run = Run(bars(FLAT, "100 106 100 105"))
    buy = an_order("buy", "1", id="buy", limit="101")
    await run.send(buy)
    run.clock.set(at(2))
    taken = (await run.venue.find("buy", "ETH/USDT")).fills[0]
    assert taken.price < 101
    assert taken.fee == (taken.price / 1000).quantize(Decimal("1e-8"))


async def test_a_marketable_limit_never_pays_more_than_its_limit():
    costs = PaperCosts(slippage_bps=Decimal(500))
    run = Run(bars(FLAT, FLAT), costs=costs)
    order = an_order("buy", "1", limit="100.01")
    await run.send(order)
    assert (await run.see(order, after=2)).fills[0].price == Decimal("100.01")


@pytest.mark.parametrize(("side", "touch", "missed"), [("buy", "100.005", "100.0049"), ("sell", "99.995", "99.9951")])
async def test_a_limit_that_the_open_misses_by_one_tick_waits_and_is_filled_when_it_is_traded_through(
    side, touch, missed
):
    run = Run(bars(FLAT, "100 101 99 100"), symbol="ETH/USDT:USDT")
    orders = {"takes": touch, "waits": missed}
    for name, limit in orders.items():
        await run.send(an_order(side, "1", symbol="ETH/USDT:USDT", limit=limit, id=name))
    run.clock.set(at(2))
    taken, made = [(await run.venue.find(name, "ETH/USDT:USDT")).fills[0] for name in orders]
    assert (taken.price, taken.at) == (Decimal(touch), at(1))
    assert (made.price, made.at) == (Decimal(missed), at(2) - timedelta(microseconds=1))
    assert (taken.fee, made.fee) == (
        (taken.price * Decimal("0.0005")).quantize(Decimal("1e-8")),
        (made.price * Decimal("0.0002")).quantize(Decimal("1e-8")),
    )


async def test_a_limit_below_a_gap_down_fills_at_the_better_open():
    run = Run(bars(FLAT, "90 91 89 90"), costs=FREE)
    order = an_order("buy", "1", limit="95")
    await run.send(order)
    fill = (await run.see(order, after=2)).fills[0]
    assert fill.price < 91
    assert fill.at == at(1)


async def test_maker_and_taker_pay_their_own_fees_on_a_swap():
    run = Run(bars(FLAT, "100 100 94 94", FLAT), symbol="ETH/USDT:USDT")
    rests = an_order("buy", "1", limit="95", symbol="ETH/USDT:USDT", id="rests")
    takes = an_order("buy", "1", symbol="ETH/USDT:USDT", id="takes")
    await run.send(rests)
    await run.send(takes)
    assert (await run.see(rests, after=2)).fills[0].fee == Decimal("95") * Decimal("0.0002")
    taken = (await run.see(takes, after=2)).fills[0]
    assert taken.fee == (taken.price * Decimal("0.0005")).quantize(Decimal("1e-8"))


async def test_reduce_only_ends_with_the_position():
    run = Run(bars(FLAT, FLAT, FLAT, FLAT), costs=FREE)
    buy = an_order("buy", "3", id="buy")
    await run.send(buy)
    run.clock.set(at(2))
    sell = an_order("sell", "5", id="sell", reduce_only=True)
    await run.send(sell)
    report = await run.see(sell, after=3)
    assert (report.state, report.filled) == (OrderState.CANCELLED, 3)
    assert (await run.venue.portfolio()).positions == {}


async def test_two_exits_together_cannot_turn_a_position_round():
    run = Run(bars(*[FLAT] * 5), symbol="ETH/USDT:USDT", costs=FREE)
    buy = an_order("buy", "3", id="buy", symbol="ETH/USDT:USDT")
    await run.send(buy)
    run.clock.set(at(2))
    for id in ("one", "two"):
        await run.send(an_order("sell", "2", id=id, symbol="ETH/USDT:USDT", reduce_only=True))
    run.clock.set(at(4))
    assert (await run.venue.portfolio()).quantity("ETH/USDT:USDT") == 0
    assert (await run.venue.find("two", "ETH/USDT:USDT")).filled == 1


async def test_more_than_is_free_cannot_be_sold_on_spot():
    run = Run(bars(FLAT, FLAT, FLAT), costs=FREE)
    await run.send(an_order("buy", "3", id="buy"))
    run.clock.set(at(2))
    assert (await run.send(an_order("sell", "2", id="one", limit="200"))).state is OrderState.WORKING
    refused = await run.send(an_order("sell", "2", id="two", limit="200"))
    assert refused.state is OrderState.REJECTED
    assert "only 1 ETH" in refused.reason


async def test_open_orders_keep_their_cash():
    run = Run(bars(FLAT, FLAT), costs=FREE, cash="1000")
    assert (await run.send(an_order("buy", "6", id="one", limit="90"))).state is OrderState.WORKING
    assert (await run.send(an_order("buy", "6", id="two", limit="90"))).state is OrderState.REJECTED


async def test_a_gap_up_spends_the_cash_and_cancels_the_rest():
    run = Run(bars(FLAT, "200 200 200 200"), cash="1000")
    order = an_order("buy", "9")
    await run.send(order)
    report = await run.see(order, after=2)
    assert report.state is OrderState.CANCELLED
    assert 4 < report.filled < 5
    assert 0 <= (await run.venue.portfolio()).cash < Decimal("0.001")


async def test_a_short_is_as_large_as_the_cash_and_no_larger():
    run = Run(bars(FLAT, FLAT, FLAT), symbol="ETH/USDT:USDT", costs=FREE, cash="1000")
    large = an_order("sell", "11", symbol="ETH/USDT:USDT", id="large")
    assert (await run.send(large)).state is OrderState.REJECTED
    await run.send(an_order("sell", "9", symbol="ETH/USDT:USDT", id="fits"))
    run.clock.set(at(2))
    portfolio = await run.venue.portfolio()
    assert portfolio.quantity("ETH/USDT:USDT") == -9
    assert portfolio.cash > 1800
    more = an_order("sell", "2", symbol="ETH/USDT:USDT", id="more")
    assert (await run.send(more)).state is OrderState.REJECTED


async def test_a_short_can_be_turned_into_a_long_with_what_it_unlocks():
    run = Run(bars(*[FLAT] * 5), symbol="ETH/USDT:USDT", costs=FREE, cash="1000")
    await run.send(an_order("sell", "9", symbol="ETH/USDT:USDT", id="short"))
    run.clock.set(at(2))
    await run.venue.find("short", "ETH/USDT:USDT")
    await run.send(an_order("buy", "9", symbol="ETH/USDT:USDT", id="close"))
    await run.send(an_order("buy", "1", symbol="ETH/USDT:USDT", id="long"))
    run.clock.set(at(4))
    assert (await run.venue.portfolio()).quantity("ETH/USDT:USDT") == 1


async def test_one_order_turns_a_short_round_as_far_as_the_cash_goes_after_its_loss():
    swap = "ETH/USDT:USDT"
    run = Run(bars(FLAT, FLAT, "150 150 150 150"), symbol=swap, costs=FREE, cash="1000")
    await run.send(an_order("sell", "9", symbol=swap, id="short"))
    run.clock.set(at(2))
    turn = an_order("buy", "16", symbol=swap, id="turn")
    assert (await run.send(turn)).state is OrderState.WORKING
    report = await run.see(turn, after=3)
    # Closing 9 at 150 loses 450: what is left pays for a little more than 3.6 at 150.
    assert report.state is OrderState.CANCELLED
    assert Decimal("12.6") < report.filled < Decimal("12.7")
    assert 0 <= (await run.venue.portfolio()).cash < Decimal("0.01")


async def test_a_short_that_lost_more_than_there_is_can_still_be_closed():
    swap = "ETH/USDT:USDT"
    run = Run(bars(FLAT, FLAT, "400 400 400 400", "400 400 400 400"), symbol=swap, costs=FREE, cash="1000")
    await run.send(an_order("sell", "9", symbol=swap, id="short"))
    run.clock.set(at(3))
    close = an_order("buy", "9", symbol=swap, id="close")
    assert (await run.send(close)).state is OrderState.WORKING
    assert (await run.see(close, after=4)).state is OrderState.FILLED
    assert (await run.venue.portfolio()).cash < 0


async def test_an_order_waits_for_a_bar_of_its_own_though_another_is_older():
    run = Run(bars(FLAT, FLAT, FLAT), costs=FREE)
    early, late = an_order(id="early"), an_order(id="late")
    await run.send(early)
    run.clock.set(at(1) + (at(2) - at(1)) / 2)
    await run.send(late)
    assert (await run.see(early, after=3)).fills[0].at == at(1)
    assert (await run.see(late, after=3)).fills[0].at == at(2)


async def test_a_restart_takes_the_fills_in_the_order_of_their_times():
    prices = (FLAT, FLAT, "110 110 110 110", "120 120 120 120", "130 130 130 130")
    run = Run(bars(*prices), costs=FREE)
    sent = {}
    for number, (id, side) in enumerate([("c", "buy"), ("a", "sell"), ("b", "buy")], start=1):
        run.clock.set(at(number))
        order = an_order(side, "1", id=id)
        await run.send(order)
        sent[order] = run.clock.now()
    run.clock.set(at(5))
    kept = [
        RestoredOrder(request=order, submitted_at=when, report=await run.venue.find(order.client_order_id, "ETH/USDT"))
        for order, when in reversed(sent.items())
    ]
    fresh = a_venue(a_market(bars(*prices)), run.clock, costs=FREE)
    fresh.restore(kept, seen_until=at(5))
    assert await fresh.portfolio() == await run.venue.portfolio()
    assert (await fresh.portfolio()).realized > 9


async def test_orders_that_no_venue_answered_for_are_not_on_its_books():
    order = an_order()
    report = OrderReport(client_order_id="order1", symbol="ETH/USDT", state=OrderState.UNKNOWN, at=at(1))
    venue = a_venue(a_market(bars(FLAT, FLAT)), TickClock(at(1)))
    venue.restore([RestoredOrder(request=order, submitted_at=at(1), report=report)], seen_until=at(1))
    assert await venue.find("order1", "ETH/USDT") is None


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (an_order(symbol="DOGE/USDT"), "not traded here"),
        (an_order(quantity="0.000000001"), "lot"),
        (an_order(quantity="1e40"), "larger than any venue counts"),
        (an_order(limit="0.1e-5"), "tick"),
        (an_order("sell", "1"), "only 0 ETH"),
        (an_order("sell", "1", reduce_only=True), "reduce-only"),
    ],
)
async def test_what_a_venue_would_not_take_is_rejected_with_a_reason(order, reason):
    run = Run(bars(FLAT, FLAT))
    report = await run.send(order)
    assert report.state is OrderState.REJECTED
    assert reason in report.reason
    assert await run.see(order, after=2) == report


async def test_a_symbol_in_another_currency_is_rejected():
    run = Run(bars(FLAT, FLAT), currency="EUR")
    assert "priced in USDT" in (await run.send(an_order())).reason


async def test_a_symbol_without_a_price_yet_is_rejected():
    clock = TickClock(at(0))
    venue = a_venue(a_market(bars(FLAT)), clock)
    order = an_order()
    assert (await venue.submit(order, a_ticket(order))).state is OrderState.REJECTED


async def test_a_cancelled_order_keeps_what_was_filled():
    run = Run(bars(*[FLAT] * 4, volume="100"), costs=FREE)
    order = an_order("buy", "25")
    await run.send(order)
    run.clock.set(at(2))
    report = await run.venue.cancel("order1", "ETH/USDT")
    assert (report.state, report.filled) == (OrderState.CANCELLED, 10)
    assert (await run.see(order, after=4)) == report


async def test_an_order_is_found_under_its_own_symbol_only():
    run = Run(bars(FLAT, FLAT))
    await run.send(an_order())
    assert await run.venue.find("order1", "BTC/USDT") is None


async def test_an_outage_only_makes_an_order_wait():
    run = Run([a_bar(0, FLAT), a_bar(7, FLAT)], costs=FREE)
    order = an_order()
    await run.send(order)
    assert (await run.see(order, after=7)).state is OrderState.WORKING
    assert (await run.see(order, after=8)).fills[0].at == at(7)
