"""The `headlines` tool: recent news with its tone. Untrusted: it may move a stance, and supports no order."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from domain.candle import Headline
from domain.money import ZERO
from domain.text import visible
from domain.value import Instant, Symbol, Value
from tools.sentiment import sentiment
from tools.tool import tool
from tools.view import MarketView

Tone = Annotated[Decimal, Field(ge=-1, le=1, allow_inf_nan=False)]

_WEEK_S = 604_800
_GRAIN = Decimal("0.0001")


class HeadlinesParams(Value):
    symbol: Symbol | None = None
    """News about this symbol or about no symbol in particular; without it, all news."""
    lookback_s: Annotated[int, Field(ge=1, le=_WEEK_S)] = 21_600
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class ScoredHeadline(Value):
    id: str
    title: str
    source: str
    symbols: tuple[Symbol, ...]
    """Empty for news about the market as a whole."""
    available_at: Instant
    score: Tone


class News(Value):
    """Newest first. `mean` is of the scores shown, and nothing when there are none."""

    symbol: Symbol | None
    items: tuple[ScoredHeadline, ...]
    mean: Tone | None


@tool(timeout_s=10, trust="untrusted")
async def headlines(params: HeadlinesParams, view: MarketView) -> News:
    """Recent headlines, newest first, each with the tone of its words from -1 (bad) to 1 (good).

    Raises `SymbolUnknown` outside the universe.
    """
    if params.symbol is not None:
        view.known(params.symbol)
    lines = await view.headlines(timedelta(seconds=params.lookback_s))
    about = [line for line in lines if not params.symbol or not line.symbols or params.symbol in line.symbols]
    items = tuple(_scored(line) for line in reversed(about[-params.limit :]))
    mean = (sum((item.score for item in items), ZERO) / len(items)).quantize(_GRAIN) if items else None
    return News(symbol=params.symbol, items=items, mean=mean)


def _scored(line: Headline) -> ScoredHeadline:
    title = visible(line.title, limit=300)
    return ScoredHeadline(
        id=visible(line.id, limit=100),
        title=title,
        source=visible(line.source, limit=100),
        symbols=line.symbols,
        available_at=line.available_at,
        score=sentiment(title),
    )
