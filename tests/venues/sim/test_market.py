from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.candle import Timeframe
from domain.errors import SymbolUnknown, VenueUnavailable
from domain.money import on_grid
from venues.sim.market import DEFAULT_SYMBOLS, SimMarket
from venues.sim.path import CHARACTERS, START
from venues.sim.regimes import CALM, CRASH, RECOVERY, weather

STEP = timedelta(minutes=5)
FEW = settings(max_examples=20)


async def history(market, symbol="BTC/USDT", *, bars=400):
    return await market.candles(symbol, limit=bars, until=START + bars * STEP)


async def first_ticks(market, count, *, after=None):
    found = []
    async for tick in market.ticks(after=after):
        found.append(tick)
        if len(found) == count:
            return found
    raise AssertionError("the simulation ended")


@FEW
@given(st.integers(0, 2**32))
async def test_every_bar_is_consistent_and_on_the_grid(seed):
    market = SimMarket(seed=seed, symbols=list(CHARACTERS))
    for symbol, instrument in (await market.instruments()).items():
        bars = await history(market, symbol)
        assert [bar.opened_at for bar in bars] == [START + n * STEP for n in range(400)]
        assert all(before.close == after.open for before, after in pairwise(bars))
        for bar in bars:
            assert 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
            assert bar.closed_at == bar.opened_at + STEP
            assert bar.volume > 0
            assert all(on_grid(price, instrument.tick_size) for price in (bar.open, bar.high, bar.low, bar.close))
            assert on_grid(bar.volume, instrument.lot_size)


@FEW
@given(st.integers(0, 2**32), st.integers(1, 399))
async def test_a_bar_is_the_same_however_far_the_market_has_run(seed, cut):
    far, near = SimMarket(seed=seed), SimMarket(seed=seed)
    assert list(await history(near, bars=cut)) == list(await history(far))[:cut]


async def test_a_symbol_does_not_depend_on_its_company():
    alone = SimMarket(seed=3, symbols=["SOL/USDT"])
    together = SimMarket(seed=3, symbols=["DOGE/USDT", "SOL/USDT", "BTC/USDT"])
    assert await history(alone, "SOL/USDT") == await history(together, "SOL/USDT")
    assert await alone.headlines(since=START, until=START + 400 * STEP) == [
        headline
        for headline in await together.headlines(since=START, until=START + 400 * STEP)
        if headline.symbols == ("SOL/USDT",)
    ]


async def test_another_seed_is_another_market():
    assert await history(SimMarket(seed=1)) != await history(SimMarket(seed=2))


async def test_what_was_forgotten_is_told_again_alike():
    market = SimMarket(seed=7, symbols=["BTC/USDT"])
    early = await history(market, bars=50)
    headlines = await market.headlines(since=START, until=START + 50 * STEP)
    late = START + 20_000 * STEP
    window = await market.candles("BTC/USDT", limit=300, until=late)
    assert await history(market, bars=50) == early
    assert await market.headlines(since=START, until=START + 50 * STEP) == headlines
    assert await market.candles("BTC/USDT", limit=300, until=late) == window


async def test_a_window_longer_than_what_is_usually_kept_is_whole():
    market = SimMarket(seed=7, symbols=["BTC/USDT"])
    assert len(await history(market, bars=9_000)) == 9_000


async def test_memory_is_bounded_over_a_long_run():
    market = SimMarket(seed=7, symbols=["BTC/USDT"])
    for bars in range(500, 20_000, 500):
        await market.candles("BTC/USDT", limit=300, until=START + bars * STEP)
    assert len(market._stories["BTC/USDT"]._bars) < 8_192


async def test_the_default_symbols_move_together():
    market = SimMarket(seed=7)
    returns = {}
    for symbol in DEFAULT_SYMBOLS:
        bars = await history(market, symbol, bars=2_000)
        returns[symbol] = [float(bar.close / bar.open) - 1 for bar in bars]
    pairs = [("BTC/USDT", "ETH/USDT"), ("BTC/USDT", "SOL/USDT")]
    assert all(0.6 < correlation(returns[a], returns[b]) < 0.99 for a, b in pairs)


def correlation(xs, ys):
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    cov = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True))
    return cov / (sum((x - mx) ** 2 for x in xs) * sum((y - my) ** 2 for y in ys)) ** 0.5


def test_every_crash_is_followed_by_a_recovery():
    phases = [CALM]
    for now in weather(7):
        if now.phase is not phases[-1]:
            phases.append(now.phase)
        if len(phases) == 400:
            break
    assert len(set(phases)) == 6
    assert all(after is RECOVERY for before, after in pairwise(phases) if before is CRASH)


async def test_the_first_sixty_cycles_of_seed_seven_have_something_to_trade():
    market = SimMarket(seed=7)
    ticks = await first_ticks(market, 60)
    for symbol in DEFAULT_SYMBOLS:
        closes = [bar.close for bar in await market.candles(symbol, limit=60, until=ticks[-1])]
        assert max(closes) / min(closes) > Decimal("1.03")
        assert max(closes[30:]) / min(closes[:30]) > Decimal("1.02")


async def test_prices_stay_in_reach_of_where_they_began():
    market = SimMarket(seed=11, symbols=["SOL/USDT"])
    closes = [bar.close for bar in await history(market, "SOL/USDT", bars=30_000)]
    assert Decimal(30) < min(closes) < max(closes) < Decimal(1_200)


async def test_the_spread_widens_with_the_range():
    market = SimMarket(seed=7)
    bars = await history(market, bars=1_000)
    calm = min(bars, key=lambda bar: (bar.high - bar.low) / bar.close)
    wild = max(bars, key=lambda bar: (bar.high - bar.low) / bar.close)
    quiet, loud = [await market.quote("BTC/USDT", as_of=bar.closed_at) for bar in (calm, wild)]
    assert (loud.ask - loud.bid) / loud.mid > 3 * (quiet.ask - quiet.bid) / quiet.mid


async def test_headlines_speak_of_bars_that_have_closed_and_have_ids_of_their_own():
    market = SimMarket(seed=7)
    end = START + 600 * STEP
    headlines = await market.headlines(since=START, until=end)
    assert len(headlines) > 50
    assert len({headline.id for headline in headlines}) == len(headlines)
    assert [h.available_at for h in headlines] == sorted(h.available_at for h in headlines)
    for headline in headlines:
        number = int(headline.id.rsplit("-", 1)[1])
        assert headline.available_at > START + number * STEP
    halves = [
        *await market.headlines(since=START, until=START + 300 * STEP),
        *await market.headlines(since=START + 300 * STEP, until=end),
    ]
    assert halves == headlines


async def test_headlines_on_moves_fit_the_moves():
    market = SimMarket(seed=7)
    for headline in await market.headlines(since=START, until=START + 1_000 * STEP):
        number = int(headline.id.rsplit("-", 1)[1])
        bars = await market.candles(headline.symbols[0], limit=12, until=START + number * STEP)
        move = bars[-1].close / bars[0].open - 1
        if any(word in headline.title for word in ("slides", "falls", "plunges", "crashes")):
            assert move < Decimal("-0.014")
        if any(word in headline.title for word in ("climbs", "gains", "surges", "soars")):
            assert move > Decimal("0.014")


async def test_ticks_leave_a_warm_up_and_go_on_after_any_moment():
    market = SimMarket(seed=7)
    ticks = await first_ticks(market, 3)
    assert ticks[0] == START + 200 * STEP
    assert await first_ticks(market, 2, after=ticks[0]) == ticks[1:]
    assert await first_ticks(market, 2, after=ticks[0] + STEP / 2) == ticks[1:]
    assert await first_ticks(market, 1, after=datetime(2020, 1, 1, tzinfo=UTC)) == [START + STEP]


async def test_an_unknown_symbol_is_answered_with_those_that_are_known():
    with pytest.raises(SymbolUnknown, match="BTC/USDT, ETH/USDT"):
        SimMarket(seed=7, symbols=["BTC/USDT", "NOPE/USDT"])
    with pytest.raises(SymbolUnknown, match="There are BTC/USDT"):
        await SimMarket(seed=7).candles("XRP/USDT", limit=1, until=START)


async def test_before_the_first_close_there_is_no_quote():
    market = SimMarket(seed=7)
    with pytest.raises(VenueUnavailable):
        await market.quote("BTC/USDT", as_of=START + STEP / 2)
    assert (await market.quote("BTC/USDT", as_of=START + STEP)).at == START + STEP


@pytest.mark.parametrize("timeframe", ["1m", "1h", "1d", "1w"])
async def test_every_timeframe_has_a_market(timeframe):
    market = SimMarket(seed=7, timeframe=Timeframe(timeframe))
    (tick,) = await first_ticks(market, 1)
    bars = await market.candles("ETH/USDT", limit=500, until=tick)
    assert len(bars) == 200
    assert all(bar.low > 0 for bar in bars)
