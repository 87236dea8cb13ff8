"""A venue with bad days: a real paper venue behind a wire that loses answers, orders and patience."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Literal, TypeVar, assert_never

from domain.candle import Candle, Quote
from domain.decision import Ticket
from domain.errors import OrderStateUnknown, Refused, TicketRefused, VenueRefused, VenueUnavailable
from domain.instrument import Instrument
from domain.order import OrderReport, OrderRequest
from domain.portfolio import Portfolio
from domain.venue import Outcome, Venue

T = TypeVar("T")

Mood = Literal["well", "answer lost", "order lost", "crash after", "crash before", "down"]
"""What becomes of one call. A lost answer or order ends in doubt; a crash in our own process; down in a refusal."""


class Crash(Exception):
    """Our own process ends here, as far as the one who called can tell."""


async def _nothing(order: OrderRequest) -> None:
    """Look at nothing."""


class MoodyVenue:
    """`venue` with a mood for each order that is sent, each `find` and each `cancel`; after the last, all is well.

    Its quotes are the market's, unless `shows` says otherwise. `resends` is the venue's own, unless given.
    """

    def __init__(
        self,
        venue: Venue,
        *,
        submits: Sequence[Mood] = (),
        finds: Sequence[Mood] = (),
        cancels: Sequence[Mood] = (),
        watch: Callable[[OrderRequest], Awaitable[None]] = _nothing,
        resends: bool | None = None,
    ) -> None:
        self._venue = venue
        self._submits = list(submits)
        self._finds = list(finds)
        self._cancels = list(cancels)
        self._watch = watch
        self._resends = resends
        self.calls: list[tuple[str, str]] = []
        """(what was asked, client order id), in order."""
        self.arrived: list[str] = []
        """The ids of the orders that got through, as often as they did."""
        self.asked_since: list[datetime | None] = []
        """When the orders were sent that it was asked about, as far as it was told."""
        self.shows: Quote | None = None
        """In place of every quote."""
        self.quotes: Literal["well", "down", "refused", "hung"] = "well"
        """What becomes of a question for a quote."""

    @property
    def resends(self) -> bool:
        return self._venue.resends if self._resends is None else self._resends

    async def instruments(self) -> Mapping[str, Instrument]:
        return await self._venue.instruments()

    async def candles(self, symbol: str, *, limit: int, until: datetime) -> Sequence[Candle]:
        return await self._venue.candles(symbol, limit=limit, until=until)

    async def quote(self, symbol: str) -> Quote:
        if self.quotes == "hung":
            await asyncio.Future()
        if self.quotes != "well":
            raise (VenueUnavailable if self.quotes == "down" else VenueRefused)(f"the venue is {self.quotes}")
        return self.shows or await self._venue.quote(symbol)

    async def time(self) -> datetime | None:
        return await self._venue.time()

    async def portfolio(self) -> Portfolio:
        return await self._venue.portfolio()

    async def submit(self, order: OrderRequest, ticket: Ticket) -> OrderReport:
        self.calls.append(("submit", order.client_order_id))
        return await self._deliver(order, ticket)

    @property
    def batch(self) -> int:
        return 20

    async def submit_all(self, orders: Sequence[tuple[OrderRequest, Ticket]]) -> Sequence[Outcome]:
        """One call, and a mood for each of its orders; of one that meets a venue that is down it is proven."""
        self.calls.append(("submit_all", " ".join(order.client_order_id for order, _ in orders)))
        outcomes: list[Outcome] = []
        for order, ticket in orders:
            try:
                outcomes.append(await self._deliver(order, ticket))
            except (Refused, OrderStateUnknown) as said:
                outcomes.append(said)
            except VenueUnavailable as down:
                outcomes.append(TicketRefused(down.message))
        return outcomes

    async def _deliver(self, order: OrderRequest, ticket: Ticket) -> OrderReport:
        await self._watch(order)

        async def deliver() -> OrderReport:
            report = await self._venue.submit(order, ticket)
            self.arrived.append(order.client_order_id)
            return report

        return await _in(self._submits.pop(0) if self._submits else "well", deliver)

    async def find(self, client_order_id: str, symbol: str, sent_at: datetime | None = None) -> OrderReport | None:
        self.calls.append(("find", client_order_id))
        self.asked_since.append(sent_at)
        mood = self._finds.pop(0) if self._finds else "well"
        return await _in(mood, lambda: self._venue.find(client_order_id, symbol, sent_at))

    async def cancel(self, client_order_id: str, symbol: str) -> OrderReport:
        self.calls.append(("cancel", client_order_id))
        mood = self._cancels.pop(0) if self._cancels else "well"
        return await _in(mood, lambda: self._venue.cancel(client_order_id, symbol))

    async def open_orders(self) -> Sequence[OrderReport]:
        return await self._venue.open_orders()


async def _in(mood: Mood, deliver: Callable[[], Awaitable[T]]) -> T:
    match mood:
        case "well":
            return await deliver()
        case "answer lost":
            await deliver()
            raise OrderStateUnknown("no answer came back")
        case "order lost":
            raise OrderStateUnknown("no answer came back")
        case "crash after":
            await deliver()
            raise Crash
        case "crash before":
            raise Crash
        case "down":
            raise VenueUnavailable("the venue is down")
    assert_never(mood)
