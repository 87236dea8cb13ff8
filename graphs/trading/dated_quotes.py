"""Quotes of earlier cycles: where a symbol shows none now, an older one with its age may serve an exit, never an entry.

The gate holds that: see `policy.checks.market`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Final

from pydantic import TypeAdapter

from domain.errors import Refused, ReplayDiverged
from graphs.session.session import Session
from graphs.trading.cycle import Cycle
from tools.quotes import QuoteReading, quote

_QUOTES: Final = TypeAdapter(tuple[QuoteReading, ...])


async def dated_quotes(missing: Sequence[str], cycle: Cycle) -> Mapping[str, QuoteReading]:
    """The last quotes of the symbols that are `missing` one, as old as they are now.

    None of what is suspended: no quote lets that be exited, and it must not keep others from being entered.

    An effect, for it depends on what this process has seen. Archives of earlier versions hold none.
    """
    session = cycle.session

    async def look() -> tuple[QuoteReading, ...]:
        last = {symbol: session.quotes.get(symbol) for symbol in missing if symbol not in session.suspended}
        return tuple(_aged(each, as_of=cycle.as_of) for each in last.values() if each is not None)

    if not missing:
        return {}
    try:
        dated = await cycle.effects("tick:dated").once("quotes:dated", missing, returns=_QUOTES, perform=look)
    except ReplayDiverged:
        return {}
    return {each.symbol: each for each in dated}


async def last_quotes(session: Session, *, cycle: int) -> Mapping[str, QuoteReading]:
    """What `cycle` knew of each symbol, as its tape has it: for a process that goes on where another ended."""
    if cycle < 0:
        return {}
    quotes: dict[str, QuoteReading] = {}
    with suppress(Refused):  # what was changed since is not believed
        for body in await session.tape.bodies(cycle, "quotes:dated"):
            quotes |= {reading.symbol: reading for reading in _QUOTES.validate_json(body)}
        reads = [quote.returns.validate_json(body).value for body in await session.tape.bodies(cycle, "tool:quote")]
        quotes |= {reading.symbol: reading for reading in reads if reading is not None}
    return quotes


def _aged(reading: QuoteReading, *, as_of: datetime) -> QuoteReading:
    return reading.model_copy(update={"age_s": Decimal(str((as_of - reading.at).total_seconds()))})
