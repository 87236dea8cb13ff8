"""What a token is worth: the linear relaxation of packing, which bounds every selection from above.

If items could be cut anywhere, the best selection would be greedy by points per token. Where that
one stops, lane by lane, is each lane's price of a token (the duals of its limits).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import floor

Choice = tuple[int, int]
"""One way to carry a parcel: (tokens, points), both at least one."""

Parcel = tuple[Choice, ...]
"""The whole item first, then shortened ones, which carry no more points."""

_ROUNDING = 1e-12
"""Part of a bound by which sums of floats may be off: some thousand additions, each by 1e-16."""


@dataclass(frozen=True, slots=True)
class Bin:
    """A compartment within limits: charged at least `low` tokens whatever it holds, and at most `high`."""

    parcels: Sequence[Parcel]
    low: int
    high: int
    total: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", sum(parcel[0][0] for parcel in self.parcels))


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
    token = _density_at(pool, capacity - sum(b.low for b in bins))
    lanes, bounds = [], []
    for b, parcels in zip(bins, ranked, strict=True):
        price = token
        if b.low:
            price = min(price, _density_at(parcels, b.low))
        price = max(price, _density_at(parcels, b.high))
        kept = sum(max(0.0, *(points - price * tokens for tokens, points in parcel)) for parcel in b.parcels)
        lanes.append(price)
        bounds.append(kept + (price - token) * (b.high if price > token else b.low))
    return Prices(token=token, lanes=tuple(lanes), bounds=tuple(bounds), bound=token * capacity + sum(bounds))


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
