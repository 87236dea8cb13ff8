"""What a round trip costs, and what it leaves of an entry's reward and adds to its risk."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.policy import an_instrument
from domain.instrument import Instrument
from domain.order import Side
from domain.payoff import Payoff, payoff, round_trip

FEES = an_instrument(taker_fee="0.001", maker_fee="0.0005")


def of(side: Side = "buy", instrument: Instrument = FEES, **over: str) -> Payoff:
    """Entered at 100, stopped at 95 and exited at 110, with a spread of 0.02 and 2 bps of slippage each way."""
    given: dict[str, Any] = {"entry": "100", "stop": "95", "target": "110", "spread": "0.02", "slippage_bps": "2"}
    numbers = {name: Decimal(value) for name, value in (given | over).items()}
    return payoff(side, instrument=instrument, **numbers)


def test_a_round_trip_is_the_higher_fee_and_the_slippage_both_ways_and_the_spread_once() -> None:
    found = round_trip(FEES, price=Decimal(100), spread=Decimal("0.02"), slippage_bps=Decimal(2))
    assert found == Decimal("0.26")
    rebate = an_instrument(maker_fee="0.002")
    assert round_trip(rebate, price=Decimal(100), spread=Decimal(0), slippage_bps=Decimal(0)) == Decimal("0.4")


def test_each_way_is_charged_at_its_own_price() -> None:
    found = of()
    assert found.reward == 10 - Decimal("0.252") - Decimal("0.02")  # 210 at 12 bps
    assert found.risk == 5 + Decimal("0.234") + Decimal("0.02")  # 195 at 12 bps


def test_a_short_is_the_other_way_round() -> None:
    found = of("sell", stop="105", target="90")
    assert (found.reward, found.risk) == (10 - Decimal("0.248"), 5 + Decimal("0.266"))


def test_a_buy_that_pays_its_fee_in_base_comes_to_about_the_same_number() -> None:
    """0.999 of a unit is left to sell. It differs by no more than the fee on what is gained or lost."""
    spot = of(instrument=an_instrument(taker_fee="0.001"), slippage_bps="0", spread="0")
    gained, lost = (Decimal("0.999") * price * Decimal("0.999") - 100 for price in (110, 95))
    assert abs(spot.reward - gained) <= Decimal("0.0101")
    assert abs(spot.risk + lost) <= Decimal("0.0051")


@given(
    st.sampled_from(["buy", "sell"]),
    st.integers(1, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 500),
    st.integers(0, 500),
)
def test_costs_only_ever_lower_the_reward_and_raise_the_risk(
    side: Side, entry: int, gain: int, loss: int, fee_bps: int, slippage_bps: int
) -> None:
    price = Decimal(entry)
    stop, target = (price - loss, price + gain) if side == "buy" else (price + loss, price - gain)
    levels = {"entry": price, "stop": abs(stop), "target": abs(target)}
    if min(stop, target) < 0:
        return
    free = payoff(side, instrument=an_instrument(), spread=Decimal(0), slippage_bps=Decimal(0), **levels)
    dear = an_instrument(taker_fee=Decimal(fee_bps) / 10_000)
    paid = payoff(side, instrument=dear, spread=Decimal(1), slippage_bps=Decimal(slippage_bps), **levels)
    assert (free.reward, free.risk) == (gain, loss)
    assert paid.reward < free.reward
    assert paid.risk > free.risk


@pytest.mark.parametrize(
    ("reward", "risk", "ratio", "covers"),
    [("5", "5", "1", True), ("4.99", "5", "1", False), ("-1", "5", "0", False), ("0", "5", "0", True)],
)
def test_a_reward_covers_a_risk_from_exactly_the_ratio_on(reward: str, risk: str, ratio: str, covers: bool) -> None:
    found = Payoff(entry=Decimal(100), reward=Decimal(reward), risk=Decimal(risk))
    assert found.covers(Decimal(ratio)) is covers


@pytest.mark.parametrize(
    ("reward", "risk", "words"),
    [
        ("0.52", "0.61", "reward 0.52 % after costs against risk 0.61 %: 0.85 is below 1"),
        ("-0.1", "0.5", "reward -0.1 % after costs against risk 0.5 %: -0.2 is below 1"),
        ("0.99999", "1", "reward 0.99 % after costs against risk 1 %: 0.99 is below 1"),
    ],
)
def test_a_shortfall_is_told_in_parts_of_the_price_and_never_looks_like_enough(
    reward: str, risk: str, words: str
) -> None:
    found = Payoff(entry=Decimal(100), reward=Decimal(reward), risk=Decimal(risk))
    with localcontext(prec=2):
        assert found.shortfall(Decimal(1)) == words


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.integers(1, 400))
def test_covers_is_told_without_dividing(reward: int, risk: int, percent: int) -> None:
    found = Payoff(entry=Decimal(1), reward=Decimal(reward), risk=Decimal(risk))
    assert found.covers(Decimal(percent) / 100) == (Fraction(reward, risk) >= Fraction(percent, 100))
