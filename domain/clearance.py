"""Clearance: what a venue's door makes of an order and its ticket, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, TypeAlias

from domain.decision import Ticket
from domain.digest import plain
from domain.errors import NotExact, TicketRefused
from domain.exact import exact
from domain.order import OrderRequest


class Cleared(NamedTuple):
    """An order and the ticket that is bound to it: copies of exact types, which nobody else holds."""

    order: OrderRequest
    ticket: Ticket


Check: TypeAlias = Callable[[Ticket, OrderRequest, datetime], Cleared]
"""What may be sent of an order under its ticket at that time. Raises `TicketRefused`.

A venue sends, remembers and answers for what it returns, and never looks at what it was given again.
"""


def copied(ticket: Ticket, order: OrderRequest) -> Cleared:
    """Copies of both. Raises `TicketRefused` for what is no order or no ticket by its exact type, all the way down."""
    try:
        copy = exact(OrderRequest, order)
    except NotExact as error:
        raise TicketRefused(f"this is no order that can be sent: {error.message}") from None
    try:
        return Cleared(copy, exact(Ticket, ticket))
    except NotExact as error:
        raise TicketRefused(f"this is no ticket for {copy.client_order_id}: {error.message}") from None


def cleared(ticket: Ticket, order: OrderRequest) -> Cleared:
    """Copies of both, which are bound to each other. Who issued the ticket and until when is the office's to say.

    Raises `TicketRefused` as `copied` does, and for a ticket of another order, naming what differs.
    """
    copies = copied(ticket, order)
    pairs = (
        ("client_order_id", copies.order.client_order_id, copies.ticket.client_order_id),
        ("order_digest", copies.order.digest, copies.ticket.order_digest),
    )
    unlike = [f"{name} is {mine}, and the ticket's is {theirs}" for name, mine, theirs in pairs if mine != theirs]
    if unlike:
        raise TicketRefused(f"the ticket is for another order: {'; '.join(unlike)}")
    return copies


def differences(order: OrderRequest, judged: OrderRequest) -> str:
    """Each field in which `order` is not the `judged` one, with both values; empty when they are alike."""
    pairs = [(name, getattr(order, name), getattr(judged, name)) for name in OrderRequest.model_fields]
    return "; ".join(f"{name} is {_text(mine)}, not {_text(theirs)}" for name, mine, theirs in pairs if mine != theirs)


def _text(value: object) -> str:
    return plain(value) if isinstance(value, Decimal) else "none" if value is None else str(value)
