"""What this object has sent: each id and each ticket once, and when."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from domain.clearance import differences
from domain.decision import Ticket
from domain.errors import Refused, TicketRefused
from domain.order import OrderReport, OrderRequest

_MOST = 50_000
"""Older ones are forgotten here. What was sent is the ledger's to know; this is a second lock."""


@dataclass(slots=True, kw_only=True)
class Sent:
    """One order that went out, or is about to."""

    order: OrderRequest
    ticket: Ticket
    at: datetime
    """When it began to be sent."""
    until: datetime
    """By when it was answered or given up; it may have been under way until then."""
    venue_order_id: str = ""
    there: bool = False
    """The venue has said that it has an order of this id: perhaps an older one, and never none."""
    refused: OrderReport | None = None
    """The venue's refusal: it keeps no record of an order that it did not take, so this is the only one."""


class SentOrders:
    def __init__(self) -> None:
        self._orders: OrderedDict[str, Sent] = OrderedDict()
        self._tickets: OrderedDict[str, str] = OrderedDict()
        self._names: OrderedDict[str, str] = OrderedDict()

    def get(self, client_order_id: str) -> Sent | None:
        return self._orders.get(client_order_id)

    def name(self, venue_order_id: str, client_order_id: str) -> None:
        """Remember what the venue calls an order: trades may come with its name alone."""
        self._names[venue_order_id] = client_order_id
        if len(self._names) > _MOST:
            self._names.popitem(last=False)

    def named(self, venue_order_id: str) -> str:
        """The client order id; empty where it is not known."""
        return self._names.get(venue_order_id, "")

    def take(self, order: OrderRequest, ticket: Ticket, *, now: datetime) -> Sent | None:
        """Take the right to send `order`; `None` when it was taken before.

        Raises `TicketRefused` for a ticket that was used for another order, and `Refused` when the client order
        id belongs to another order.
        """
        if self._tickets.get(ticket.id, order.client_order_id) != order.client_order_id:
            raise TicketRefused(f"ticket {ticket.id} was used for another order")
        known = self._orders.get(order.client_order_id)
        if known is not None:
            if known.order != order:
                unlike = differences(order, known.order)
                raise Refused(f"client order id {order.client_order_id} belongs to another order: {unlike}")
            return None
        sent = Sent(order=order, ticket=ticket, at=now, until=now)
        self._orders[order.client_order_id] = sent
        self._tickets[ticket.id] = order.client_order_id
        if len(self._orders) > _MOST:
            _, oldest = self._orders.popitem(last=False)
            self._tickets.pop(oldest.ticket.id, None)
        return sent

    def give_back(self, sent: Sent) -> None:
        """It did not go out after all: order and ticket are as good as new."""
        self._orders.pop(sent.order.client_order_id, None)
        self._tickets.pop(sent.ticket.id, None)
