"""Execution: hands approved orders to the one writer, in the gate's order."""

from __future__ import annotations

from collections.abc import Sequence

from agents.desk import Desk
from agents.sending import Approved
from domain.order import OrderReport


class ExecutionAgent:
    """Sends each approved order, then learns what became of them. One whose fate is unknown stops no other."""

    async def __call__(self, approved: Sequence[Approved], desk: Desk) -> tuple[OrderReport, ...]:
        sent = await desk.orders.send_all(approved)
        followed = {r.client_order_id: r for r in await desk.orders.follow([each.order for each in approved])}
        return tuple(followed.get(report.client_order_id, report) for report in sent)
