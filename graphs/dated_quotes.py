"""Quotes of earlier cycles: where a symbol shows none now, an older one with its age may serve an exit, never an entry.

The gate holds that: see `policy.checks.market_data`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from pydantic import TypeAdapter

from domain.errors import ReplayDiverged
from graphs.cycle import Cycle
from tools.quotes import QuoteReading

_QUOTES: Final = TypeAdapter(tuple[QuoteReading, ...])


async def dated_quotes(missing: Sequence[str], cycle: Cycle) -> Mapping[str, QuoteReading]:
    """The last quotes of the symbols that are `missing` one, as old as they are now.

    An effect, for it depends on what this process has seen. Archives of earlier versions hold none.
    """
    seen = cycle.session.quotes

    async def look() -> tuple[QuoteReading, ...]:
        return tuple(_aged(seen[symbol], as_of=cycle.as_of) for symbol in missing if symbol in seen)

    if not missing:
        return {}
    try:
        found = await cycle.effects("tick:dated").once("quotes:dated", missing, returns=_QUOTES, perform=look)
    except ReplayDiverged:
        return {}
    return {quote.symbol: quote for quote in found}


def _aged(quote: QuoteReading, *, as_of: datetime) -> QuoteReading:
    return quote.model_copy(update={"age_s": Decimal(str((as_of - quote.at).total_seconds()))})
