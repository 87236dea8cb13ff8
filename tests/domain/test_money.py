from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import against, ceil_to, floor_to, on_grid, reading

values = st.decimals("-1e9", "1e9", places=12)
steps = st.sampled_from([Decimal(step) for step in ("1e-8", "0.00005", "0.01", "0.25", "0.3", "1", "7", "100")])


@given(values, steps)
def test_floor_and_ceiling_are_the_nearest_multiples_around_a_value(value, step):
    below, above = floor_to(value, step), ceil_to(value, step)
    assert on_grid(below, step)
    assert on_grid(above, step)
    assert value - step < below <= value <= above < value + step
    assert (below == above) == on_grid(value, step)


@given(values, steps)
def test_what_is_on_the_grid_stays_where_it_is(value, step):
    on = floor_to(value, step)
    assert floor_to(on, step) == ceil_to(on, step) == on


@given(values, steps)
def test_rounding_against_the_trader_never_helps_him(value, step):
    assert against(value, step=step, side="buy") >= value
    assert against(value, step=step, side="sell") <= value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_no_reading(value):
    assert reading(value) is None


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_a_reading_is_within_ten_digits_of_the_float(value):
    found = reading(value)
    assert found is not None
    assert found.is_finite()
    assert len(found.normalize().as_tuple().digits) <= 10
    assert abs(found - Decimal(value)) <= abs(Decimal(value)) * Decimal("1e-9")


def test_readings_that_differ_in_the_last_bit_are_one():
    assert reading(0.1 + 0.2) == reading(0.3) == Decimal("0.3")


def test_minus_zero_reads_as_zero():
    assert str(reading(-0.0)) == "0"
