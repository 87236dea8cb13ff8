"""The single order writer: the only caller of `Venue.submit`, behind a durable intent and a ticket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter

from domain.candle import Quote
from domain.decision import Ticket
from domain.effects import Effects
from domain.errors import NotFound, OrderStateUnknown, TicketRefused, VenueUnavailable
from domain.instrument import Instrument
from domain.order import OrderReport, OrderRequest, OrderState
from domain.venue import Venue
from memory.ledger import Ledger
from memory.orders import OrderRecord
from policy import Policy
from policy.recheck import moved

Brake = Callable[[], str]
"""Asked before each send: why nothing may be sent now; empty when it may."""

_TEXT: Final = TypeAdapter(str)
_REPORT: Final = TypeAdapter(OrderReport)
_REPORTS: Final = TypeAdapter(tuple[OrderReport, ...])


class OrderWriter:
    """Sends approved orders and keeps the ledger's view of working ones true, for one step of one cycle.

    The intent is committed by the gate before anything is sent. A ticket is claimed before the send:
    when the claim fails, an earlier attempt sent the order or may have, and the venue is asked by id
    before anything else happens. It is sent again only where no attempt came to an end, the venue has
    no such order, and it might be sent for the first time just now.
    """

    def __init__(
        self,
        *,
        venue: Venue,
        ledger: Ledger,
        effects: Effects,
        run_id: str,
        cycle: int,
        policy: Policy,
        instruments: Mapping[str, Instrument],
        brake: Brake,
    ) -> None:
        self._venue = venue
        self._ledger = ledger
        self._effects = effects
        self._run_id = run_id
        self._cycle = cycle
        self._policy = policy
        self._instruments = instruments
        self._brake = brake

    async def send(self, order: OrderRequest, ticket: Ticket, *, judged: Quote) -> OrderReport:
        """Send one order under its ticket and record what the venue said.

        `judged` is the quote that the gate saw. When trading was halted since, or the price moved away,
        the order is withdrawn: what was allowed a moment ago need not be right now.

        The report is UNKNOWN when no answer proves anything; it is never guessed. Raises `TicketRefused` for
        a ticket that does not fit an order which may be out already.
        """
        at = self._effects.now()

        earlier = await self._claim(order, ticket, judged=judged, at=at)
        if earlier is not None and earlier.submitted_at is None:  # withdrawn: the one thing that is sure to be not out
            return _report(order, OrderState.CANCELLED, reason=earlier.reason, at=at)

        async def deliver() -> OrderReport:
            try:
                if earlier is not None:
                    found = await self._venue.find(order.client_order_id, order.symbol)
                    if found is not None or earlier.state is not OrderState.SUBMITTING:
                        return found or _gone(order, at=at)
                    if doubt := await self._halted(order) or await self._doubt(order, judged=judged, at=at):
                        return _report(order, OrderState.EXPIRED, reason=f"not sent again: {doubt}", at=at)
                return await self._venue.submit(order, ticket)
            except TicketRefused as refusal:
                return _report(order, OrderState.REJECTED, reason=f"not sent: {refusal.message}", at=at)
            except OrderStateUnknown as unknown:
                return _report(order, OrderState.UNKNOWN, reason=unknown.message, at=at)

        # Not `durable`: the answer reaches the tape in the same commit that books it, or neither is kept.
        report = await self._effects.once("venue:submit", order, returns=_REPORT, perform=deliver)
        await self._ledger.record(report, cycle=self._cycle)
        return report

    async def _claim(self, order: OrderRequest, ticket: Ticket, *, judged: Quote, at: datetime) -> OrderRecord | None:
        """`None` where the right to send was taken just now, else the order as it was left: sent, or withdrawn."""

        async def look() -> str:
            return await self._doubt(order, judged=judged, at=at)

        try:
            doubt = await self._effects.once("venue:leave", order.client_order_id, returns=_TEXT, perform=look)
            if doubt:
                raise TicketRefused(doubt)
            if await self._ledger.claim(
                ticket, cycle=self._cycle, at=at, reducing=order.reduce_only, effects=self._effects
            ):
                return None
        except TicketRefused as refusal:
            reason = f"not sent: {refusal.message}"
            await self._ledger.withdraw(order.client_order_id, reason=reason, cycle=self._cycle, at=at)
            if (await self._ledger.order(order.client_order_id)).submitted_at is not None:
                raise
        return await self._ledger.order(order.client_order_id)

    async def _doubt(self, order: OrderRequest, *, judged: Quote, at: datetime) -> str:
        """Why what the gate saw no longer holds; empty when it does."""
        if stopped := self._brake():
            return f"the brake is pulled: {stopped}"
        try:
            seen = await self._venue.quote(order.symbol)
        except VenueUnavailable as error:
            return f"no quote: {error.message}"
        return moved(order, judged=judged, seen=seen, now=at, policy=self._policy, instruments=self._instruments)

    async def _halted(self, order: OrderRequest) -> str:
        """Why an order that was claimed before must not be sent now; a first claim sees to that itself."""
        control = await self._ledger.control()
        return f"trading is {control.in_words}" if control.refuses(reducing=order.reduce_only) else ""

    async def sync(self) -> tuple[OrderReport, ...]:
        """Ask the venue about every order of the run's earlier cycles that may still trade, and book what it says.

        Which orders those are is part of the recorded answer: run again after a crash, the ledger already
        knows some of it. An order that was never claimed was never sent, and is withdrawn; one that was
        sent and that the venue says it never had has expired.
        """
        at = self._effects.now()

        async def ask() -> tuple[OrderReport, ...]:
            return tuple([await self._ask(order, at=at) for order in await self._open() if order.submitted_at])

        for order in await self._open():
            if order.state is OrderState.APPROVED:
                await self._ledger.withdraw(order.client_order_id, reason="never sent", cycle=self._cycle, at=at)
        reports = await self._effects.once("venue:reports", None, returns=_REPORTS, perform=ask)
        await self._ledger.record_all(reports, cycle=self._cycle)
        return reports

    async def cancel(self, order: OrderRecord) -> OrderReport:
        """Take back one order that may still trade, and book what the venue says of it."""
        at = self._effects.now()

        async def take_back() -> OrderReport:
            try:
                return await self._venue.cancel(order.client_order_id, order.request.symbol)
            except NotFound:
                return _gone(order.request, at=at)
            except OrderStateUnknown as unknown:
                return _report(order.request, OrderState.UNKNOWN, reason=unknown.message, at=at)

        report = await self._effects.once("venue:cancel", order.client_order_id, returns=_REPORT, perform=take_back)
        await self._ledger.record(report, cycle=self._cycle)
        return report

    async def _open(self) -> list[OrderRecord]:
        """Another run of the account follows its own orders: its cycles are not counted as ours are."""
        working = await self._ledger.orders(working_only=True)
        return [o for o in working if o.run_id == self._run_id and o.cycle < self._cycle]

    async def _ask(self, order: OrderRecord, *, at: datetime) -> OrderReport:
        found = await self._venue.find(order.client_order_id, order.request.symbol)
        return found or _gone(order.request, at=at)


def _report(order: OrderRequest, state: OrderState, *, reason: str, at: datetime) -> OrderReport:
    return OrderReport(client_order_id=order.client_order_id, symbol=order.symbol, state=state, reason=reason, at=at)


def _gone(order: OrderRequest, *, at: datetime) -> OrderReport:
    return _report(order, OrderState.EXPIRED, reason="the venue has no such order", at=at)
