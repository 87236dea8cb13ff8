"""Scores: how much an item counts at one moment, comparable between lanes."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp2

from context.item import PRIORITIES, SEVERITIES, ContextItem
from context.lane import Lane

POINTS = 1_000_000
"""A score of one. What is packed are whole millionths, so that sums are exact."""

_SEVERITY = {name: step / (len(SEVERITIES) - 1) for step, name in enumerate(SEVERITIES)}
_PRIORITY = {name: 1 - step / (len(PRIORITIES) - 1) for step, name in enumerate(PRIORITIES)}


@dataclass(frozen=True, slots=True)
class Scale:
    """A lane's weights as parts of one, in floats: the one place where scoring leaves `Decimal`.

    Every component lies in [0, 1] and the weights add up to one, so every score does too.
    """

    severity: float
    confidence: float
    priority: float
    recency: float
    pin: float
    half_life_s: int

    @classmethod
    def of(cls, lane: Lane) -> Scale:
        weights, total = lane.weights, lane.weights.total
        return cls(
            severity=float(weights.severity / total),
            confidence=float(weights.confidence / total),
            priority=float(weights.priority / total),
            recency=float(weights.recency / total),
            pin=float(weights.pin / total),
            half_life_s=lane.half_life_s,
        )

    def standing(self, item: ContextItem, *, confidence: float | None = None) -> float:
        """The part of the score that does not age, in points. `confidence` stands in for the item's own."""
        sure = float(item.confidence) if confidence is None else confidence
        part = (
            self.severity * _SEVERITY[item.severity]
            + self.confidence * sure
            + self.priority * _PRIORITY[item.priority]
            + self.pin * item.pinned
        )
        return part * POINTS

    @property
    def freshness(self) -> float:
        """Points of an item that has just become available; they halve every half-life."""
        return self.recency * POINTS

    def score(self, standing: float, *, age_s: float) -> float:
        """The whole score, in points, not yet rounded: `standing` and recency 2^(-age / half-life)."""
        return standing + self.freshness * exp2(-age_s / self.half_life_s)
