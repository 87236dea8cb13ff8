"""What people write for a symbol, and what is meant by it."""

from __future__ import annotations

import pytest

from domain.symbols import meant_symbol, unified


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("BTCUSDT", "BTC/USDT"),
        ("btcusdt", "BTC/USDT"),
        ("BTC-USDT", "BTC/USDT"),
        ("BTC_USDT", "BTC/USDT"),
        ("btc/usdt", "BTC/USDT"),
        ("BTC-USDT-SWAP", "BTC/USDT:USDT"),
        ("BTC-USDT-USDT", "BTC/USDT:USDT"),
        ("BTC/USDT:USDT", "BTC/USDT:USDT"),
        ("ETHBTC", "ETH/BTC"),
        ("USDT", None),
        ("BTC", None),
        ("", None),
        ("B" * 1_000 + "USDT", None),
        ("BTC-USDT-A-B", None),
    ],
)
def test_the_form_of_an_exchange_is_told_in_the_unified_form(text: str, symbol: str | None) -> None:
    assert unified(text) == symbol


def test_what_is_meant_is_one_of_those_that_are_there() -> None:
    assert meant_symbol("BTC-USDT") == "; did you mean BTC/USDT?"
    assert meant_symbol("BTC-USD", there=["BTC/USDT", "ETH/USDT"]) == "; did you mean BTC/USDT?"
    assert meant_symbol("BTC/USDT") == ""
    assert meant_symbol("???") == ""
