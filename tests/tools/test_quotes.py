"""Quotes and bars as tools show them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from builders.tools import BTC, START, STEP, StillMarket, a_quote, a_toolbox, a_view, walk
from tools.bars import MOST_BARS, Bar, candles
from tools.quotes import quote


async def test_a_quote_says_how_wide_and_how_old_it_is() -> None:
    view = a_view(StillMarket(quotes={BTC: a_quote()}), as_of=START + timedelta(seconds=90))
    found = (await a_toolbox(quote, view=view).call(quote, {"symbol": BTC})).value
    assert found is not None
    assert (found.mid, found.spread_bps, found.age_s, found.at) == (100, 20, 90, START)


async def test_a_crossed_book_shows_as_a_negative_spread() -> None:
    view = a_view(StillMarket(quotes={BTC: a_quote(bid=Decimal("100.1"), ask=Decimal("99.9"))}))
    found = (await a_toolbox(quote, view=view).call(quote, {"symbol": BTC})).value
    assert found is not None
    assert found.spread_bps == -20


async def test_the_sizes_that_a_market_shows_are_read_with_it_also_when_nothing_is_left() -> None:
    view = a_view(StillMarket(quotes={BTC: a_quote(bid_size=Decimal("0.5"), ask_size=Decimal(0))}))
    result = await a_toolbox(quote, view=view).call(quote, {"symbol": BTC})
    assert result.value is not None
    assert (result.value.bid_size, result.value.ask_size) == (Decimal("0.5"), 0)
    assert quote.returns.validate_json(result.model_dump_json()) == result


async def test_a_quote_without_sizes_is_written_as_it_always_was() -> None:
    view = a_view(StillMarket(quotes={BTC: a_quote(bid_size=None, ask_size=None)}))
    found = (await a_toolbox(quote, view=view).call(quote, {"symbol": BTC})).value
    assert found is not None
    assert set(found.model_dump()) == {"symbol", "bid", "ask", "mid", "spread_bps", "at", "age_s"}


async def test_no_quote_yet_is_unavailable() -> None:
    result = await a_toolbox(quote, view=a_view()).call(quote, {"symbol": BTC})
    assert (result.failure, result.error) == ("unavailable", "no quote for BTC/USDT yet")


async def test_bars_come_oldest_first_and_never_more_than_asked_for() -> None:
    bars = walk(10)
    view = a_view(StillMarket({BTC: bars}), as_of=START + 9 * STEP)
    found = (await a_toolbox(candles, view=view).call(candles, {"symbol": BTC, "limit": 3})).value
    assert found is not None
    assert [row.closed_at for row in found.rows] == [START + n * STEP for n in (7, 8, 9)]
    last = bars[8]
    assert found.rows[-1] == Bar(last.closed_at, last.open, last.high, last.low, last.close, last.volume)


async def test_bars_survive_the_tape() -> None:
    view = a_view(StillMarket({BTC: walk(5)}), as_of=START + 5 * STEP)
    result = await a_toolbox(candles, view=view).call(candles, {"symbol": BTC})
    assert candles.returns.validate_json(result.model_dump_json()) == result


@pytest.mark.parametrize("limit", [0, -1, MOST_BARS + 1])
async def test_a_limit_out_of_bounds_is_refused(limit: int) -> None:
    result = await a_toolbox(candles).call(candles, {"symbol": BTC, "limit": limit})
    assert result.failure == "invalid"
    assert result.error.startswith("limit:")
