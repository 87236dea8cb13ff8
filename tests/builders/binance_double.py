"""Clients of the double as a Binance: the real ccxt, and requests signed by hand."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from exchange_double.double import ExchangeDouble
from exchange_double.served import ServedDouble
from exchange_double.wire import Answer, Credentials, Request

if TYPE_CHECKING:
    import ccxt.async_support as ccxt
    import ccxt.pro as ccxt_pro

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"


@asynccontextmanager
async def binance_client(double: ServedDouble, **settings: object) -> AsyncIterator[ccxt.binance]:
    """ccxt's own Binance with its markets loaded."""
    import ccxt.async_support as ccxt

    # There is no certificate to check here, and to read all that the machine trusts takes longer than a test.
    client = ccxt.binance({**double.client_settings(), "enableRateLimit": False, "verify": False, **settings})
    client.timeout_on_exit = 0
    try:
        await client.load_markets()
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def binance_streams(
    double: ServedDouble, *, options: Mapping[str, object] | None = None, **settings: object
) -> AsyncIterator[ccxt_pro.binance]:
    """ccxt's own Binance with streams; `options` come on top of those that it needs here."""
    import ccxt.pro as ccxt_pro

    client = ccxt_pro.binance({**double.client_settings(), "enableRateLimit": False, "verify": False, **settings})
    client.timeout_on_exit = 0
    client.options.update(options or {})
    try:
        await client.load_markets()
        yield client
    finally:
        await client.close()


@contextmanager
def impatient(client: ccxt.binance) -> Iterator[None]:
    """The client gives up on an answer after 300 ms."""
    patience, client.timeout = client.timeout, 300
    try:
        yield
    finally:
        client.timeout = patience


def signed(
    double: ExchangeDouble,
    method: str,
    path: str,
    params: Mapping[str, str] | None = None,
    *,
    credentials: Credentials | None = None,
    key: str | None = None,
    stamp_ms: int | None = None,
) -> Request:
    """A request as Binance wants it, at the double's own time."""
    known = credentials or Credentials()
    stamp_ms = round(double.now.timestamp() * 1000) if stamp_ms is None else stamp_ms
    sent = urlencode({**(params or {}), "timestamp": stamp_ms})
    sent += "&signature=" + hmac.digest(known.secret.encode(), sent.encode(), hashlib.sha256).hex()
    headers = {"x-mbx-apikey": known.key if key is None else key, "content-type": "application/x-www-form-urlencoded"}
    in_body = method == "POST"
    return Request(
        method=method,
        target=path if in_body else f"{path}?{sent}",
        body=sent if in_body else "",
        headers={name: value for name, value in headers.items() if value},
    )


def answered(double: ExchangeDouble, request: Request) -> Answer:
    """The answer that must come."""
    reply = double.respond(request)
    assert reply.answer is not None
    return reply.answer


def ask(double: ExchangeDouble, request: Request) -> Any:
    """The body of an answer that must come."""
    return json.loads(answered(double, request).body)
