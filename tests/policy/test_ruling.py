"""The comparison that most checks end in."""

from __future__ import annotations

from decimal import Decimal

import pytest

from policy.ruling import within


@pytest.mark.parametrize(
    ("observed", "limit", "outcome"),
    [
        ("-1", "10", "pass"),
        ("7.99", "10", "pass"),
        ("8", "10", "warn"),
        ("10", "10", "warn"),
        ("10.01", "10", "deny"),
        ("0", "0", "pass"),
        ("0.01", "0", "deny"),
        ("0", "-1", "deny"),
    ],
)
def test_a_limit_may_be_met_and_is_warned_of_from_its_level_on(observed: str, limit: str, outcome: str) -> None:
    ruling = within(Decimal(observed), Decimal(limit), unit="USDT", warn_at=Decimal("0.8"))
    assert ruling.outcome == outcome
    assert (ruling.observed, ruling.limit, ruling.unit) == (Decimal(observed), Decimal(limit), "USDT")


def test_a_refusal_says_the_numbers() -> None:
    ruling = within(Decimal("12.50"), Decimal("1E+1"), unit="USDT", warn_at=Decimal(1))
    assert ruling.message == "12.5 is above the limit of 10 USDT"
