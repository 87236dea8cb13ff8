"""The `trading_session` tool: whether a symbol's market is open."""

from __future__ import annotations

from domain.candle import Session
from domain.value import Symbol, Value
from tools.tool import tool
from tools.view import MarketView


class SessionParams(Value):
    symbol: Symbol


class SessionReading(Value):
    """The session that a symbol is in; none where its market doesn't tell."""

    symbol: Symbol
    session: Session | None


@tool(timeout_s=10, trust="venue")
async def trading_session(params: SessionParams, view: MarketView) -> SessionReading:
    """Whether the market of one symbol is open, in extended hours or closed, for what doesn't trade around the clock.

    Raises `SymbolUnknown` outside the universe.
    """
    return SessionReading(symbol=params.symbol, session=await view.session(params.symbol))
