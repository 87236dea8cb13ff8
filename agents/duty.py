"""Duty: what a desk must do in a cycle, whatever anyone thinks of the market."""

from __future__ import annotations

from decimal import Decimal

from domain.value import Share, Value


class Duty(Value):
    """Set by the trading state and by how near losses are to their limits."""

    entries: bool = True
    """Whether entries are worth proposing; the gate decides on each in any case."""
    sends: bool = True
    """Whether anything at all can be sent: not when trading is halted."""
    flatten: bool = False
    """Leave everything now."""
    halve: bool = False
    """Leave half of the riskiest position."""
    size_factor: Share = Decimal(1)
    """The part of their usual size that entries may have."""
    reason: str = ""
    """Why it is not an ordinary cycle, for people."""


ORDINARY = Duty()
