"""Packing: which parcels of which lane are carried within a budget, lane floors and lane limits.

What is possible at one budget stays possible at a larger one, and the search is exact (see its bound
on work): a larger budget never carries less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from context.prices import Bin, Parcel
from context.search import NOTHING, best

__all__ = ["NOTHING", "Compartment", "Parcel", "pack"]


@dataclass(frozen=True, slots=True)
class Compartment:
    """One lane's parcels, the highest rank first.

    `floor` tokens are its own; of what all floors leave over it may take the part `share`.
    """

    parcels: Sequence[Parcel]
    floor: int = 0
    share: Decimal = Decimal(1)

    @property
    def reserve(self) -> int:
        """Tokens of its best parcels within the floor. No more is held back, so that none of it lies idle."""
        held = 0
        for parcel in self.parcels:
            tokens, _ = parcel[0]
            if held + tokens <= self.floor:
                held += tokens
        return held


def pack(compartments: Sequence[Compartment], *, capacity: int) -> list[list[int]]:
    """For each parcel of each compartment the number of the choice to carry, or `NOTHING`.

    Together they carry the most points possible when each compartment is charged its reserve
    whether it uses it or not: other lanes never push out what its floor holds, but for something of
    its own that is worth more. When the reserves don't fit together, none gets more than its own.
    """
    reserves = [compartment.reserve for compartment in compartments]
    rest = capacity - sum(reserves)
    if rest < 0:
        bins = [Bin(c.parcels, low=0, high=own) for c, own in zip(compartments, reserves, strict=True)]
    else:
        bins = [
            Bin(c.parcels, low=own, high=own + int(c.share * rest))
            for c, own in zip(compartments, reserves, strict=True)
        ]
    return best(bins, capacity=max(0, capacity))
