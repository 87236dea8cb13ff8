"""The clock of a live desk goes on within a cycle, and never back behind the cycle's own moment."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.account_venue import START, ScriptedAccount
from graphs.session.clocks import RunningClock

SECOND = timedelta(seconds=1)


def test_it_goes_on_with_the_wall_within_a_cycle() -> None:
    wall = ScriptedAccount()
    clock = RunningClock(wall, at=START)
    clock.set(START + SECOND)
    wall.at += 5 * SECOND
    assert clock.now() == START + 5 * SECOND


def test_a_machine_whose_time_is_set_back_does_not_see_the_past() -> None:
    wall = ScriptedAccount(at=START + 60 * SECOND)
    clock = RunningClock(wall, at=START)
    clock.set(START + 60 * SECOND)
    wall.at = START
    assert clock.now() == START + 60 * SECOND
    with pytest.raises(ValueError, match="can't go back"):
        clock.set(START)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(-100, 100)), max_size=8))
def test_it_is_never_before_the_moment_of_the_cycle_nor_behind_the_wall(steps: list[tuple[int, int]]) -> None:
    wall = ScriptedAccount()
    clock, moment = RunningClock(wall, at=START), START
    for ahead, drift in steps:
        moment += ahead * SECOND
        clock.set(moment)
        wall.at += drift * SECOND
        assert clock.now() == max(moment, wall.at)
