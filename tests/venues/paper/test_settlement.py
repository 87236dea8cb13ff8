"""Perpetuals on paper: each funding once, at its time; margin by leverage; liquidation where the margin ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from builders.markets import FREE, STEP, a_bar, a_ticket, a_venue, an_order, at, bars
from domain.candle import Candle, FundingRate, Timeframe
from domain.clock import TickClock
from domain.errors import VenueUnavailable
from domain.instrument import Instrument, MarginTier
from domain.order import OrderReport, OrderRequest, OrderState
from domain.statement import ExternalEvent
from venues.costs import PaperCosts, PerpetualTerms
from venues.files.market import FileMarket, RecordedFunding
from venues.paper.order import RestoredOrder
from venues.paper.venue import PaperVenue

SWAP, SPOT = "ETH/USDT:USDT", "BTC/USDT"
FLAT = "100 100 100 100"


def a_rate(bar: int, rate: str) -> FundingRate:
    """At the open of a bar, unless it is between two."""
    return FundingRate(at(bar), Decimal(rate))


def costs(*, leverage: str = "1", told: bool = True, **over: str) -> PaperCosts:
    """Free but for what perpetuals take; `told`: the market knows the rates."""
    terms = PerpetualTerms.model_validate(
        {"leverage": leverage, "funding_from": {SWAP: "rates"} if told else {}, "liquidation_fee": "0.001"} | over
    )
    return FREE.model_copy(update={"perpetuals": terms})


class LateMarket(FileMarket):
    """It shows each rate only once it has been asked as often as it is told to."""

    refusals = 0

    async def funding(self, symbol: str, *, since: datetime, until: datetime) -> Sequence[FundingRate]:
        if self.refusals:
            self.refusals -= 1
            raise VenueUnavailable("not now")
        return await super().funding(symbol, since=since, until=until)


def a_market(candles: Mapping[str, Sequence[Candle]], *rates: FundingRate, timeframe: str = "5m") -> LateMarket:
    # A rate long before makes what is recorded begin before the first bar.
    span = (FundingRate(at(-9_999), Decimal(0)), *rates, FundingRate(at(9_999), Decimal(0)))
    funding = {SWAP: RecordedFunding("rates", span)}
    return LateMarket("file:memory", candles, timeframe=Timeframe(timeframe), funding=funding)


class Run:
    """A venue on one swap, with the clock at the close of the first bar."""

    def __init__(self, candles: Sequence[Candle], *rates: FundingRate, cash: str = "10000", **terms: str) -> None:
        self.market = a_market({SWAP: candles}, *rates)
        self.clock = TickClock(at(1))
        self.costs = costs(**terms)
        self.venue = a_venue(self.market, self.clock, costs=self.costs, cash=cash)

    async def send(self, side: str, quantity: str, *, id: str, limit: str | None = None, **over: bool) -> OrderReport:
        order = an_order(side, quantity, symbol=SWAP, id=id, limit=limit, **over)
        return await self.venue.submit(order, a_ticket(order))

    async def settled(self, *, after: int) -> list[ExternalEvent]:
        """What the venue tells once `after` bars have closed, confirmed as the ledger would."""
        self.clock.set(at(after))
        events = list(await self.venue.settlements())
        self.venue.confirm([event.id for event in events])
        return events


# Funding.


@pytest.mark.parametrize(("side", "cash"), [("buy", "-0.2"), ("sell", "0.2")])
async def test_a_long_pays_a_positive_rate_and_a_short_gets_it(side: str, cash: str) -> None:
    run = Run(bars(FLAT, FLAT, "100 100 100 100", FLAT, FLAT), a_rate(3, "0.001"))
    await run.send(side, "2", id="entry")
    (event,) = await run.settled(after=4)
    assert (event.kind, event.asset, event.cash, event.at) == ("funding", SWAP, Decimal(cash), at(3))
    assert (event.id, event.note) == (f"funding:{SWAP}:{at(3).isoformat()}", "rate 0.001")
    assert await run.settled(after=5) == []
    portfolio = await run.venue.portfolio()
    assert (portfolio.realized, portfolio.positions[SWAP].funding) == (Decimal(cash), Decimal(cash))


async def test_it_is_charged_at_the_last_close_before_it_and_never_at_a_later_price() -> None:
    run = Run(bars(FLAT, FLAT, "100 120 100 110", "150 150 150 150", FLAT), a_rate(3, "0.01"))
    await run.send("buy", "1", id="entry")
    (event,) = await run.settled(after=4)
    assert event.cash == Decimal("-1.1")


async def test_who_enters_at_the_funding_pays_none_and_who_exits_at_it_does() -> None:
    run = Run(bars(*[FLAT] * 6), a_rate(2, "0.01"), a_rate(4, "0.01"))
    run.clock.set(at(2))
    await run.send("buy", "1", id="entry")
    run.clock.set(at(4))
    await run.send("sell", "1", id="exit")
    assert [event.at for event in await run.settled(after=6)] == [at(4)]


async def test_a_funding_within_a_bar_is_charged_on_what_its_open_left() -> None:
    inside = FundingRate(at(2) + STEP / 2, Decimal("0.01"))
    run = Run(bars(FLAT, FLAT, "100 100 90 95", FLAT), inside)
    run.clock.set(at(2))
    await run.send("buy", "1", id="opens")
    await run.send("buy", "1", id="resting", limit="92")
    assert await run.settled(after=2) == []
    (event,) = await run.settled(after=3)
    assert (event.cash, event.at) == (Decimal(-1), inside.at)
    assert (await run.venue.portfolio()).positions[SWAP].quantity == 2


@pytest.mark.parametrize("looks", [(), (2, 3, 4, 5, 6), (4,), (3, 5)])
async def test_however_often_it_is_asked_each_is_charged_once(looks: Sequence[int]) -> None:
    run = Run(bars(*[FLAT] * 8), *(a_rate(n, "0.001") for n in (2, 3, 5, 6)))
    await run.send("buy", "2", id="entry")
    found: list[ExternalEvent] = []
    for bar in (*looks, 7):
        run.clock.set(at(bar))
        await run.venue.portfolio()
        found += [event for event in await run.venue.settlements() if event not in found]
    assert [event.at for event in found] == [at(n) for n in (2, 3, 5, 6)]
    assert (await run.venue.portfolio()).cash == 10_000 - 200 - Decimal("0.01") - Decimal("0.8")


async def test_what_is_not_confirmed_is_told_again() -> None:
    run = Run(bars(*[FLAT] * 6), a_rate(3, "0.001"))
    await run.send("buy", "2", id="entry")
    run.clock.set(at(4))
    told = await run.venue.settlements()
    run.clock.set(at(5))
    assert await run.venue.settlements() == told != ()
    run.venue.confirm([event.id for event in told])
    assert await run.venue.settlements() == ()


async def test_rates_that_can_not_be_read_are_charged_once_they_can() -> None:
    run = Run(bars(*[FLAT] * 8), a_rate(3, "0.001"), a_rate(5, "0.001"))
    await run.send("buy", "2", id="entry")
    assert await run.settled(after=2) == []
    run.market.refusals = 2
    assert await run.settled(after=3) == []
    await run.send("sell", "2", id="exit")
    assert await run.settled(after=4) == []  # flat by now
    (event,) = await run.settled(after=6)
    assert (event.at, event.cash) == (at(3), Decimal("-0.2"))


async def test_where_nobody_knows_the_rates_the_set_one_is_charged_every_eight_hours() -> None:
    candles = [a_bar(n, FLAT) for n in range(300)]
    run = Run(candles, told=False, funding_rate="0.0005")
    await run.send("buy", "2", id="entry")
    events = await run.settled(after=299)
    assert [(event.at - at(0)) / timedelta(hours=1) for event in events] == [8, 16, 24]
    assert {event.cash for event in events} == {Decimal("-0.1")}


async def test_before_and_after_what_is_recorded_the_set_rate_is_charged() -> None:
    eight, sixteen = (a_rate(96 * n, "0.01") for n in (1, 2))
    market = FileMarket(
        "file:memory",
        {SWAP: [a_bar(n, FLAT) for n in range(500)]},
        timeframe=Timeframe("5m"),
        funding={SWAP: RecordedFunding("rates", (sixteen,))},
    )
    clock = TickClock(at(1))
    venue = a_venue(market, clock, costs=costs(funding_rate="0.0001"))
    order = an_order("buy", "1", symbol=SWAP)
    await venue.submit(order, a_ticket(order))
    clock.set(at(499))
    charged = [(event.at, event.cash) for event in await venue.settlements()]
    day = at(288)
    assert charged == [
        (eight.at, Decimal("-0.01")),
        (sixteen.at, Decimal(-1)),
        *((day + timedelta(hours=8 * n), Decimal("-0.01")) for n in range(3)),
    ]


async def test_a_rate_of_nothing_and_a_position_of_nothing_leave_no_event() -> None:
    run = Run(bars(*[FLAT] * 6), a_rate(2, "0.001"), a_rate(4, "0"))
    run.clock.set(at(2))
    await run.send("buy", "1", id="entry")
    assert await run.settled(after=5) == []


async def test_spot_pays_no_funding() -> None:
    market = a_market({SPOT: bars(*[FLAT] * 200), SWAP: bars(*[FLAT] * 200)}, a_rate(96, "0.01"))
    clock = TickClock(at(1))
    venue = a_venue(market, clock, costs=costs(told=False))
    order = an_order("buy", "1", symbol=SPOT)
    await venue.submit(order, a_ticket(order))
    clock.set(at(199))
    assert await venue.settlements() == ()


async def test_a_run_of_before_is_neither_funded_nor_liquidated() -> None:
    market = a_market({SWAP: bars(FLAT, FLAT, "100 400 100 300", FLAT)}, a_rate(3, "0.01"))
    clock = TickClock(at(1))
    venue = a_venue(market, clock, costs=FREE)
    order = an_order("sell", "90", symbol=SWAP)
    await venue.submit(order, a_ticket(order))
    clock.set(at(4))
    assert await venue.settlements() == ()
    assert (await venue.portfolio()).quantity(SWAP) == -90


# Margin.


@pytest.mark.parametrize(("leverage", "most"), [("1", "99"), ("5", "495"), ("20", "1980")])
@pytest.mark.parametrize("side", ["buy", "sell"])
async def test_leverage_carries_so_many_times_the_cash(leverage: str, most: str, side: str) -> None:
    candles = bars(FLAT, *["100 100 100 100"] * 3, volume="1000000")
    run = Run(candles, leverage=leverage)
    too_much = await run.send(side, str(Decimal(most) * Decimal("1.02")), id="toomuch")
    assert too_much.state is OrderState.REJECTED
    assert "it may cost" in too_much.reason
    await run.send(side, most, id="fits")
    run.clock.set(at(2))
    assert (await run.venue.portfolio()).positions[SWAP].quantity == Decimal(most) * (1 if side == "buy" else -1)


async def test_a_loss_takes_of_what_may_be_opened() -> None:
    run = Run(bars(FLAT, FLAT, "100 100 80 80", "80 80 80 80", FLAT, volume="1000000"), leverage="5")
    await run.send("buy", "200", id="entry")  # of 500
    run.clock.set(at(3))
    # 4,000 are lost of 10,000, and 200 at 80 tie up 3,200: 2,800 are left for a notional of 14,000.
    refused = await run.send("buy", "176", id="more")
    assert refused.state is OrderState.REJECTED
    assert (await run.send("buy", "174", id="less")).state is OrderState.WORKING


async def test_a_large_position_is_given_the_leverage_of_its_tier() -> None:
    tiers = (
        MarginTier(above=Decimal(0), rate=Decimal("0.004"), max_leverage=Decimal(50)),
        MarginTier(above=Decimal(50_000), rate=Decimal("0.1"), max_leverage=Decimal(5)),
    )
    market = a_market({SWAP: bars(*[FLAT] * 4, volume="1000000")})
    instrument = (await market.instruments())[SWAP].model_copy(update={"margin_tiers": tiers})
    clock = TickClock(at(1))
    venue = PaperVenue(
        market,
        clock,
        currency="USDT",
        start_cash=Decimal(10_000),
        check=lambda ticket, order, now: (order, ticket),  # type: ignore[arg-type, return-value]
        costs=costs(leverage="50"),
        recorded={SWAP: instrument},
    )
    found: Mapping[str, Instrument] = await venue.instruments()
    assert found[SWAP].margin_tiers == tiers
    states = []
    for id, quantity in (("a", "510"), ("b", "495")):
        order = an_order("buy", quantity, symbol=SWAP, id=id)
        states.append((await venue.submit(order, a_ticket(order))).state)
    assert states == [OrderState.REJECTED, OrderState.WORKING]


# Liquidation.


def a_stop(side: str, trigger: str) -> OrderRequest:
    """A protective stop for all that is held."""
    stop = {"client_order_id": "stop", "symbol": SWAP, "side": side, "type": "stop", "quantity": "990"}
    return OrderRequest.model_validate({**stop, "trigger_price": trigger, "reduce_only": True})


def liquidated(events: Sequence[ExternalEvent]) -> tuple[Decimal, Decimal | None, Decimal]:
    (event,) = [event for event in events if event.kind == "liquidation"]
    return event.quantity, event.price, event.fee


async def test_a_long_is_liquidated_in_the_bar_that_goes_through_its_price() -> None:
    run = Run(bars(FLAT, FLAT, "100 101 91 95", "95 95 80 99", FLAT, volume="1000000"), leverage="10")
    await run.send("buy", "990", id="entry")
    assert await run.settled(after=3) == []
    events = await run.settled(after=4)
    # It was bought at 100.005 for 99,004.95: of 10,000 there is half a per cent of its worth left at 90.3557.
    assert liquidated(events) == (Decimal(-990), Decimal("90.3557"), Decimal("89.452143"))
    assert events[0].at == at(4) - timedelta(microseconds=1)
    portfolio = await run.venue.portfolio()
    assert portfolio.positions == {}
    assert portfolio.cash == 10_000 - Decimal("99004.95") + 990 * Decimal("90.3557") - Decimal("89.452143")
    assert portfolio.equity == portfolio.start_cash + portfolio.realized - portfolio.fees
    assert portfolio.cash > 0


async def test_a_short_is_liquidated_as_a_long_is() -> None:
    run = Run(bars(FLAT, FLAT, "100 109 99 105", "105 120 105 101", FLAT, volume="1000000"), leverage="10")
    await run.send("sell", "990", id="entry")
    assert await run.settled(after=3) == []
    quantity, price, fee = liquidated(await run.settled(after=4))
    assert (quantity, price) == (990, Decimal("109.5483"))
    assert 0 < fee < Decimal(990) * Decimal("109.5483") * Decimal("0.0010001")


async def test_a_gap_is_liquidated_at_the_open_before_anything_trades_there() -> None:
    run = Run(bars(FLAT, FLAT, FLAT, "50 60 40 55", FLAT, volume="1000000"), leverage="10")
    await run.send("buy", "990", id="entry")
    run.clock.set(at(3))
    await run.send("sell", "990", id="exit", reduce_only=True)
    events = await run.settled(after=4)
    assert liquidated(events) == (Decimal(-990), Decimal(50), Decimal(0))
    assert events[0].at == at(3)
    exit = await run.venue.find("exit", SWAP)
    assert exit is not None
    assert (exit.state, exit.filled, exit.reason) == (OrderState.CANCELLED, 0, "the account was liquidated")
    assert (await run.venue.portfolio()).cash < 0  # owed


async def test_orders_in_perpetuals_end_with_it_and_those_on_spot_do_not() -> None:
    market = a_market({SWAP: bars(FLAT, FLAT, "100 100 50 99", FLAT, FLAT, volume="1000000"), SPOT: bars(*[FLAT] * 5)})
    clock = TickClock(at(1))
    venue = a_venue(market, clock, costs=costs(leverage="10"))
    sent = {
        "entry": an_order("buy", "900", symbol=SWAP, id="entry"),
        "low": an_order("buy", "1", symbol=SWAP, id="low", limit="55"),
        "spot": an_order("buy", "1", symbol=SPOT, id="spot", limit="50"),
    }
    for order in sent.values():
        await venue.submit(order, a_ticket(order))
    clock.set(at(4))
    reports = {id: await venue.find(id, order.symbol) for id, order in sent.items()}
    assert [report.state for report in reports.values() if report] == [
        OrderState.FILLED,
        OrderState.CANCELLED,
        OrderState.WORKING,
    ]
    # The low one is no refuge: the account was gone before the bar came there.
    assert (await venue.portfolio()).quantity(SWAP) == 0


async def test_a_position_that_was_liquidated_may_be_opened_again() -> None:
    run = Run(bars(FLAT, FLAT, "100 100 30 99", FLAT, FLAT, FLAT, volume="1000000"), leverage="2", maintenance="0.05")
    await run.send("buy", "150", id="entry")
    run.clock.set(at(4))
    assert liquidated(await run.settled(after=4))[0] == -150
    await run.send("sell", "1", id="again")
    run.clock.set(at(5))
    assert (await run.venue.portfolio()).quantity(SWAP) == -1


async def test_what_funding_takes_may_be_too_much() -> None:
    run = Run(bars(*[FLAT] * 6, volume="1000000"), a_rate(3, "0.1"), leverage="10")
    await run.send("buy", "990", id="entry")
    events = await run.settled(after=5)
    assert [event.kind for event in events] == ["funding", "liquidation"]
    assert events[1].at == at(3)  # at the open of the bar after it
    assert events[0].cash == -9_900


@pytest.mark.parametrize(
    ("bar", "stop", "sold", "liquidated_at"),
    [
        ("95 95 80 85", "92", "91.8742", None),  # met before the point, which is 90.3557
        ("95 95 91 93", "92", "91.8742", None),
        ("95 95 80 85", "90", None, "90.3557"),  # beyond it
        ("95 95 80 85", "90.3557", None, "90.3557"),
        ("85 86 80 85", "92", "84.8838", None),  # a gap: what came first of both is at the open
        ("85 86 80 85", "90", None, "85"),
    ],
)
async def test_a_stop_comes_before_liquidation_where_its_price_does(
    bar: str, stop: str, sold: str | None, liquidated_at: str | None
) -> None:
    run = Run(bars(FLAT, FLAT, "100 100 95 95", bar, FLAT, volume="1000000"), leverage="10")
    await run.send("buy", "990", id="entry")
    run.clock.set(at(2))
    order = a_stop("sell", stop)
    await run.venue.submit(order, a_ticket(order))
    events = await run.settled(after=4)
    report = await run.venue.find("stop", SWAP)
    assert report is not None
    if sold is not None:
        assert (report.average_price, events) == (Decimal(sold), [])
    else:
        assert (report.state, report.filled) == (OrderState.CANCELLED, 0)
        assert [event.price for event in events] == [Decimal(liquidated_at or 0)]
    assert (await run.venue.portfolio()).positions == {}


async def test_a_short_has_its_stop_first_too() -> None:
    run = Run(bars(FLAT, FLAT, FLAT, "105 130 100 120", FLAT, volume="1000000"), leverage="10")
    await run.send("sell", "990", id="entry")
    run.clock.set(at(2))
    order = a_stop("buy", "108")
    await run.venue.submit(order, a_ticket(order))
    assert await run.settled(after=4) == []
    report = await run.venue.find("stop", SWAP)
    assert report is not None
    assert report.state is OrderState.FILLED


async def test_what_a_stop_leaves_is_liquidated() -> None:
    thin = [*bars(FLAT, FLAT, FLAT, volume="1000000"), a_bar(3, "95 95 40 85", volume="4000"), a_bar(4, FLAT)]
    run = Run(thin, leverage="10")
    await run.send("buy", "990", id="entry")
    run.clock.set(at(2))
    order = a_stop("sell", "92")
    await run.venue.submit(order, a_ticket(order))
    quantity, price, _ = liquidated(await run.settled(after=4))
    report = await run.venue.find("stop", SWAP)
    assert report is not None
    # A tenth of the bar is sold at the stop; less margin is needed for the rest, which goes on to a lower price.
    assert (report.filled, report.state) == (400, OrderState.CANCELLED)
    assert (quantity, price) == (-590, Decimal("88.9307"))


async def test_the_stop_of_an_entry_that_filled_in_the_same_bar_comes_first() -> None:
    run = Run(bars(FLAT, FLAT, "100 100 50 60", FLAT, volume="1000000"), leverage="10")
    run.clock.set(at(2))
    order = OrderRequest(
        client_order_id="entry",
        symbol=SWAP,
        side="buy",
        type="market",
        quantity=Decimal(990),
        time_in_force="IOC",
        stop_price=Decimal(97),
    )
    await run.venue.submit(order, a_ticket(order))
    assert await run.settled(after=3) == []
    assert (await run.venue.portfolio()).positions == {}
    exit = await run.venue.find(order.exit_id, SWAP)
    assert exit is not None
    assert exit.state is OrderState.FILLED


# Restarts.


async def restarted(run: Run, sent: Mapping[str, tuple[OrderRequest, datetime]]) -> PaperVenue:
    events = await run.venue.settlements()
    fresh = a_venue(run.market, run.clock, costs=run.costs)
    kept = []
    for id, (order, when) in sent.items():
        report = await run.venue.find(id, SWAP)
        assert report is not None
        kept.append(RestoredOrder(request=order, submitted_at=when, report=report))
    fresh.restore(kept, events=events, seen_until=run.clock.now())
    return fresh


@pytest.mark.parametrize("when", [2, 3, 4, 5, 6, 7, 8, 9])
async def test_a_restart_at_any_bar_changes_nothing(when: int) -> None:
    prices = [FLAT, FLAT, "100 104 97 103", "103 103 91 95", "95 95 80 85", "85 90 85 88", FLAT, FLAT, FLAT, FLAT]
    rates = [a_rate(n, r) for n, r in ((2, "0.001"), (3, "-0.002"), (4, "0.001"), (7, "0.003"), (8, "0.001"))]

    async def play(restart: int | None) -> tuple[object, list[ExternalEvent]]:
        run = Run(bars(*prices, volume="1000000"), *rates, leverage="10")
        sent: dict[str, tuple[OrderRequest, datetime]] = {}
        found: dict[str, ExternalEvent] = {}
        for bar in range(1, 10):
            run.clock.set(at(bar))
            for id, side, quantity, on in (
                ("entry", "buy", "990", 1),
                ("again", "sell", "3", 6),
                ("exit", "buy", "3", 8),
            ):
                if on == bar:
                    order = an_order(side, quantity, symbol=SWAP, id=id)
                    sent[id] = order, run.clock.now()
                    await run.venue.submit(order, a_ticket(order))
            found |= {event.id: event for event in await run.venue.settlements()}
            if bar == restart:
                run.venue = await restarted(run, sent)
        portfolio = await run.venue.portfolio()
        return portfolio, list(found.values())

    portfolio, events = await play(None)
    assert {event.kind for event in events} == {"funding", "liquidation"}
    assert len(events) == 6
    assert await play(when) == (portfolio, events)
