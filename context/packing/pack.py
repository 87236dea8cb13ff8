"""Packing: which parcels of which lane are carried within a budget, lane floors and lane limits.

A larger capacity never carries less. What is possible at one stays possible at a larger one, so that
this holds for the best selections; wherever a result can't be proven to be best, the smaller
capacities are looked at too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from context.packing.exact import NOTHING, Selection, TooMany, best
from context.packing.greedy import nearly_best
from context.packing.prices import Bin, Parcel, prices

__all__ = ["NOTHING", "Compartment", "Parcel", "pack"]

DIGITS = 11
"""Binary digits of a capacity that count, so that only few of them lie close together: all of 2,047 tokens are used,
of more at most a thousandth is left."""


@dataclass(frozen=True, slots=True)
class Compartment:
    """One lane's parcels, the highest rank first.

    `floor` tokens are its own; of what all floors leave over it may take the part `share`. With its first parcel
    it takes `heading` tokens more, which belong to neither.
    """

    parcels: Sequence[Parcel]
    floor: int = 0
    share: Decimal = Decimal(1)
    heading: int = 0

    @property
    def reserve(self) -> int:
        """Tokens of its best parcels within the floor. No more is held back, so that none of it lies idle."""
        reserved = 0
        for parcel in self.parcels:
            tokens, _ = parcel[0]
            if reserved + tokens <= self.floor:
                reserved += tokens
        return reserved

    @property
    def reserved(self) -> int:
        """Tokens that are held back for it: its reserve under its heading."""
        return self.reserve + self.heading if self.reserve else 0


def pack(compartments: Sequence[Compartment], *, capacity: int) -> list[list[int]]:
    """For each parcel of each compartment the number of the choice to carry, or `NOTHING`.

    Together they carry the most points possible when each compartment is charged its reserve (with its heading)
    whether it uses it or not, and its heading if it carries anything: other lanes never push out what its floor
    holds, but for something of its own that is worth more. When the reserves don't fit together, none gets more
    than its own.

    Where that can't be told within the bound on work, it is the best that is found at this capacity
    or a smaller one. Those are tried downwards until none below can carry more.
    """
    reserves = [compartment.reserve for compartment in compartments]
    reserved = sum(compartment.reserved for compartment in compartments)
    if _all_fit(_bins(compartments, reserves, rest=capacity - reserved), capacity=capacity):
        return [[0] * len(c.parcels) for c in compartments]
    most = Selection([[NOTHING] * len(c.parcels) for c in compartments], 0)
    for limit in _downwards(capacity, reserved=reserved):
        bins = _bins(compartments, reserves, rest=limit - reserved)
        priced = prices(bins, capacity=limit)
        if priced.ceiling <= most.points:
            break
        try:
            return (best(bins, priced, capacity=limit, above=most.points) or most).picks
        except TooMany as error:
            most = max(most, nearly_best(bins, priced, capacity=limit), key=lambda selection: selection.points)
            if error.ceiling <= most.points:
                break
    return most.picks


def _bins(compartments: Sequence[Compartment], reserves: Sequence[int], *, rest: int) -> list[Bin]:
    """Limits when `rest` tokens are left over by all floors; below zero these don't fit together."""
    if rest < 0:
        return [
            Bin(c.parcels, low=0, high=own, heading=c.heading) for c, own in zip(compartments, reserves, strict=True)
        ]
    bins = []
    for c, own in zip(compartments, reserves, strict=True):
        most = rest if own else max(0, rest - c.heading)
        bins.append(Bin(c.parcels, low=own, high=own + min(int(c.share * rest), most), heading=c.heading))
    return bins


def _all_fit(bins: Sequence[Bin], *, capacity: int) -> bool:
    return all(b.total <= b.high for b in bins) and sum(b.charge(b.total) for b in bins) <= capacity


def _downwards(capacity: int, *, reserved: int) -> Iterator[int]:
    """The capacities that are looked at, from `capacity` down: what exceeds the reserves in steps of a thousandth."""
    while capacity > 0:
        capacity = reserved + _rounded(capacity - reserved) if capacity >= reserved else _rounded(capacity)
        yield capacity
        capacity -= 1


def _rounded(tokens: int) -> int:
    """`tokens` rounded down to `DIGITS` binary digits."""
    dropped = max(0, tokens.bit_length() - DIGITS)
    return tokens >> dropped << dropped
