"""The search behind packing: bounds from the prices of the linear relaxation, Pareto lists for the rest.

Against those prices every choice has a loss. What loses more than a good selection still leaves to
be gained can't be part of a better one, so that only the few close choices have to be enumerated.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from operator import itemgetter

from context.prices import Bin, Prices, prices

MAX_STATES = 600
"""Partial selections kept at once: the bound on work. Where scores differ some dozens are needed; where hundreds
of items are worth the same for a token the most promising are kept, and the result is the better of this and greedy."""

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


def best(bins: Sequence[Bin], *, capacity: int) -> list[list[int]]:
    """For each parcel of each bin the number of its choice, or `NOTHING`: most points, then fewest tokens."""
    if all(b.total <= b.high for b in bins) and sum(max(b.low, b.total) for b in bins) <= capacity:
        return [[0] * len(b.parcels) for b in bins]
    priced = prices(bins, capacity=capacity)
    starts = list(accumulate((len(b.parcels) for b in bins), initial=0))
    lanes = [_Lane(b, price=price, first=first) for b, price, first in zip(bins, priced.lanes, starts, strict=False)]
    picks = [pick for lane in lanes for pick in lane.likely]
    found, proven = _search(lanes, priced, capacity=capacity)
    for number, choice in _choices(found):
        picks[number] = choice
    searched = [picks[start:end] for start, end in pairwise(starts)]
    return searched if proven else max(searched, _greedy(bins, capacity=capacity), key=lambda made: _points(bins, made))


def _points(bins: Sequence[Bin], picks: Sequence[Sequence[int]]) -> int:
    pairs = (
        (parcel, pick)
        for b, chosen in zip(bins, picks, strict=True)
        for parcel, pick in zip(b.parcels, chosen, strict=True)
    )
    return sum(parcel[pick][1] for parcel, pick in pairs if pick != NOTHING)


def _greedy(bins: Sequence[Bin], *, capacity: int) -> list[list[int]]:
    """Whole parcels by points per token while they fit: what stands in when a search had to pass over something."""
    picks = [[NOTHING] * len(b.parcels) for b in bins]
    held = [0] * len(bins)
    left = capacity - sum(b.low for b in bins)
    ranked = [(-p[0][1] / p[0][0], lane, at) for lane, b in enumerate(bins) for at, p in enumerate(b.parcels)]
    for _, lane, at in sorted(ranked):
        b, tokens = bins[lane], bins[lane].parcels[at][0][0]
        charge = max(held[lane] + tokens, b.low) - max(held[lane], b.low)
        if held[lane] + tokens <= b.high and charge <= left:
            picks[lane][at] = 0
            held[lane] += tokens
            left -= charge
    return picks


def _search(lanes: Sequence[_Lane], priced: Prices, *, capacity: int) -> tuple[Link | None, bool]:
    """The best selection, and whether it is proven to be."""
    loss = priced.bound * _FIRST_LOSS
    while True:
        found, whole = _within(lanes, priced, capacity=capacity, loss=loss + _SLACK)
        # All that lose at most `loss` were looked at, so what loses no more itself can't be beaten.
        if found and (priced.bound + found[1] <= loss or not whole):
            return found[2], whole
        loss *= _WIDEN


def _within(lanes: Sequence[_Lane], priced: Prices, *, capacity: int, loss: float) -> tuple[State | None, bool]:
    """The best selection among those that lose at most `loss`, and whether none of them had to be passed over."""
    joined: list[State] = [(0, 0, None)]
    limit, bound, widest = capacity - sum(lane.low for lane in lanes), -loss, 0
    for lane, lane_bound in zip(lanes, priced.bounds, strict=True):
        limit += lane.low
        bound += lane_bound
        states, longest = lane.states(loss)
        charged = _pareto(
            [(max(tokens, lane.low), points, link) for tokens, points, link in states], price=priced.token
        )
        widest = max(widest, len(joined), longest)
        if lane is lanes[-1]:
            return _closing(joined, charged, limit=limit), widest < MAX_STATES
        joined = _joined(joined, charged, price=priced.token, limit=limit, least=bound)
    return None, True


def _closing(left: list[State], right: list[State], *, limit: int) -> State | None:
    """The best union of one of each that is charged at most `limit`: for the last lane, no list is needed."""
    best: State | None = None
    at = len(right) - 1
    for tokens, points, link in left:
        while at >= 0 and tokens + right[at][0] > limit:
            at -= 1
        if at < 0:
            break
        more, extra, other = right[at]
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

    def __init__(self, b: Bin, *, price: float, first: int) -> None:
        self.low = b.low
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

    def states(self, loss: float) -> tuple[list[State], int]:
        """The undominated selections that lose at most `loss` and fit into the lane; how many there were at most."""
        clear = bisect_left(self._ranked, -loss, key=itemgetter(0))
        price, high, longest = self._price, self._high, 1
        states: list[State] = [(self._tokens[clear], -self._points[clear], None)]
        for at in range(clear, len(self._ranked)):
            _, number, worth = self._ranked[at]
            least = self._bounds[at + 1] - loss
            states = _pareto(
                [
                    (tokens, points, (link, number, choice))
                    for gain, more, extra, choice in worth
                    if gain >= worth[0][0] - loss
                    for held, owned, link in states
                    if -(points := owned - extra) - price * (tokens := held + more) >= least and tokens <= high
                ],
                price=price,
            )
            longest = max(longest, len(states))
        return [state for state in states if state[0] <= high], longest


def _joined(left: list[State], right: list[State], *, price: float, limit: int, least: float) -> list[State]:
    """The undominated unions of two lists that are charged at most `limit` and gain at least `least`."""
    ranked = [(-points - price * tokens, tokens, points, link) for tokens, points, link in right]
    ranked.sort(key=itemgetter(0), reverse=True)
    gains = [-gain for gain, _, _, _ in ranked]
    return _pareto(
        [
            (tokens + more, points + extra, (link, other))
            for tokens, points, link in left
            for _, more, extra, other in ranked[: bisect_right(gains, -(least + points + price * tokens))]
            if tokens + more <= limit
        ],
        price=price,
    )


def _pareto(states: list[State], *, price: float) -> list[State]:
    """Those for which no other has as many points for as few tokens, by tokens."""
    states.sort(key=_cost)
    kept, least = [], 1
    for state in states:
        if state[1] < least:
            kept.append(state)
            least = state[1]
    if len(kept) > MAX_STATES:
        # The lightest always stays, so that whatever is passed over, something fits.
        lightest, *others = kept
        others.sort(key=lambda state: state[1] + price * state[0])
        kept = [lightest, *sorted(others[: MAX_STATES - 1], key=_cost)]
    return kept
