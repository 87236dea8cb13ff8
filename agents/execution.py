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
    """Sends each approved order, then learns what became of them. One whose fate is unknown stops no other."""

    async def __call__(self, approved: Sequence[Approved], desk: Desk) -> tuple[OrderReport, ...]:
        sent = [await desk.orders.send(each.order, each.ticket, judged=each.judged) for each in approved]
        followed = {r.client_order_id: r for r in await desk.orders.follow([each.order for each in approved])}
        return tuple(followed.get(report.client_order_id, report) for report in sent)
