"""What is read from an exchange for one symbol: bars in pages, gaps filled again, and the top of the order book."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from domain.candle import Candle, Quote, Timeframe
from domain.errors import VenueUnavailable
from venues.exchange.bars import Bars, BarWindow, Gap, merged, read_rows
from venues.exchange.client import ExchangeClient, Row
from venues.exchange.numbers import exact

KEPT_BARS = 600
"""Of each symbol: more than any tool asks for. Older ones are asked for again when somebody wants them."""

GRACE = timedelta(seconds=2)
"""After a bar has closed, for the exchange to finish it."""

_MOST_PAGES = 512
_SPARE = 2
"""Rows asked for beyond the closed bars: the one under way tells that those before it are all there."""


class ExchangeFeed:
    """Reads one timeframe of one exchange. Raises `VenueUnavailable` for every answer that can't be used."""

    def __init__(self, client: ExchangeClient, timeframe: Timeframe) -> None:
        self._client = client
        self._timeframe = timeframe

    async def bring_up(self, window: BarWindow, symbol: str, *, close: datetime) -> Sequence[Gap]:
        """Bring `window` up to the bar that closes at `close`, with every bar since the newest in it.

        Where more has passed than it may hold it begins anew. What is missing in between is asked for once more;
        the gaps that stay are returned. Raises `VenueUnavailable` when the exchange doesn't have that bar yet, and
        leaves `window` as it was.
        """
        length = self._timeframe.length
        anew = close - KEPT_BARS * length
        since = max(window.newest or anew, anew)
        bars, newest = await self._pages(symbol, since=since, close=close)
        if newest is None or newest < close - length:
            raise VenueUnavailable(
                f"{self._client.exchange} has not shown the bar of {symbol} that closed at {close:%H:%M}"
            )
        if since == anew:
            window.forget()
        window.merge(bars)
        if gaps := window.gaps(since=since):
            again, _ = await self._pages(symbol, since=gaps[0].start, close=gaps[-1].end)
            window.merge(again)
        window.asked_from = window.asked_from or since
        window.known_until = close
        return window.gaps(since=since)

    async def before(self, symbol: str, *, since: datetime, end: datetime) -> Sequence[Candle]:
        """The bars that opened from `since` on and closed by `end`, oldest first; none are kept."""
        bars, _ = await self._pages(symbol, since=since, close=end)
        return [bars[opened_at] for opened_at in sorted(bars)]

    async def _pages(self, symbol: str, *, since: datetime, close: datetime) -> tuple[Bars, datetime | None]:
        """Closed bars from `since` on, and when the newest bar of all opened, which may be under way."""
        length, page = self._timeframe.length, self._client.page(symbol)
        closed_bars: Bars = {}
        newest: datetime | None = None
        start = since
        for _ in range(_MOST_PAGES):
            limit = min(page, (close - start) // length + _SPARE)
            rows = await self._client.bars(symbol, self._timeframe, since=start, limit=limit)
            try:
                bars = read_rows(rows, timeframe=self._timeframe)
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                raise VenueUnavailable(
                    f"{self._client.exchange} gave a candle of {symbol} that can't be: {error}"
                ) from error
            closed_bars = merged(
                closed_bars, (bar for bar in bars.values() if bar.opened_at >= since and bar.closed_at <= close)
            )
            latest = max(bars, default=None)
            newest = max(filter(None, (newest, latest)), default=None)
            # An empty page is a stretch without trades, or the end: only the clock says which.
            start = latest + length if latest is not None and latest >= start else start + limit * length
            if start >= close:
                return closed_bars, newest
        raise VenueUnavailable(f"{self._client.exchange} gives the candles of {symbol} in too small pieces")


def quote_of(book: Row, symbol: str, *, unit: Decimal, asked_at: datetime) -> Quote:
    """The best bid and ask of an order book; sizes times `unit` are in the base currency.

    The time is the exchange's, or else when it was asked: the book can't be older than that. Raises
    `VenueUnavailable` for a side without orders, and for levels that make no sense.
    """
    at = book.get("timestamp")
    try:
        bid, bid_size = max(_levels(book, "bids"))
        ask, ask_size = min(_levels(book, "asks"))
        return Quote(
            symbol=symbol,
            bid=bid,
            ask=ask,
            bid_size=bid_size * unit,
            ask_size=ask_size * unit,
            at=at if isinstance(at, datetime) else asked_at,
        )
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # pydantic's is one of the last
        raise VenueUnavailable(f"the order book of {symbol} has no usable bid and ask") from error


def _levels(book: Row, side: str) -> Sequence[tuple[Decimal, Decimal]]:
    """Price and size of each level. Raises `ValueError`."""
    levels = book.get(side)
    if not isinstance(levels, list) or not levels:
        raise ValueError(f"no {side}")
    return [(exact(price), exact(size)) for price, size, *_ in levels]
