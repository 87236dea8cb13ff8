"""Tickets: leave to send one order once, sealed with a key that only the gate holds.

That a ticket is used once is the ledger's to keep; what it is for, and until when, is kept here.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta

from domain.clearance import Cleared, cleared
from domain.decision import Ticket
from domain.digest import canonical
from domain.errors import NotExact, TicketRefused, UsageError
from domain.exact import exact
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

        Raises `TicketRefused` unless `verdict` allows exactly this order, both of exact types all the way down.
        """
        try:
            verdict, order = exact(Verdict, verdict), exact(OrderRequest, order)
        except NotExact as error:
            raise TicketRefused(f"no ticket is issued: {error.message}") from None
        if verdict.outcome != "allow":
            raise TicketRefused(f"the verdict on {order.client_order_id} is {verdict.outcome}")
        if verdict.order_digest != order.digest:
            raise TicketRefused(
                f"the verdict is on another order than {order.client_order_id}: "
                f"order_digest is {order.digest}, and the verdict's is {verdict.order_digest}"
            )
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
