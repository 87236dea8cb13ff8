"""Execution: hands approved orders to the one writer, in the gate's order."""

from __future__ import annotations

from collections.abc import Sequence

from agents.desk import Desk
from agents.sending import Approved
from domain.order import CONTRADICTION, OrderReport


class ExecutionAgent:
    """Sends each approved order, then learns what became of them. One whose fate is unknown stops no other."""

    async def __call__(self, approved: Sequence[Approved], desk: Desk) -> tuple[OrderReport, ...]:
        sent = await desk.orders.send_all(approved)
        news = await desk.orders.follow([each.order for each in approved])
        followed = {report.client_order_id: report for report in news}
        last = tuple(followed.get(report.client_order_id, report) for report in sent)
        # What could not be true is told also where a better word came after it.
        return (*(r for r in (*sent, *news) if r.evidence == CONTRADICTION and r not in last), *last)
