"""Execution: hands approved orders to the one writer, in the gate's order."""

from __future__ import annotations

from collections.abc import Sequence

from agents.desk import Desk
from domain.candle import Quote
from domain.decision import Ticket
from domain.order import OrderReport, OrderRequest
from domain.value import Value


class Approved(Value):
    """An order with leave to be sent once."""

    order: OrderRequest
    ticket: Ticket
    judged: Quote
    """What the market showed when it was let through."""


class ExecutionAgent:
    """Sends each approved order. One whose fate is unknown does not stop the others."""

    async def __call__(self, approved: Sequence[Approved], desk: Desk) -> tuple[OrderReport, ...]:
        return tuple([await desk.orders.send(each.order, each.ticket, judged=each.judged) for each in approved])
