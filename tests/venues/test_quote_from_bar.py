"""The quotes that a market makes of its bars are as wide as it was set, and by the bar's range where nothing was."""

from __future__ import annotations

from decimal import Decimal

import pytest

from builders.markets import FREE, a_market, a_ticket, a_venue, an_order, at, bars
from domain.clock import TickClock
from domain.venue import MakesQuotes, Market
from venues.sim.market import SimMarket

WIDE = "100 110 90 100"


@pytest.mark.parametrize("market", [a_market(bars("100", WIDE)), SimMarket(seed=7, symbols=["ETH/USDT"])])
@pytest.mark.parametrize("width", ["0", "3", "40"])
async def test_a_set_spread_is_that_of_every_quote(market: Market, width: str) -> None:
    assert isinstance(market, MakesQuotes)
    market.set_spread(Decimal(width))
    quote = await market.quote("ETH/USDT", as_of=at(2))
    tick = (await market.instruments())["ETH/USDT"].tick_size
    assert quote.ask - quote.bid >= tick
    assert abs((quote.ask - quote.bid) - quote.mid * Decimal(width) / 10_000) <= 2 * tick


async def test_without_one_it_grows_with_the_bar() -> None:
    market = a_market(bars("100", WIDE))
    assert (await market.quote("ETH/USDT", as_of=at(1))).mid * Decimal("0.0001") == Decimal("0.01")
    quiet, wild = await market.quote("ETH/USDT", as_of=at(1)), await market.quote("ETH/USDT", as_of=at(2))
    assert (quiet.ask - quiet.bid, wild.ask - wild.bid) == (Decimal("0.01"), Decimal("0.5"))


async def test_a_taker_pays_half_of_it() -> None:
    market = a_market(bars("100", "100", "100"))
    market.set_spread(Decimal(40))
    clock = TickClock(at(1))
    venue = a_venue(market, clock, costs=FREE)
    buy, sell = an_order("buy", "1", id="buy"), an_order("sell", "1", id="sell")
    await venue.submit(buy, a_ticket(buy))
    clock.set(at(2))
    bought = await venue.find("buy", "ETH/USDT")
    await venue.submit(sell, a_ticket(sell))
    clock.set(at(3))
    sold = await venue.find("sell", "ETH/USDT")
    assert bought is not None
    assert sold is not None
    assert (bought.average_price, sold.average_price) == (Decimal("100.2"), Decimal("99.8"))
