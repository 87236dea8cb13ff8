"""Tickets: leave to send one order once, sealed with a key that only the gate holds.

That a ticket is used once is the ledger's to keep; what it is for, and until when, is kept here. Inside of one process
nothing can be kept from code that goes after the key; what goes by the public names gets no ticket without a judgement.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.clearance import Cleared, cleared
from domain.decision import Proposal, Ticket
from domain.digest import canonical
from domain.errors import TicketRefused, UsageError
from domain.order import OrderRequest
from policy.engine import PolicyEngine
from policy.facts import Facts
from policy.verdict import Verdict

_KEY_BYTES = 32


class GateResult(NamedTuple):
    """A verdict, and the ticket that an allow earns."""

    verdict: Verdict
    ticket: Ticket | None


class TicketOffice:
    """Has proposals judged, issues tickets for what is allowed, and checks them again at the door of the venue.

    Raises `UsageError` for a key shorter than 32 bytes or a time to live that is not positive.
    """

    def __init__(self, key: bytes, *, ttl_s: int) -> None:
        if len(key) < _KEY_BYTES:
            raise UsageError(f"the ticket key has {len(key)} bytes", remedy=f"Give at least {_KEY_BYTES}")
        if ttl_s <= 0:
            raise UsageError(f"a ticket can't live for {ttl_s} s", remedy="Give a positive number of seconds")
        self._key = key
        self._ttl = timedelta(seconds=ttl_s)

    def judge(self, proposal: Proposal, facts: Facts, *, engine: PolicyEngine) -> GateResult:
        """The verdict of `engine` on `proposal`, and for an allow the ticket of its order, good from `facts.now` on.

        There is no other way to a ticket: a verdict that a caller brings could be made by hand. The same verdict
        always gives the same id, so it can be used once only. Raises `TicketRefused` for an engine of another class,
        and for one that lacks a check.
        """
        if type(engine) is not PolicyEngine or not engine.complete:
            raise TicketRefused("no ticket is issued: the engine is not the gate's own, with every check")
        verdict = PolicyEngine.evaluate(engine, proposal, facts)
        if verdict.outcome != "allow" or verdict.order_digest is None:
            return GateResult(verdict, None)
        verdict_digest = verdict.digest
        ticket = Ticket(
            id="t" + verdict_digest[:31],
            client_order_id=verdict.client_order_id,
            order_digest=verdict.order_digest,
            verdict_digest=verdict_digest,
            issued_at=facts.now,
            expires_at=facts.now + self._ttl,
            seal="",
        )
        return GateResult(verdict, ticket.model_copy(update={"seal": self._seal(ticket)}))

    def check(self, ticket: Ticket, order: OrderRequest, now: datetime) -> Cleared:
        """What may be sent: copies of `order` and of its ticket, which this office issued and which is good at `now`.

        Raises `TicketRefused` as `domain.clearance.cleared` does, and for a ticket of another office or another time.
        """
        copies = cleared(ticket, order)
        name, ticket = copies.order.client_order_id, copies.ticket
        if not hmac.compare_digest(self._seal(ticket).encode(), ticket.seal.encode()):
            raise TicketRefused(f"the ticket for {name} was not issued here")
        if now < ticket.issued_at:
            raise TicketRefused(f"the ticket for {name} is from the future")
        if now >= ticket.expires_at:
            raise TicketRefused(f"the ticket for {name} has expired")
        return copies

    def _seal(self, ticket: Ticket) -> str:
        sealed = {name: getattr(ticket, name) for name in Ticket.model_fields if name != "seal"}
        return hmac.new(self._key, canonical(sealed).encode(), "sha256").hexdigest()
