"""Learning: closed trades with their fees, and nothing else, make a lesson."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from agents.learning import WINDOW, LearningAgent, lesson
from builders.desks import Notes, a_desk, a_position, an_account, an_episode
from builders.tools import BTC

profits = st.lists(st.integers(-1_000, 1_000), max_size=2 * WINDOW)


async def test_the_trades_that_closed_in_this_cycle_are_named() -> None:
    closed = [an_episode(profit="1"), an_episode(profit="-1")]
    assert await LearningAgent()(a_desk(memory=Notes(closed=closed))) == tuple(closed)


async def test_an_open_position_teaches_nothing() -> None:
    assert await LearningAgent()(a_desk(portfolio=an_account(a_position()))) == ()


def test_before_the_first_closed_trade_there_is_no_lesson() -> None:
    assert lesson(BTC, []) is None


@given(profits)
def test_a_lesson_speaks_of_the_last_trades_only(made: list[int]) -> None:
    episodes = [an_episode(profit=str(profit)) for profit in made]
    assert lesson(BTC, episodes) == lesson(BTC, episodes[-WINDOW:])


def test_a_lesson_in_numbers() -> None:
    found = lesson(BTC, [an_episode(profit=profit, notional="400") for profit in ("3", "-1", "0")])
    assert found is not None
    # one of three won, since a trade that made nothing is no win; 2 on 1,200 are 16.7 basis points
    assert (found.closed_trades, found.win_rate, found.expectancy_bps) == (3, Decimal("0.33"), Decimal("16.7"))


def test_a_lesson_is_of_twenty_trades() -> None:
    found = lesson(BTC, [an_episode(profit="-1"), an_episode(profit="1"), *[an_episode(profit="-1")] * 19])
    assert found is not None
    assert (found.closed_trades, found.win_rate) == (20, Decimal("0.05"))


def test_trades_without_a_notional_divide_nothing() -> None:
    found = lesson(BTC, [an_episode(notional="0", profit="0")])
    assert found is not None
    assert found.expectancy_bps == 0
