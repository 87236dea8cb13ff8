"""What the gate hands to the ledger: proposals with verdicts, and tickets for those allowed."""

from __future__ import annotations

from datetime import datetime

from domain.decision import Outcome, Proposal, Ticket
from domain.digest import canonical, sha256
from domain.errors import TicketRefused
from domain.order import OrderState
from domain.value import Digest, Value
from memory.orders import OrderRecord


class Admission(Value):
    """One proposal with the gate's word on it, and the ticket that an allow earned."""

    proposal: Proposal
    verdict_body: str
    """The whole verdict as canonical JSON."""
    verdict_digest: Digest
    outcome: Outcome
    facts_body: str
    """What it was judged on, as canonical JSON; kept once by its digest."""
    ticket: Ticket | None = None
    n: int = 0
    """0 for the first judgement; 1, 2, ... when it was judged again after a person's answer."""

    def require_fit(self) -> None:
        """Raises `TicketRefused` for a ticket that is not this proposal's, or without an allow."""
        ticket = self.ticket
        if ticket is None:
            return
        order = self.proposal.order()
        if self.outcome != "allow":
            raise TicketRefused(f"{order.client_order_id} has a ticket, and the verdict is {self.outcome}")
        own = {
            "client_order_id": order.client_order_id,
            "order_digest": order.digest,
            "verdict_digest": self.verdict_digest,
        }
        unlike = [
            f"{name} is {value}, and the ticket's is {getattr(ticket, name)}"
            for name, value in own.items()
            if getattr(ticket, name) != value
        ]
        if unlike:
            raise TicketRefused(f"the ticket does not fit {order.client_order_id} and its verdict: {'; '.join(unlike)}")

    def approved(self, *, run_id: str, cycle: int, at: datetime) -> OrderRecord:
        """The order as it begins."""
        return OrderRecord(
            request=self.proposal.order(),
            proposal=self.proposal.digest,
            run_id=run_id,
            cycle=cycle,
            agent=self.proposal.agent,
            state=OrderState.APPROVED,
            updated_at=at,
            stop_price=self.proposal.stop_price,
            target_price=self.proposal.target_price,
        )

    def begins(self, *, at: datetime) -> dict[str, object]:
        """The first event of the order, but for whose it is."""
        state = OrderState.APPROVED
        return {
            "client_order_id": self.proposal.client_order_id,
            "n": 0,
            "state": state.value,
            "at": at,
            "body": canonical({"verdict": self.verdict_digest, "state": state}),
        }

    def verdict_row(self, *, run_id: str, cycle: int) -> dict[str, object]:
        return {
            "run_id": run_id,
            "cycle": cycle,
            "client_order_id": self.proposal.client_order_id,
            "n": self.n,
            "id": self.verdict_digest,
            "symbol": self.proposal.symbol,
            "outcome": self.outcome,
            "proposal": canonical(self.proposal),
            "verdict": self.verdict_body,
            "facts": sha256(self.facts_body),
        }


def ticket_row(ticket: Ticket, *, account: str) -> dict[str, object]:
    """The ticket without its seal, which is nobody's to read."""
    return {"account": account, **ticket.model_dump(exclude={"seal"}), "used_at": None}
