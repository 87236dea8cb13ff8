"""Lifecycle hooks: typed events of a book, told to listeners in the order in which these were added."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from context.item import ContextItem
from context.synthesis import LaneUsage, Synthesis

MAX_FAILURES: Final = 100


@dataclass(frozen=True, slots=True)
class ItemUpserted:
    """An item as it now stands in the book. Not told for an upsert that changes nothing."""

    item: ContextItem
    merged: bool


@dataclass(frozen=True, slots=True)
class ItemEvicted:
    """An item as it was when a full book forgot it for a newer one."""

    item: ContextItem


@dataclass(frozen=True, slots=True)
class LaneRefreshed:
    """A lane as a synthesis has just filled it."""

    usage: LaneUsage


@dataclass(frozen=True, slots=True)
class Synthesized:
    synthesis: Synthesis


@dataclass(frozen=True, slots=True)
class Archived:
    """A context was kept under this id, with what a model answered to it."""

    snapshot: str
    subject: str


Event = ItemUpserted | ItemEvicted | LaneRefreshed | Synthesized | Archived
Listener = Callable[[Event], None]


class Hooks:
    """The listeners of a book and of its views. They see values that can't be changed.

    An event is told to those that listened when it happened: a listener that adds another adds it for the
    next one. A listener that raises changes nothing: the others are told all the same, and `failures` keeps the
    last `MAX_FAILURES` errors.
    """

    def __init__(self, listeners: Iterable[Listener] = ()) -> None:
        self._listeners = list(listeners)
        self.failures: deque[Exception] = deque(maxlen=MAX_FAILURES)

    def add(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def tell(self, event: Event) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception as error:  # a boundary: whoever listens has no say
                self.failures.append(error)
