"""The `indicators` tool: what the library `ta` reads from the last closed bars, and only what is settled.

A recursive average remembers what it was seeded with, and libraries seed differently. A reading is
given once its seed weighs less than a thousandth; before that it is `None`, never 0 and never a guess. So it is where
more than a hundredth is left of what moved before: after a tick and many still bars, an RSI would be 100 for ever.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from domain.candle import Candle
from domain.money import reading
from domain.value import Amount, Instant, NonNegative, Positive, Symbol, Value
from tools.result import ToolFailed
from tools.tool import tool
from tools.view import MarketView

WINDOW_BARS = 200
"""Bars looked at. `ta` loops in Python over ATR and ADX: more bars would cost more and change no fourth digit."""

_PERIOD = 14
"""Bars over which RSI, ATR and ADX are read."""

_RETURN_GRAIN = Decimal("1e-8")


@dataclass(frozen=True, slots=True)
class _Settled:
    """Bars until a reading is given: what its seed takes, then n with (1 - alpha)^n < 0.001 for its average.

    Two averages in a row (ADX, the MACD signal) need the n at which their combined weight is that small.
    """

    rsi: int = 1 + 94
    atr: int = 14 + 94
    directional: int = 15 + 94
    adx: int = 28 + 125
    macd: int = 90
    macd_signal: int = 95
    ema_20: int = 69
    ema_50: int = 173
    bollinger: int = 20
    sma_50: int = 50
    sma_200: int = 200
    volatility: int = 49


SETTLED = _Settled()

_WILDER = 1 / 14
_SLOW = 2 / 27
"""The weight of the newest bar, in Wilder's averages of 14 bars and in the slower one of MACD."""

_MOST_RESIDUE = 0.01


class IndicatorsParams(Value):
    symbol: Symbol


class Indicators(Value):
    """Readings at the close of one bar; `None` where there are too few bars, or nothing to divide by.

    Prices and ranges in quote currency. RSI, ADX and DI run from 0 to 100 (Wilder, 14 bars). MACD is
    12/26/9, Bollinger bands are 20 bars and 2 population deviations. Returns are parts of one over so
    many bars; volatility is the sample deviation of 48 one-bar log returns, not annualised.
    """

    symbol: Symbol
    timeframe: str
    closed_at: Instant
    bars: int
    close: Positive
    rsi_14: NonNegative | None = None
    macd: Amount | None = None
    macd_signal: Amount | None = None
    macd_histogram: Amount | None = None
    bollinger_upper: Amount | None = None
    bollinger_middle: Amount | None = None
    bollinger_lower: Amount | None = None
    atr_14: NonNegative | None = None
    adx_14: NonNegative | None = None
    plus_di_14: NonNegative | None = None
    minus_di_14: NonNegative | None = None
    ema_20: Amount | None = None
    ema_50: Amount | None = None
    sma_50: Amount | None = None
    sma_200: Amount | None = None
    return_1: Amount | None = None
    return_12: Amount | None = None
    return_48: Amount | None = None
    volatility_48: NonNegative | None = None


def load() -> None:
    """Import what indicators are read with: a second that a run takes before its first cycle, and help never does."""
    import pandas
    import ta.momentum
    import ta.trend
    import ta.volatility

    _ = (pandas, ta)


@tool(timeout_s=10, trust="own")
async def indicators(params: IndicatorsParams, view: MarketView) -> Indicators:
    """Momentum, trend, range and volatility of one symbol at its last closed bar.

    RSI, MACD, Bollinger bands, ATR, ADX with +DI and -DI, EMA, SMA, returns over 1, 12 and 48 bars, and
    realised volatility. Raises `SymbolUnknown` outside the universe.
    """
    bars = await view.candles(params.symbol, WINDOW_BARS)
    if not bars:
        raise ToolFailed(f"no bar of {params.symbol} has closed yet")
    return read(bars, symbol=params.symbol, timeframe=str(view.timeframe))


def read(bars: Sequence[Candle], *, symbol: str, timeframe: str) -> Indicators:
    """The readings at the last of `bars`, which are oldest first and at least one."""
    closes = [bar.close for bar in bars]
    return Indicators(
        symbol=symbol,
        timeframe=timeframe,
        closed_at=bars[-1].closed_at,
        bars=len(bars),
        close=closes[-1],
        return_1=_change(closes, 1),
        return_12=_change(closes, 12),
        return_48=_change(closes, 48),
        volatility_48=_volatility(closes[-SETTLED.volatility :]),
        **_by_ta(bars),
    )


def _by_ta(bars: Sequence[Candle]) -> dict[str, Decimal | None]:
    import pandas as pd
    from ta.momentum import RSIIndicator
    from ta.trend import MACD, ADXIndicator, EMAIndicator, SMAIndicator
    from ta.volatility import AverageTrueRange, BollingerBands

    count = len(bars)
    close, high, low = (pd.Series([float(getattr(bar, name)) for bar in bars]) for name in ("close", "high", "low"))
    moves, ranges = _moves(bars), _ranges(bars)
    # Ratios, which of nothing to divide, or of what is long over, would make a number all the same.
    told_closes = any(moves[-_PERIOD:]) and not _residue(moves, _WILDER, settled=SETTLED.rsi - 1)
    told_ranges = any(ranges[-_PERIOD:]) and not _residue(ranges, _WILDER, settled=SETTLED.atr - _PERIOD)
    values: dict[str, float] = {}
    if count >= SETTLED.rsi and told_closes:
        values["rsi_14"] = RSIIndicator(close, 14).rsi().iloc[-1]
    if count >= SETTLED.atr and not _residue(ranges, _WILDER, settled=SETTLED.atr - _PERIOD):
        values["atr_14"] = AverageTrueRange(high, low, close, 14).average_true_range().iloc[-1]
    if count >= SETTLED.directional and told_ranges:
        adx = ADXIndicator(high, low, close, 14)
        values["plus_di_14"], values["minus_di_14"] = adx.adx_pos().iloc[-1], adx.adx_neg().iloc[-1]
        if count >= SETTLED.adx:
            values["adx_14"] = adx.adx().iloc[-1]
    if count >= SETTLED.macd and not _residue(moves, _SLOW, settled=SETTLED.macd):
        macd = MACD(close, 26, 12, 9)
        values["macd"] = _beside(macd.macd().iloc[-1], close.iloc[-1])
        if count >= SETTLED.macd_signal:
            values["macd_signal"] = _beside(macd.macd_signal().iloc[-1], close.iloc[-1])
            values["macd_histogram"] = _beside(macd.macd_diff().iloc[-1], close.iloc[-1])
    if count >= SETTLED.bollinger:
        bands = BollingerBands(close, 20, 2)
        values["bollinger_upper"] = bands.bollinger_hband().iloc[-1]
        values["bollinger_middle"] = bands.bollinger_mavg().iloc[-1]
        values["bollinger_lower"] = bands.bollinger_lband().iloc[-1]
    for window, settled in ((20, SETTLED.ema_20), (50, SETTLED.ema_50)):
        if count >= settled:
            values[f"ema_{window}"] = EMAIndicator(close, window).ema_indicator().iloc[-1]
    for window in (50, 200):
        if count >= window:
            values[f"sma_{window}"] = SMAIndicator(close, window).sma_indicator().iloc[-1]
    return {name: reading(value) for name, value in values.items()}


def _moves(bars: Sequence[Candle]) -> list[float]:
    """How far each close is from the one before it."""
    return [abs(float(after.close) - float(before.close)) for before, after in pairwise(bars)]


def _ranges(bars: Sequence[Candle]) -> list[float]:
    """The true range of each bar but the first."""
    return [
        max(float(after.high), float(before.close)) - min(float(after.low), float(before.close))
        for before, after in pairwise(bars)
    ]


def _residue(moves: Sequence[float], weight: float, *, settled: int) -> bool:
    """Whether a recursive average of `moves` is made, by more than a hundredth, of those before the last `settled`."""
    weighted = [move * (1 - weight) ** age for age, move in enumerate(reversed(moves))]
    return math.fsum(weighted[settled:]) > _MOST_RESIDUE * math.fsum(weighted)


def _beside(value: float, price: float) -> float:
    """A difference of prices, to ten digits of the price: what is left below is rounding, not market."""
    return round(float(value), 9 - math.floor(math.log10(price)))


def _change(closes: Sequence[Decimal], bars: int) -> Decimal | None:
    return (closes[-1] / closes[-1 - bars] - 1).quantize(_RETURN_GRAIN) if len(closes) > bars else None


def _volatility(closes: Sequence[Decimal]) -> Decimal | None:
    if len(closes) < SETTLED.volatility:
        return None
    prices = [float(close) for close in closes]
    moves = [math.log(after / before) for before, after in pairwise(prices)]
    mean = math.fsum(moves) / len(moves)
    return reading(math.sqrt(math.fsum((move - mean) ** 2 for move in moves) / (len(moves) - 1)))
