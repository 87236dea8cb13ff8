"""The `history` tool: the last bars of a symbol as the gate wants them, in a few numbers."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from domain.errors import VenueUnavailable
from domain.value import NonNegative, Positive, Symbol, Value, unset
from tools.tool import tool
from tools.view import MarketView

MOST_RETURNS = 500

_PPM = Decimal(1_000_000)
_ROUNDED = Context(prec=40, rounding=ROUND_HALF_EVEN)


class HistoryParams(Value):
    symbol: Symbol
    returns: Annotated[int, Field(ge=1, le=MOST_RETURNS)]


class History(Value):
    """Closed bars, the newest last. Volume in base currency; `returns_ppm` in millionths, close to close."""

    symbol: Symbol
    last_close: Positive
    previous_close: Positive | None = Field(default=None, exclude_if=unset)
    average_volume: NonNegative
    returns_ppm: tuple[int, ...]


@tool(timeout_s=10, trust="venue")
async def history(params: HistoryParams, view: MarketView) -> History:
    """The last two closes, the average volume and at most `returns` changes of one symbol.

    Raises `SymbolUnknown` outside the universe and `VenueUnavailable` before the first bar has closed.
    """
    bars = await view.candles(params.symbol, params.returns + 1)
    if not bars:
        raise VenueUnavailable(f"no bar of {params.symbol} has closed yet")
    volume = sum((bar.volume for bar in bars), Decimal(0))
    return History(
        symbol=params.symbol,
        last_close=bars[-1].close,
        previous_close=bars[-2].close if len(bars) > 1 else None,
        average_volume=_ROUNDED.divide(volume, len(bars)).quantize(Decimal("1e-8"), context=_ROUNDED),
        returns_ppm=tuple(_change_ppm(before.close, after.close) for before, after in pairwise(bars)),
    )


def _change_ppm(before: Decimal, after: Decimal) -> int:
    change = _ROUNDED.divide((after - before) * _PPM, before)
    return int(change.to_integral_value(context=_ROUNDED))
