"""What a look at the stops of a live account came to, as it is recorded."""

from __future__ import annotations

from domain.decision import Proposal
from domain.value import Symbol, Value
from policy import Verdict


class Protection(Value):
    """What one look proposed, what the gate said of it, and which positions the venue holds no stop for after it."""

    proposals: tuple[Proposal, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    unprotected: tuple[tuple[Symbol, str], ...] = ()
    """(symbol, reason), by symbol."""
    alerts: tuple[str, ...] = ()
