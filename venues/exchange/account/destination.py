"""Where requests to an exchange really go: read off ccxt's own object, after everything that moves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from domain.value import Value
from venues.exchange.account.dialects import quirks_of
from venues.exchange.connection import exchange_class, move

_OTHER_KINDS: Final = ("dapi", "eapi", "papi", "sapi")
"""Binance's addresses for what can't be traded here."""


class Destination(Value):
    """The hosts that signed requests go to, and whether they are the exchange's sandbox."""

    hosts: tuple[str, ...]
    """With the port where it is not the usual one."""
    sandbox: bool
    encrypted: bool
    """Whether every request goes over TLS."""

    @property
    def on_this_machine(self) -> bool:
        return all(is_loopback(f"//{host}") for host in self.hosts)


def destination(ccxt: Any) -> Destination:
    """Of ccxt's object as it stands."""
    named = [(name, ccxt.implode_hostname(url)) for name, url in _addresses("", ccxt.urls["api"])]
    signed = [url for name, url in named if "private" in name.lower() and not name.startswith(_OTHER_KINDS)]
    parts = [urlsplit(url) for url in signed or [url for _, url in named]]
    return Destination(
        hosts=tuple(dict.fromkeys(part.netloc.rpartition("@")[2] for part in parts)),
        sandbox=bool(getattr(ccxt, "isSandboxModeEnabled", False)),
        encrypted=all(part.scheme == "https" for part in parts),
    )


def destination_of(exchange: str, *, sandbox: bool, base_url: str | None) -> Destination:
    """Where a venue that is set so would send. Raises `UsageError` for an exchange that ccxt does not know."""
    ccxt = exchange_class(exchange)()
    if sandbox:
        quirks_of(exchange).sandbox(ccxt)
    if base_url is not None:
        move(ccxt, base_url)
    return destination(ccxt)


def is_loopback(url: str) -> bool:
    """Whether the host of `url` is this machine, whatever a resolver says."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _addresses(name: str, urls: object) -> Iterator[tuple[str, str]]:
    if isinstance(urls, Mapping):
        for inner, url in urls.items():
            yield from _addresses(str(inner), url)
    elif isinstance(urls, str):
        yield name, urls
