"""Packing where too many parcels are worth nearly the same: greedy by points per token, mended by small exchanges."""

from __future__ import annotations

from collections.abc import Sequence

from context.packing.exact import NOTHING, Selection, TooMany, best
from context.packing.prices import Bin, Prices, prices

EXCHANGED = 32
"""Parcels that may change places at most, half of them carried by greedy and half not."""

_STATES = 10_000
"""Partial selections looked at for one exchange. Where that is not enough, half as many parcels are tried."""


def nearly_best(bins: Sequence[Bin], priced: Prices, *, capacity: int) -> Selection:
    """Greedy's selection, with the parcels whose worth is nearest to the prices packed anew. `priced` at `capacity`."""
    picks = _greedy(bins, capacity=capacity)
    near = sorted(
        (abs(parcel[0][1] - price * parcel[0][0]), lane, at)
        for lane, (b, price) in enumerate(zip(bins, priced.lanes, strict=True))
        for at, parcel in enumerate(b.parcels)
    )
    # Lane by lane first, so that each is filled up to its limit; then among all of them.
    for lane in range(len(bins)):
        own = [place for place in near if place[1] == lane]
        _mend(bins, picks, own, capacity=capacity, states=_STATES // len(bins))
    _mend(bins, picks, near, capacity=capacity, states=_STATES)
    points = sum(
        parcel[pick][1]
        for b, chosen in zip(bins, picks, strict=True)
        for parcel, pick in zip(b.parcels, chosen, strict=True)
        if pick != NOTHING
    )
    return Selection(picks, points)


def _mend(
    bins: Sequence[Bin], picks: list[list[int]], near: Sequence[tuple[float, int, int]], *, capacity: int, states: int
) -> None:
    """Exchange as many of the parcels that come first in `near` as `states` partial selections allow."""
    inside = [(lane, at) for _, lane, at in near if picks[lane][at] != NOTHING]
    outside = [(lane, at) for _, lane, at in near if picks[lane][at] == NOTHING]
    half = EXCHANGED // 2
    while half:
        try:
            _exchange(bins, picks, sorted(inside[:half] + outside[:half]), capacity=capacity, states=states)
        except TooMany:
            half //= 2
        else:
            return


def _exchange(
    bins: Sequence[Bin], picks: list[list[int]], free: Sequence[tuple[int, int]], *, capacity: int, states: int
) -> None:
    """Pack the parcels of `free`, by (bin, place), anew into what all others leave, and keep it if it is better."""
    places: list[list[int]] = [[] for _ in bins]
    for lane, at in free:
        places[lane].append(at)
    rest = []
    for b, chosen, ats in zip(bins, picks, places, strict=True):
        fixed = sum(b.parcels[at][pick][0] for at, pick in enumerate(chosen) if pick != NOTHING)
        fixed -= sum(b.parcels[at][chosen[at]][0] for at in ats if chosen[at] != NOTHING)
        paid = b.heading if fixed else 0
        capacity -= fixed + paid
        parcels = [b.parcels[at] for at in ats]
        rest.append(Bin(parcels, low=max(0, b.low - fixed), high=b.high - fixed, heading=b.heading - paid))
    now = sum(bins[lane].parcels[at][picks[lane][at]][1] for lane, at in free if picks[lane][at] != NOTHING)
    selection = best(rest, prices(rest, capacity=capacity), capacity=capacity, above=now, states=states)
    if selection is None:
        return
    for chosen, ats, again in zip(picks, places, selection.picks, strict=True):
        for at, pick in zip(ats, again, strict=True):
            chosen[at] = pick


def _greedy(bins: Sequence[Bin], *, capacity: int) -> list[list[int]]:
    """Whole parcels by points per token while they fit."""
    picks = [[NOTHING] * len(b.parcels) for b in bins]
    used = [0] * len(bins)
    remaining = capacity - sum(b.charge(0) for b in bins)
    ranked = [(-p[0][1] / p[0][0], lane, at) for lane, b in enumerate(bins) for at, p in enumerate(b.parcels)]
    for _, lane, at in sorted(ranked):
        b, tokens = bins[lane], bins[lane].parcels[at][0][0]
        charge = b.charge(used[lane] + tokens) - b.charge(used[lane])
        if used[lane] + tokens <= b.high and charge <= remaining:
            picks[lane][at] = 0
            used[lane] += tokens
            remaining -= charge
    return picks
