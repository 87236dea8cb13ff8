"""Clients of the double's Bybit: the real ccxt, and requests signed by hand."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from domain.clock import TickClock
from exchange_double.bybit import LISTINGS, BybitWire
from exchange_double.double import ExchangeDouble
from exchange_double.served import START, ServedDouble
from exchange_double.wire import Credentials, Request, Wire

if TYPE_CHECKING:
    import ccxt.async_support as ccxt
    import ccxt.pro as ccxt_pro

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
B = TypeVar("B", bound="ccxt.bybit")


@asynccontextmanager
async def _loaded(kind: type[B], double: ServedDouble, settings: Mapping[str, object]) -> AsyncIterator[B]:
    client = kind({**double.client_settings(), "enableRateLimit": False, **settings})
    client.timeout_on_exit = 0
    client.options["fetchMarkets"] = {"types": ["spot", "linear"]}
    try:
        await client.load_markets()
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def bybit_client(double: ServedDouble, **settings: object) -> AsyncIterator[ccxt.bybit]:
    """ccxt's own Bybit with its spot and linear markets loaded."""
    import ccxt.async_support as ccxt

    async with _loaded(ccxt.bybit, double, settings) as client:
        yield client


@asynccontextmanager
async def bybit_streams(double: ServedDouble, **settings: object) -> AsyncIterator[ccxt_pro.bybit]:
    """ccxt's own Bybit with streams."""
    import ccxt.pro as ccxt_pro

    async with _loaded(ccxt_pro.bybit, double, settings) as client:
        yield client


@contextmanager
def impatient(client: ccxt.bybit) -> Iterator[None]:
    """The client gives up on an answer after 300 ms."""
    patience, client.timeout = client.timeout, 300
    try:
        yield
    finally:
        client.timeout = patience


def a_bybit(credentials: Credentials | None = None) -> ExchangeDouble:
    """One without a socket whose time stands, with 100,000 USDT and 60,000 to 60,001 on both BTC markets."""
    wire: Wire = BybitWire(credentials)
    double = ExchangeDouble(wire, TickClock(START), listings=LISTINGS)
    double.engine.deposit("USDT", 100_000)
    for symbol in (SPOT, SWAP):
        double.engine.set_touch(symbol, bid="60000", ask="60001", size=2)
    return double


def signed(
    double: ExchangeDouble,
    method: str,
    target: str,
    *,
    body: str = "",
    window: str = "5000",
    headers: Mapping[str, str] | None = None,
) -> Request:
    """A request as Bybit wants it, at the double's own time; `headers` replace what it would carry."""
    known, stamp = Credentials(), str(round(double.now.timestamp() * 1000))
    covered = stamp + known.key + window + (body if method == "POST" else target.partition("?")[2])
    carried = {
        "x-bapi-api-key": known.key,
        "x-bapi-timestamp": stamp,
        "x-bapi-recv-window": window,
        "x-bapi-sign": hmac.digest(known.secret.encode(), covered.encode(), hashlib.sha256).hex(),
        "content-type": "application/json",
    }
    return Request(method=method, target=target, body=body, headers={**carried, **(headers or {})})


def ask(double: ExchangeDouble, request: Request) -> dict[str, Any]:
    """The body of an answer that must come."""
    reply = double.respond(request)
    assert reply.answer is not None
    answer: dict[str, Any] = json.loads(reply.answer.body)
    return answer


def got(double: ExchangeDouble, path: str, **query: object) -> dict[str, Any]:
    """What a signed GET below `/v5/` answers."""
    return ask(double, signed(double, "GET", f"/v5/{path}?{urlencode(query)}"))


def posted(double: ExchangeDouble, path: str, **fields: object) -> dict[str, Any]:
    """What a signed POST below `/v5/` answers."""
    return ask(double, signed(double, "POST", f"/v5/{path}", body=json.dumps(fields)))


def placed(double: ExchangeDouble, **changes: object) -> dict[str, Any]:
    """What answers a limit buy of 0.1 BTC on spot at 50,000, changed by `changes`."""
    buy = {"category": "spot", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "price": "50000", "qty": "0.1"}
    return posted(double, "order/create", **{**buy, **changes})
