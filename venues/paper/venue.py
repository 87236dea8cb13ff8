"""The paper venue: orders, fills and books on a market that is only watched."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from domain.candle import Candle, Quote, last_close
from domain.clearance import Check, differences
from domain.clock import Clock
from domain.decision import Ticket
from domain.errors import NotFound, Refused, TicketRefused, VenueUnavailable
from domain.instrument import Instrument
from domain.money import ZERO
from domain.order import TERMINAL, Fill, OrderReport, OrderRequest, OrderState
from domain.portfolio import Portfolio
from domain.statement import ExternalEvent, is_swap
from domain.venue import LiveMarket, Market
from venues.costs import PaperCosts
from venues.paper.account import Books
from venues.paper.checks import rejection, worst_price
from venues.paper.margin import PAID_IN_FULL, Margin
from venues.paper.matching import Session, Settling, match
from venues.paper.order import PaperOrder, RestoredOrder
from venues.paper.settlement import Settlement


class PaperVenue:
    """One paper account on one market.

    Whatever it is asked, it first lets every bar that has closed since the last question work on the
    open orders, each bar once and in order: how often it is asked changes nothing.
    """

    def __init__(
        self,
        market: Market,
        clock: Clock,
        *,
        currency: str,
        start_cash: Decimal,
        check: Check,
        costs: PaperCosts | None = None,
        recorded: Mapping[str, Instrument] = MappingProxyType({}),
    ) -> None:
        """`recorded` are the instruments that a run was started with: their margin tiers hold, and all of one that the
        market has no more."""
        self._market = market
        self._clock = clock
        self._currency = currency
        self._start_cash = start_cash
        self._check = check
        self._costs = costs or PaperCosts()
        self._recorded = recorded
        terms = self._costs.perpetuals
        tiers = {symbol: instrument.margin_tiers for symbol, instrument in recorded.items() if instrument.margin_tiers}
        self._books = Books(start_cash, margin=Margin(terms, tiers) if terms else PAID_IN_FULL)
        self._settlement = Settlement(market, terms, self._books) if terms else None
        self._orders: dict[str, PaperOrder] = {}
        self._open: list[PaperOrder] = []
        self._tickets: dict[str, str] = {}
        self._seen_until: datetime | None = None
        self._behind: dict[str, datetime] = {}
        # One question at a time: matching waits for the market, and no bar may be matched twice.
        self._turn = asyncio.Lock()

    def restore(
        self, orders: Sequence[RestoredOrder], *, events: Sequence[ExternalEvent] = (), seen_until: datetime
    ) -> None:
        """Take up the books of an earlier venue: from here on this one does exactly what that one would.

        `events` are the fundings and liquidations that it told. Bars closed by `seen_until` are not matched again.
        Orders that no venue ever answered for (submitting, unknown) are not on its books, and are left out; what it
        attached to an entry is there with that. Tickets that were used are the ledger's to know. Raises `ValueError` on
        a venue that already has orders.
        """
        if self._orders:
            raise ValueError("only a new venue can be restored")
        taken = [
            PaperOrder.restored(order)
            for order in orders
            if order.report.state in _ANSWERED or order.request.attached_to is not None
        ]
        self._orders = {order.request.client_order_id: order for order in taken}
        for order in taken:
            order.exit = self._orders.get(order.request.exit_id)
        self._open = list(taken)
        filled = sorted(((order.rank, fill) for order in taken for fill in order.fills), key=lambda e: (e[1].at, e[0]))
        # In one moment trades come first: what is liquidated in it trades no more.
        history: list[Fill | ExternalEvent] = [*(fill for _, fill in filled), *events]
        for made in sorted(history, key=lambda each: each.at):
            if isinstance(made, Fill):
                self._books.apply(made)
            else:
                self._books.settle(made)
            if self._settlement:
                self._settlement.recall(made)
        self._seen_until = seen_until

    @property
    def resends(self) -> bool:
        """It lives in this process: an order that it does not have never was sent."""
        return True

    async def instruments(self) -> Mapping[str, Instrument]:
        """The market's instruments with this venue's fees and margin tiers."""
        instruments = {**self._recorded, **await self._market.instruments()}
        return {symbol: self._costs.applied(self._tiered(instrument)) for symbol, instrument in instruments.items()}

    def _tiered(self, instrument: Instrument) -> Instrument:
        known = self._recorded.get(instrument.symbol)
        return instrument.model_copy(update={"margin_tiers": known.margin_tiers}) if known else instrument

    async def candles(self, symbol: str, *, limit: int, until: datetime) -> Sequence[Candle]:
        return await self._market.candles(symbol, limit=limit, until=min(until, self._clock.now()))

    async def quote(self, symbol: str) -> Quote:
        return await self._market.quote(symbol, as_of=self._clock.now())

    async def time(self) -> datetime | None:
        """The exchange's clock on a live market, else the market's own time."""
        now = self._clock.now()
        return await self._market.time(as_of=now) if isinstance(self._market, LiveMarket) else now

    async def portfolio(self) -> Portfolio:
        """The books, with every open position marked at its last close, where there is one."""
        async with self._turn:
            now = await self._catch_up()
            positions = {symbol: position for symbol, position in self._books.positions.items() if position.quantity}
            bars = {symbol: await self._market.candles(symbol, limit=1, until=now) for symbol in positions}
            marks = {symbol: candles[-1].close for symbol, candles in bars.items() if candles}
            return Portfolio(
                currency=self._currency,
                as_of=now,
                cash=self._books.cash,
                positions=positions,
                marks=marks,
                realized=self._books.realized,
                fees=self._books.fees,
                start_cash=self._start_cash,
            )

    async def submit(self, order: OrderRequest, ticket: Ticket) -> OrderReport:
        """As `Venue.submit` says. An order that a venue would turn away is a report in state rejected.

        Raises `TicketRefused` for a ticket that doesn't fit or was used for another order, and `Refused`
        when the client order id belongs to another order.
        """
        async with self._turn:
            order, ticket = self._check(ticket, order, self._clock.now())
            if self._tickets.get(ticket.id, order.client_order_id) != order.client_order_id:
                raise TicketRefused(f"ticket {ticket.id} was used for another order")
            now = await self._catch_up()
            known = self._orders.get(order.client_order_id)
            if known is None:
                known = PaperOrder(order, submitted_at=now, at=now)
                if reason := await self._rejection(order, now=now):
                    known.end(OrderState.REJECTED, reason=reason, at=now)
                self._orders[order.client_order_id] = known
                self._open.append(known)
            elif known.request != order:
                unlike = differences(order, known.request)
                raise Refused(f"client order id {order.client_order_id} belongs to another order: {unlike}")
            self._tickets[ticket.id] = order.client_order_id
            return known.report()

    async def find(self, client_order_id: str, symbol: str, sent_at: datetime | None = None) -> OrderReport | None:
        async with self._turn:
            await self._catch_up()
            order = self._orders.get(client_order_id)
            return order.report() if order and order.request.symbol == symbol else None

    async def cancel(self, client_order_id: str, symbol: str) -> OrderReport:
        """The order's report after it. One that has already ended stays as it is."""
        async with self._turn:
            now = await self._catch_up()
            order = self._orders.get(client_order_id)
            if order is None or order.request.symbol != symbol:
                raise NotFound(f"the venue knows no order {client_order_id} in {symbol}")
            if order.state.working:
                order.end(OrderState.CANCELLED, reason="cancelled on request", at=now)
            return order.report()

    async def open_orders(self) -> Sequence[OrderReport]:
        async with self._turn:
            await self._catch_up()
            return [order.report() for order in self._working()]

    async def settlements(self) -> Sequence[ExternalEvent]:
        """See `SettlingVenue.settlements`; nothing where perpetuals are paid in full."""
        async with self._turn:
            await self._catch_up()
            return self._settlement.events if self._settlement else ()

    def confirm(self, event_ids: Collection[str]) -> None:
        if self._settlement:
            self._settlement.confirm(event_ids)

    def _working(self) -> list[PaperOrder]:
        """The open orders by rank. Ended ones are dropped on the way, so that a long run stays quick."""
        self._open = sorted((order for order in self._open if order.state.working), key=lambda order: order.rank)
        return self._open

    async def _rejection(self, order: OrderRequest, *, now: datetime) -> str:
        instruments = await self.instruments()
        instrument = instruments.get(order.symbol)
        if instrument is None:
            return f"{order.symbol} is not traded here"
        if instrument.quote != self._currency:
            return f"{order.symbol} is priced in {instrument.quote}, and the account is in {self._currency}"
        try:
            quote = await self._market.quote(order.symbol, as_of=now)
            locked_cash = await self._locked_cash(instruments, now=now)
        except VenueUnavailable as error:
            return error.message
        return rejection(
            order,
            instrument=instrument,
            quote=quote,
            books=self._books,
            working=self._working(),
            locked_cash=locked_cash,
            costs=self._costs,
        )

    async def _locked_cash(self, instruments: Mapping[str, Instrument], *, now: datetime) -> Decimal:
        """What the open orders may still cost."""
        locked = ZERO
        for order in self._working():
            request, instrument = order.request, instruments[order.request.symbol]
            if request.reduce_only or (instrument.kind == "spot" and request.side == "sell"):
                continue
            quote = await self._market.quote(request.symbol, as_of=now)
            opening = max(ZERO, order.remaining - self._books.closing(request))
            price = worst_price(request, quote, costs=self._costs)
            margin = self._books.margin_for(request, opening, price=price)
            locked += opening * price * (margin + instrument.taker_fee)
        return locked

    async def _catch_up(self) -> datetime:
        """Let every bar work that has closed by now and did not before, and every funding. Returns now.

        A symbol of which the market shows nothing now is caught up with when it does.
        """
        now, since = self._clock.now(), self._seen_until
        followed = self._followed()
        watching = bool(followed) or (self._settlement is not None and self._settlement.watches(since))
        if watching and now != since:
            # All is asked before anything is matched: an error leaves the books as they were.
            instruments = await self.instruments()
            sessions = await self._sessions(followed, instruments, until=now)
            settled_until = last_close(now, self._market.timeframe)
            if self._settlement:
                await self._mark_positions(since)
                there = [s for s in followed if is_swap(s) and s not in self._behind]
                await self._settlement.read(there, since=since or now, until=settled_until)
            for closed_at in sorted(sessions):
                self._pass(sessions[closed_at], instruments, closed_at=closed_at)
            if self._settlement:
                self._settlement.charge(settled_until)
        self._seen_until = now
        return now

    def _pass(
        self, sessions: Mapping[str, Session], instruments: Mapping[str, Instrument], *, closed_at: datetime
    ) -> None:
        """One bar of each symbol, with the fundings before and in it."""
        settlement, settling = self._settlement, None
        if settlement:
            settlement.charge(min(session.bar.opened_at for session in sessions.values()))
            settling = Settling(settlement, sessions, instruments)
        for exit in match(self._working(), sessions=sessions, books=self._books, costs=self._costs, settling=settling):
            self._orders[exit.request.client_order_id] = exit
            self._open.append(exit)
        if settlement:
            settlement.charge(closed_at)

    def _followed(self) -> Mapping[str, Sequence[PaperOrder]]:
        """The symbols whose bars matter: those with working orders, and perpetuals that are held; with these orders."""
        followed: dict[str, list[PaperOrder]] = {}
        for order in self._working():
            followed.setdefault(order.request.symbol, []).append(order)
        for symbol in self._books.perpetuals if self._settlement else ():
            followed.setdefault(symbol, [])
        return followed

    async def _mark_positions(self, moment: datetime | None) -> None:
        """After a restart, the marks of what is held are those of the last bars before it."""
        for symbol in self._books.perpetuals.keys() - self._books.marks.keys():
            with suppress(VenueUnavailable):
                bars = await self._market.candles(symbol, limit=1, until=moment or self._clock.now())
                self._books.marks |= {symbol: bars[-1].close} if bars else {}

    async def _sessions(
        self,
        followed: Mapping[str, Sequence[PaperOrder]],
        instruments: Mapping[str, Instrument],
        *,
        until: datetime,
    ) -> Mapping[datetime, Mapping[str, Session]]:
        """The bars of what is `followed` that were not met yet, by when they closed and by symbol."""
        sessions: dict[datetime, dict[str, Session]] = {}
        for symbol, mine in followed.items():
            has_position = self._settlement is not None and symbol in self._books.perpetuals
            met = self._behind.get(symbol) or self._seen_until
            since = max(filter(None, (None if has_position else mine[0].submitted_at, met)), default=until)
            limit = (until - since) // self._market.timeframe.length + 1
            try:
                bars = [
                    Session(instruments[symbol], bar, await self._market.quote(symbol, as_of=bar.opened_at))
                    for bar in await self._market.candles(symbol, limit=limit, until=until)
                    if bar.closed_at > since and (has_position or any(order.meets(bar) for order in mine))
                ]
            except VenueUnavailable:
                self._behind[symbol] = since
                continue
            self._behind.pop(symbol, None)
            for session in bars:
                sessions.setdefault(session.bar.closed_at, {})[symbol] = session
        return sessions


_ANSWERED = frozenset({OrderState.WORKING, OrderState.PARTIAL}) | TERMINAL
