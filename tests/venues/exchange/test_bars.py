"""Rows of an exchange become bars: whatever their order, exactly, and never more than are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.exchanges import START
from domain.candle import Candle, Timeframe, last_close
from venues.exchange.bars import BarWindow, Gap, merged, read_rows

FIVE = Timeframe("5m")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1_000)

amounts = st.integers(1, 10**24).map(lambda n: Decimal(n).scaleb(-12))


@st.composite
def rows(draw: st.DrawFn) -> list[object]:
    low, *others = sorted(draw(st.lists(amounts, min_size=4, max_size=4)))
    opened, close = draw(st.permutations(others[:2]))
    at = NOON_MS + draw(st.integers(-40, 40)) * 300_000
    return [at, str(opened), str(others[-1]), str(low), str(close), str(draw(amounts))]


def a_bar(n: int, *, volume: int = 1) -> Candle:
    one = Decimal(1)
    return Candle(NOON + n * FIVE.length, NOON + (n + 1) * FIVE.length, one, one, one, one, Decimal(volume))


@given(st.lists(rows(), max_size=30), st.randoms())
def test_the_order_of_rows_and_rows_that_come_twice_change_nothing(
    given_rows: list[list[object]], chance: object
) -> None:
    shuffled = [*given_rows, *given_rows[: len(given_rows) // 2]]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert read_rows(shuffled, timeframe=FIVE) == read_rows(given_rows, timeframe=FIVE)


@given(rows())
def test_a_bar_has_every_digit_that_was_sent(row: list[object]) -> None:
    (bar,) = read_rows([row], timeframe=FIVE).values()
    assert [bar.open, bar.high, bar.low, bar.close, bar.volume] == [Decimal(str(cell)) for cell in row[1:]]
    assert bar.closed_at - bar.opened_at == FIVE.length


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ([NOON_MS, "1", "2", "1", None, "1"], "close 'None' is not a number"),
        ([NOON_MS, "1", "2", "1", "nan", "1"], "close 'nan' is not a number"),
        ([NOON_MS, "1", "2", "3", "1", "1"], "high 2 is below low 3"),
        ([NOON_MS + 1, "1", "2", "1", "1", "1"], "off the 5m grid"),
        ([NOON_MS // 1_000, "1", "2", "1", "1", "1"], "are these seconds"),
        ([NOON_MS, "1", "2"], "3 cells where 6 are needed"),
    ],
)
def test_a_row_that_cannot_be_is_refused_with_the_reason(row: list[object], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        read_rows([row], timeframe=FIVE)


def test_of_two_tellings_of_a_bar_the_fuller_is_kept() -> None:
    early, late = a_bar(0, volume=3), a_bar(0, volume=5)
    assert merged({}, [early, late]) == merged({}, [late, early]) == {NOON: late}


@given(st.lists(st.lists(st.integers(0, 60), max_size=20), max_size=8), st.integers(0, 70), st.integers(0, 30))
def test_a_window_holds_the_newest_bars_in_order_and_never_looks_ahead(
    batches: list[list[int]], until: int, limit: int
) -> None:
    window = BarWindow(FIVE, most=25)
    for batch in batches:
        window.merge({NOON + n * FIVE.length: a_bar(n) for n in batch})
    assert len(window) <= 25
    moment = NOON + until * FIVE.length
    seen = window.window(limit=limit, until=moment)
    assert len(seen) <= limit
    assert all(bar.closed_at <= moment for bar in seen)
    assert all(before.opened_at < after.opened_at for before, after in pairwise(seen))


def test_a_gap_is_named_by_its_first_missing_bar_and_the_next_one_there() -> None:
    window = BarWindow(FIVE, most=10)
    window.merge({a_bar(n).opened_at: a_bar(n) for n in (0, 1, 4, 5)})
    assert window.gaps(since=NOON) == [Gap(NOON + 2 * FIVE.length, NOON + 4 * FIVE.length)]
    assert window.gaps(since=NOON + 4 * FIVE.length) == []


@given(
    st.integers(0, 400_000_000).map(lambda seconds: NOON - timedelta(seconds=seconds)),
    st.sampled_from(["1m", "5m", "1h", "4h", "1d", "1w"]),
)
def test_the_last_close_is_on_the_grid_at_most_one_bar_ago(at: datetime, text: str) -> None:
    timeframe = Timeframe(text)
    close = last_close(at, timeframe)
    assert timedelta(0) <= at - close < timeframe.length
    assert last_close(close, timeframe) == close
    assert text != "1w" or close.weekday() == 0


def test_a_stage_begins_half_a_minute_into_a_bar() -> None:
    assert last_close(START, FIVE) == START - timedelta(seconds=30)
