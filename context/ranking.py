"""Ranking at one moment: what is visible, what only retells, what a lane's cap leaves."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from context.duplicates import Fingerprint, raised
from context.entry import Entry, Order
from context.shelf import HIDDEN, Place, Shelf, Shelves
from context.synthesis import Dropped

_RETOLD = -1.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """An entry with its points at the moment of the synthesis."""

    entry: Entry
    points: int

    @property
    def key(self) -> tuple[bool, int, Order]:
        """The total order: pinned, score, kind, created_at, id."""
        return not self.entry.item.pinned, -self.points, self.entry.order


@dataclass(slots=True)
class RankedLane:
    """One lane: what must be sent, what may be sent by rank, and what can't."""

    shelf: Shelf
    required: list[Ranked] = field(default_factory=list)
    optional: list[Ranked] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)


def rank(shelves: Shelves, *, now_s: float) -> list[RankedLane]:
    """Every lane in its order, ranked at `now_s` (seconds since 1970)."""
    scores = [shelf.scores(now_s) for shelf in shelves.shelves]
    retold = _fold(shelves, scores, now_s=now_s)
    return [_lane(shelf, scores[number], retold[number], now_s=now_s) for number, shelf in enumerate(shelves.shelves)]


def _lane(shelf: Shelf, scores: list[float], retold: list[Dropped], *, now_s: float) -> RankedLane:
    lane = RankedLane(shelf, dropped=shelf.aside.values + retold)
    entries = shelf.entries
    if scores and min(scores) == HIDDEN:
        for at, score in enumerate(scores):
            if score == HIDDEN:
                early = shelf.available[at] > now_s
                lane.dropped.append(shelf.notes("not_yet_available" if early else "stale")[at])
    if shelf.lane.state == "muted":
        muted = shelf.notes("muted")
        lane.dropped += [muted[at] for at, score in enumerate(scores) if score >= 0]
        return lane
    for at in shelf.required:
        if scores[at] >= 0:
            lane.required.append(_ranked(entries[at], scores[at]))
            scores[at] = _RETOLD
    lane.required.sort(key=lambda ranked: ranked.key)
    cap = shelf.lane.item_cap
    chosen, capped = _best(scores, count=len(scores) if cap is None else max(0, cap - len(lane.required)))
    if capped:
        notes = shelf.notes("cap")
        lane.dropped += [notes[at] for at in capped]
    lane.optional = sorted((_ranked(entries[at], scores[at]) for at in chosen), key=lambda ranked: ranked.key)
    return lane


def _ranked(entry: Entry, score: float) -> Ranked:
    return Ranked(entry, int(score + 0.5))


def _best(scores: list[float], *, count: int) -> tuple[list[int], list[int]]:
    """Positions of the `count` highest scores, by rank, and of the other visible ones."""
    cut = sorted(scores, reverse=True)[count] if count < len(scores) else 0
    if cut <= 0:
        ranked = [at for at, score in enumerate(scores) if score >= 0]
        rest = []
    else:
        ranked = [at for at, score in enumerate(scores) if score >= cut]
        rest = [at for at, score in enumerate(scores) if 0 <= score < cut]
    ranked.sort(key=scores.__getitem__, reverse=True)
    return ranked[:count], ranked[count:] + rest


def _fold(shelves: Shelves, scores: list[list[float]], *, now_s: float) -> list[list[Dropped]]:
    """Let one telling stand for each story: the others are taken out of `scores`, and listed by lane.

    The one that stands is the one that must be sent anyway, else the one of the highest rank; its
    score is that of the story's raised confidence. What must be sent is never folded.
    """
    retold: list[list[Dropped]] = [[] for _ in scores]
    if not shelves.tellings:
        return retold
    standing: dict[Fingerprint, Place] = {}
    others: dict[Place, list[Place]] = defaultdict(list)
    for number, at, told in _tellings(shelves, scores):
        shelf = shelves.shelves[number]
        entry = shelf.entries[at]
        first = standing.get(told)
        if first is None:
            for story in (told, *shelves.links.get(told, ())):
                standing.setdefault(story, (number, at))
        elif not entry.item.required:
            others[first].append((number, at))
            scores[number][at] = _RETOLD
            first_id = shelves.shelves[first[0]].entries[first[1]].item.id
            retold[number].append(Dropped(entry.item.id, shelf.lane.id, "duplicate", instead=first_id))
    for (number, at), places in others.items():
        shelf = shelves.shelves[number]
        items = [shelves.shelves[n].entries[i].item for n, i in [(number, at), *places]]
        sure = raised([float(item.confidence) for item in items], sources=len({item.source for item in items}))
        standing_score = shelf.scale.standing(items[0], confidence=sure)
        scores[number][at] = shelf.scale.score(standing_score, age_s=now_s - shelf.available[at])
    return retold


def _tellings(shelves: Shelves, scores: list[list[float]]) -> list[tuple[int, int, Fingerprint]]:
    """All visible tellings, the one that should stand for its story first."""
    found = []
    for told, places in shelves.tellings.items():
        for number, at in places:
            if scores[number][at] >= 0:
                shelf = shelves.shelves[number]
                entry = shelf.entries[at]
                must = not entry.item.required, not shelf.lane.mandatory
                found.append((must, -scores[number][at], entry.order, number, at, told))
    found.sort(key=lambda telling: telling[:3])
    return [telling[3:] for telling in found]
