"""Whatever is ordered in perpetuals, with whatever leverage and funding, books conserve and nothing counts twice."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from builders.markets import STEP, a_ticket, a_venue, an_order, at, total
from domain.candle import Candle, FundingRate, Timeframe
from domain.clock import TickClock
from domain.order import OrderReport, OrderRequest
from domain.portfolio import Portfolio
from domain.statement import ExternalEvent
from venues.costs import PaperCosts, PerpetualTerms
from venues.files.market import FileMarket, RecordedFunding
from venues.paper.order import RestoredOrder
from venues.paper.venue import PaperVenue

BARS = 12
SPOT, ONE, TWO = "ETH/USDT", "BTC/USDT:USDT", "SOL/USDT:USDT"
CASH = Decimal(10_000)
FEW = settings(max_examples=60)

Orders = Mapping[int, Sequence[OrderRequest]]


@dataclass(frozen=True)
class Scene:
    """Bars by symbol, orders by the bar at whose open they are sent, rates, and what perpetuals take."""

    series: Mapping[str, Sequence[Candle]]
    orders: Orders
    rates: Mapping[str, Sequence[FundingRate]]
    terms: PerpetualTerms

    @property
    def costs(self) -> PaperCosts:
        return PaperCosts(perpetuals=self.terms)


@st.composite
def candles(draw: st.DrawFn) -> list[Candle]:
    """Bars that walk, and sometimes jump, with gaps in time."""
    found, last = list[Candle](), 100
    for number in range(BARS):
        opened = max(5, last + draw(st.sampled_from([0, 0, 0, 1, -1, 4, -4, -25, 30])))
        close = max(5, opened + draw(st.integers(-9, 9)))
        high = max(opened, close) + draw(st.integers(0, 9))
        low = max(1, min(opened, close) - draw(st.integers(0, 9)))
        last = close
        if number == 0 or draw(st.integers(0, 9)):
            prices = [Decimal(price) for price in (opened, high, low, close)]
            found.append(
                Candle(
                    at(number), at(number + 1), *prices, Decimal(draw(st.sampled_from(["50", "1000000", "1000000"])))
                )
            )
    return found


@st.composite
def orders(draw: st.DrawFn) -> Orders:
    sent: dict[int, list[OrderRequest]] = {}
    for number in range(draw(st.integers(1, 10))):
        order = an_order(
            draw(st.sampled_from(["buy", "sell"])),
            draw(st.sampled_from(["0.5", "180", "900", "1500"])),
            limit=draw(st.sampled_from([None, None, "90", "101", "115"])),
            symbol=draw(st.sampled_from([SPOT, ONE, ONE, ONE, TWO, TWO])),
            tif=draw(st.sampled_from(["GTC", "GTC", "IOC"])),
            reduce_only=draw(st.integers(0, 4)) == 0,
            id=f"o{draw(st.integers(0, 9))}{number}",
        )
        sent.setdefault(draw(st.integers(1, BARS - 1)), []).append(order)
    return sent


@st.composite
def rates(draw: st.DrawFn) -> list[FundingRate]:
    """Some at the opens of bars, some within."""
    moments = draw(st.sets(st.integers(2, 2 * BARS), max_size=8))
    sizes = st.sampled_from(["0.0001", "-0.0003", "0.02", "-0.02", "0"])
    half = (at(1) - at(0)) / 2
    return [FundingRate(at(0) + half * moment, Decimal(draw(sizes))) for moment in sorted(moments)]


scenes = st.builds(
    Scene,
    series=st.fixed_dictionaries({SPOT: candles(), ONE: candles(), TWO: candles()}),
    orders=orders(),
    rates=st.fixed_dictionaries({ONE: rates(), TWO: rates()}),
    terms=st.builds(
        PerpetualTerms,
        leverage=st.sampled_from([Decimal(1), Decimal(10), Decimal(20)]),
        maintenance=st.sampled_from([Decimal("0.005"), Decimal("0.03")]),
        liquidation_fee=st.sampled_from([Decimal(0), Decimal("0.001"), Decimal("0.0125")]),
        funding_from=st.just({ONE: "rates", TWO: "rates"}),
    ),
)


@dataclass
class End:
    reports: dict[str, OrderReport]
    portfolio: Portfolio
    events: tuple[ExternalEvent, ...]


def open_venue(scene: Scene, clock: TickClock) -> PaperVenue:
    edge = FundingRate(at(-999), Decimal(0)), FundingRate(at(999), Decimal(0))
    funding = {s: RecordedFunding("rates", (edge[0], *found, edge[1])) for s, found in scene.rates.items()}
    market = FileMarket("file:memory", scene.series, timeframe=Timeframe("5m"), funding=funding)
    return a_venue(market, clock, costs=scene.costs, cash=str(CASH))


async def play(
    scene: Scene, *, looks: Collection[int] = (), until: int = BARS, restart_at: Collection[int] = ()
) -> End:
    """Send the orders at their bars, look in between, and come back from restarts."""
    clock = TickClock(at(1))
    venue = open_venue(scene, clock)
    times: dict[str, datetime] = {}
    events: dict[str, ExternalEvent] = {}
    for number in range(1, until + 1):
        clock.set(at(number))
        if number in looks:
            await venue.portfolio()
        for order in scene.orders.get(number, []):
            times[order.client_order_id] = clock.now()
            await venue.submit(order, a_ticket(order))
        if number in looks or number in restart_at or number == until:
            events |= {event.id: event for event in await venue.settlements()}
            venue.confirm(list(events))
        if number in restart_at:
            venue = await restarted(venue, scene, clock, times, events)
    sent = [order for number, group in scene.orders.items() if number <= until for order in group]
    reports: dict[str, OrderReport] = {}
    for order in sent:
        report = await venue.find(order.client_order_id, order.symbol)
        assert report is not None
        reports[order.client_order_id] = report
    return End(reports, await venue.portfolio(), tuple(sorted(events.values(), key=lambda e: (e.at, e.id))))


async def restarted(
    venue: PaperVenue,
    scene: Scene,
    clock: TickClock,
    times: Mapping[str, datetime],
    events: Mapping[str, ExternalEvent],
) -> PaperVenue:
    kept = []
    for order in [order for group in scene.orders.values() for order in group if order.client_order_id in times]:
        report = await venue.find(order.client_order_id, order.symbol)
        assert report is not None
        kept.append(RestoredOrder(request=order, submitted_at=times[order.client_order_id], report=report))
    fresh = open_venue(scene, clock)
    fresh.restore(list(reversed(kept)), events=list(events.values()), seen_until=clock.now())
    return fresh


@FEW
@given(scenes)
async def test_cash_is_what_trades_fees_funding_and_liquidations_make_of_it(scene: Scene) -> None:
    end = await play(scene)
    fills = [fill for report in end.reports.values() for fill in report.fills]
    books = end.portfolio
    assert books.cash == CASH + total(fill.cash for fill in fills) + total(event.cash for event in end.events)
    assert books.fees == total(fill.fees for fill in fills) + total(event.fee for event in end.events)
    assert books.equity == CASH + books.realized + books.unrealized - books.fees
    for symbol in (SPOT, ONE, TWO):
        traded = total(fill.signed_quantity for fill in fills if fill.symbol == symbol)
        closed = total(event.quantity for event in end.events if event.asset == symbol)
        assert books.quantity(symbol) == traded + closed


@FEW
@given(scenes, st.sets(st.integers(1, BARS)))
async def test_how_often_the_venue_is_asked_changes_nothing(scene: Scene, looks: set[int]) -> None:
    assert await play(scene, looks=looks) == await play(scene)


@FEW
@given(scenes, st.sets(st.integers(1, BARS), min_size=1))
async def test_restarts_change_nothing(scene: Scene, moments: set[int]) -> None:
    assert await play(scene, restart_at=moments) == await play(scene)


@FEW
@given(scenes, st.integers(2, BARS))
async def test_later_bars_and_rates_change_nothing_that_was_before(scene: Scene, cut: int) -> None:
    short = Scene(
        series={s: [bar for bar in found if bar.closed_at <= at(cut)] for s, found in scene.series.items()},
        orders=scene.orders,
        rates={s: [rate for rate in found if rate.at <= at(cut)] for s, found in scene.rates.items()},
        terms=scene.terms,
    )
    assert await play(short, until=cut) == await play(scene, until=cut)


@FEW
@given(scenes)
async def test_each_funding_is_charged_once_on_what_was_held_at_its_time(scene: Scene) -> None:
    end = await play(scene)
    moves = [(fill.symbol, fill.at, fill.signed_quantity) for r in end.reports.values() for fill in r.fills]
    moves += [(event.asset, event.at, event.quantity) for event in end.events if event.kind == "liquidation"]
    due = {}
    for symbol, found in scene.rates.items():
        for rate in found:
            held = total(quantity for moved, moment, quantity in moves if moved == symbol and moment < rate.at)
            closes = [bar.close for bar in scene.series[symbol] if bar.closed_at <= rate.at]
            cash = -held * closes[-1] * rate.rate
            if cash and rate.at <= at(BARS):
                due[symbol, rate.at] = cash
    charged = {(event.asset, event.at): event.cash for event in end.events if event.kind == "funding"}
    assert charged.keys() == due.keys()
    assert all(abs(charged[key] - cash) <= Decimal("1e-8") for key, cash in due.items())


@FEW
@given(scenes)
async def test_nobody_owes_anything_unless_the_market_jumped(scene: Scene) -> None:
    """What is liquidated within a bar leaves the margin balance where the rule says, less a fee out of it."""
    end = await play(scene)
    liquidations = [event for event in end.events if event.kind == "liquidation"]
    opens = {(symbol, bar.closed_at): bar.open for symbol, found in scene.series.items() for bar in found}
    # At the open: the bar before ended elsewhere, or a limit that had waited was filled where the market no longer was.
    jumped = any(event.price == opens.get((event.asset, _close(event.at))) for event in liquidations)
    held = [symbol for symbol in end.portfolio.positions if symbol != SPOT]
    if liquidations and not jumped and not held:
        assert end.portfolio.cash >= -sum(abs(event.quantity) for event in liquidations) * Decimal("0.0001")


def _close(moment: datetime) -> datetime:
    """When the bar closes that the moment is in."""
    return at(0) + ((moment - at(0)) // STEP + 1) * STEP
