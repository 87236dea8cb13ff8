"""Numbers that are refused where they come in."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.digest import plain
from domain.value import MAGNITUDE, Amount, NonNegative, Positive, Share

ADAPTERS: dict[str, TypeAdapter[Decimal]] = {
    "amount": TypeAdapter(Amount),
    "positive": TypeAdapter(Positive),
    "non-negative": TypeAdapter(NonNegative),
    "share": TypeAdapter(Share),
}


def taken(kind: str, text: str) -> bool:
    try:
        return ADAPTERS[kind].validate_python(text) == Decimal(text)
    except ValidationError:
        return False


@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_number_of_any_size_that_means_something_is_taken(kind: str) -> None:
    assert taken(kind, f"1E-{MAGNITUDE}")
    assert taken(kind, "0.00000001")
    assert taken(kind, "1")
    assert taken(kind, f"9E+{MAGNITUDE}") == (kind != "share")


@pytest.mark.parametrize("kind", ADAPTERS)
@pytest.mark.parametrize(
    "text", [f"1E+{MAGNITUDE + 1}", f"9E-{MAGNITUDE + 1}", "1E+999999", "1E-999999", "0E-999999", "NaN", "Infinity"]
)
def test_a_number_whose_digits_would_not_end_is_refused(kind: str, text: str) -> None:
    assert not taken(kind, text)


@given(st.decimals())
def test_what_is_taken_has_a_short_byte_form(value: Decimal) -> None:
    try:
        number = ADAPTERS["amount"].validate_python(value)
    except ValidationError:
        assert not value.is_finite() or abs(value.adjusted()) > MAGNITUDE
        return
    assert len(plain(number)) <= 2 * MAGNITUDE + len(value.as_tuple().digits)
