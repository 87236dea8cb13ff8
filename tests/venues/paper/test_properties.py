"""Whatever is ordered on whatever market, the books are the sum of the fills, and time flows one way."""

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.markets import a_ticket, a_venue, an_order, at, total
from domain.candle import Candle, Timeframe
from domain.clock import TickClock
from domain.order import OrderReport, OrderRequest, OrderState
from domain.portfolio import Portfolio
from venues.files.market import FileMarket
from venues.paper.order import RestoredOrder
from venues.paper.venue import PaperVenue

BARS = 10
SPOT, SWAP = "ETH/USDT", "BTC/USDT:USDT"
FEW = settings(max_examples=60)


@st.composite
def candles(draw):
    """Bars that walk around 100, with gaps in time and bars without volume."""
    found, last = [], 100
    for number in range(BARS):
        opened = max(5, last + draw(st.integers(-6, 6)))
        close = max(5, opened + draw(st.integers(-8, 8)))
        high = max(opened, close) + draw(st.integers(0, 5))
        low = max(1, min(opened, close) - draw(st.integers(0, 5)))
        volume = draw(st.sampled_from(["0", "7.5", "100", "100000"]))
        last = close
        if number == 0 or draw(st.integers(0, 9)):
            prices = [Decimal(price) for price in (opened, high, low, close)]
            found.append(Candle(at(number), at(number + 1), *prices, Decimal(volume)))
    return found


@st.composite
def orders(draw):
    """Orders by the bar at whose open they are sent."""
    sent: dict[int, list[OrderRequest]] = {}
    for number in range(draw(st.integers(1, 12))):
        order = an_order(
            draw(st.sampled_from(["buy", "sell"])),
            draw(st.sampled_from(["0.5", "3", "12.25", "60"])),
            limit=draw(st.sampled_from([None, "90", "99.5", "101", "115"])),
            symbol=draw(st.sampled_from([SPOT, SWAP])),
            tif=draw(st.sampled_from(["GTC", "GTC", "GTC", "IOC", "FOK"])),
            reduce_only=draw(st.integers(0, 4)) == 0,
            id=f"o{draw(st.integers(0, 9))}{number}",
        )
        sent.setdefault(draw(st.integers(1, BARS - 1)), []).append(order)
    return sent


scenes = st.tuples(st.fixed_dictionaries({SPOT: candles(), SWAP: candles()}), orders(), st.sets(st.integers(1, BARS)))


@dataclass
class End:
    reports: dict[str, OrderReport]
    portfolio: Portfolio
    cash: list[Decimal] = field(compare=False)
    """At each look."""


def open_venue(series, clock) -> PaperVenue:
    return a_venue(FileMarket("file:memory", series, timeframe=Timeframe("5m")), clock)


async def play(series, sent, *, looks=(), until=BARS, restart_at=None) -> End:
    """Send the orders at their bars, look in between at `looks`, and come back from a restart once."""
    clock = TickClock(at(1))
    venue = open_venue(series, clock)
    times, cash = {}, []
    for number in range(1, until + 1):
        clock.set(at(number))
        if number in looks:
            cash.append((await venue.portfolio()).cash)
        for order in sent.get(number, []):
            times[order.client_order_id] = clock.now()
            await venue.submit(order, a_ticket(order))
        if number == restart_at:
            venue = await restarted(venue, series, sent, times)
    requests = [order for number, group in sent.items() if number <= until for order in group]
    reports = {order.client_order_id: await venue.find(order.client_order_id, order.symbol) for order in requests}
    return End(reports, await venue.portfolio(), cash)


async def restarted(venue, series, sent, times) -> PaperVenue:
    clock = venue._clock
    requests = [order for group in sent.values() for order in group if order.client_order_id in times]
    kept = [
        RestoredOrder(
            request=r, submitted_at=times[r.client_order_id], report=await venue.find(r.client_order_id, r.symbol)
        )
        for r in reversed(requests)
    ]
    fresh = open_venue(series, clock)
    fresh.restore(kept, seen_until=clock.now())
    return fresh


@FEW
@given(scenes)
async def test_cash_and_positions_are_exactly_the_sum_of_fills_and_fees(scene):
    series, sent, _ = scene
    end = await play(series, sent)
    fills = [fill for report in end.reports.values() for fill in report.fills]
    assert end.portfolio.cash == 10_000 - total(f.signed_quantity * f.price + f.fee for f in fills)
    assert end.portfolio.fees == total(f.fee for f in fills)
    for symbol in (SPOT, SWAP):
        assert end.portfolio.quantity(symbol) == total(f.signed_quantity for f in fills if f.symbol == symbol)
    assert end.portfolio.equity == (10_000 + end.portfolio.realized + end.portfolio.unrealized - end.portfolio.fees)


@FEW
@given(scenes)
async def test_no_order_fills_early_too_much_or_beyond_its_limit(scene):
    series, sent, _ = scene
    end = await play(series, sent)
    for number, group in sent.items():
        for order in group:
            report = end.reports[order.client_order_id]
            assert report.filled == total(fill.quantity for fill in report.fills) <= order.quantity
            assert (report.state is OrderState.FILLED) == (report.filled == order.quantity)
            assert all(at(number) <= fill.at < at(BARS) for fill in report.fills)
            assert len({fill.trade_id for fill in report.fills}) == len(report.fills)
            if order.limit_price is not None:
                sign = 1 if order.side == "buy" else -1
                assert all(sign * (fill.price - order.limit_price) <= 0 for fill in report.fills)


@FEW
@given(scenes)
async def test_spot_is_never_short(scene):
    series, sent, _ = scene
    held = Decimal(0)
    end = await play(series, sent)
    fills = [fill for report in end.reports.values() for fill in report.fills if fill.symbol == SPOT]
    for fill in sorted(fills, key=lambda fill: fill.at):
        held += fill.signed_quantity
    assert held >= 0


@FEW
@given(scenes)
async def test_spot_buying_alone_never_overdraws_the_account(scene):
    series, sent, _ = scene
    spot = {number: [order for order in group if order.symbol == SPOT] for number, group in sent.items()}
    end = await play(series, spot, looks=range(BARS + 1))
    assert min(end.cash) >= 0


@FEW
@given(scenes)
async def test_a_bar_is_drawn_on_for_a_tenth_at_most(scene):
    series, sent, _ = scene
    end = await play(series, sent)
    for symbol, found in series.items():
        for bar in found:
            traded = total(
                fill.quantity
                for report in end.reports.values()
                for fill in report.fills
                if fill.symbol == symbol and bar.opened_at <= fill.at < bar.closed_at
            )
            assert traded <= bar.volume / 10


@FEW
@given(scenes)
async def test_how_often_the_venue_is_asked_changes_nothing(scene):
    series, sent, looks = scene
    assert await play(series, sent, looks=looks) == await play(series, sent)


@FEW
@given(scenes, st.integers(2, BARS))
async def test_later_bars_change_nothing_that_was_filled_before(scene, cut):
    series, sent, _ = scene
    short = {symbol: [bar for bar in found if bar.closed_at <= at(cut)] for symbol, found in series.items()}
    assert await play(short, sent, until=cut) == await play(series, sent, until=cut)


@FEW
@given(scenes, st.integers(1, BARS))
async def test_a_restarted_venue_goes_on_as_if_nothing_had_happened(scene, moment):
    series, sent, _ = scene
    assert await play(series, sent, restart_at=moment) == await play(series, sent)


async def test_two_questions_at_once_match_each_bar_once():
    series = {SPOT: [Candle(at(n), at(n + 1), *[Decimal(100)] * 4, Decimal(100)) for n in range(6)]}
    clock = TickClock(at(1))
    venue = open_venue(series, clock)
    order = an_order("buy", "25")
    await venue.submit(order, a_ticket(order))
    clock.set(at(3))
    found = await asyncio.gather(*(venue.find("order1", SPOT) for _ in range(5)))
    assert {report.filled for report in found} == {Decimal(20)}


async def test_only_a_new_venue_is_restored():
    series = {SPOT: [Candle(at(0), at(1), *[Decimal(100)] * 4, Decimal(100))]}
    venue = open_venue(series, TickClock(at(1)))
    order = an_order()
    await venue.submit(order, a_ticket(order))
    with pytest.raises(ValueError, match="new"):
        venue.restore([], seen_until=at(1))
