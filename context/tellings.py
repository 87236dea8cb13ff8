"""Who tells which story: every fingerprint with the items that carry it, kept up to date one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from context.duplicates import Fingerprint, Stories
from context.entry import Age, Entry
from context.ordered import Ordered

Telling = tuple[Entry, int]
"""An entry with the number of its shelf."""


class Tellings:
    """All stories of a book with their tellings, the oldest first."""

    def __init__(self) -> None:
        self._tellings: dict[Fingerprint, Ordered[Age, Telling]] = {}
        self._repeated: set[Fingerprint] = set()
        self._stories = Stories()

    @property
    def links(self) -> Mapping[Fingerprint, AbstractSet[Fingerprint]]:
        """Which stories retell each other in other words."""
        return self._stories.links

    def retold(self) -> Iterator[tuple[Fingerprint, list[Telling]]]:
        """Each story that is told more than once or retold in other words, in no order, with its tellings."""
        for story in self._repeated.union(self.links):
            yield story, self._tellings[story].values

    def insert(self, entry: Entry, number: int) -> None:
        story = entry.fingerprint
        if story is None:
            return
        tellings = self._tellings.get(story)
        if tellings is None:
            tellings = self._tellings[story] = Ordered()
        first = _first_s(tellings)
        tellings.insert(entry.age, (entry, number))
        if len(tellings.keys) > 1:
            self._repeated.add(story)
        self._follow(story, tellings, since_s=first)

    def remove(self, entry: Entry) -> None:
        story = entry.fingerprint
        if story is None:
            return
        tellings = self._tellings[story]
        first = _first_s(tellings)
        tellings.remove(entry.age)
        if len(tellings.keys) < 2:
            self._repeated.discard(story)
        self._follow(story, tellings, since_s=first)

    def _follow(self, story: Fingerprint, tellings: Ordered[Age, Telling], *, since_s: float | None) -> None:
        """Bring up to date what depends on when a story was first told: until now at `since_s`."""
        now_s = _first_s(tellings)
        if now_s == since_s:
            return
        if since_s is not None:
            self._stories.remove(story, since_s=since_s)
        if now_s is not None:
            self._stories.add(story, since_s=now_s)
        else:
            del self._tellings[story]


def _first_s(tellings: Ordered[Age, Telling]) -> float | None:
    """When a story was first told, in seconds since 1970."""
    return tellings.keys[0][0] if tellings.keys else None
