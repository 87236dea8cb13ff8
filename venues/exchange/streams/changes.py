"""What a stream hints at: something changed, so ask the venue now. It never says what is so.

A reader who is slow gets each kind of change of a symbol once, the newest: there is no backlog.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

ChangeKind = Literal["order", "price", "bar", "doubt"]
"""An own order changed; a watched price was crossed; a bar closed; own orders may have changed unseen."""

_URGENT: frozenset[ChangeKind] = frozenset({"order", "price", "doubt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`symbol` is empty where all are meant."""

    kind: ChangeKind
    symbol: str
    at: datetime
    detail: str = ""
    """For an operator's eyes: the order's id, the price that was crossed."""


class Changes:
    """The newest change of each kind and symbol that nobody has taken yet."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[ChangeKind, str], Change] = {}
        self._any = asyncio.Event()
        self.urgent = asyncio.Event()
        """Set by whatever should not wait for the next bar; who acts on it clears it."""

    def put(self, change: Change) -> None:
        self._waiting.pop((change.kind, change.symbol), None)
        self._waiting[change.kind, change.symbol] = change
        self._any.set()
        if change.kind in _URGENT:
            self.urgent.set()

    async def __aiter__(self) -> AsyncIterator[Change]:
        """The oldest first, without end. For one reader."""
        while True:
            while self._waiting:
                yield self._waiting.pop(next(iter(self._waiting)))
            self._any.clear()
            await self._any.wait()
