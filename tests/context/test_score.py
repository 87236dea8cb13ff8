from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.context import an_item
from context import Lane, Weights
from context.score import POINTS, Scale

WEIGHTS = st.builds(
    Weights,
    recency=st.integers(1, 9).map(Decimal),
    **{name: st.integers(0, 9).map(Decimal) for name in ("severity", "confidence", "priority", "pin")},
)


@given(WEIGHTS, st.sampled_from(["p0", "p3"]), st.booleans(), st.integers(0, 10**9))
def test_every_score_lies_between_zero_and_one(weights: Weights, priority: str, pinned: bool, age_s: int) -> None:
    scale = Scale.of(Lane(id="a", weights=weights))
    item = an_item(priority=priority, pinned=pinned, severity="critical")
    assert 0 <= scale.score(scale.standing(item), age_s=age_s) <= POINTS * (1 + 1e-12)


def test_recency_halves_every_half_life() -> None:
    only_recency = Weights(severity=Decimal(0), confidence=Decimal(0), priority=Decimal(0), pin=Decimal(0))
    scale = Scale.of(Lane(id="a", half_life_s=600, weights=only_recency))
    assert [scale.score(0.0, age_s=age) / POINTS for age in (0, 600, 1_800)] == [1, 0.5, 0.125]


@pytest.mark.parametrize(
    ("field", "rising"),
    [
        ("priority", ["p3", "p2", "p1", "p0"]),
        ("severity", ["low", "medium", "high", "critical"]),
        ("confidence", [Decimal(0), Decimal("0.3"), Decimal(1)]),
        ("pinned", [False, True]),
    ],
)
def test_more_of_anything_scores_more(field: str, rising: list[object]) -> None:
    scale = Scale.of(Lane(id="a"))
    scores = [scale.standing(an_item(**{field: value})) for value in rising]
    assert scores == sorted(set(scores))
