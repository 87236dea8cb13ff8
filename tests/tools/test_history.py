"""The history tool: bars in the few numbers that the gate wants."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from builders.tools import BTC, START, STEP, StillMarket, a_toolbox, a_view, level, walk
from tools.history import MOST_RETURNS, history


async def test_changes_are_in_millionths_with_the_newest_last() -> None:
    closes = ("100", "101", "100.99", "50.495")
    bars = [replace(bar, close=Decimal(close)) for bar, close in zip(walk(4), closes, strict=True)]
    view = a_view(StillMarket({BTC: bars}), as_of=START + 4 * STEP)
    found = (await a_toolbox(history, view=view).call(history, {"symbol": BTC, "returns": 10})).value
    assert found is not None
    assert found.returns_ppm == (10_000, -99, -500_000)
    assert (found.last_close, found.average_volume) == (Decimal("50.495"), 10)


async def test_no_more_changes_than_asked_for_and_nothing_newer_than_the_moment() -> None:
    bars = walk(10)
    view = a_view(StillMarket({BTC: bars}), as_of=START + 8 * STEP)
    found = (await a_toolbox(history, view=view).call(history, {"symbol": BTC, "returns": 3})).value
    assert found is not None
    assert len(found.returns_ppm) == 3
    assert found.last_close == bars[7].close


async def test_a_market_that_stands_still_has_changes_of_nothing() -> None:
    view = a_view(StillMarket({BTC: level(3)}), as_of=START + 3 * STEP)
    found = (await a_toolbox(history, view=view).call(history, {"symbol": BTC, "returns": 2})).value
    assert found is not None
    assert found.returns_ppm == (0, 0)
    assert found.average_volume == 0


async def test_before_the_first_bar_there_is_no_history() -> None:
    result = await a_toolbox(history, view=a_view()).call(history, {"symbol": BTC, "returns": 2})
    assert result.failure == "unavailable"


@pytest.mark.parametrize("returns", [0, MOST_RETURNS + 1])
async def test_only_a_bounded_number_of_changes_can_be_asked_for(returns: int) -> None:
    result = await a_toolbox(history, view=a_view()).call(history, {"symbol": BTC, "returns": returns})
    assert result.failure == "invalid"


async def test_history_survives_the_tape() -> None:
    view = a_view(StillMarket({BTC: walk(5)}), as_of=START + 5 * STEP)
    result = await a_toolbox(history, view=view).call(history, {"symbol": BTC, "returns": 4})
    assert history.returns.validate_json(result.model_dump_json()) == result
