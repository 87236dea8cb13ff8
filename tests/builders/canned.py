"""Binance and Bybit as far as reading a market goes: recorded shapes under their addresses, on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

NOON_MS = 1_767_355_200_000
"""2026-01-02 12:00 UTC."""

_FIVE_MINUTES_MS = 300_000


def _binance_filters(tick: str, lot: str, notional: str) -> str:
    return (
        f'[{{"filterType":"PRICE_FILTER","minPrice":"0.01","maxPrice":"1000000","tickSize":"{tick}"}},'
        f'{{"filterType":"LOT_SIZE","minQty":"{lot}","maxQty":"9000","stepSize":"{lot}"}},'
        f'{{"filterType":"NOTIONAL","minNotional":"{notional}","maxNotional":"9000000"}}]'
    )


def _binance_symbol(base: str, *, status: str = "TRADING") -> str:
    return (
        f'{{"symbol":"{base}USDT","status":"{status}","baseAsset":"{base}","quoteAsset":"USDT",'
        '"baseAssetPrecision":8,"quotePrecision":8,"quoteAssetPrecision":8,"isSpotTradingAllowed":true,'
        f'"permissions":["SPOT"],"filters":{_binance_filters("0.01000000", "0.00001000", "5.00000000")}}}'
    )


def _binance_klines() -> str:
    rows = [
        f'[{NOON_MS - n * _FIVE_MINUTES_MS},"94098.90000000","94150.10","94000.01","94100.12345678","12.34567890",'
        f'{NOON_MS - (n - 1) * _FIVE_MINUTES_MS - 1},"1",10,"1","1","0"]'
        for n in reversed(range(3))
    ]
    return f"[{','.join(rows)}]"


BINANCE: Mapping[str, str] = {
    "/api/v3/exchangeInfo": (
        f'{{"timezone":"UTC","serverTime":{NOON_MS},"symbols":'
        f"[{_binance_symbol('BTC')},{_binance_symbol('OLD', status='BREAK')}]}}"
    ),
    "/fapi/v1/exchangeInfo": (
        '{"symbols":[{"symbol":"BTCUSDT","pair":"BTCUSDT","contractType":"PERPETUAL","status":"TRADING",'
        '"baseAsset":"BTC","quoteAsset":"USDT","marginAsset":"USDT","pricePrecision":2,"quantityPrecision":3,'
        f'"filters":{_binance_filters("0.10", "0.001", "100")}}}]}}'
    ),
    "/api/v3/time": f'{{"serverTime":{NOON_MS}}}',
    "/api/v3/klines": _binance_klines(),
    "/api/v3/depth": (
        '{"lastUpdateId":1027024,"bids":[["94098.90000000","0.12345678"],["94098.80000000","1"]],'
        '"asks":[["94099.00000000","2.00000001"]]}'
    ),
}
"""The depth of spot tells no time, and there numbers are text."""

BYBIT: Mapping[str, str] = {
    "/v5/market/instruments-info?category=spot": (
        '{"retCode":0,"result":{"category":"spot","list":[{"symbol":"BTCUSDT","baseCoin":"BTC","quoteCoin":"USDT",'
        '"status":"Trading","lotSizeFilter":{"basePrecision":"0.000001","quotePrecision":"0.00000001",'
        '"minOrderQty":"0.000048","maxOrderQty":"71.7","minOrderAmt":"1","maxOrderAmt":"4000000"},'
        '"priceFilter":{"tickSize":"0.01"}}]}}'
    ),
    "/v5/market/instruments-info?category=linear": (
        '{"retCode":0,"result":{"category":"linear","nextPageCursor":"","list":[{"symbol":"BTCUSDT",'
        '"contractType":"LinearPerpetual","status":"Trading","baseCoin":"BTC","quoteCoin":"USDT","settleCoin":"USDT",'
        '"launchTime":"1584230400000","deliveryTime":"0","priceScale":"2",'
        '"leverageFilter":{"minLeverage":"1","maxLeverage":"100","leverageStep":"0.01"},'
        '"priceFilter":{"minPrice":"0.10","maxPrice":"1999999.80","tickSize":"0.10"},'
        '"lotSizeFilter":{"maxOrderQty":"1190.000","minOrderQty":"0.001","qtyStep":"0.001","minNotionalValue":"5"}}]}}'
    ),
    "/v5/market/time": f'{{"retCode":0,"result":{{"timeSecond":"{NOON_MS // 1000}"}},"time":{NOON_MS}}}',
    "/v5/market/kline": (
        '{"retCode":0,"result":{"category":"linear","symbol":"BTCUSDT","list":['
        f'["{NOON_MS}","94100.1","94150","94000","94120.5","0.5","47050"],'
        f'["{NOON_MS - _FIVE_MINUTES_MS}","94098.9","94150.1","94000","94100.1","120.345","11320000"]]}}}}'
    ),
    "/v5/market/orderbook": (
        '{"retCode":0,"result":{"s":"BTCUSDT","b":[["94098.9","0.5"]],"a":[["94099.1","1.25"]],'
        f'"ts":{NOON_MS + 250},"u":1}},"time":{NOON_MS + 251}}}'
    ),
}
"""Newest bar first."""

EXACT: Mapping[str, str] = {
    "/api/v3/klines": f"[[{NOON_MS},0.1234567890123456789,1.5,0.1,1,123456789.123456789012345,0,0,0,0,0,0]]"
}
"""Numbers in JSON that no float holds."""


@asynccontextmanager
async def canned(exchange: str, answers: Mapping[str, str]) -> AsyncIterator[dict[str, object]]:
    """Settings for a client of `exchange` that finds these answers, by path, or by path and a parameter."""

    async def answer(request: web.Request) -> web.Response:
        asked = [f"{request.path}?{name}={value}" for name, value in request.query.items()] + [request.path]
        body = next((answers[key] for key in asked if key in answers), None)
        if body is None:
            return web.json_response({"code": -1, "msg": f"no answer for {request.path}"}, status=404)
        return web.Response(text=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        api = {
            "binance": {"public": f"{url}/api/v3", "fapiPublic": f"{url}/fapi/v1", "sapi": f"{url}/sapi/v1"},
            "bybit": {"public": url, "private": url},
        }[exchange]
        yield {"urls": {"api": api}, "rateLimit": 1, "timeout_on_exit": 0, "timeout": 2_000}
