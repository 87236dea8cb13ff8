"""The `quote` tool: what a symbol can be bought and sold for."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from domain.money import BPS
from domain.value import Amount, Instant, NonNegative, Positive, Symbol, Value, unset
from tools.tool import tool
from tools.view import MarketView

_GRAIN = Decimal("0.0001")


class QuoteParams(Value):
    symbol: Symbol


class QuoteReading(Value):
    """Best bid and ask, what is offered there, and how wide and how old they are."""

    symbol: Symbol
    bid: Positive
    ask: Positive
    mid: Positive
    spread_bps: Amount
    """Part of the mid price in basis points; negative when the book is crossed."""
    at: Instant
    age_s: NonNegative
    bid_size: NonNegative | None = Field(default=None, exclude_if=unset)
    ask_size: NonNegative | None = Field(default=None, exclude_if=unset)
    """In base currency, where the market shows sizes."""


@tool(timeout_s=5, trust="venue")
async def quote(params: QuoteParams, view: MarketView) -> QuoteReading:
    """Best bid and ask of one symbol, with the venue's own time and their age at the moment asked about.

    Raises `SymbolUnknown` outside the universe and `VenueUnavailable` when there is no quote yet. An
    old quote is given with its age and never as a new one.
    """
    latest = await view.quote(params.symbol)
    age_s = Decimal(str((view.as_of - latest.at).total_seconds()))
    return QuoteReading(
        symbol=latest.symbol,
        bid=latest.bid,
        ask=latest.ask,
        mid=latest.mid,
        spread_bps=((latest.ask - latest.bid) / latest.mid * BPS).quantize(_GRAIN),
        at=latest.at,
        age_s=age_s,
        bid_size=latest.bid_size,
        ask_size=latest.ask_size,
    )
