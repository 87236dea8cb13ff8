"""Value at risk and correlation: exact, and checked against the same things counted in another way."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from statistics import correlation

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from policy.correlation import movement
from policy.value_at_risk import Stake, value_at_risk

RETURNS = (1_000, -2_000, 500, -500, 2_000, -1_000)
TRILLIONTH = Decimal("1e-12")

worths = st.decimals(-10_000, 10_000, places=8)
returns = st.integers(-1_000_000, 1_000_000)
confidences = st.integers(1, 999).map(lambda n: Decimal(n) / 1_000)


@st.composite
def portfolios(draw: st.DrawFn) -> list[Stake]:
    bars = draw(st.integers(1, 12))
    ends = draw(st.lists(st.tuples(worths, worths), min_size=1, max_size=4))
    return [Stake(*sorted(pair), draw(st.lists(returns, min_size=bars, max_size=bars))) for pair in ends]


def at_risk(*stakes: Stake, confidence: str = "0.8", horizon_bars: int = 1) -> Decimal:
    return value_at_risk(stakes, confidence=Decimal(confidence), horizon_bars=horizon_bars)


def stake(worth: str, *, up_to: str | None = None, returns_ppm: tuple[int, ...] = RETURNS) -> Stake:
    return Stake(Decimal(worth), Decimal(up_to or worth), returns_ppm)


@pytest.mark.parametrize(
    ("confidence", "loss"),
    [
        ("0.5", "0"),
        ("0.6666", "0.5"),
        ("0.8", "1"),
        ("0.8333", "1"),
        ("0.8334", "2"),
        ("0.99", "2"),
        ("0.1", "0"),
    ],
)
def test_the_loss_is_the_nearest_rank_of_all_bars(confidence: str, loss: str) -> None:
    assert at_risk(stake("1000"), confidence=confidence) == Decimal(loss)


def test_a_rank_that_falls_on_a_bar_is_that_bar() -> None:
    ten = tuple(-1_000 * n for n in range(1, 11))
    assert at_risk(stake("1000", returns_ppm=ten), confidence="0.9") == 9
    assert at_risk(stake("1000", returns_ppm=ten), confidence="0.901") == 10


def test_a_short_loses_where_a_long_gains() -> None:
    assert at_risk(stake("-1000"), confidence="0.99") == 2
    assert at_risk(stake("-1000", returns_ppm=(-5_000, -1_000))) == 0


def test_a_long_and_a_short_of_the_same_returns_cancel() -> None:
    assert at_risk(stake("1000"), stake("-1000"), confidence="0.99") == 0


def test_a_range_loses_at_both_ends() -> None:
    both = stake("-1000", up_to="2000")
    assert at_risk(both, confidence="0.99") == 4
    assert at_risk(both, confidence="0.5") == 1


@pytest.mark.parametrize(("horizon_bars", "loss"), [(1, "2"), (4, "4"), (9, "6"), (2, "2.828427124747")])
def test_the_loss_grows_with_the_root_of_the_horizon_and_is_rounded_up(horizon_bars: int, loss: str) -> None:
    assert at_risk(stake("1000"), confidence="0.99", horizon_bars=horizon_bars) == Decimal(loss)


def test_worth_is_rounded_to_the_disadvantage() -> None:
    assert at_risk(stake("1000.0000001", returns_ppm=(-1_000_000,))) == Decimal("1000.000001")
    assert at_risk(stake("-1000.0000001", returns_ppm=(1_000_000,))) == Decimal("1000.000001")
    assert at_risk(stake("-1000.0000001"), stake("1000.0000001"), confidence="0.99") > 0


@pytest.mark.parametrize(("horizon_bars", "trillionths"), [(1, 1), (2, 2), (4, 2), (5, 3)])
def test_the_smallest_loss_is_a_loss_and_is_rounded_up(horizon_bars: int, trillionths: int) -> None:
    smallest = stake("0.000001", returns_ppm=(-1,))
    assert at_risk(smallest, horizon_bars=horizon_bars) == trillionths * TRILLIONTH


@pytest.mark.parametrize("stakes", [(), (stake("1", returns_ppm=()),), (stake("1"), stake("1", returns_ppm=(1, 2)))])
def test_without_the_same_bars_for_all_there_is_no_value(stakes: tuple[Stake, ...]) -> None:
    with pytest.raises(ValueError, match=r"no bars|zip"):
        at_risk(*stakes)


@given(portfolios(), confidences, st.integers(1, 50))
def test_the_value_is_what_sorting_fractions_comes_to(stakes: list[Stake], confidence: Decimal, horizon: int) -> None:
    losses = sorted(
        sum(max(-Fraction(end) * s.returns_ppm[bar] for end in (s.low, s.high)) / 1_000_000 for s in stakes)
        for bar in range(len(stakes[0].returns_ppm))
    )
    within = [loss for rank, loss in enumerate(losses, start=1) if Fraction(rank, len(losses)) >= Fraction(confidence)]
    exact_squared = max(within[0], Fraction(0)) ** 2 * horizon
    value = Fraction(value_at_risk(stakes, confidence=confidence, horizon_bars=horizon))
    assert value**2 >= exact_squared
    rounding = Fraction(len(stakes), 1_000_000) * 8 + Fraction(TRILLIONTH)
    assert (value - rounding) ** 2 <= exact_squared or value <= rounding


@given(portfolios(), confidences)
def test_a_wider_range_and_more_confidence_never_lower_the_value(stakes: list[Stake], confidence: Decimal) -> None:
    value = value_at_risk(stakes, confidence=confidence, horizon_bars=1)
    wider = [Stake(s.low - 1, s.high + 1, s.returns_ppm) for s in stakes]
    assert value_at_risk(wider, confidence=confidence, horizon_bars=1) >= value
    surer = (confidence + 1) / 2
    assert value_at_risk(stakes, confidence=surer, horizon_bars=1) >= value


@given(portfolios(), confidences)
def test_the_callers_decimal_context_changes_nothing(stakes: list[Stake], confidence: Decimal) -> None:
    value = value_at_risk(stakes, confidence=confidence, horizon_bars=3)
    with localcontext() as narrow:
        narrow.prec = 3
        assert value_at_risk(stakes, confidence=confidence, horizon_bars=3) == value


# Correlation


@pytest.mark.parametrize(
    ("second", "threshold", "moves"),
    [
        (RETURNS, "1", "together"),
        (tuple(3 * r + 7 for r in RETURNS), "1", "together"),
        (tuple(-r for r in RETURNS), "1", "opposed"),
        ((1_000, -2_000, 500, -500, 2_000, -999), "1", "apart"),
        ((1_000, -2_000, 500, -500, 2_000, -999), "0.9999", "together"),
        ((-1_000, -1_500, 2_000, 700, -900, 600), "0.8", "apart"),
        ((-1_000, -1_500, 2_000, 700, -900, 600), "0", "together"),
        ((5, 5, 5, 5, 5, 5), "1", "unknown"),
        ((5, 5, 5, 5, 5, 5), "0", "unknown"),
    ],
)
def test_series_move_together_opposed_or_apart(second: tuple[int, ...], threshold: str, moves: str) -> None:
    assert movement(RETURNS, second, threshold=Decimal(threshold), minimum=4) == moves
    assert movement(second, RETURNS, threshold=Decimal(threshold), minimum=4) == moves


def test_a_correlation_at_the_threshold_counts() -> None:
    first, second = (4, 3, -4, -3), (5, 0, -5, 0)  # 40 in common, and a spread of 50 each
    assert movement(first, second, threshold=Decimal("0.8"), minimum=4) == "together"
    assert movement(first, second, threshold=Decimal("0.8000001"), minimum=4) == "apart"


@pytest.mark.parametrize(("bars", "moves"), [(3, "unknown"), (4, "together"), (0, "unknown")])
def test_too_few_bars_in_common_tell_nothing(bars: int, moves: str) -> None:
    few = RETURNS[len(RETURNS) - bars :]
    assert movement(RETURNS, few, threshold=Decimal("0.8"), minimum=4) == moves
    assert movement(few, RETURNS, threshold=Decimal("0.8"), minimum=4) == moves


def test_series_are_aligned_at_their_ends() -> None:
    assert movement((9, 9, *RETURNS), RETURNS, threshold=Decimal(1), minimum=4) == "together"
    assert movement((*RETURNS, 9, 9), RETURNS, threshold=Decimal("0.8"), minimum=4) == "apart"


def test_no_bars_tell_nothing_whatever_the_minimum() -> None:
    assert movement((), (), threshold=Decimal(0), minimum=0) == "unknown"


series = st.lists(st.tuples(st.integers(-20_000, 20_000), st.integers(-20_000, 20_000)), min_size=3, max_size=30)


@given(series, st.integers(1, 99).map(lambda n: Decimal(n) / 100))
def test_the_answer_is_that_of_pearsons_coefficient(pairs: list[tuple[int, int]], threshold: Decimal) -> None:
    xs, ys = zip(*pairs, strict=True)
    assume(len(set(xs)) > 1 and len(set(ys)) > 1)
    coefficient = correlation(xs, ys)
    assume(abs(abs(coefficient) - float(threshold)) > 1e-9)
    direction = "together" if coefficient > 0 else "opposed"
    expected = "apart" if abs(coefficient) < threshold else direction
    assert movement(xs, ys, threshold=threshold, minimum=2) == expected
