"""The real ccxt client at the wire: what three exchanges answer, and what becomes of it when they answer badly."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from builders.canned import BINANCE, BYBIT, EXACT, canned
from builders.exchanges import START, Stage, a_stage, bar_at
from domain.candle import Timeframe
from domain.errors import SymbolUnknown, UsageError, VenueUnavailable
from exchange_double.faults import Fault, Maintenance, Malformed, RateLimited, Reset, ServerError, Timeout
from venues.exchange.bars import read_rows
from venues.exchange.client import ExchangeClient
from venues.exchange.feed import quote_of
from venues.exchange.instruments import instrument_of, listed

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
FIVE = Timeframe("5m")


@pytest.fixture
def stage() -> Iterator[Stage]:
    with a_stage() as stage:
        yield stage


async def test_binance_spot_is_read_to_the_last_digit() -> None:
    async with canned("binance", BINANCE) as settings, ExchangeClient("binance", settings=settings) as client:
        market = listed(await client.markets(), "BTC/USDT", exchange="binance")
        instrument = instrument_of(market, "BTC/USDT", exchange="binance", precision=client.precision)
        bars = read_rows(await client.bars("BTC/USDT", FIVE, since=NOON, limit=3), timeframe=FIVE)
        quote = quote_of(await client.book("BTC/USDT"), "BTC/USDT", unit=Decimal(1), asked_at=START)
        assert await client.time() == NOON
    assert (instrument.kind, instrument.tick_size, instrument.lot_size, instrument.min_notional) == (
        "spot",
        Decimal("0.01"),
        Decimal("0.00001"),
        Decimal(5),
    )
    assert str(bars[NOON].close) == "94100.12345678"
    assert (quote.bid, quote.bid_size) == (Decimal("94098.9"), Decimal("0.12345678"))
    assert (quote.ask, quote.ask_size) == (Decimal("94099"), Decimal("2.00000001"))
    assert quote.at == START  # the book tells no time, so it is as old as the question


async def test_a_market_that_is_closed_or_unknown_is_refused_by_name() -> None:
    async with canned("binance", BINANCE) as settings, ExchangeClient("binance", settings=settings) as client:
        markets = await client.markets()
    with pytest.raises(UsageError, match="OLD/USDT is not trading on binance"):
        listed(markets, "OLD/USDT", exchange="binance")
    with pytest.raises(SymbolUnknown, match=r"BTC/USDD is not listed on binance. Did you mean BTC/USDT"):
        listed(markets, "BTC/USDD", exchange="binance")


async def test_a_bybit_perpetual_is_read_newest_bar_first_with_the_books_own_time() -> None:
    symbol = "BTC/USDT:USDT"
    async with canned("bybit", BYBIT) as settings, ExchangeClient("bybit", settings=settings) as client:
        market = listed(await client.markets(), symbol, exchange="bybit")
        instrument = instrument_of(market, symbol, exchange="bybit", precision=client.precision)
        bars = read_rows(await client.bars(symbol, FIVE, since=NOON - FIVE.length, limit=2), timeframe=FIVE)
        quote = quote_of(await client.book(symbol), symbol, unit=Decimal(1), asked_at=START)
    assert (instrument.kind, instrument.tick_size, instrument.lot_size) == ("swap", Decimal("0.1"), Decimal("0.001"))
    assert sorted(bars) == [NOON - timedelta(minutes=5), NOON]
    assert bars[NOON - timedelta(minutes=5)].volume == Decimal("120.345")
    assert quote.at == NOON + timedelta(milliseconds=250)


async def test_numbers_that_no_float_holds_arrive_whole() -> None:
    answers = {**BINANCE, **EXACT}
    async with canned("binance", answers) as settings, ExchangeClient("binance", settings=settings) as client:
        await client.markets()
        rows = await client.bars("BTC/USDT", FIVE, since=NOON, limit=1)
    bar = read_rows(rows, timeframe=FIVE)[NOON]
    assert str(bar.open) == "0.1234567890123456789"
    assert str(bar.volume) == "123456789.123456789012345"


async def test_the_contracts_of_an_okx_perpetual_become_its_base_currency() -> None:
    symbol = "BTC/USDT:USDT"
    with a_stage((symbol,)) as stage:
        market = stage.market()
        instrument = (await market.instruments())[symbol]
        at = await anext(market.ticks())
        quote = await market.quote(symbol, as_of=at)
        bar = (await market.candles(symbol, limit=1, until=at))[0]
    assert instrument.lot_size == Decimal("0.0001")  # 0.01 contracts of 0.01
    assert quote.bid_size == Decimal("3.5")  # 350 contracts
    shown = bar_at(bar.opened_at, length=market.timeframe.length, base=Decimal(60_000))
    assert bar.volume == shown.volume  # of a hundred times as many contracts


@pytest.mark.parametrize(
    "fault",
    [Timeout(accepted=False), Reset(accepted=False), RateLimited(), ServerError(), Malformed(), Maintenance()],
    ids=lambda fault: type(fault).__name__,
)
async def test_every_failure_of_an_exchange_is_one_error(stage: Stage, fault: Fault) -> None:
    stage.double.faults.add(fault, times=None)
    async with stage.client(timeout=200) as client:
        for ask in (client.markets, client.time):
            with pytest.raises(VenueUnavailable, match="okx"):
                await ask()


def test_an_exchange_that_is_not_known_is_answered_with_near_ones() -> None:
    with pytest.raises(UsageError, match=r"'okxx' is not known. Did you mean okx"):
        ExchangeClient("okxx")
