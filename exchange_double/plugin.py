"""The exchange double as a pytest plugin, for everyone who writes a venue.

`exchange_double` is an OKX with an account of 100,000 USDT and a market that a test drives:

    async def test_a_venue_survives_a_timeout(exchange_double):
        exchange_double.engine.set_touch("BTC/USDT", bid="60000", ask="60000.1")
        exchange_double.faults.add(Timeout(accepted=True), on=Operation.PLACE)
        client = ccxt.async_support.okx(exchange_double.client_settings())
        ...
        assert exchange_double.placed_twice() == ()

Its time stands at the start of 2026 until `exchange_double.advance` moves it. `binance_double` and `bybit_double` are a
Binance and a Bybit in the same way, whose time runs. `served.okx_double`, `served.binance_double` and
`served.bybit_double` make one with another account, other markets or another clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from exchange_double.served import ServedDouble


@pytest.fixture
def exchange_double() -> Iterator[ServedDouble]:
    """An OKX on 127.0.0.1, alive for one test."""
    from exchange_double.served import okx_double

    with okx_double() as double:
        yield double


@pytest.fixture
def binance_double() -> Iterator[ServedDouble]:
    """A Binance on 127.0.0.1, alive for one test."""
    from exchange_double import served

    with served.binance_double() as double:
        yield double


@pytest.fixture
def bybit_double() -> Iterator[ServedDouble]:
    """A Bybit on 127.0.0.1, alive for one test."""
    from exchange_double import served

    with served.bybit_double() as double:
        yield double
