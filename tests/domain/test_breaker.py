"""A circuit opens after failures in a row, and closes on proof."""

from __future__ import annotations

from datetime import timedelta

from builders.tools import START
from domain.breaker import Breaker

LATER = START + timedelta(seconds=30)


def an_open_breaker() -> Breaker:
    breaker = Breaker(after=2, probe_after_s=30)
    for _ in range(2):
        assert breaker.admits(START)
        breaker.settle(START, answered=False)
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    assert not an_open_breaker().admits(START + timedelta(seconds=29))


def test_an_answer_in_between_starts_the_count_again() -> None:
    breaker = Breaker(after=2, probe_after_s=30)
    for answered in (False, True, False):
        breaker.settle(START, answered=answered)
    assert breaker.admits(START)


def test_one_call_at_a_time_tries_an_open_circuit() -> None:
    breaker = an_open_breaker()
    assert breaker.admits(LATER)
    assert not breaker.admits(LATER)


def test_a_probe_that_is_answered_closes_it() -> None:
    breaker = an_open_breaker()
    breaker.admits(LATER)
    breaker.settle(LATER, answered=True)
    assert breaker.admits(LATER)
    assert breaker.admits(LATER)


def test_a_probe_that_fails_opens_it_for_as_long_again() -> None:
    breaker = an_open_breaker()
    breaker.admits(LATER)
    breaker.settle(LATER, answered=False)
    assert not breaker.admits(LATER + timedelta(seconds=29))
    assert breaker.admits(LATER + timedelta(seconds=30))


def test_a_probe_that_is_cancelled_leaves_room_for_another() -> None:
    breaker = an_open_breaker()
    breaker.admits(LATER)
    breaker.release()
    assert breaker.admits(LATER)


def test_a_breaker_tells_how_it_stands() -> None:
    breaker = Breaker(after=2, probe_after_s=30)
    assert (breaker.state(START), breaker.failures, breaker.probes_at) == ("closed", 0, None)
    for _ in range(2):
        breaker.settle(START, answered=False)
    later = START + timedelta(seconds=30)
    assert (breaker.state(START), breaker.failures, breaker.probes_at) == ("open", 2, later)
    assert breaker.state(later) == "half-open"
    assert breaker.admits(later)
    assert breaker.state(START) == "half-open"
    breaker.settle(later, answered=True)
    assert (breaker.state(later), breaker.failures) == ("closed", 0)
