"""Clients of the exchange double: the real ccxt, and requests signed by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from exchange_double.double import ExchangeDouble
from exchange_double.served import ServedDouble
from exchange_double.wire import Credentials, Request

if TYPE_CHECKING:
    import ccxt.async_support as ccxt
    import ccxt.pro as ccxt_pro

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"


@asynccontextmanager
async def okx_client(double: ServedDouble, **settings: object) -> AsyncIterator[ccxt.okx]:
    """ccxt's own OKX with its markets loaded."""
    import ccxt.async_support as ccxt

    client = ccxt.okx({**double.client_settings(), "enableRateLimit": False, **settings})
    client.timeout_on_exit = 0
    try:
        await client.load_markets()
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def okx_streams(double: ServedDouble, **settings: object) -> AsyncIterator[ccxt_pro.okx]:
    """ccxt's own OKX with streams."""
    import ccxt.pro as ccxt_pro

    client = ccxt_pro.okx({**double.client_settings(), "enableRateLimit": False, **settings})
    client.timeout_on_exit = 0
    try:
        await client.load_markets()
        yield client
    finally:
        await client.close()


@contextmanager
def impatient(client: ccxt.okx) -> Iterator[None]:
    """The client gives up on an answer after 300 ms."""
    patience, client.timeout = client.timeout, 300
    try:
        yield
    finally:
        client.timeout = patience


def signed(
    double: ExchangeDouble,
    method: str,
    target: str,
    *,
    body: str = "",
    credentials: Credentials | None = None,
    headers: Mapping[str, str] | None = None,
) -> Request:
    """A request as OKX wants it, at the double's own time; `headers` replace what it would carry."""
    known = credentials or Credentials()
    stamp = double.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    digest = hmac.digest(known.secret.encode(), (stamp + method + target + body).encode(), hashlib.sha256)
    carried = {
        "ok-access-key": known.key,
        "ok-access-passphrase": known.passphrase,
        "ok-access-timestamp": stamp,
        "ok-access-sign": base64.b64encode(digest).decode(),
        "content-type": "application/json",
    }
    return Request(method=method, target=target, body=body, headers={**carried, **(headers or {})})


def ask(double: ExchangeDouble, request: Request) -> dict[str, Any]:
    """The body of an answer that must come."""
    reply = double.respond(request)
    assert reply.answer is not None
    answer: dict[str, Any] = json.loads(reply.answer.body)
    return answer
