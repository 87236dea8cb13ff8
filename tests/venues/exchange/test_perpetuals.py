"""Funding rates and margin tiers as exchanges tell them, at the wire and through the real ccxt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from builders.canned import BINANCE, BYBIT, canned
from builders.exchanges import START, Stage, a_stage
from domain.candle import Timeframe
from domain.errors import VenueUnavailable
from domain.instrument import MarginTier
from domain.venue import FundingSource, MarginSource
from exchange_double.faults import Maintenance
from exchange_double.wire import Operation
from graphs.session.clocks import WallClock
from venues.exchange.client import ExchangeClient
from venues.exchange.failover import FailoverMarket
from venues.exchange.market import ExchangeMarket
from venues.exchange.perpetuals import tiers_of

SWAP, SPOT = "BTC/USDT:USDT", "BTC/USDT"
NOON = START.replace(second=0)
HOUR = timedelta(hours=1)
ROW: dict[str, Any] = {"minNotional": "0", "maintenanceMarginRate": "0.004", "maxLeverage": "100"}


@pytest.fixture
def stage() -> Iterator[Stage]:
    with a_stage([SWAP]) as stage:
        yield stage


def every_eight_hours(*rates: str) -> Mapping[datetime, Decimal]:
    """The last one at noon, all of them some milliseconds late."""
    times = [NOON - 8 * HOUR * n + timedelta(milliseconds=7) for n in reversed(range(len(rates)))]
    return dict(zip(times, map(Decimal, rates), strict=True))


async def test_past_rates_are_read_as_they_were_charged(stage: Stage) -> None:
    stage.double.engine.set_funding(SWAP, every_eight_hours("0.0001", "-0.00035", "0.00015"))
    market = stage.market()
    assert isinstance(market, FundingSource)
    assert (market.funding_from(SWAP), market.funding_from(SPOT), market.funding_span(SWAP)) == ("okx", "", None)
    found = await market.funding(SWAP, since=NOON - 16 * HOUR, until=START)
    assert [(rate.at, rate.rate) for rate in found] == [
        (NOON - 8 * HOUR, Decimal("-0.00035")),
        (NOON, Decimal("0.00015")),
    ]


async def test_a_rate_that_is_shown_late_is_found_the_next_time(stage: Stage) -> None:
    market = stage.market()
    stage.double.engine.set_funding(SWAP, every_eight_hours("0.0001", "0.0002"))
    (first,) = await market.funding(SWAP, since=NOON - 9 * HOUR, until=NOON - HOUR)
    assert await market.funding(SWAP, since=first.at, until=NOON - HOUR) == ()
    (second,) = await market.funding(SWAP, since=first.at, until=START)
    assert (second.at, second.rate) == (NOON, Decimal("0.0002"))


async def test_nothing_is_asked_until_a_whole_hour_has_passed(stage: Stage) -> None:
    market = stage.market()
    assert await market.funding(SWAP, since=NOON, until=NOON + 0.99 * HOUR) == ()
    assert list(stage.double.journal.of(Operation.PERPETUALS)) == []
    await market.funding(SWAP, since=NOON, until=NOON + HOUR)
    assert len(stage.double.journal.of(Operation.PERPETUALS)) == 1


async def test_an_exchange_that_does_not_answer_is_unavailable_and_not_free(stage: Stage) -> None:
    market = stage.market()
    await market.instruments()
    stage.double.faults.add(Maintenance(), on=Operation.PERPETUALS, times=None)
    with pytest.raises(VenueUnavailable):
        await market.funding(SWAP, since=NOON - 9 * HOUR, until=START)
    with pytest.raises(VenueUnavailable):
        await market.margin_tiers(SWAP)


async def test_more_fundings_than_are_shown_are_said(stage: Stage) -> None:
    stage.double.engine.set_funding(SWAP, every_eight_hours(*["0.0001"] * 120))
    market = stage.market()
    said: list[str] = []
    market.watch(said.append)
    found = await market.funding(SWAP, since=NOON - 960 * HOUR, until=START)
    assert len(found) == 100
    text = f"okx showed the last 100 fundings of {SWAP}, and those before them are not charged"
    assert said == [text]
    assert text in market.notes


async def test_tiers_come_in_base_and_keep_their_rate_for_the_whole(stage: Stage) -> None:
    engine = stage.double.engine
    tiers = (
        (Decimal(1_000), Decimal("0.004"), Decimal(100)),
        (Decimal(5_000), Decimal("0.005"), Decimal(80)),
        (Decimal(90_000), Decimal("0.02"), Decimal(20)),
    )
    engine.listings = {**engine.listings, SWAP: replace(engine.listings[SWAP], tiers=tiers)}
    market = stage.market()
    assert isinstance(market, MarginSource)
    in_base = {"in_base": True}
    assert await market.margin_tiers(SWAP) == (
        MarginTier(above=Decimal(0), rate=Decimal("0.004"), max_leverage=Decimal(100), **in_base),
        MarginTier(above=Decimal(10), rate=Decimal("0.005"), max_leverage=Decimal(80), **in_base),
        MarginTier(above=Decimal(50), rate=Decimal("0.02"), max_leverage=Decimal(20), **in_base),
    )
    assert await market.margin_tiers(SPOT) == ()


async def test_two_exchanges_are_asked_as_the_first(stage: Stage) -> None:
    stage.double.engine.set_funding(SWAP, every_eight_hours("0.0001"))
    first, second = stage.market(), stage.market(stage.client("myokx"))
    both = FailoverMarket(first, second, wall=stage.wall, sleep=stage.wall.sleep)
    assert isinstance(both, FundingSource)
    assert isinstance(both, MarginSource)
    assert (both.funding_from(SWAP), both.funding_span(SWAP)) == ("okx", None)
    assert len(await both.funding(SWAP, since=NOON - HOUR, until=START)) == 1
    assert await both.margin_tiers(SWAP) == await first.margin_tiers(SWAP) != ()
    both.set_spread(Decimal(20))
    quote = await both.quote(SWAP, as_of=NOON - HOUR)
    assert abs((quote.ask - quote.bid) / quote.mid - Decimal("0.002")) < Decimal("0.00001")


def a_bybit_tier(number: int, most: str, rate: str, leverage: str) -> dict[str, object]:
    return {
        "id": number,
        "symbol": "BTCUSDT",
        "riskLimitValue": most,
        "maintenanceMargin": rate,
        "initialMargin": "0.01",
        "isLowestRisk": 1 if number == 1 else 0,
        "maxLeverage": leverage,
    }


async def test_bybits_tiers_go_on_without_a_jump() -> None:
    rows = [a_bybit_tier(1, "2000000", "0.005", "100"), a_bybit_tier(2, "10000000", "0.0056", "90")]
    told = json.dumps({"retCode": 0, "result": {"category": "linear", "list": rows}})
    async with canned("bybit", {**BYBIT, "/v5/market/risk-limit": told}) as settings:
        client = ExchangeClient("bybit", settings=settings)
        market = ExchangeMarket(client, symbols=[SWAP], timeframe=Timeframe("5m"), wall=WallClock())
        assert await market.margin_tiers(SWAP) == (
            MarginTier(above=Decimal(0), rate=Decimal("0.005"), max_leverage=Decimal(100)),
            MarginTier(
                above=Decimal(2_000_000), rate=Decimal("0.0056"), deduction=Decimal(1_200), max_leverage=Decimal(90)
            ),
        )


async def test_bybit_and_binance_tell_their_rates() -> None:
    ms = int(NOON.timestamp() * 1_000)
    bybit = {
        "/v5/market/funding/history": json.dumps(
            {
                "retCode": 0,
                "result": {
                    "category": "linear",
                    "list": [
                        {"symbol": "BTCUSDT", "fundingRate": "0.00015", "fundingRateTimestamp": str(ms)},
                        {"symbol": "BTCUSDT", "fundingRate": "-0.0002", "fundingRateTimestamp": str(ms - 28_800_000)},
                    ],
                },
            }
        )
    }
    binance = {
        "/fapi/v1/fundingRate": json.dumps(
            [
                {
                    "symbol": "BTCUSDT",
                    "fundingTime": ms - 28_800_000 + 3,
                    "fundingRate": "-0.00020000",
                    "markPrice": "1",
                },
                {"symbol": "BTCUSDT", "fundingTime": ms + 5, "fundingRate": "0.00015000", "markPrice": "1"},
            ]
        )
    }
    for exchange, answers in (("bybit", {**BYBIT, **bybit}), ("binance", {**BINANCE, **binance})):
        async with canned(exchange, answers) as settings:
            client = ExchangeClient(exchange, settings=settings)
            market = ExchangeMarket(client, symbols=[SWAP], timeframe=Timeframe("5m"), wall=WallClock())
            assert market.funding_from(SWAP) == exchange
            found = await market.funding(SWAP, since=NOON - 9 * HOUR, until=START)
            assert [(rate.at, rate.rate) for rate in found] == [
                (NOON - 8 * HOUR, Decimal("-0.0002")),
                (NOON, Decimal("0.00015")),
            ]
            tiers = await market.margin_tiers(SWAP) if exchange == "binance" else ()
            assert tiers == ()  # Binance shows its brackets to keys alone


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{**ROW, "maintenanceMarginRate": "0.5"}], "a maintenance margin of 0.5 at a leverage of 100"),
        ([{**ROW, "maintenanceMarginRate": "0"}], "a maintenance margin of 0 at"),
        ([{**ROW, "maintenanceMarginRate": "1.5"}], "less than or equal to 1"),
        ([{**ROW, "maintenanceMarginRate": None}], "None is not a number"),
        ([ROW, ROW], "the tiers don't ascend"),
        ([ROW, {**ROW, "minNotional": "5", "maintenanceMarginRate": "0.003"}], "the tiers don't ascend"),
        ([{**ROW, "minNotional": "50000"}], "the first tier begins at 50000"),
    ],
)
def test_tiers_that_can_not_be_true_are_none(rows: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        tiers_of(rows, exchange="bybit", unit=Decimal(1))


def test_no_tiers_are_none() -> None:
    assert tiers_of([], exchange="okx", unit=Decimal(1)) == ()
