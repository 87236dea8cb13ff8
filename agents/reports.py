"""What a venue's word on an order is worth: its silence, its refusal, and what can't be true of the order."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from domain.errors import OrderContradicted, OrderStateUnknown, TicketRefused, VenueUnavailable
from domain.order import CONTRADICTION, OrderReport, OrderRequest, OrderState, contradiction, past_limit
from domain.venue import Outcome, Venue
from memory.ledger.orders import OrderRecord, contradiction_in

MISSING: Final = "the venue has none by this id"
"""The evidence of a report on an order that the venue denies."""
NOT_SENT: Final = "not sent: "
"""How the reason of an order begins that was to be sent and never left: its ticket was refused at the venue's door."""

_UNTRADED: Final = (OrderState.CANCELLED, OrderState.EXPIRED)


async def word_on(order: OrderRecord, venue: Venue, *, at: datetime) -> OrderReport | None:
    """The venue's word on an order that was sent; `None` when it could not be asked.

    Without proof either way the report is UNKNOWN, and so it is where what the venue says can't be true.
    """
    try:
        report = await venue.find(order.client_order_id, order.request.symbol, sent_at=order.submitted_at)
    except OrderStateUnknown as unknown:
        return worded(unknown, order.request, live=True, at=at)
    except VenueUnavailable:
        return None
    if report is None:
        return missing_report(order.request, proven=venue.resends, at=at)
    why = contradiction_in(order, report)
    return doubted(order.request, why, at=at) if why else _explained(report, order.request)


def worded(outcome: Outcome | VenueUnavailable, order: OrderRequest, *, live: bool, at: datetime) -> OrderReport:
    """The report that `outcome` is. What is neither the venue's word nor proof that nothing went out proves nothing."""
    if isinstance(outcome, OrderReport):
        why = contradiction(outcome, order)
        return doubted(order, why, at=at) if why else _explained(outcome, order)
    if isinstance(outcome, OrderContradicted):
        return doubted(order, outcome.message, at=at)
    if not isinstance(outcome, TicketRefused):
        return stated(order, OrderState.UNKNOWN, reason=outcome.message, at=at)
    refused = stated(order, OrderState.REJECTED, reason=f"{NOT_SENT}{outcome.message}", at=at)
    return refused.model_copy(update={"evidence": "it never left"}) if live else refused


def _explained(report: OrderReport, order: OrderRequest) -> OrderReport:
    """With the reason of an end without a trade, where the venue states none: no error, but the market's doing."""
    if report.state not in _UNTRADED or report.filled or report.reason:
        return report
    return report.model_copy(update={"reason": past_limit(order)})


def missing_report(
    order: OrderRequest, *, proven: bool, at: datetime, reason: str = "the venue has no such order", name: str = ""
) -> OrderReport:
    """Of an order that the venue denies: EXPIRED where that is `proven`, and else UNKNOWN.

    A venue through which nothing can be late proves it by saying so. An exchange may hide an order that it has, so
    there it takes the account too: see `graphs.account.survey`. `name` is the venue's own id of an order that it named.
    """
    state = OrderState.EXPIRED if proven else OrderState.UNKNOWN
    report = stated(order, state, reason=reason, at=at)
    return report.model_copy(update={"evidence": MISSING, "venue_order_id": name})


def doubted(order: OrderRequest, why: str, *, at: datetime) -> OrderReport:
    """In the place of a report that can't be true of its order."""
    report = stated(order, OrderState.UNKNOWN, reason=why, at=at)
    return report.model_copy(update={"evidence": CONTRADICTION})


def stated(order: OrderRequest, state: OrderState, *, reason: str, at: datetime) -> OrderReport:
    return OrderReport(client_order_id=order.client_order_id, symbol=order.symbol, state=state, reason=reason, at=at)
