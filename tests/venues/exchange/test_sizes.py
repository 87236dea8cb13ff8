"""The least and greatest orders that exchanges state, read out of their own rows in base and quote currency."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from builders.canned_venue import a_canned_venue, shared
from domain.instrument import Instrument
from venues.exchange.sizes import sizes_of

ONE = Decimal(1)


def stated(instrument: Instrument) -> dict[str, Any]:
    """The sizes of an instrument that bind."""
    names = ("quantity", "notional", "without_minimum")
    return {name: value for name, value in instrument if name.endswith(names) and value}


async def okx(symbol: str) -> Instrument:
    rows = json.loads(shared("ccxt_static/okx_instruments.json"))["instruments"]
    answers = {
        f"GET /api/v5/public/instruments?instType={kind}": json.dumps(
            {"code": "0", "msg": "", "data": [row for row in rows if row["instType"] == kind]}
        )
        for kind in ("SPOT", "SWAP")
    }
    async with a_canned_venue("okx", answers, symbols=(symbol,)) as canned:
        return (await canned.venue.instruments())[symbol]


async def test_okx_counts_the_most_at_the_market_of_spot_in_dollars_and_of_a_limit_order_in_the_base() -> None:
    assert stated(await okx("BTC/USDT")) == {
        "min_quantity": Decimal("0.00001"),
        "max_quantity": Decimal(9_999_999_999),
        "max_notional": Decimal(20_000_000),
        "market_max_notional": Decimal(1_000_000),
        "stop_max_notional": Decimal(1_000_000),
    }


async def test_okx_counts_swaps_in_contracts() -> None:
    assert stated(await okx("BTC/USDT:USDT")) == {
        "min_quantity": Decimal("0.0001"),
        "max_quantity": Decimal("99999999.99"),
        "max_notional": Decimal(20_000_000),
        "market_max_quantity": Decimal(10_000),
        "market_max_notional": Decimal(1_000_000),
        "stop_max_quantity": Decimal(10_000),
    }


def test_what_a_recorded_row_leaves_empty_binds_nothing() -> None:
    (row,) = [
        row
        for row in json.loads(shared("exchange_payloads/okx/http_get_instruments_swap.json"))["data"]
        if row["instId"] == "BTC-USD-SWAP"
    ]
    assert row["maxMktAmt"] == ""
    found = sizes_of({"swap": True, "quote": "USD", "limits": {}, "info": row}, exchange="okx", unit=Decimal(100))
    assert found == {
        "max_quantity": Decimal(10_000_000_000),
        "max_notional": Decimal(20_000_000),
        "market_max_quantity": Decimal(3_000_000),
        "stop_max_quantity": Decimal(3_000_000),
    }


def test_an_amount_in_dollars_says_nothing_of_a_market_in_another_currency() -> None:
    info = {"maxLmtAmt": "20000000", "maxMktAmt": "1000000", "maxMktSz": "1000000", "maxLmtSz": "99"}
    market = {"spot": True, "quote": "BTC", "limits": {"cost": {"max": "1000000"}}, "info": info}
    assert sizes_of(market, exchange="okx", unit=ONE) == {"max_quantity": Decimal(99)}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "linear",
            {
                "min_quantity": Decimal("0.001"),
                "max_quantity": Decimal("100.0"),
                "min_notional": Decimal(5),
                "market_max_quantity": Decimal("50.0"),
            },
        ),
        (
            "spot",
            {
                "min_quantity": Decimal("0.001"),
                "max_quantity": Decimal("100.0"),
                "min_notional": Decimal(10),
                "max_notional": Decimal(1_000_000),
            },
        ),
    ],
)
def test_bybit_states_the_most_at_the_market_and_the_least_notional(kind: str, expected: dict[str, Any]) -> None:
    row = json.loads(shared(f"exchange_payloads/bybit/http_get_instruments_{kind}.json"))["result"]["list"][0]
    lots = row["lotSizeFilter"]
    limits = {  # as ccxt has them
        "amount": {"min": lots["minOrderQty"], "max": lots["maxOrderQty"]},
        "cost": {"min": lots.get("minOrderAmt"), "max": lots.get("maxOrderAmt")},
    }
    market = {kind: True, "swap": kind == "linear", "limits": limits, "info": row}
    assert sizes_of(market, exchange="bybit", unit=ONE) == expected


def test_bybits_newer_fields_of_spot_go_before_the_older_ones() -> None:
    lots = {"maxLimitOrderQty": "83", "maxMarketOrderQty": "41.5", "maxOrderQty": "71.7"}
    market = {"spot": True, "limits": {"amount": {"max": "71.7"}}, "info": {"lotSizeFilter": lots}}
    assert sizes_of(market, exchange="bybit", unit=ONE) == {
        "max_quantity": Decimal(83),
        "market_max_quantity": Decimal("41.5"),
    }


def binance(*filters: dict[str, Any]) -> dict[str, Any]:
    limits = {"amount": {"min": "0.00001", "max": "9000"}, "market": {"min": "0.00000000", "max": "61.5"}}
    return {"spot": True, "limits": limits | {"cost": {"min": "5"}}, "info": {"filters": list(filters)}}


@pytest.mark.parametrize(
    ("filters", "without"),
    [
        ((), False),
        (({"filterType": "NOTIONAL", "minNotional": "5", "applyMinToMarket": True},), False),
        (({"filterType": "NOTIONAL", "minNotional": "5", "applyMinToMarket": False},), True),
        (({"filterType": "MIN_NOTIONAL", "minNotional": "5", "applyToMarket": False},), True),
        (({"filterType": "MIN_NOTIONAL", "notional": "5"},), False),
    ],
)
def test_binance_says_whether_its_minimum_binds_market_orders(filters: tuple[Any, ...], without: bool) -> None:
    found = sizes_of(binance(*filters), exchange="binance", unit=ONE)
    assert found.get("market_without_minimum", False) is without
    assert {name: found[name] for name in found if name != "market_without_minimum"} == {
        "min_quantity": Decimal("0.00001"),
        "max_quantity": Decimal(9_000),
        "min_notional": Decimal(5),
        "market_max_quantity": Decimal("61.5"),
    }


@pytest.mark.parametrize("exchange", ["binance", "binanceusdm", "bybit", "okx"])
@pytest.mark.parametrize("kind", ["spot", "swap"])
def test_only_perpetuals_of_binance_let_exits_be_as_small_as_a_lot(exchange: str, kind: str) -> None:
    market = binance({"filterType": "MIN_NOTIONAL", "notional": "5"}) | {"spot": kind == "spot", "swap": kind == "swap"}
    found = sizes_of(market, exchange=exchange, unit=ONE)
    assert found.get("exits_without_minimum", False) is (kind == "swap" and exchange.startswith("binance"))


def test_any_exchange_states_what_ccxt_has() -> None:
    market = {"swap": True, "limits": {"amount": {"min": "2", "max": "8"}, "cost": {"min": "1", "max": "9"}}}
    assert sizes_of(market, exchange="gate", unit=Decimal("0.5")) == {
        "min_quantity": ONE,
        "max_quantity": Decimal(4),
        "min_notional": ONE,
        "max_notional": Decimal(9),
    }


@pytest.mark.parametrize("limits", [None, {}, {"amount": None}, {"amount": {"min": None, "max": "0"}}])
def test_what_is_not_stated_binds_nothing(limits: object) -> None:
    assert sizes_of({"spot": True, "limits": limits}, exchange="gate", unit=ONE) == {}
