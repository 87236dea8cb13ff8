"""Who tells which story: every story with the items that tell it, kept up to date one by one."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from context.duplicates import Story
from context.entry import Entry

Telling = tuple[Entry, int]
"""An entry with the number of its shelf."""


class Tellings:
    """All stories of a book with their tellings."""

    def __init__(self) -> None:
        self._tellings: dict[Story, dict[str, Telling]] = {}
        self._repeated: set[Story] = set()

    def retold(self) -> Iterator[tuple[Story, Collection[Telling]]]:
        """Each story that is told more than once, with its tellings, in no order."""
        for story in self._repeated:
            yield story, self._tellings[story].values()

    def insert(self, entry: Entry, number: int) -> None:
        if entry.story is None:
            return
        tellings = self._tellings.setdefault(entry.story, {})
        tellings[entry.item.id] = entry, number
        if len(tellings) == 2:
            self._repeated.add(entry.story)

    def remove(self, entry: Entry) -> None:
        if entry.story is None:
            return
        tellings = self._tellings[entry.story]
        del tellings[entry.item.id]
        if len(tellings) == 1:
            self._repeated.discard(entry.story)
        elif not tellings:
            del self._tellings[entry.story]
