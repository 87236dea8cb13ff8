"""What the double received and did, request by request: the evidence that tests count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from exchange_double.wire import Operation, Request

Outcome = Literal["answered", "silent", "reset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request. `orders` are the ids of the orders and stops that it made the engine accept."""

    number: int
    at: datetime
    request: Request
    operation: Operation | None
    """`None` when the address isn't spoken."""
    faults: tuple[str, ...]
    """Those that it met."""
    carried_out: bool
    outcome: Outcome
    status: int | None
    """HTTP status of the answer, when there was one."""
    orders: tuple[str, ...]


class Journal:
    """Every request, in the order of arrival."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, entry: Entry) -> None:
        self._entries.append(entry)

    def of(self, operation: Operation) -> tuple[Entry, ...]:
        return tuple(entry for entry in self._entries if entry.operation is operation)

    def mentioning(self, text: str) -> tuple[Entry, ...]:
        """The requests whose address or body contains `text`, for instance a client order id."""
        return tuple(entry for entry in self._entries if text in entry.request.target or text in entry.request.body)
