"""Detectors see what is there, and stay silent where a reading is missing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.detectors import (
    DETECTORS,
    Hit,
    Readings,
    breakout,
    candidate,
    exhaustion,
    hits_on,
    news,
    trend,
    venue_signals,
)
from agents.evidence import readings_of
from builders.desks import UPTREND, readings
from domain.order import Side


def some(**named: str) -> dict[str, Decimal]:
    return {name: Decimal(value) for name, value in named.items()}


RISING = some(**{name: UPTREND[name] for name in ("adx_14", "plus_di_14", "minus_di_14", "ema_20", "ema_50")})
BROKEN_OUT = some(close="105", bollinger_upper="104.5", bollinger_lower="95", atr_14="1", macd_histogram="0.1")

NAMES = (
    "adx_14",
    "plus_di_14",
    "minus_di_14",
    "ema_20",
    "ema_50",
    "close",
    "bollinger_upper",
    "bollinger_lower",
    "atr_14",
    "macd_histogram",
    "rsi_14",
    "sentiment",
)
numbers = st.decimals(min_value=-1_000, max_value=1_000, places=4) | st.sampled_from([Decimal(0), Decimal("1e-12")])
any_readings = st.dictionaries(st.sampled_from(NAMES), numbers)
hits = st.builds(
    Hit,
    st.sampled_from(["trend", "breakout", "exhaustion", "news"]),
    st.sampled_from(["buy", "sell"]),
    st.decimals(min_value="0.0001", max_value=1, places=4),
)


def test_a_trend_needs_its_averages_on_the_same_side() -> None:
    assert trend(RISING) == Hit("trend", "buy", Decimal("0.8"))
    assert trend(RISING | some(plus_di_14="10", minus_di_14="30")) is None
    falling = some(plus_di_14="10", minus_di_14="30", ema_20="99", ema_50="101")
    assert trend(RISING | falling) == Hit("trend", "sell", Decimal("0.8"))
    assert trend(RISING | falling | some(ema_20="101", ema_50="99")) is None
    assert trend(RISING | falling | some(adx_14="20.5")) == Hit("trend", "sell", Decimal("0.41"))


@pytest.mark.parametrize(
    "level", [some(adx_14="20"), some(minus_di_14="30"), some(ema_50="101"), some(plus_di_14="0", minus_di_14="0")]
)
@pytest.mark.parametrize("start", [some(), some(ema_20="99", ema_50="101", plus_di_14="10", minus_di_14="30")])
def test_a_market_without_direction_is_no_trend_either_way(
    start: dict[str, Decimal], level: dict[str, Decimal]
) -> None:
    if "minus_di_14" in level and "plus_di_14" not in level:
        level = level | {"plus_di_14": level["minus_di_14"]}
    if "ema_50" in level:
        level = level | {"ema_20": level["ema_50"]}
    assert trend(RISING | start | level) is None


def test_a_breakout_needs_momentum_and_a_range_to_measure_by() -> None:
    assert breakout(BROKEN_OUT) == Hit("breakout", "buy", Decimal("0.9"))
    assert breakout(BROKEN_OUT | some(macd_histogram="-0.1")) is None
    assert breakout(BROKEN_OUT | some(atr_14="0")) is None
    assert breakout(BROKEN_OUT | some(close="100")) is None
    assert breakout(BROKEN_OUT | some(close="94.5", macd_histogram="-0.1")) == Hit("breakout", "sell", Decimal("0.9"))
    assert breakout(BROKEN_OUT | some(close="94.5", macd_histogram="0.1")) is None
    assert breakout(BROKEN_OUT | some(close="94.5", macd_histogram="-0.1", atr_14="2")) == Hit(
        "breakout", "sell", Decimal("0.65")
    )


@pytest.mark.parametrize(("close", "momentum"), [("104.5", "0.1"), ("105", "0"), ("95", "-0.1"), ("94.5", "0")])
def test_a_close_at_its_band_or_without_momentum_breaks_out_of_nothing(close: str, momentum: str) -> None:
    assert breakout(BROKEN_OUT | some(close=close, macd_histogram=momentum)) is None


def test_exhaustion_speaks_only_where_there_is_no_trend() -> None:
    assert exhaustion(some(rsi_14="15", adx_14="20")) == Hit("exhaustion", "buy", Decimal("0.8"))
    assert exhaustion(some(rsi_14="85", adx_14="20")) == Hit("exhaustion", "sell", Decimal("0.8"))
    assert exhaustion(some(rsi_14="15", adx_14="26")) is None
    assert exhaustion(some(rsi_14="50", adx_14="20")) is None
    assert exhaustion(some(rsi_14="85", adx_14="26")) is None


@pytest.mark.parametrize(
    ("rsi", "found"),
    [
        ("29.7", ("buy", "0.31")),
        ("30", None),
        ("70", None),
        ("70.3", ("sell", "0.31")),
        ("100", ("sell", "1")),
        ("0", ("buy", "1")),
    ],
)
def test_an_rsi_is_exhausted_beyond_30_and_70_and_not_at_them(rsi: str, found: tuple[Side, str] | None) -> None:
    hit = Hit("exhaustion", found[0], Decimal(found[1])) if found else None
    assert exhaustion(some(rsi_14=rsi, adx_14="25")) == hit


@pytest.mark.parametrize(
    ("tone", "side"), [("0.4", "buy"), ("-0.9", "sell"), ("-0.4", "sell"), ("0.39", None), ("-0.39", None), ("0", None)]
)
def test_news_speaks_when_it_leans_clearly(tone: str, side: Side | None) -> None:
    found = news(some(sentiment=tone))
    assert (found.side if found else None) == side


@pytest.mark.parametrize("detect", DETECTORS)
@given(any_readings)
def test_any_readings_give_a_strength_in_its_bounds_or_silence(
    detect: Callable[[Readings], Hit | None], given_readings: dict[str, Decimal]
) -> None:
    hit = detect(given_readings)
    assert hit is None or (0 < hit.strength <= 1 and hit.side in ("buy", "sell"))


@pytest.mark.parametrize("start", [RISING, BROKEN_OUT, some(rsi_14="10", adx_14="10"), some(sentiment="1")])
def test_one_missing_reading_keeps_a_detector_silent(start: dict[str, Decimal]) -> None:
    (detect,) = [detect for detect in DETECTORS if detect(start)]
    for name in start:
        assert detect({other: value for other, value in start.items() if other != name}) is None


def test_a_reading_that_is_not_there_is_no_zero() -> None:
    found = readings_of(readings(rsi_14=None, adx_14="10"))
    assert found == some(close="100", atr_14="1", adx_14="10")


def test_a_candidate_takes_the_side_that_weighs_more_and_names_the_strongest_first() -> None:
    found = candidate(
        "BTC/USDT",
        [
            Hit("news", "buy", Decimal("0.4")),
            Hit("trend", "buy", Decimal("0.6")),
            Hit("exhaustion", "sell", Decimal("0.9")),
        ],
    )
    assert found is not None
    assert (found.direction, found.score, found.detectors) == ("buy", Decimal("0.7"), ("trend", "news"))


@pytest.mark.parametrize("both", [[], [Hit("news", "buy", Decimal("0.5")), Hit("trend", "sell", Decimal("0.5"))]])
def test_equal_weights_are_no_signal(both: list[Hit]) -> None:
    assert candidate("BTC/USDT", both) is None


@given(st.lists(hits, max_size=6), st.randoms(use_true_random=False))
def test_a_candidate_does_not_depend_on_the_order_of_its_hits(found: list[Hit], chance: Random) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)
    first, second = candidate("BTC/USDT", found), candidate("BTC/USDT", shuffled)
    assert first == second
    assert first is None or max(h.strength for h in found if h.side == first.direction) <= first.score <= 1


# What a hit rests on


def mood(given_readings: Readings) -> Hit | None:
    """A detector of somebody else's: it reads a tone where there is one, and claims the venue's trust."""
    if "rsi_14" not in given_readings:
        return None
    tone = given_readings.get("sentiment", Decimal(0))
    return Hit("mood", "sell" if tone < 0 else "buy", Decimal("0.5") + abs(tone) / 2, trust="venue")


def test_a_hit_that_is_the_same_without_the_texts_is_the_venues() -> None:
    found = hits_on(RISING, some(sentiment="0.9"))
    assert [(hit.detector, hit.trust) for hit in found] == [("trend", "venue"), ("news", "untrusted")]
    assert [signal.detector for signal in venue_signals(RISING)] == ["trend"]


@pytest.mark.parametrize(("tone", "trust"), [("0", "venue"), ("0.1", "untrusted"), ("-0.1", "untrusted")])
def test_a_detector_that_reads_a_text_is_not_believed_whatever_it_claims(tone: str, trust: str) -> None:
    (hit,) = hits_on(some(rsi_14="50"), some(sentiment=tone), detectors=[mood])
    assert hit.trust == trust


def test_a_text_that_takes_the_name_of_a_venue_reading_changes_nothing() -> None:
    assert hits_on(RISING, some(adx_14="10", plus_di_14="0")) == hits_on(RISING, {})


@given(any_readings, any_readings)
def test_only_what_no_text_had_a_part_in_is_the_venues(venue: dict[str, Decimal], texts: dict[str, Decimal]) -> None:
    detectors = [*DETECTORS, mood]
    venue.pop("sentiment", None)
    alone = venue_signals(venue, detectors=detectors)
    shown = [hit for hit in hits_on(venue, texts, detectors=detectors) if hit.trust == "venue"]
    assert {(h.detector, h.side, h.strength) for h in shown} <= {(s.detector, s.side, s.strength) for s in alone}
    assert "news" not in {signal.detector for signal in alone}
