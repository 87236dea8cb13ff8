"""What a ccxt client is built with to talk to a double instead of Binance."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

SANDBOX = "/sandbox"
"""Before every address of Binance's test and demo environments, which really are other hosts."""

_TRADING = {
    "public": "/api/v3",
    "private": "/api/v3",
    "v1": "/api/v1",
    "fapiPublic": "/fapi/v1",
    "fapiPublicV2": "/fapi/v2",
    "fapiPublicV3": "/fapi/v3",
    "fapiPrivate": "/fapi/v1",
    "fapiPrivateV2": "/fapi/v2",
    "fapiPrivateV3": "/fapi/v3",
    "dapiPublic": "/dapi/v1",
    "dapiPrivate": "/dapi/v1",
    "dapiPrivateV2": "/dapi/v2",
}
_BEYOND = {
    "sapi": "/sapi/v1",
    "sapiV2": "/sapi/v2",
    "sapiV3": "/sapi/v3",
    "sapiV4": "/sapi/v4",
    "dapiData": "/futures/data",
    "fapiData": "/futures/data",
    "eapiPublic": "/eapi/v1",
    "eapiPrivate": "/eapi/v1",
    "papi": "/papi/v1",
    "papiV2": "/papi/v2",
}
"""ccxt's names of Binance's addresses, those that every environment has and those of the real one alone."""


def addresses(url: str) -> Mapping[str, object]:
    """All that ccxt knows of the real exchange, so that nothing leaves this machine."""
    return {**{name: url + path for name, path in (_TRADING | _BEYOND).items()}, "ws": _sockets(url)}


def sandbox_addresses(url: str) -> Mapping[str, object]:
    """What ccxt knows of the test and demo environments, which have no wallet."""
    url += SANDBOX
    return {**{name: url + path for name, path in _TRADING.items()}, "ws": _sockets(url)}


def _sockets(url: str) -> Mapping[str, object]:
    """ccxt takes a stream for one of spot by `/stream` in its address, which really is the host's name."""
    url = url.replace("http", "ws", 1)
    spot = f"{url}/stream/ws"
    return {
        "spot": spot,
        "margin": spot,
        "future": f"{url}/ws",
        "delivery": f"{url}/delivery/ws",
        "papi": f"{url}/pm/ws",
        "ws-api": {"spot": f"{url}/ws-api/v3", "future": f"{url}/ws-fapi/v1", "delivery": f"{url}/ws-dapi/v1"},
    }


@cache
def meanings() -> Mapping[str, type[Exception]]:
    """What ccxt makes of an error code on futures, and else on spot, whose own codes end before -3000."""
    import ccxt

    known = ccxt.binance().exceptions
    spot = {code: error for code, error in known["spot"]["exact"].items() if int(code) > -3_000}
    return {**spot, **known["linear"]["exact"]}
