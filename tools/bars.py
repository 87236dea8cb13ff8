"""The `candles` tool: the last closed bars of a symbol, as rows."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, NamedTuple

from pydantic import Field

from domain.value import Instant, Symbol, Value
from tools.tool import tool
from tools.view import MarketView

MOST_BARS = 500


class Bar(NamedTuple):
    """One row; an array in JSON. Prices in quote currency, volume in base currency."""

    closed_at: Instant
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class CandlesParams(Value):
    symbol: Symbol
    limit: Annotated[int, Field(ge=1, le=MOST_BARS)] = 48


class Bars(Value):
    """Oldest first."""

    symbol: Symbol
    timeframe: str
    rows: tuple[Bar, ...]


@tool(timeout_s=10, trust="venue")
async def candles(params: CandlesParams, view: MarketView) -> Bars:
    """The last `limit` closed bars of one symbol, oldest first; fewer when there are no more.

    Raises `SymbolUnknown` outside the universe.
    """
    bars = await view.candles(params.symbol, params.limit)
    rows = tuple(Bar(c.closed_at, c.open, c.high, c.low, c.close, c.volume) for c in bars)
    return Bars(symbol=params.symbol, timeframe=str(view.timeframe), rows=rows)
