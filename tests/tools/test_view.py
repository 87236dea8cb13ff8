"""A tool sees one moment of one universe, however careless the market is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.tools import BTC, ETH, START, STEP, StillMarket, a_headline, a_quote, a_view, walk
from domain.errors import SymbolUnknown, VenueUnavailable

BARS = walk(30)


@given(st.integers(0, 40), st.integers(1, 40))
async def test_no_bar_is_newer_than_the_moment_asked_about(tick: int, limit: int) -> None:
    view = a_view(StillMarket({BTC: BARS}, careless=True), as_of=START + tick * STEP)
    assert all(bar.closed_at <= view.as_of for bar in await view.candles(BTC, limit))


async def test_a_quote_from_the_future_is_no_quote() -> None:
    market = StillMarket(quotes={BTC: a_quote(at=START + timedelta(seconds=1))})
    with pytest.raises(VenueUnavailable, match="as old as the moment asked for"):
        await a_view(market).quote(BTC)
    now = START + timedelta(seconds=1)
    assert (await a_view(market, as_of=now).quote(BTC)).at == now


async def test_an_old_quote_is_given_with_its_own_time() -> None:
    market = StillMarket(quotes={BTC: a_quote(at=START - timedelta(hours=3))})
    assert (await a_view(market).quote(BTC)).at == START - timedelta(hours=3)


@pytest.mark.parametrize("ask", ["candles", "quote"])
async def test_a_symbol_outside_the_universe_is_unknown(ask: str) -> None:
    view = a_view(StillMarket({"DOGE/USDT": BARS}), as_of=START)
    with pytest.raises(SymbolUnknown, match="Known here: BTC/USDT, ETH/USDT"):
        await (view.candles("DOGE/USDT", 1) if ask == "candles" else view.quote("DOGE/USDT"))


async def test_news_is_neither_newer_nor_older_than_asked_for() -> None:
    times = {"old": START - timedelta(hours=1), "now": START, "new": START + timedelta(seconds=1)}
    news = [a_headline(id=name, available_at=at) for name, at in times.items()]
    seen = await a_view(StillMarket(news=news, careless=True)).headlines(timedelta(hours=1))
    assert [line.id for line in seen] == ["now"]


async def test_news_about_other_symbols_only_is_left_out_and_others_are_taken_off() -> None:
    news = [
        a_headline(id="a", symbols=("DOGE/USDT",)),
        a_headline(id="b", symbols=(BTC, "DOGE/USDT")),
        a_headline(id="c"),
        a_headline(id="d", symbols=(ETH, BTC)),
    ]
    seen = await a_view(StillMarket(news=news)).headlines(timedelta(hours=1))
    assert [(line.id, line.symbols) for line in seen] == [("b", (BTC,)), ("c", ()), ("d", (ETH, BTC))]


@given(st.permutations(range(5)))
async def test_news_has_one_order_whatever_order_the_market_gives(order: list[int]) -> None:
    news = [a_headline(id=f"n{number}", available_at=START - timedelta(minutes=number // 2)) for number in order]
    seen = await a_view(StillMarket(news=news)).headlines(timedelta(hours=1))
    assert [line.id for line in seen] == ["n4", "n2", "n3", "n0", "n1"]
