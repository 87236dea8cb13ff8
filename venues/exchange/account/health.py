"""How a venue is doing, for an operator."""

from __future__ import annotations

from decimal import Decimal

from domain.breaker import State
from domain.value import Instant, Value


class Health(Value):
    """One venue as its calls found it."""

    exchange: str
    breaker: State
    """`open`: left alone. `half-open`: one call is let through to see."""
    failures: int
    """In a row."""
    last_error: str
    """Masked: no key, no signature, no query of an address."""
    last_answer_at: Instant | None
    clock_skew_s: Decimal | None
    """The venue's clock less ours; `None` while it was not measured."""
    bucket: Decimal
    """How many calls could go out at once."""
    reserve: Decimal
    """... and how many more that cancel an order or ask about one."""
