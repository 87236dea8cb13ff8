"""Detectors: pure rules that look at one symbol's readings and say whether it is worth research.

A reading that is missing (warm-up, a dead source) keeps a detector silent; it is never taken as zero. Whether a hit
rests on untrusted text is not the detector's to say: it is asked with and without the readings of texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Literal

from domain.decision import Signal
from domain.order import Side
from policy.market import VenueSignal

Readings = Mapping[str, Decimal]

_ONE: Final = Decimal(1)
_GRAIN: Final = Decimal("0.0001")
_AGREEMENT: Final = Decimal("0.1")
"""What each further detector of the same mind adds to the strongest one's score."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A detector that fired. `strength` in (0, 1]; `trust` is that of the readings it rests on."""

    detector: str
    side: Side
    strength: Decimal
    trust: Literal["venue", "untrusted"] = "untrusted"


Detector = Callable[[Readings], Hit | None]


def _hit(detector: str, side: Side, strength: Decimal) -> Hit | None:
    return Hit(detector, side, min(_ONE, strength).quantize(_GRAIN)) if strength >= _GRAIN else None


def _present(readings: Readings, *names: str) -> tuple[Decimal, ...] | None:
    values = tuple(readings[name] for name in names if name in readings)
    return values if len(values) == len(names) else None


def trend(readings: Readings) -> Hit | None:
    """Directional movement with the moving averages behind it (Wilder: ADX above 20 is a trend)."""
    if (values := _present(readings, "adx_14", "plus_di_14", "minus_di_14", "ema_20", "ema_50")) is None:
        return None
    adx, plus_di, minus_di, fast, slow = values
    if adx <= 20:
        return None
    if plus_di > minus_di and fast > slow:
        return _hit("trend", "buy", adx / 50)
    if plus_di < minus_di and fast < slow:
        return _hit("trend", "sell", adx / 50)
    return None


def breakout(readings: Readings) -> Hit | None:
    """A close outside the Bollinger bands while momentum (MACD against its signal) agrees."""
    if (
        values := _present(readings, "close", "bollinger_upper", "bollinger_lower", "atr_14", "macd_histogram")
    ) is None:
        return None
    close, upper, lower, atr, momentum = values
    if atr <= 0:
        return None
    if close > upper and momentum > 0:
        return _hit("breakout", "buy", Decimal("0.4") + (close - upper) / atr)
    if close < lower and momentum < 0:
        return _hit("breakout", "sell", Decimal("0.4") + (lower - close) / atr)
    return None


def exhaustion(readings: Readings) -> Hit | None:
    """An oversold or overbought RSI (Wilder's 30 and 70) in a market without a trend."""
    if (values := _present(readings, "rsi_14", "adx_14")) is None:
        return None
    rsi, adx = values
    if adx > 25:
        return None
    if rsi < 30:
        return _hit("exhaustion", "buy", Decimal("0.3") + (30 - rsi) / 30)
    if rsi > 70:
        return _hit("exhaustion", "sell", Decimal("0.3") + (rsi - 70) / 30)
    return None


def news(readings: Readings) -> Hit | None:
    """Headlines that lean clearly one way. Untrusted: alone it may start research, and support no order."""
    if (values := _present(readings, "sentiment")) is None:
        return None
    lean = abs(values[0])
    return _hit("news", "buy" if values[0] > 0 else "sell", lean) if lean >= Decimal("0.4") else None


DETECTORS: Final[tuple[Detector, ...]] = (trend, breakout, exhaustion, news)


def venue_signals(venue: Readings, *, detectors: Sequence[Detector] = DETECTORS) -> tuple[VenueSignal, ...]:
    """What the detectors say when they are shown nothing but venue data."""
    hits = (detect(venue) for detect in detectors)
    return tuple(VenueSignal(detector=h.detector, side=h.side, strength=h.strength) for h in hits if h is not None)


def hits_on(venue: Readings, texts: Readings, *, detectors: Sequence[Detector] = DETECTORS) -> list[Hit]:
    """What the detectors say when they are shown everything.

    A hit that is not the same without `texts`, which are readings of untrusted text, rests on them.
    """
    hits: list[Hit] = []
    for detect in detectors:
        alone, hit = detect(venue), detect({**texts, **venue})
        if hit is not None:
            rests_on_text = alone is None or (alone.side, alone.strength) != (hit.side, hit.strength)
            hits.append(replace(hit, trust="untrusted" if rests_on_text else "venue"))
    return hits


def candidate(symbol: str, hits: Sequence[Hit]) -> Signal | None:
    """The side that weighs more, scored by its strongest detector and how many agree; `None` without hits.

    Equal weights are no direction, and no signal. Untrusted hits count like all others here: a candidate is worth a
    model's time, and no more than that.
    """
    weight = {side: sum((h.strength for h in hits if h.side == side), Decimal(0)) for side in ("buy", "sell")}
    if weight["buy"] == weight["sell"]:
        return None
    side: Side = "buy" if weight["buy"] > weight["sell"] else "sell"
    agreeing = sorted((h for h in hits if h.side == side), key=lambda h: (-h.strength, h.detector))
    score = min(_ONE, agreeing[0].strength + _AGREEMENT * (len(agreeing) - 1))
    return Signal(symbol=symbol, direction=side, score=score, detectors=tuple(h.detector for h in agreeing))
