"""What goes out together: a cycle's approved orders, in the groups in which they are sent."""

from __future__ import annotations

from collections.abc import Sequence

from domain.candle import Quote
from domain.clearance import copied
from domain.decision import Ticket
from domain.errors import NotExact, TicketRefused
from domain.exact import exact
from domain.order import OrderRequest
from domain.value import Value
from memory.ledger.orders import OrderRecord


class Approved(Value):
    """An order with leave to be sent once."""

    order: OrderRequest
    ticket: Ticket
    judged: Quote
    """What the market showed when it was let through."""
    releases: tuple[OrderRecord, ...] = ()
    """The protective stops that it replaces, as the cycle found them."""


def exactly(approved: Approved) -> Approved:
    """With copies of exact types, all the way down, of what is claimed, sent and recorded. Raises `TicketRefused`.

    What it releases stays as it is: it is only ever taken back, and must not keep an exit from being sent.
    """
    order, ticket = copied(approved.ticket, approved.order)
    try:
        judged = exact(Quote, approved.judged)
    except NotExact as error:
        raise TicketRefused(f"this is no quote that {order.client_order_id} was judged on: {error.message}") from None
    return Approved(order=order, ticket=ticket, judged=judged, releases=approved.releases)


def exact_copies(approved: Sequence[Approved]) -> tuple[list[Approved], TicketRefused | None]:
    """Of each `exactly`; those of which there is none are left out, and why is said of the first."""
    copies: list[Approved] = []
    refused = None
    for each in approved:
        try:
            copies.append(exactly(each))
        except TicketRefused as error:
            refused = refused or error
    return copies, refused


def together(approved: Sequence[Approved], *, batch: int) -> list[list[Approved]]:
    """Orders in their order, in groups of one request each, of no more than `batch`.

    Only entries share a request. A lost answer leaves all of a request in doubt, and what is in doubt can't be left:
    so each way out goes alone, and so does a stop. Nor do two orders in one symbol share one: the second's look at
    the price must see what the first did to it.
    """
    groups: list[list[Approved]] = []
    for each in approved:
        if groups and len(groups[-1]) < batch and all(_may_share(each.order, one.order) for one in groups[-1]):
            groups[-1].append(each)
        else:
            groups.append([each])
    return groups


def _may_share(one: OrderRequest, other: OrderRequest) -> bool:
    return one.symbol != other.symbol and not any(o.reduce_only or o.type == "stop" for o in (one, other))
