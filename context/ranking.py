"""Ranking at one moment: what is visible, what only retells, what a lane's cap leaves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from context.duplicates import raised
from context.entry import Entry, Order
from context.lane_index import HIDDEN, Place, Shelf, Shelves
from context.synthesis import Dropped

_RETOLD = -1.0


@dataclass(frozen=True, slots=True)
class Retold:
    """Another telling of a story, with the number of its lane, and the points of the story in its words."""

    entry: Entry
    number: int
    points: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """An entry with its points at the moment of the synthesis, and who tells the same story, by rank."""

    entry: Entry
    points: int
    others: tuple[Retold, ...] = ()

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
    """Every lane in its order, ranked at `now_s` (seconds since 1970). A muted lane is ranked among itself."""
    scores = [shelf.scores(now_s) for shelf in shelves.shelves]
    others = _fold(shelves, scores, now_s=now_s)
    lanes = [RankedLane(shelf, dropped=list(shelf.aside.values)) for shelf in shelves.shelves]
    for number, lane in enumerate(lanes):
        for at in _fill(lane, scores[number], others, number=number, now_s=now_s):
            for other in others.get((number, at), ()):
                lanes[other.number].dropped.append(
                    retelling(other.entry, lanes[other.number], instead=lane.shelf.entries[at])
                )
    return lanes


def retelling(entry: Entry, lane: RankedLane, *, instead: Entry) -> Dropped:
    """The line of a telling that another stands for."""
    return Dropped(entry.item.id, lane.shelf.lane.id, "duplicate", instead=instead.item.id)


def _fill(
    lane: RankedLane, scores: list[float], others: Mapping[Place, Sequence[Retold]], *, number: int, now_s: float
) -> list[int]:
    """Rank one lane. Returns the positions that its cap leaves out."""

    def ranked(positions: Iterable[int]) -> list[Ranked]:
        ranks = [
            Ranked(shelf.entries[at], _points(scores[at]), tuple(others.get((number, at), ()))) for at in positions
        ]
        return sorted(ranks, key=lambda one: one.key)

    shelf = lane.shelf
    if scores and min(scores) == HIDDEN:
        for at, score in enumerate(scores):
            if score == HIDDEN:
                early = shelf.available[at] > now_s
                lane.dropped.append(shelf.notes("not_yet_available" if early else "stale")[at])
    lane.required = ranked(at for at in shelf.required if scores[at] >= 0)
    chosen, capped = _within_cap(shelf, scores)
    lane.optional = ranked(chosen)
    if capped:
        notes = shelf.notes("cap")
        lane.dropped += [notes[at] for at in capped]
    return capped


def _points(score: float) -> int:
    return int(score + 0.5)


def _within_cap(shelf: Shelf, scores: Sequence[float]) -> tuple[list[int], list[int]]:
    """Positions of what may be sent and is within the cap, by rank, and of the rest. What must be sent counts too."""
    must = shelf.required
    cap = shelf.lane.item_cap
    count = len(scores) if cap is None else max(0, cap - sum(scores[at] >= 0 for at in must))
    if must:
        scores = list(scores)
        for at in must:
            scores[at] = _RETOLD
    return _best(scores, count=count)


def _best(scores: Sequence[float], *, count: int) -> tuple[list[int], list[int]]:
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


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One visible telling, with its score at the raised confidence of its story."""

    entry: Entry
    place: Place
    score: float


def _fold(shelves: Shelves, scores: list[list[float]], *, now_s: float) -> dict[Place, list[Retold]]:
    """Let one telling stand for each story, and take the others out of `scores`.

    The one that stands is the one that must be sent anyway, else the one of the highest rank in a lane whose cap
    leaves it. Its score is that of the story's raised confidence. What must be sent is never folded, and what is
    muted only within its lane. Returns the others by the place of the one that stands.
    """
    others: dict[Place, list[Retold]] = {}
    spread: list[list[_Candidate]] = []
    for story in _stories(shelves, scores, now_s=now_s):
        first = story[0]
        leads = {one.place[0]: one for one in reversed(story)}
        if _must(shelves, first.place) or len(leads) == 1:
            leads = {first.place[0]: first}
            others[first.place] = _others(story, first)
        else:
            spread.append(story)
        for one in story:
            number, at = one.place
            scores[number][at] = one.score if leads.get(number) is one else _RETOLD
    chosen = {number: set(_within_cap(shelves.shelves[number], scores[number])[0]) for number in _lanes(spread)}
    for story in spread:
        first = next((one for one in story if one.place[1] in chosen[one.place[0]]), story[0])
        others[first.place] = _others(story, first)
        for one in story:
            if one is not first:
                scores[one.place[0]][one.place[1]] = _RETOLD
    return others


def _stories(shelves: Shelves, scores: Sequence[Sequence[float]], *, now_s: float) -> Iterator[list[_Candidate]]:
    """The visible tellings of each story that is told more than once, the one that should stand for it first."""
    for places in shelves.tellings.values():
        heard: dict[int | None, list[Place]] = defaultdict(list)
        for number, at in places:
            if scores[number][at] >= 0:
                muted = shelves.shelves[number].lane.state == "muted"
                heard[number if muted else None].append((number, at))
        for among in heard.values():
            among.sort(key=lambda place: _rank(shelves, scores, place))
            visible = [place for n, place in enumerate(among) if not n or not _entry(shelves, place).item.required]
            if len(visible) > 1:
                yield _raised(shelves, visible, now_s=now_s)


def _rank(shelves: Shelves, scores: Sequence[Sequence[float]], place: Place) -> tuple[bool, bool, float, Order]:
    number, at = place
    entry = _entry(shelves, place)
    return not entry.item.required, not shelves.shelves[number].lane.mandatory, -scores[number][at], entry.order


def _raised(shelves: Shelves, places: Sequence[Place], *, now_s: float) -> list[_Candidate]:
    items = [_entry(shelves, place).item for place in places]
    sure = raised([float(item.confidence) for item in items], sources=len({item.source for item in items}))
    candidates = []
    for place in places:
        entry, scale = _entry(shelves, place), shelves.shelves[place[0]].scale
        standing = scale.standing(entry.item, confidence=sure)
        candidates.append(_Candidate(entry, place, scale.score(standing, age_s=now_s - entry.available_s)))
    return candidates


def _others(story: Sequence[_Candidate], first: _Candidate) -> list[Retold]:
    """All but `first`, none of which counts for more than it does."""
    return [Retold(one.entry, one.place[0], _points(min(one.score, first.score))) for one in story if one is not first]


def _lanes(stories: Sequence[Sequence[_Candidate]]) -> set[int]:
    return {one.place[0] for story in stories for one in story}


def _entry(shelves: Shelves, place: Place) -> Entry:
    return shelves.shelves[place[0]].entries[place[1]]


def _must(shelves: Shelves, place: Place) -> bool:
    return shelves.shelves[place[0]].lane.mandatory or _entry(shelves, place).item.required
