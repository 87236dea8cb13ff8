"""Tickets: leave to send one order once, sealed with a key that only the gate holds.

That a ticket is used once is the ledger's to keep; what it is for, and until when, is kept here.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta

from domain.decision import Ticket
from domain.digest import canonical
from domain.errors import NotCanonical, TicketRefused, UsageError
from domain.order import OrderRequest
from policy.verdict import Verdict

_KEY_BYTES = 32


class TicketOffice:
    """Issues tickets from allows and checks them again at the door of the venue.

    Raises `UsageError` for a key shorter than 32 bytes or a time to live that is not positive.
    """

    def __init__(self, key: bytes, *, ttl_s: int) -> None:
        if len(key) < _KEY_BYTES:
            raise UsageError(f"the ticket key has {len(key)} bytes", remedy=f"Give at least {_KEY_BYTES}")
        if ttl_s <= 0:
            raise UsageError(f"a ticket can't live for {ttl_s} s", remedy="Give a positive number of seconds")
        self._key = key
        self._ttl = timedelta(seconds=ttl_s)

    def issue(self, verdict: Verdict, order: OrderRequest, *, now: datetime) -> Ticket:
        """A ticket for `order`. The same verdict always gives the same id, so it can be used once only.

        Raises `TicketRefused` unless `verdict` allows exactly this order.
        """
        if verdict.outcome != "allow":
            raise TicketRefused(f"the verdict on {order.client_order_id} is {verdict.outcome}")
        if verdict.order_digest != order.digest:
            raise TicketRefused(f"the verdict is on another order than {order.client_order_id}")
        verdict_digest = verdict.digest
        ticket = Ticket(
            id="t" + verdict_digest[:31],
            client_order_id=order.client_order_id,
            order_digest=order.digest,
            verdict_digest=verdict_digest,
            issued_at=now,
            expires_at=now + self._ttl,
            seal="",
        )
        return ticket.model_copy(update={"seal": self._seal(ticket)})

    def check(self, ticket: Ticket, order: OrderRequest, now: datetime) -> None:
        """Raises `TicketRefused` unless this office issued `ticket`, for `order`, and `now` lies in its time."""
        if not self._fits(ticket):
            raise TicketRefused(f"the ticket for {order.client_order_id} was not issued here")
        if (ticket.order_digest, ticket.client_order_id) != (order.digest, order.client_order_id):
            raise TicketRefused(f"the ticket is for {ticket.client_order_id}, not for this {order.client_order_id}")
        if now < ticket.issued_at:
            raise TicketRefused(f"the ticket for {order.client_order_id} is from the future")
        if now >= ticket.expires_at:
            raise TicketRefused(f"the ticket for {order.client_order_id} has expired")

    def _fits(self, ticket: Ticket) -> bool:
        try:
            return hmac.compare_digest(self._seal(ticket).encode(), ticket.seal.encode())
        except (NotCanonical, UnicodeEncodeError):
            return False

    def _seal(self, ticket: Ticket) -> str:
        sealed = {name: getattr(ticket, name) for name in Ticket.model_fields if name != "seal"}
        return hmac.new(self._key, canonical(sealed).encode(), "sha256").hexdigest()
