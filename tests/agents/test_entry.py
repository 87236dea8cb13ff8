"""An entry in numbers: bounded, wide enough for its costs, and no larger than any cap wherever it fills."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents.entry import EntryPrices, entry_prices, exits, furthest, size
from agents.settings import RiskSettings
from builders.desks import SWAP, a_price
from builders.policy import an_instrument
from builders.tools import BTC
from domain.instrument import Instrument
from domain.money import on_grid
from domain.order import Side
from graphs.session.profiles import PROFILES, profile


def decimals(low: int, high: int) -> st.SearchStrategy[Decimal]:
    """Numbers from 10^low up to 10^(high + 1), with few digits or many."""
    digits = st.integers(1, 99) | st.integers(10**11, 10**12 - 1)
    return st.builds(lambda n, power: Decimal(n).scaleb(power - len(str(n)) + 1), digits, st.integers(low, high))


grids = st.integers(-12, 2).map(lambda power: Decimal(1).scaleb(power)) | st.sampled_from(
    [Decimal("0.25"), Decimal("0.5"), Decimal("5")]
)
fees = st.sampled_from([Decimal(0), Decimal("0.0005"), Decimal("0.001")])
instruments = st.builds(
    lambda tick, lot, maker, taker: Instrument(
        symbol=BTC, kind="spot", tick_size=tick, lot_size=lot, maker_fee=maker, taker_fee=taker
    ),
    grids,
    grids,
    fees,
    fees,
)
shares = st.decimals(min_value=0, max_value=1, places=3)
prices = decimals(-8, 8)
sides = st.sampled_from(["buy", "sell"])
settings = st.builds(
    RiskSettings,
    risk_per_trade=shares,
    max_position=shares,
    stop_atr=decimals(-1, 1),
    target_atr=decimals(-1, 1),
    min_stop=st.sampled_from([Decimal(0), Decimal("0.002"), Decimal("0.5"), Decimal(1)]),
    stop_costs=st.sampled_from([Decimal(0), Decimal(3), Decimal(5)]),
    slippage_bps=st.sampled_from([Decimal(0), Decimal(2), Decimal(30)]),
    min_reward_risk=st.sampled_from([Decimal(0), Decimal("0.5"), Decimal(1)]),
    entry_bound_bps=st.sampled_from([Decimal(0), Decimal(25), Decimal(300)]),
)

FREE = RiskSettings(stop_costs=Decimal(0), slippage_bps=Decimal(0), min_reward_risk=Decimal(0))
"""Without a look at costs, so that tests can count along."""


def fraction_of_costs(instrument: Instrument, *, bid: Decimal, ask: Decimal, at: Decimal, bps: Decimal) -> Fraction:
    """What a round trip costs by its definition, without the formula: fees and slippage both ways, and the spread."""
    fee = max(Fraction(instrument.maker_fee), Fraction(instrument.taker_fee))
    return Fraction(at) * 2 * (fee + Fraction(bps) / 10_000) + Fraction(ask) - Fraction(bid)


# Bound


@given(sides, prices, instruments, st.sampled_from([Decimal(0), Decimal(1), Decimal(25), Decimal(300)]))
def test_a_limit_is_on_the_grid_beyond_the_touch_and_never_beyond_the_bound(
    side: Side, touch: Decimal, instrument: Instrument, bound_bps: Decimal
) -> None:
    limit = furthest(side, touch, instrument=instrument, bound_bps=bound_bps)
    if limit is None:
        assert not on_grid(touch, instrument.tick_size)  # on the grid there is always the touch itself
        return
    assert on_grid(limit, instrument.tick_size)
    beyond = Fraction(limit) - Fraction(touch) if side == "buy" else Fraction(touch) - Fraction(limit)
    assert 0 <= beyond <= Fraction(touch) * Fraction(bound_bps) / 10_000


@pytest.mark.parametrize(("side", "limit"), [("buy", "238.33"), ("sell", "237.15")])
def test_a_limit_in_numbers(side: Side, limit: str) -> None:
    """25 bps of 237.74 are 0.59435."""
    found = furthest(side, Decimal("237.74"), instrument=an_instrument(tick_size="0.01"), bound_bps=Decimal(25))
    assert found == Decimal(limit)


@pytest.mark.parametrize("name", PROFILES)
def test_the_usual_bound_lies_well_within_the_collar_and_the_drift_of_every_profile(name: str) -> None:
    policy, bound = profile(name), RiskSettings().entry_bound_bps
    assert policy.price_collar is not None
    assert policy.drift is not None
    assert policy.spread is not None
    assert bound + policy.spread.maximum_bps / 2 <= policy.price_collar.band_bps  # the collar counts from the middle
    assert bound <= policy.drift.maximum_bps


# Widths


@given(sides, prices, decimals(-12, 8), instruments, settings)
def test_exits_lie_on_the_grid_the_stop_no_closer_and_the_target_no_further_than_asked(
    side: Side, price: Decimal, distance: Decimal, instrument: Instrument, given_settings: RiskSettings
) -> None:
    stop, target = exits(side, price, distance, instrument=instrument, settings=given_settings)
    assert on_grid(stop, instrument.tick_size)
    assert on_grid(target, instrument.tick_size)
    sign = 1 if side == "buy" else -1
    assert sign * (Fraction(price) - Fraction(stop)) >= Fraction(distance) * (1 - Fraction(1, 10**20))
    reach = Fraction(distance) * Fraction(given_settings.target_atr) / Fraction(given_settings.stop_atr)
    assert sign * (Fraction(target) - Fraction(price)) <= reach * (1 + Fraction(1, 10**20))


@given(sides, prices, st.integers(0, 20), st.sampled_from(["0", "0.0001", "0.01", "0.3"]), instruments, settings)
def test_an_entry_has_room_for_its_costs_and_pays_for_its_risk(
    side: Side, bid: Decimal, ticks: int, share: str, instrument: Instrument, given_settings: RiskSettings
) -> None:
    ask = bid + ticks * instrument.tick_size
    found = entry_prices(
        side, a_price(bid=bid, ask=ask), atr=bid * Decimal(share), instrument=instrument, settings=given_settings
    )
    if isinstance(found, str):
        return
    touch, bps = ask if side == "buy" else bid, given_settings.slippage_bps
    costs = fraction_of_costs(instrument, bid=bid, ask=ask, at=touch, bps=bps)
    assert abs(Fraction(touch) - Fraction(found.stop)) >= costs * Fraction(given_settings.stop_costs)
    # What is left of it when it has been exited, each way charged at its own price.
    rate = max(Fraction(instrument.maker_fee), Fraction(instrument.taker_fee)) + Fraction(bps) / 10_000
    gain, loss = (abs(Fraction(touch) - Fraction(exit)) for exit in (found.target, found.stop))
    reward = gain - (Fraction(touch) + Fraction(found.target)) * rate - Fraction(ask) + Fraction(bid)
    risk = loss + (Fraction(touch) + Fraction(found.stop)) * rate + Fraction(ask) - Fraction(bid)
    assert reward >= Fraction(given_settings.min_reward_risk) * risk * (1 - Fraction(1, 10**20))
    assert (
        min(found.stop, found.target) < min(bid, found.limit) <= max(ask, found.limit) < max(found.stop, found.target)
    )


def at_a_hundred(atr: str, **over: str) -> EntryPrices | str:
    """A buy at 100 and 0.02 of spread, where a round trip costs 0.26: a fee of 0.1 % and 2 bps each way."""
    instrument = an_instrument(tick_size="0.01", taker_fee="0.001")
    seen = a_price(bid="99.98", ask="100")
    return entry_prices(
        "buy", seen, atr=Decimal(atr), instrument=instrument, settings=RiskSettings.model_validate(over)
    )


@pytest.mark.parametrize(
    ("atr", "stop", "target"),
    [
        ("0.1", "99.22", "101.56"),  # three round trips of 0.26 are more than two average true ranges
        ("0.39", "99.22", "101.56"),
        ("0.5", "99", "102"),
    ],
)
def test_stop_and_target_grow_with_the_costs(atr: str, stop: str, target: str) -> None:
    found = at_a_hundred(atr)
    assert isinstance(found, EntryPrices), found
    assert (found.limit, found.stop, found.target) == (Decimal("100.25"), Decimal(stop), Decimal(target))
    assert found.risk == Decimal("100.25") - Decimal(stop)


def test_an_entry_whose_costs_leave_too_little_is_declined_with_its_numbers() -> None:
    """0.78 to the stop and as much to the target: 0.519064 are left of it, and 1.039064 are lost."""
    assert at_a_hundred("0.1", target_atr="2") == "reward 0.51 % after costs against risk 1.03 %: 0.49 is below 1"
    assert isinstance(at_a_hundred("0.1", target_atr="2", min_reward_risk="0.49"), EntryPrices)
    assert isinstance(at_a_hundred("2", target_atr="3"), EntryPrices)  # a market that moves enough


def test_what_costs_more_than_it_could_gain_is_declined_with_a_reward_below_zero() -> None:
    found = at_a_hundred("0.2", stop_costs="0", target_atr="1")
    assert found == "reward -0.07 % after costs against risk 0.65 %: -0.1 is below 1"


# Size


@given(
    equity=decimals(-6, 12) | st.sampled_from([Decimal(0), Decimal(-5)]),
    price=prices,
    risk=decimals(-12, 8),
    conviction=shares,
    instrument=instruments,
    given_settings=settings,
)
@example(
    equity=Decimal(10_000),
    price=Decimal(1),
    risk=Decimal(3),
    conviction=Decimal(1),
    instrument=Instrument(symbol=BTC, kind="spot", tick_size=Decimal(1), lot_size=Decimal("1e-40")),
    given_settings=RiskSettings(),
)
def test_a_size_risks_no_more_and_holds_no_more_than_it_may(
    equity: Decimal,
    price: Decimal,
    risk: Decimal,
    conviction: Decimal,
    instrument: Instrument,
    given_settings: RiskSettings,
) -> None:
    found = size(
        equity=equity, price=price, risk=risk, conviction=conviction, instrument=instrument, settings=given_settings
    )
    assert found >= 0
    assert on_grid(found, instrument.lot_size)
    # fractions, since a check that rounds could not see a size that was rounded up
    owned = max(Fraction(equity), Fraction(0))
    assert Fraction(found) * Fraction(risk) <= owned * Fraction(given_settings.risk_per_trade)
    paid = Fraction(found) * Fraction(price) * (1 + max(Fraction(instrument.maker_fee), Fraction(instrument.taker_fee)))
    assert paid <= owned * Fraction(given_settings.max_position) * Fraction(conviction)


def test_a_size_does_not_depend_on_the_callers_decimal_context() -> None:
    def sized() -> Decimal:
        return size(
            equity=Decimal("9876.54321"),
            price=Decimal("123.456789"),
            risk=Decimal("1.23456789"),
            conviction=Decimal("0.77"),
            instrument=an_instrument(lot_size="0.00000001"),
            settings=RiskSettings(),
        )

    expected = sized()
    with localcontext(prec=3):
        assert sized() == expected


@given(sides, st.decimals(min_value=1, max_value=500, places=2), st.integers(0, 30))
def test_what_is_sized_at_the_dearest_price_is_worth_no_more_wherever_it_fills(
    side: Side, bid: Decimal, ticks: int
) -> None:
    """A buy at most at its limit; a sale at what it costs to buy back, while the market moves by up to the bound."""
    instrument = an_instrument(SWAP, tick_size="0.01", lot_size="0.000001", taker_fee="0.0005")
    ask = bid + ticks * instrument.tick_size
    found = entry_prices(side, a_price(SWAP, bid=bid, ask=ask), atr=bid / 20, instrument=instrument, settings=FREE)
    if isinstance(found, str):
        return
    worst = found.limit if side == "buy" else ask * (1 + FREE.entry_bound_bps / 10_000)
    assert found.dearest >= worst
