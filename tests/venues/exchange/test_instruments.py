"""The grid, the least order and the kind of a market, exactly as an exchange states them in its own terms."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import SymbolUnknown, UsageError, VenueUnavailable
from domain.money import on_grid
from venues.exchange.instruments import carried, chosen, instrument_of, listed, step

digits = st.integers(1, 12)
prices = st.decimals(
    min_value=Decimal("1e-6"), max_value=Decimal("1e9"), allow_nan=False, allow_infinity=False, places=6
).filter(lambda price: price > 0)


def a_market(**over: Any) -> dict[str, Any]:
    return {
        "symbol": "BTC/USDT",
        "spot": True,
        "active": True,
        "precision": {"price": "0.1", "amount": "0.00000001"},
        "limits": {"cost": {"min": "5"}, "amount": {"min": "0.00001"}},
        "maker": "0.0008",
        "taker": "0.001",
    } | over


def a_swap(**over: Any) -> dict[str, Any]:
    swap = {"spot": False, "swap": True, "linear": True, "contractSize": "0.01"}
    return a_market(**swap, precision={"price": "0.1", "amount": "0.01"}) | over


def read(market: dict[str, Any], *, exchange: str = "okx", precision: Any = "ticks", **over: Any) -> Any:
    symbol = "BTC/USDT" if market["spot"] else "BTC/USDT:USDT"
    return instrument_of(market, symbol, exchange=exchange, precision=precision, **over)


@given(st.decimals(min_value=Decimal("1e-18"), max_value=Decimal("1e6"), allow_nan=False, allow_infinity=False))
def test_a_step_that_is_stated_is_taken_to_the_digit(stated: Decimal) -> None:
    assert step(str(stated), precision="ticks") == stated


@given(st.integers(-6, 18))
def test_a_number_of_places_is_a_power_of_ten(places: int) -> None:
    assert step(str(places), precision="places") == Decimal(f"1e{-places}")


@given(prices, digits)
def test_a_price_on_the_grid_of_significant_digits_has_no_more_of_them(price: Decimal, count: int) -> None:
    tick = step(count, precision="digits", price=price)
    rounded = (price // tick) * tick
    assert on_grid(rounded, tick)
    assert rounded <= price < rounded + tick
    assert len(rounded.normalize().as_tuple().digits) <= count or tick == Decimal("1e-8")


def test_spot_is_read_as_stated() -> None:
    instrument = read(a_market())
    assert (instrument.tick_size, instrument.lot_size) == (Decimal("0.1"), Decimal("1e-8"))
    assert (instrument.min_notional, instrument.maker_fee, instrument.taker_fee) == (
        Decimal(5),
        Decimal("0.0008"),
        Decimal("0.001"),
    )


@given(
    st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(1_000), places=4),
    st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(100), places=4),
)
def test_a_lot_of_contracts_is_a_quantity_of_the_base_currency(size: Decimal, lot: Decimal) -> None:
    market = a_swap(contractSize=str(size), precision={"price": "0.1", "amount": str(lot)})
    assert read(market).lot_size == size * lot


def test_a_rebate_is_no_fee_and_no_income() -> None:
    assert read(a_market(maker="-0.0001")).maker_fee == 0


@pytest.mark.parametrize(
    "market",
    [
        a_market(precision={"price": None, "amount": "1"}),
        a_market(precision={"price": "0", "amount": "1"}),
        a_market(precision=None),
        a_swap(contractSize=None),
        a_market(limits={"cost": {"min": "-1"}}),
    ],
)
def test_a_grid_that_is_left_open_is_refused(market: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="does not say on which grid"):
        read(market)


def test_contracts_whose_volume_may_mean_either_are_refused() -> None:
    with pytest.raises(UsageError, match="in contracts or in the base currency isn't known"):
        read(a_swap(), exchange="gate")
    assert read(a_swap(contractSize="1"), exchange="gate").lot_size == Decimal("0.01")


@pytest.mark.parametrize("kind", [{"swap": True, "linear": False, "inverse": True}, {"future": True}, {"option": True}])
def test_only_spot_and_linear_perpetuals_are_traded(kind: dict[str, bool]) -> None:
    with pytest.raises(UsageError, match="neither spot nor a linear perpetual"):
        listed({"X/USD:X": a_market(spot=False) | kind}, "X/USD:X", exchange="okx")


def test_a_recorded_symbol_that_is_gone_is_suspended_and_another_one_is_an_error() -> None:
    markets = {"BTC/USDT": a_market(), "ETH/USDT": a_market(active=False)}
    symbols = ("BTC/USDT", "ETH/USDT", "LTC/USDT")
    rows, suspended = carried(markets, symbols, exchange="okx", recorded={"ETH/USDT", "LTC/USDT"})
    assert set(rows) == {"BTC/USDT", "ETH/USDT"}
    assert suspended == {
        "ETH/USDT": "ETH/USDT is not trading on okx now",
        "LTC/USDT": "LTC/USDT is not listed on okx",
    }
    with pytest.raises(SymbolUnknown, match="LTC/USDT is not listed on okx"):
        carried(markets, symbols, exchange="okx", recorded={"ETH/USDT"})
    with pytest.raises(UsageError, match="ETH/USDT is not trading on okx now"):
        carried(markets, symbols, exchange="okx", recorded={"LTC/USDT"})


def test_all_symbols_that_cannot_be_traded_are_named_at_once_each_with_what_may_be_meant() -> None:
    markets = {"BTC/USDT": a_market(), "ETH/USDT": a_market(active=False), "SOL/USDT": a_market()}
    symbols = ("BTC/USTD", "ETH/USDT", "SOL/USDT", "QQQ/XYZ")
    with pytest.raises(SymbolUnknown) as raised:
        carried(markets, symbols, exchange="okx", recorded=())
    assert raised.value.message == (
        "BTC/USTD is not listed on okx (did you mean BTC/USDT, ETH/USDT?); "
        "ETH/USDT is not trading on okx now (choose another of --symbols); "
        "QQQ/XYZ is not listed on okx (write spot as BTC/USDT, a perpetual as BTC/USDT:USDT)"
    )
    closed = {symbol: a_market(active=False) for symbol in ("ETH/USDT", "SOL/USDT")}
    with pytest.raises(UsageError, match=r"ETH/USDT is not trading .*; SOL/USDT is not trading"):
        carried(closed, ("ETH/USDT", "SOL/USDT"), exchange="okx", recorded=())


def test_a_list_without_any_market_of_a_kind_delists_nothing() -> None:
    with pytest.raises(VenueUnavailable, match="okx lists no spot markets at all"):
        carried({"BTC/USDT:USDT": a_swap()}, ("BTC/USDT",), exchange="okx", recorded={"BTC/USDT"})


def test_symbols_must_be_chosen_and_count_once() -> None:
    assert chosen(["BTC/USDT", "ETH/USDT", "BTC/USDT"], exchange="okx") == ("BTC/USDT", "ETH/USDT")
    with pytest.raises(UsageError, match="--symbols BTC/USDT,ETH/USDT"):
        chosen(None, exchange="okx")
