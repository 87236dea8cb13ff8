"""Reports on orders where the venue gave none: what its silence, or its refusal, is worth."""

from __future__ import annotations

from datetime import datetime

from domain.errors import OrderStateUnknown, TicketRefused, VenueUnavailable
from domain.order import OrderReport, OrderRequest, OrderState
from domain.venue import Outcome, Venue
from memory.orders import OrderRecord


async def word_on(order: OrderRecord, venue: Venue, *, at: datetime) -> OrderReport | None:
    """The venue's word on an order that was sent; `None` when it could not be asked.

    Without proof either way the report is UNKNOWN. An order is gone only where the venue proves that it has none.
    """
    try:
        found = await venue.find(order.client_order_id, order.request.symbol, sent_at=order.submitted_at)
    except OrderStateUnknown as unknown:
        return stated(order.request, OrderState.UNKNOWN, reason=unknown.message, at=at)
    except VenueUnavailable:
        return None
    return found or gone(order.request, at=at)


def worded(said: Outcome | VenueUnavailable, order: OrderRequest, *, live: bool, at: datetime) -> OrderReport:
    """The report that `said` is. What is neither the venue's word nor proof that nothing went out proves nothing."""
    if isinstance(said, OrderReport):
        return said
    if not isinstance(said, TicketRefused):
        return stated(order, OrderState.UNKNOWN, reason=said.message, at=at)
    refused = stated(order, OrderState.REJECTED, reason=f"not sent: {said.message}", at=at)
    return refused.model_copy(update={"evidence": "it never left"}) if live else refused


def gone(order: OrderRequest, *, at: datetime, reason: str = "the venue has no such order") -> OrderReport:
    expired = stated(order, OrderState.EXPIRED, reason=reason, at=at)
    return expired.model_copy(update={"evidence": "the venue has none by this id"})


def stated(order: OrderRequest, state: OrderState, *, reason: str, at: datetime) -> OrderReport:
    return OrderReport(client_order_id=order.client_order_id, symbol=order.symbol, state=state, reason=reason, at=at)
