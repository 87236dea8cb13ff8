"""How much one order can be for: never above a cap, never below a minimum, and the parts of an exit are the whole."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.instrument import Instrument
from domain.money import floor_to, on_grid
from domain.order import OrderType
from domain.sizing import (
    MARGIN,
    OrderCaps,
    after_fee,
    divided,
    greatest,
    least,
    least_entry,
    no_way_out,
    size_limits,
    too_large,
    too_small,
)

TYPES: tuple[OrderType, ...] = ("market", "limit", "stop")


def an_instrument(**over: Any) -> Instrument:
    given = {"symbol": "BTC/USDT", "kind": "spot", "tick_size": "0.01", "lot_size": "0.00001", "taker_fee": "0.001"}
    return Instrument.model_validate(given | over)


numbers = st.decimals(min_value=Decimal("0.001"), max_value=Decimal(10_000), places=3)
instruments = st.builds(
    lambda lot, least, most, notional, cap, market, stop: an_instrument(
        lot_size=lot,
        min_quantity=least,
        max_quantity=most,
        min_notional=notional,
        max_notional=cap,
        market_max_quantity=market,
        stop_max_notional=stop,
    ),
    st.sampled_from([Decimal("0.001"), Decimal("0.1"), Decimal(1), Decimal(7)]),
    st.one_of(st.just(Decimal(0)), numbers),
    st.one_of(st.none(), numbers),
    st.one_of(st.just(Decimal(0)), numbers),
    st.one_of(st.none(), numbers),
    st.one_of(st.none(), numbers),
    st.one_of(st.none(), numbers),
)
caps = st.builds(
    lambda quantity, notional, orders: OrderCaps(max_quantity=quantity, max_notional=notional, orders=orders),
    st.one_of(st.none(), numbers),
    st.one_of(st.none(), numbers),
    st.integers(1, 12),
)
types = st.sampled_from(TYPES)


@given(numbers, instruments, types, numbers, caps)
def test_no_part_is_above_a_cap_or_below_a_minimum(
    quantity: Decimal, instrument: Instrument, type: OrderType, price: Decimal, caps: OrderCaps
) -> None:
    for part in divided(quantity, instrument, type=type, price=price, caps=caps):
        assert on_grid(part, instrument.lot_size)
        assert not too_small(part, instrument, type=type, price=price)
        assert not too_large(part, instrument, type=type, price=price * (1 + MARGIN))
        assert caps.max_quantity is None or part <= caps.max_quantity
        assert caps.max_notional is None or part * price * (1 + MARGIN) <= caps.max_notional


@given(numbers, instruments, types, numbers, caps)
def test_the_parts_are_the_whole_but_for_what_no_order_can_be_for(
    quantity: Decimal, instrument: Instrument, type: OrderType, price: Decimal, caps: OrderCaps
) -> None:
    parts = divided(quantity, instrument, type=type, price=price, caps=caps)
    whole, low = floor_to(quantity, instrument.lot_size), least(instrument, type=type, price=price)
    high = greatest(instrument, type=type, price=price, caps=caps)
    assert len(parts) <= caps.orders
    assert sum(parts) <= whole
    if high is not None and high < low:
        assert parts == ()
    elif len(parts) < caps.orders:
        assert whole - sum(parts) < low
        assert sum(parts) == whole or whole < low or len(parts) * low + low > whole


@given(st.integers(1, 10**7), st.integers(100, 10**6), st.integers(1, 40))
def test_parts_differ_where_there_is_room(whole: int, high: int, low: int) -> None:
    instrument = an_instrument(lot_size="1", min_quantity=low, market_max_quantity=high)
    parts = divided(Decimal(whole), instrument, type="market", price=Decimal(1))
    assert len(set(parts)) == len(parts)
    assert list(parts) == sorted(parts, reverse=True)


@given(st.integers(1, 10**9), st.integers(2, 10**4), st.integers(1, 12))
def test_cycle_by_cycle_all_is_sold(whole: int, high: int, orders: int) -> None:
    """With a minimum of no more than half a cap, what is left after each cycle can always be sold."""
    low = max(1, high // 4)
    instrument, left = an_instrument(lot_size="1", min_quantity=low, market_max_quantity=high), Decimal(whole)
    for _ in range(50):
        parts = divided(left, instrument, type="market", price=Decimal(1), caps=OrderCaps(orders=orders))
        left -= sum(parts)
        if not parts:
            break
    assert left == 0 or whole < low or left > high


def test_what_fits_is_one_order_and_without_limits_everything_fits() -> None:
    price = Decimal(100)
    assert divided(Decimal("12.345678"), an_instrument(), type="market", price=price) == (Decimal("12.34567"),)
    capped = an_instrument(market_max_quantity="5")
    assert divided(Decimal(5), capped, type="market", price=price) == (Decimal(5),)
    assert divided(Decimal(12), capped, type="market", price=price) == (
        Decimal(5),
        Decimal("4.99999"),
        Decimal("2.00001"),
    )
    assert divided(Decimal(12), capped, type="limit", price=price) == (Decimal(12),)


def test_a_cap_on_the_notional_keeps_its_distance() -> None:
    capped = an_instrument(lot_size="1", market_max_notional="1020")
    assert greatest(capped, type="market", price=Decimal(10)) == 100
    assert greatest(capped, type="limit", price=Decimal(10)) is None
    assert greatest(capped, type="market", price=Decimal(10), caps=OrderCaps(max_quantity=Decimal(7))) == 7


def test_each_type_has_its_own_limits() -> None:
    one = an_instrument(
        min_quantity="1",
        max_quantity="100",
        min_notional="5",
        max_notional="1000",
        market_min_quantity="2",
        market_max_quantity="50",
        market_max_notional="700",
        market_without_minimum=True,
        stop_max_quantity="20",
        stop_max_notional="300",
    )
    found = {type: size_limits(one, type=type) for type in TYPES}
    assert {t: (f.min_quantity, f.max_quantity, f.min_notional, f.max_notional) for t, f in found.items()} == {
        "limit": (1, 100, 5, 1000),
        "market": (2, 50, 0, 700),
        "stop": (2, 20, 5, 300),
    }


@pytest.mark.parametrize("type", TYPES)
def test_where_the_least_notional_does_not_bind_exits_it_binds_entries_alone(type: OrderType) -> None:
    one = an_instrument(min_notional="5", lot_size="0.001", min_quantity="0.002", exits_without_minimum=True)
    price = Decimal(1_000)
    assert size_limits(one, type=type).min_notional == 5
    assert size_limits(one, type=type, reduces=True).min_notional == 0
    assert too_small(Decimal("0.004"), one, type=type, price=price) == "the notional 4 is below the minimum 5"
    assert too_small(Decimal("0.004"), one, type=type, price=price, reduces=True) == ""
    assert too_small(Decimal("0.001"), one, type=type, price=price, reduces=True)  # its quantity still counts
    assert least(one, type=type, price=price) == Decimal("0.005")
    assert least(one, type=type, price=price, reduces=True) == Decimal("0.002")
    assert divided(Decimal("0.004"), one, type=type, price=price) == (Decimal("0.004"),)
    assert no_way_out(Decimal("0.004"), one, price=price) == ""
    assert least_entry(one, side="buy", type=type, price=price, exit=Decimal(900)) == Decimal("0.005")


def test_the_reason_has_the_numbers() -> None:
    one = an_instrument(min_quantity="0.001", max_quantity="9", min_notional="5", max_notional="600")
    small, large = dict.fromkeys(("instrument",), one), dict.fromkeys(("instrument",), one)
    price = Decimal(1_000)
    assert too_small(Decimal("0.000009"), **small, type="limit") == "the quantity 0.000009 is below the lot 0.00001"
    assert too_small(Decimal("0.0002"), **small, type="limit") == "the quantity 0.0002 is below the minimum 0.001"
    assert too_small(Decimal("0.004"), **small, type="limit", price=price) == "the notional 4 is below the minimum 5"
    assert too_small(Decimal("0.004"), **small, type="limit") == ""
    assert too_large(Decimal(10), **large, type="limit") == "the quantity 10 is above the maximum 9"
    assert too_large(Decimal(1), **large, type="limit", price=price) == "the notional 1000 is above the maximum 600"
    assert too_large(Decimal(1), **large, type="limit") == ""


@pytest.mark.parametrize(
    ("quantity", "price", "why"),
    [
        # 6 USDT buy 0.0001 BTC; 0.0000999 are got, 0.00009 can be sold, for 5.19 at the stop and its margin.
        ("0.0001", "58800", ""),
        ("0.00009", "60000", "of 0.00008991 after the fee 0.00008 can be sold, at 58800: the notional 4.704 is below"),
        ("0.0001", "56000", "of 0.0000999 after the fee 0.00009 can be sold, at 54880: the notional 4.9392 is below"),
        ("0.00001", "60000", "of 0.00000999 after the fee 0 can be sold, at 58800: the quantity 0 is below the lot"),
    ],
)
def test_an_entry_on_binance_spot_that_could_not_be_exited_says_why(quantity: str, price: str, why: str) -> None:
    binance = an_instrument(min_notional="5")
    left = after_fee(Decimal(quantity), binance, side="buy")
    found = no_way_out(left, binance, price=Decimal(price))
    assert found.startswith(why) if why else not found


@given(numbers, instruments, numbers)
def test_what_has_a_way_out_can_be_sold_at_its_stop(quantity: Decimal, instrument: Instrument, price: Decimal) -> None:
    left = after_fee(quantity, instrument, side="buy")
    if not no_way_out(left, instrument, price=price):
        for type in ("market", "stop"):
            sellable = floor_to(left, instrument.lot_size)
            assert not too_small(sellable, instrument, type=type, price=price * (1 - MARGIN))


def test_only_a_spot_buy_pays_in_what_it_buys() -> None:
    swap = an_instrument(symbol="BTC/USDT:USDT", kind="swap")
    assert after_fee(Decimal(1), an_instrument(), side="buy") == Decimal("0.999")
    assert after_fee(Decimal(1), an_instrument(), side="sell") == 1
    assert after_fee(Decimal(1), swap, side="buy") == 1


def test_an_older_instrument_keeps_its_bytes() -> None:
    assert set(an_instrument().model_dump()) == {
        "symbol",
        "kind",
        "asset_class",
        "option",
        "tick_size",
        "lot_size",
        "min_notional",
        "maker_fee",
        "taker_fee",
    }
