"""What a look at the stops of positions came to, as it is recorded."""

from __future__ import annotations

from pydantic import Field

from domain.decision import Proposal
from domain.value import Symbol, Value, absent
from policy import Verdict


class Protection(Value):
    """What one look proposed, what the gate said of it, and which positions the venue holds no stop for after it."""

    proposals: tuple[Proposal, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    unprotected: tuple[tuple[Symbol, str], ...] = ()
    """(symbol, reason), by symbol."""
    closing: tuple[Symbol, ...] = Field(default=(), exclude_if=absent)
    """Those among them that the venue is about to close: it has confirmed their exits."""
    alerts: tuple[str, ...] = ()
