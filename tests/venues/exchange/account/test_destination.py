"""Where requests with keys go: the hosts of ccxt's own object, whatever moved it."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from domain.decision import Ticket
from domain.errors import UsageError
from domain.order import OrderRequest
from graphs.session.clocks import WallClock
from venues.exchange.account import ExchangeKeys, ExchangeVenue, destination_of
from venues.exchange.account.destination import is_loopback


@pytest.mark.parametrize(
    ("exchange", "sandbox", "hosts"),
    [
        ("okx", False, ("www.okx.com",)),
        ("okx", True, ("www.okx.com",)),
        ("binance", False, ("fapi.binance.com", "api.binance.com")),
        ("binance", True, ("testnet.binancefuture.com", "testnet.binance.vision")),
        ("bybit", False, ("api.bybit.com",)),
        ("bybit", True, ("api-testnet.bybit.com",)),
        ("kraken", False, ("api.kraken.com",)),
    ],
)
def test_the_hosts_are_those_that_ccxt_signs_for(exchange: str, sandbox: bool, hosts: tuple[str, ...]) -> None:
    where = destination_of(exchange, sandbox=sandbox, base_url=None)
    assert (where.hosts, where.sandbox, where.encrypted) == (hosts, sandbox, True)


@pytest.mark.parametrize(
    ("base_url", "host", "encrypted", "here"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", False, True),
        ("https://me:secret@proxy.example/okx", "proxy.example", True, False),
        ("http://127.0.0.1@evil.example", "evil.example", False, False),
    ],
)
def test_a_base_url_stands_in_for_every_host_and_its_password_is_not_told(
    base_url: str, host: str, encrypted: bool, here: bool
) -> None:
    for exchange in ("okx", "binance", "bybit"):
        where = destination_of(exchange, sandbox=False, base_url=base_url)
        assert (where.hosts, where.encrypted, where.on_this_machine) == ((host,), encrypted, here)


async def test_a_venue_tells_its_own() -> None:
    def check(ticket: Ticket, order: OrderRequest, at: object) -> None: ...

    keys = ExchangeKeys(api_key=SecretStr("k"), secret=SecretStr("s"))
    venue = ExchangeVenue(
        "okx", keys=keys, symbols=("BTC/USDT",), currency="USDT", check=check, wall=WallClock(), sandbox=True
    )
    assert (venue.destination.hosts, venue.destination.sandbox) == (("www.okx.com",), True)
    await venue.aclose()


def test_an_exchange_without_a_sandbox_is_one_clear_error() -> None:
    with pytest.raises(UsageError, match="ccxt knows no sandbox of kraken"):
        destination_of("kraken", sandbox=True, base_url=None)


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost:1", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:1", True),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://10.0.0.1", False),
        ("http://[::1", False),
    ],
)
def test_only_this_machine_is_this_machine(url: str, here: bool) -> None:
    assert is_loopback(url) is here
