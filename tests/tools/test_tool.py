"""What a tool is made of."""

from __future__ import annotations

from typing import Any

import pytest

from builders.tools import BTC
from domain.value import Value
from tools.bars import candles
from tools.headlines import headlines
from tools.indicators import indicators
from tools.quotes import QuoteParams, QuoteReading, quote
from tools.tool import tool
from tools.view import MarketView


class Asked(Value):
    symbol: str


def test_a_tool_is_named_and_described_by_its_function() -> None:
    assert (quote.name, quote.params, quote.result) == ("quote", QuoteParams, QuoteReading)
    assert quote.description.startswith("Best bid and ask of one symbol")


def test_what_anyone_may_have_written_is_untrusted() -> None:
    assert {each.name: each.trust for each in (candles, headlines, indicators, quote)} == {
        "candles": "venue",
        "headlines": "untrusted",
        "indicators": "own",
        "quote": "venue",
    }


async def undocumented(params: Asked, view: MarketView) -> Asked:
    return params


async def loose(params: dict[str, Any], view: MarketView) -> Asked:
    """Takes anything."""
    return Asked(symbol=BTC)


def blocking(params: Asked, view: MarketView) -> Asked:
    """Is not a coroutine."""
    return params


@pytest.mark.parametrize("function", [undocumented, loose, blocking])
def test_a_function_of_another_shape_is_no_tool(function: Any) -> None:
    with pytest.raises(TypeError, match=function.__name__):
        tool(timeout_s=1, trust="own")(function)


def test_both_forms_of_an_answer_survive_the_tape() -> None:
    failed = quote.failed("timeout", "no answer within 5 s")
    assert quote.returns.validate_json(failed.model_dump_json()) == failed
    with pytest.raises(ValueError, match="either a value or a failure"):
        quote.returns.validate_python({"name": "quote"})
