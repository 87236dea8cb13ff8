"""What a replay has in place of a market and a venue: the recorded ticks, and doors that stay shut."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import NoReturn

from domain.candle import Candle, Headline, Quote, Timeframe
from domain.decision import Ticket
from domain.errors import ReplayDiverged
from domain.instrument import Instrument
from domain.order import OrderReport, OrderRequest
from domain.portfolio import Portfolio
from memory.archive.archive import Archive
from memory.store.database import Database
from memory.store.records import RunHeader


def _shut(request: str) -> NoReturn:
    raise ReplayDiverged(f"the replay asks for {request}, which the tape does not hold")


class RecordedTicks:
    """A `Market` that ticks as the recorded run did and shows nothing: all else is on the tape."""

    def __init__(self, header: RunHeader, source: Database, *, run_id: str) -> None:
        self.name = header.market
        self.notes: tuple[str, ...] = ()
        self.timeframe = Timeframe(header.timeframe)
        self._run_id = run_id
        self._archive = Archive(source)

    async def instruments(self) -> Mapping[str, Instrument]:
        _shut("instruments")

    async def candles(self, symbol: str, *, limit: int, until: datetime) -> Sequence[Candle]:
        _shut(f"candles of {symbol}")

    async def quote(self, symbol: str, *, as_of: datetime) -> Quote:
        _shut(f"a quote of {symbol}")

    async def headlines(self, *, since: datetime, until: datetime) -> Sequence[Headline]:
        _shut("headlines")

    async def ticks(self, *, after: datetime | None = None) -> AsyncIterator[datetime]:
        async for closed in self._archive.cycles(self._run_id):
            if after is None or closed.record.as_of > after:
                yield closed.record.as_of


class ClosedVenue:
    """A `Venue` that takes nothing and tells nothing."""

    resends = False

    async def instruments(self) -> Mapping[str, Instrument]:
        _shut("instruments")

    async def candles(self, symbol: str, *, limit: int, until: datetime) -> Sequence[Candle]:
        _shut(f"candles of {symbol}")

    async def quote(self, symbol: str) -> Quote:
        _shut(f"a quote of {symbol}")

    async def time(self) -> datetime | None:
        _shut("the venue's clock")

    async def portfolio(self) -> Portfolio:
        _shut("the venue's portfolio")

    async def submit(self, order: OrderRequest, ticket: Ticket) -> OrderReport:
        _shut(f"the venue's answer to {order.client_order_id}")

    async def find(self, client_order_id: str, symbol: str, sent_at: datetime | None = None) -> OrderReport | None:
        _shut(f"the venue's word on {client_order_id}")

    async def cancel(self, client_order_id: str, symbol: str) -> OrderReport:
        _shut(f"a cancel of {client_order_id}")

    async def open_orders(self) -> Sequence[OrderReport]:
        _shut("open orders")
