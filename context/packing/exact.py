"""The search behind packing: bounds from the prices of the linear relaxation, Pareto lists for the rest.

Against those prices every choice has a loss. What loses more than a good selection still leaves to
be gained can't be part of a better one, so that only the few close choices have to be enumerated.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import floor
from operator import itemgetter

from context.packing.prices import Bin, Prices

MAX_STATES = 15_000
"""Partial selections that one search looks at: the bound on its work, some 10 ms. Where scores differ some hundreds
are needed; where hundreds of parcels are worth nearly the same for a token it is better to mend what greedy gives."""

FEW = 6
"""Parcels of a lane that is looked at whole: a few long ones may leave much of its limit unused."""

NOTHING = -1
"""The choice of a parcel that stays behind."""

_FIRST_LOSS = 1 / 16_000
_WIDEN = 2
"""The search starts with this part of the bound and doubles it until the result is proven: lists stay short."""

_SLACK = 1.0
"""Points by which bounds are loosened: sums of floats may be off by far less."""

Link = tuple["Link | None", int, int] | tuple["Link | None", "Link | None"]
"""What a selection chose: the rest of it with (parcel, choice), or two of them. Parcels are numbered through."""

State = tuple[int, int, "Link | None"]
"""A partial selection: tokens charged, points below zero (so that sorting puts the best first), choices."""

_cost = itemgetter(0, 1)


@dataclass(frozen=True, slots=True)
class Selection:
    """For each parcel of each bin the number of its choice, or `NOTHING`, and the points of them all."""

    picks: list[list[int]]
    points: int


class TooMany(Exception):
    """The best selection can't be told within the bound on work. No selection carries more than `ceiling`."""

    def __init__(self, ceiling: int) -> None:
        super().__init__(f"more partial selections than can be looked at, of at most {ceiling} points")
        self.ceiling = ceiling


class _Work:
    """What is left of the partial selections that a search may look at, and what it has learnt meanwhile."""

    def __init__(self, states: int, *, ceiling: int) -> None:
        self._remaining = states
        self.ceiling = ceiling

    def spend(self, states: int) -> None:
        self._remaining -= states
        if self._remaining < 0:
            raise TooMany(self.ceiling)


def best(
    bins: Sequence[Bin], priced: Prices, *, capacity: int, above: int = -1, states: int = MAX_STATES
) -> Selection | None:
    """The selection with the most points, of those the one with the fewest tokens; None if none has more than `above`.

    `priced` are the prices at this capacity. Raises `TooMany` when more than `states` partial selections
    would have to be looked at.
    """
    starts = list(accumulate((len(b.parcels) for b in bins), initial=0))
    lanes = [
        _Lane(b, price=price, bound=bound, first=first)
        for b, price, bound, first in zip(bins, priced.lanes, priced.bounds, starts, strict=False)
    ]
    picks = [pick for lane in lanes for pick in lane.likely]
    lanes.sort(key=lambda lane: len(lane.likely))
    state = _search(lanes, priced, capacity=capacity, above=above, work=_Work(states, ceiling=priced.ceiling))
    if state is None:
        return None
    _, points, link = state
    for number, choice in _choices(link):
        picks[number] = choice
    return Selection([picks[start:end] for start, end in pairwise(starts)], -points)


def _search(lanes: Sequence[_Lane], priced: Prices, *, capacity: int, above: int, work: _Work) -> State | None:
    loss, most = priced.bound * _FIRST_LOSS, priced.bound - above
    while True:
        state = _within(lanes, priced, capacity=capacity, loss=min(loss, most) + _SLACK, work=work)
        # All that lose at most `loss` were looked at, so what loses no more itself can't be beaten.
        if state and priced.bound + state[1] <= loss:
            return state if -state[1] > above else None
        if loss >= most:
            return None
        loss = min(loss * _WIDEN, priced.bound + state[1]) if state else loss * _WIDEN


def _within(lanes: Sequence[_Lane], priced: Prices, *, capacity: int, loss: float, work: _Work) -> State | None:
    """The best selection among those that lose at most `loss`."""
    remaining, lists, gains = loss, [], []
    for lane in lanes:
        listed = priced.bound if len(lane.likely) <= FEW else remaining
        states = lane.states(listed, work=work)
        if not states:
            return None
        charged = _pareto([(lane.charge(tokens), points, link) for tokens, points, link in states])
        # What a lane loses in any case the others have no room for. What it does not list loses `listed`.
        gained = max(lane.bound - listed, max(-points - priced.token * tokens for tokens, points, _ in charged))
        gained = min(lane.bound, gained + _SLACK)
        remaining -= lane.bound - gained
        lists.append(charged)
        gains.append(gained)
        work.ceiling = min(work.ceiling, priced.ceiling - floor(loss - remaining))
        if remaining < 0:
            return None
    joined: list[State] = [(0, 0, None)]
    limit, least = capacity - sum(lane.charge(0) for lane in lanes), -remaining
    for lane, charged, gained in zip(lanes[:-1], lists, gains, strict=False):
        limit += lane.charge(0)
        least += gained
        joined = _joined(joined, charged, price=priced.token, limit=limit, least=least, work=work)
    return _closing(joined, lists[-1], limit=limit + lanes[-1].charge(0))


def _closing(first: list[State], second: list[State], *, limit: int) -> State | None:
    """The best union of one of each that is charged at most `limit`: for the last lane, no list is needed."""
    best: State | None = None
    at = len(second) - 1
    for tokens, points, link in first:
        while at >= 0 and tokens + second[at][0] > limit:
            at -= 1
        if at < 0:
            break
        more, extra, other = second[at]
        union = (tokens + more, points + extra, (link, other))
        if best is None or (union[1], union[0]) < (best[1], best[0]):
            best = union
    return best


def _choices(link: Link | None) -> Iterator[tuple[int, int]]:
    pending = [link]
    while pending:
        link = pending.pop()
        if link is None:
            continue
        if len(link) == 2:
            pending += link
        else:
            pending.append(link[0])
            yield link[1], link[2]


class _Lane:
    """One bin at its price: each parcel's likely choice, and what the others would lose against it."""

    def __init__(self, b: Bin, *, price: float, bound: float, first: int) -> None:
        self.charge = b.charge
        self.bound = bound
        self._empty: State | None = None
        if b.heading and not b.low:
            # Its bound counts the heading or nothing, so that to carry nothing loses less than its parcels say.
            link: Link | None = None
            for number in range(first, first + len(b.parcels)):
                link = (link, number, NOTHING)
            self._empty = (0, 0, link)
        self._high = b.high
        self._price = price
        ranked = []
        self.likely: list[int] = []
        for number, parcel in enumerate(b.parcels, first):
            worth = [(points - price * tokens, tokens, points, n) for n, (tokens, points) in enumerate(parcel)]
            worth.append((0.0, 0, 0, NOTHING))
            worth.sort(key=itemgetter(0), reverse=True)
            self.likely.append(worth[0][3])
            ranked.append((worth[1][0] - worth[0][0], number, worth))
        # The clear cases first: all but the close ones at the end keep their likely choice.
        ranked.sort(key=itemgetter(0))
        self._ranked = ranked
        self._tokens = [0, *accumulate(worth[0][1] for _, _, worth in ranked)]
        self._points = [0, *accumulate(worth[0][2] for _, _, worth in ranked)]
        self._bounds = [0.0, *accumulate(worth[0][0] for _, _, worth in ranked)]

    def states(self, loss: float, *, work: _Work) -> list[State]:
        """The undominated selections that lose at most `loss` and fit into the lane."""
        clear = bisect_left(self._ranked, -loss, key=itemgetter(0))
        price, high = self._price, self._high
        states: list[State] = [(self._tokens[clear], -self._points[clear], None)]
        for at in range(clear, len(self._ranked)):
            _, number, worth = self._ranked[at]
            work.spend(len(worth) * len(states))
            least = self._bounds[at + 1] - loss
            states = _pareto(
                [
                    (tokens, points, (link, number, choice))
                    for gain, more, extra, choice in worth
                    if gain >= worth[0][0] - loss
                    for used, owned, link in states
                    if -(points := owned - extra) - price * (tokens := used + more) >= least and tokens <= high
                ]
            )
        states = [state for state in states if state[0] <= high]
        return states if self._empty is None else [self._empty, *states]


def _joined(
    first: list[State], second: list[State], *, price: float, limit: int, least: float, work: _Work
) -> list[State]:
    """The undominated unions of two lists that are charged at most `limit` and gain at least `least`."""
    ranked = [(-points - price * tokens, tokens, points, link) for tokens, points, link in second]
    ranked.sort(key=itemgetter(0), reverse=True)
    gains = [-gain for gain, _, _, _ in ranked]
    ends = [bisect_right(gains, -(least + points + price * tokens)) for tokens, points, _ in first]
    work.spend(sum(ends))
    return _pareto(
        [
            (tokens + more, points + extra, (link, other))
            for (tokens, points, link), end in zip(first, ends, strict=True)
            for _, more, extra, other in ranked[:end]
            if tokens + more <= limit
        ]
    )


def _pareto(states: list[State]) -> list[State]:
    """Those for which no other has as many points for as few tokens, by tokens."""
    states.sort(key=_cost)
    front, least = [], 1
    for state in states:
        if state[1] < least:
            front.append(state)
            least = state[1]
    return front
