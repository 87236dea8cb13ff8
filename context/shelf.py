"""Items sorted into lanes, with all that does not depend on the moment worked out once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from math import exp2

from context.duplicates import Fingerprint, stories
from context.entry import Entry
from context.lane import Lane, LaneSettings
from context.score import Scale
from context.synthesis import Dropped, Reason

Place = tuple[int, int]
"""Where an entry stands: number of the shelf, number on it."""

HIDDEN = -2.0
"""Stands in for the score of what is not yet available, or stale."""


class Shelf:
    """The open items of one lane in the order in which equal scores rank, as parallel columns."""

    def __init__(self, lane: Lane, scale: Scale, entries: Iterable[Entry]) -> None:
        self.lane = lane
        self.scale = scale
        self.aside: list[Dropped] = []
        """What no moment brings back: closed, or in a lane that is disabled."""
        self.entries: list[Entry] = []
        for entry in sorted(entries, key=lambda entry: entry.order):
            if entry.item.status == "closed":
                self.aside.append(Dropped(entry.item.id, lane.id, "closed"))
            elif lane.state == "disabled":
                self.aside.append(Dropped(entry.item.id, lane.id, "disabled"))
            else:
                self.entries.append(entry)
        self.standings = [self.scale.standing(entry.item) for entry in self.entries]
        self.available = [entry.available_s for entry in self.entries]
        self.expires = [entry.expires_s for entry in self.entries]
        self._all_from = max(self.available, default=0.0)
        self._all_until = min(self.expires, default=0.0)
        self.required = [at for at, entry in enumerate(self.entries) if lane.mandatory or entry.item.required]
        self._notes: dict[Reason, list[Dropped]] = {}

    def scores(self, now_s: float) -> list[float]:
        """Each item's score at `now_s` in points, not yet rounded; `HIDDEN` for what is not yet available or stale."""
        # In line rather than through Scale.score: this is the one loop over every item at every synthesis.
        fresh, half_life_s = self.scale.freshness, self.scale.half_life_s
        if self._all_from <= now_s <= self._all_until:
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
        found = self._notes.get(reason)
        if found is None:
            found = self._notes[reason] = [Dropped(e.item.id, self.lane.id, reason) for e in self.entries]
        return found


class Shelves:
    """A book sorted into its lanes: the same for every synthesis until an item changes."""

    def __init__(self, settings: LaneSettings, scales: Mapping[str, Scale], entries: Iterable[Entry]) -> None:
        self.settings = settings
        self.entries = tuple(sorted(entries, key=lambda entry: entry.item.id))
        self.homeless: list[Dropped] = []
        """What no lane takes."""
        by_lane: dict[str, list[Entry]] = {lane.id: [] for lane in settings.lanes}
        for entry in self.entries:
            lane = settings.lane_of(entry.item)
            if lane is None:
                closed = entry.item.status == "closed"
                self.homeless.append(Dropped(entry.item.id, "", "closed" if closed else "no_lane"))
            else:
                by_lane[lane.id].append(entry)
        self.shelves = tuple(Shelf(lane, scales[lane.id], by_lane[lane.id]) for lane in settings.lanes)
        self.tellings, self.links = self._stories()

    def _stories(self) -> tuple[dict[Fingerprint, list[Place]], dict[Fingerprint, list[Fingerprint]]]:
        """Where each story that is told more than once is told, and which stories retell each other."""
        places: dict[Fingerprint, list[Place]] = defaultdict(list)
        for number, shelf in enumerate(self.shelves):
            if shelf.lane.state == "enabled":
                for at, entry in enumerate(shelf.entries):
                    if entry.fingerprint is not None:
                        places[entry.fingerprint].append((number, at))
        links = stories(places)
        return {told: where for told, where in places.items() if len(where) > 1 or told in links}, links
