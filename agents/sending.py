"""What goes out together: a cycle's approved orders, in the groups in which they are sent."""

from __future__ import annotations

from collections.abc import Sequence

from domain.candle import Quote
from domain.decision import Ticket
from domain.order import OrderRequest
from domain.value import Value
from memory.orders import OrderRecord


class Approved(Value):
    """An order with leave to be sent once."""

    order: OrderRequest
    ticket: Ticket
    judged: Quote
    """What the market showed when it was let through."""
    releases: tuple[OrderRecord, ...] = ()
    """The protective stops that it replaces, as the cycle found them."""


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
