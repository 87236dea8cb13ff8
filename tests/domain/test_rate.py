"""Calls are spread out as the rate says, and one that would wait too long takes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.tools import START
from domain.rate import Bucket, Rate


def test_a_burst_passes_at_once_and_the_next_ones_queue() -> None:
    bucket = Bucket(Rate(per_s=2, burst=3))
    waits = [bucket.reserve(1, now=START, within_s=10) for _ in range(5)]
    assert waits == [0, 0, 0, 0.5, 1.0]


def test_a_call_that_would_wait_too_long_takes_nothing() -> None:
    bucket = Bucket(Rate(per_s=1))
    assert bucket.reserve(1, now=START, within_s=0) == 0
    assert bucket.reserve(1, now=START, within_s=0.5) is None
    assert bucket.reserve(1, now=START + timedelta(seconds=1), within_s=0) == 0


def test_a_clock_that_goes_back_refills_nothing() -> None:
    bucket = Bucket(Rate(per_s=1))
    bucket.reserve(1, now=START, within_s=0)
    assert bucket.reserve(1, now=START - timedelta(hours=1), within_s=0) is None
    assert bucket.reserve(1, now=START, within_s=0) is None


@given(st.lists(st.floats(0, 5), max_size=60), st.floats(0.5, 5), st.integers(1, 5))
def test_no_window_ever_holds_more_than_the_burst_and_the_rate(gaps: list[float], per_s: float, burst: int) -> None:
    bucket, now, sent = Bucket(Rate(per_s=per_s, burst=burst)), 0.0, []
    for gap in gaps:
        now += gap
        wait_s = bucket.reserve(1, now=START + timedelta(seconds=now), within_s=3)
        if wait_s is not None:
            sent.append(now + wait_s)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            assert last - first + 1 <= burst + (sent[last] - sent[first]) * per_s + 1e-3


@pytest.mark.parametrize(("per_s", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_rate_that_lets_nothing_through_is_refused(per_s: float, burst: int) -> None:
    with pytest.raises(ValueError, match="per_s"):
        Rate(per_s=per_s, burst=burst)


def test_a_bucket_tells_its_level_without_changing_it() -> None:
    bucket = Bucket(Rate(per_s=2, burst=4))
    assert bucket.level(START) == 4
    bucket.reserve(6, now=START, within_s=10)
    assert bucket.level(START) == -2
    assert bucket.level(START + timedelta(seconds=2)) == 2
    assert bucket.level(START + timedelta(seconds=9)) == 4
    assert bucket.level(START) == -2
