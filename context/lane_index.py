"""Items sorted into lanes, with all that does not depend on the moment worked out once, and kept up to date."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping
from itertools import compress, count
from math import exp2
from typing import Generic, TypeVar

from context.duplicates import Story
from context.entry import Age, Entry, Order
from context.lane import Lane, LaneSettings
from context.score import Scale
from context.synthesis import Dropped, Reason

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


Place = tuple[int, int]
"""Where an entry stands: number of the shelf, number on it."""

HIDDEN = -2.0
"""Stands in for the score of what is not yet available, or stale."""


class Shelf:
    """The open items of one lane in the order in which equal scores rank, as parallel columns."""

    def __init__(self, lane: Lane, scale: Scale) -> None:
        self.lane = lane
        self.scale = scale
        self.aside: Ordered[Order, Dropped] = Ordered()
        """What no moment brings back: closed, or in a lane that is disabled."""
        self.standings: list[float] = []
        self.available: list[float] = []
        self.expires: list[float] = []
        self._open: Ordered[Order, Entry] = Ordered()
        self._must: list[bool] = []
        self._notes: dict[Reason, list[Dropped]] = {}
        self._all_visible: tuple[float, float] | None = None

    @property
    def entries(self) -> list[Entry]:
        return self._open.values

    @property
    def required(self) -> list[int]:
        """Positions of what must be sent."""
        return list(compress(count(), self._must))

    def at(self, entry: Entry) -> int:
        return self._open.at(entry.order)

    def insert(self, entry: Entry) -> None:
        reason = self._aside(entry)
        if reason:
            self.aside.insert(entry.order, Dropped(entry.item.id, self.lane.id, reason))
            return
        at = self._open.insert(entry.order, entry)
        self.standings.insert(at, self.scale.standing(entry.item))
        self.available.insert(at, entry.available_s)
        self.expires.insert(at, entry.expires_s)
        self._must.insert(at, self.lane.mandatory or entry.item.required)
        for why, notes in self._notes.items():
            notes.insert(at, Dropped(entry.item.id, self.lane.id, why))
        self._all_visible = None

    def remove(self, entry: Entry) -> None:
        if self._aside(entry):
            self.aside.remove(entry.order)
            return
        at = self._open.remove(entry.order)
        del self.standings[at], self.available[at], self.expires[at], self._must[at]
        for notes in self._notes.values():
            del notes[at]
        self._all_visible = None

    def compares(self, entry: Entry) -> bool:
        """Whether an entry may be selected, and so may tell another's story."""
        return self._aside(entry) is None

    def _aside(self, entry: Entry) -> Reason | None:
        if entry.item.status == "closed":
            return "closed"
        return "disabled" if self.lane.state == "disabled" else None

    def scores(self, now_s: float) -> list[float]:
        """Each item's score at `now_s` in points, not yet rounded; `HIDDEN` for what is not yet available or stale."""
        # In line rather than through Scale.score: this is the one loop over every item at every synthesis.
        fresh, half_life_s = self.scale.freshness, self.scale.half_life_s
        if self._all_visible is None:
            self._all_visible = max(self.available, default=0.0), min(self.expires, default=0.0)
        start, end = self._all_visible
        if start <= now_s <= end:
            return [
                standing + fresh * exp2((at - now_s) / half_life_s)
                for standing, at in zip(self.standings, self.available, strict=True)
            ]
        return [
            standing + fresh * exp2((at - now_s) / half_life_s) if at <= now_s <= end else HIDDEN
            for standing, at, end in zip(self.standings, self.available, self.expires, strict=True)
        ]

    def notes(self, reason: Reason) -> list[Dropped]:
        """For each item, its line in the list of what was left out for `reason`; made once."""
        notes = self._notes.get(reason)
        if notes is None:
            notes = self._notes[reason] = [Dropped(e.item.id, self.lane.id, reason) for e in self.entries]
        return notes


class Shelves:
    """A book sorted into its lanes.

    It is a function of the items that it holds, however these came and went: what `update` leaves
    equals what sorting the same items anew would give. An update costs the logarithm of the book for
    each item that changed, and a copy of the list of all.
    """

    def __init__(self, settings: LaneSettings, scales: Mapping[str, Scale]) -> None:
        self.settings = settings
        self.shelves = tuple(Shelf(lane, scales[lane.id]) for lane in settings.lanes)
        self.entries: tuple[Entry, ...] = ()
        """All items by id."""
        self.tellings: dict[Story, list[Place]] = {}
        """Where each story is told that is told more than once."""
        self._numbers = {lane.id: number for number, lane in enumerate(settings.lanes)}
        self._entries: Ordered[str, Entry] = Ordered()
        self._homeless: Ordered[str, Dropped] = Ordered()
        self._stranded: dict[str, Entry] = {}
        """What must be sent, and is open, in no lane that is enabled."""
        self._tellings = Tellings()

    @property
    def homeless(self) -> list[Dropped]:
        """What no lane takes."""
        return self._homeless.values

    def stranded(self, now_s: float) -> list[str]:
        """Ids of what would have to be sent at `now_s` (seconds since 1970), but is in no lane that is enabled."""
        return sorted(
            item_id for item_id, entry in self._stranded.items() if entry.available_s <= now_s <= entry.expires_s
        )

    def update(self, changed: Mapping[str, Entry | None]) -> None:
        """Take in what now stands under each of these ids; None where nothing does any more."""
        for item_id in changed:
            known = self._entries.get(item_id)
            if known is not None:
                self._remove(known)
        new = [(entry, self._number(entry)) for entry in changed.values() if entry is not None]
        # Each list is filled in its own order, so that filling it from nothing is a row of appends.
        for entry, number in sorted(new, key=lambda one: one[0].item.id):
            self._entries.insert(entry.item.id, entry)
            if self._strands(entry, number):
                self._stranded[entry.item.id] = entry
            if number is None:
                closed = entry.item.status == "closed"
                self._homeless.insert(entry.item.id, Dropped(entry.item.id, "", "closed" if closed else "no_lane"))
        homed = [(entry, number) for entry, number in new if number is not None]
        for entry, number in sorted(homed, key=lambda one: one[0].order):
            self.shelves[number].insert(entry)
            if self.shelves[number].compares(entry):
                self._tellings.insert(entry, number)
        self.entries = tuple(self._entries.values)
        self.tellings = {
            key: [(number, self.shelves[number].at(entry)) for entry, number in tellings]
            for key, tellings in self._tellings.retold()
        }

    def _number(self, entry: Entry) -> int | None:
        """The number of the shelf that an entry stands on."""
        lane = self.settings.lane_of(entry.item)
        return None if lane is None else self._numbers[lane.id]

    def _strands(self, entry: Entry, number: int | None) -> bool:
        sent = number is not None and self.shelves[number].lane.state == "enabled"
        return entry.item.required and entry.item.status == "open" and not sent

    def _remove(self, entry: Entry) -> None:
        self._entries.remove(entry.item.id)
        self._stranded.pop(entry.item.id, None)
        number = self._number(entry)
        if number is None:
            self._homeless.remove(entry.item.id)
            return
        if self.shelves[number].compares(entry):
            self._tellings.remove(entry)
        self.shelves[number].remove(entry)


Key = TypeVar("Key", str, Age, Order)
Element = TypeVar("Element")


class Ordered(Generic[Key, Element]):
    """Values in the order of their keys, which are unique. One more or one less costs a bisection."""

    __slots__ = ("keys", "values")

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.values: list[Element] = []

    def at(self, key: Key) -> int:
        """Where the value of `key` stands, or would stand."""
        if not self.keys or self.keys[-1] < key:  # what comes sorted goes to the end
            return len(self.keys)
        return bisect_left(self.keys, key)

    def get(self, key: Key) -> Element | None:
        at = self.at(key)
        return self.values[at] if at < len(self.keys) and self.keys[at] == key else None

    def insert(self, key: Key, value: Element) -> int:
        at = self.at(key)
        self.keys.insert(at, key)
        self.values.insert(at, value)
        return at

    def remove(self, key: Key) -> int:
        at = self.at(key)
        del self.keys[at], self.values[at]
        return at
