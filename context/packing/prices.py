"""What a token is worth: the linear relaxation of packing, which bounds every selection from above.

If items could be cut anywhere, the best selection would be greedy by points per token. Where that
one stops, lane by lane, is each lane's price of a token (the duals of its limits).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import floor

Choice = tuple[int, int]
"""One way to carry a parcel: (tokens, points), both at least one."""

Parcel = tuple[Choice, ...]
"""The whole item first, then shortened ones, which carry no more points."""

_HALVINGS = 40
"""Steps to the price at which demand meets the capacity: to a millionth of a millionth of the dearest."""

_ROUNDING = 1e-12
"""Part of a bound by which sums of floats may be off: some thousand additions, each by 1e-16."""


@dataclass(frozen=True, slots=True)
class Bin:
    """A compartment within limits: charged at least `low` tokens whatever it holds, and at most `high`.

    It is charged its `heading` as well, unless it holds nothing and has no `low`.
    """

    parcels: Sequence[Parcel]
    low: int
    high: int
    heading: int = 0
    total: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", sum(parcel[0][0] for parcel in self.parcels))

    def charge(self, tokens: int) -> int:
        """Tokens of the common budget that it takes with parcels of `tokens`."""
        charged = max(tokens, self.low)
        return self.heading + charged if charged else 0


@dataclass(frozen=True, slots=True)
class Prices:
    """Points that a token costs: in the common budget, and in each lane.

    No selection of a lane carries more than its entry of `bounds`, less `token` for each token
    charged; none of all lanes together more than `bound`.
    """

    token: float
    lanes: tuple[float, ...]
    bounds: tuple[float, ...]
    bound: float

    @property
    def ceiling(self) -> int:
        """Whole points that no selection exceeds."""
        return floor(self.bound * (1 + _ROUNDING))


def prices(bins: Sequence[Bin], *, capacity: int) -> Prices:
    """The prices at which greedy by points per token fills `capacity`."""
    ranked = [_by_density(b.parcels) for b in bins]
    pool = sorted(
        (piece for b, parcels in zip(bins, ranked, strict=True) for piece in _pieces(parcels, low=b.low, high=b.high)),
        reverse=True,
    )
    token = _density_at(pool, capacity - sum(b.low + b.heading for b in bins if b.parcels))
    priced = _priced(bins, ranked, token=token, capacity=capacity)
    if all(bound > 0 or b.low or not b.heading for b, bound in zip(bins, priced.bounds, strict=True)):
        return priced
    # Not every lane is worth its heading at this price: there may be one with a lower bound.
    token = _market(bins, ranked, capacity=capacity)
    return min(priced, _priced(bins, ranked, token=token, capacity=capacity), key=lambda candidate: candidate.bound)


def _priced(
    bins: Sequence[Bin], ranked: Sequence[Sequence[tuple[float, int]]], *, token: float, capacity: int
) -> Prices:
    """What follows from the price of a token. The bounds hold at any."""
    lanes, bounds = [], []
    for b, parcels in zip(bins, ranked, strict=True):
        price = token
        if b.low:
            price = min(price, _density_at(parcels, b.low))
        price = max(price, _density_at(parcels, b.high))
        surplus = sum(max(0.0, *(points - price * tokens for tokens, points in parcel)) for parcel in b.parcels)
        lanes.append(price)
        used = surplus + (price - token) * (b.high if price > token else b.low) - token * b.heading
        bounds.append(used if b.low else max(0.0, used))
    return Prices(token=token, lanes=tuple(lanes), bounds=tuple(bounds), bound=token * capacity + sum(bounds))


def _market(bins: Sequence[Bin], ranked: Sequence[Sequence[tuple[float, int]]], *, capacity: int) -> float:
    """The price at which what all lanes ask for, each only if it is worth its heading, comes to `capacity`."""
    demands = [_Demand(b, parcels) for b, parcels in zip(bins, ranked, strict=True)]
    least, most = 0.0, max((parcels[0][0] for parcels in ranked if parcels), default=0.0)
    for _ in range(_HALVINGS):
        token = (least + most) / 2
        if sum(demand.at(token) for demand in demands) > capacity:
            least = token
        else:
            most = token
    return most


class _Demand:
    """How many tokens a lane asks for at a price, filled by density."""

    def __init__(self, b: Bin, ranked: Sequence[tuple[float, int]]) -> None:
        self._bin = b
        self._densities = [-density for density, _ in ranked]
        self._tokens = [0, *accumulate(tokens for _, tokens in ranked)]
        self._points = [0.0, *accumulate(density * tokens for density, tokens in ranked)]

    def at(self, token: float) -> int:
        b, count = self._bin, bisect_left(self._densities, -token)
        tokens, points = self._tokens[count], self._points[count]
        if tokens > b.high:
            count = bisect_right(self._tokens, b.high) - 1
            tokens, points = b.high, self._points[count] - self._densities[count] * (b.high - self._tokens[count])
        return b.charge(tokens) if points > token * (tokens + b.heading) else b.charge(0)


def _by_density(parcels: Sequence[Parcel]) -> list[tuple[float, int]]:
    """(points per token, tokens) of whole parcels, the densest first."""
    return sorted(((parcel[0][1] / parcel[0][0], parcel[0][0]) for parcel in parcels), reverse=True)


def _pieces(ranked: Sequence[tuple[float, int]], *, low: int, high: int) -> list[tuple[float, int]]:
    """What of a lane, filled by density, lies between its `low`th and its `high`th token."""
    ends = accumulate(tokens for _, tokens in ranked)
    cut = (
        (density, min(end, high) - max(end - tokens, low)) for (density, tokens), end in zip(ranked, ends, strict=True)
    )
    return [piece for piece in cut if piece[1] > 0]


def _density_at(ranked: Sequence[tuple[float, int]], position: int) -> float:
    """Points per token of what straddles `position`; zero when everything ends before it."""
    end = 0
    for density, tokens in ranked:
        end += tokens
        if end > position:
            return density
    return 0.0
