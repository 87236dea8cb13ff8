"""A live venue in front of answers that are written down: by address, in the shapes that exchanges send."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from builders.live_venue import KEYS, Present, fits
from venues.exchange.account import ExchangeVenue

SHARED = Path(__file__).parents[2].parent / "shared/data"
NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1_000)


def shared(path: str) -> str:
    """A recorded file as it is; skips the test where it isn't there."""
    file = SHARED / path
    if not file.exists():
        pytest.skip(f"the recorded answers in {path} are not on this machine")
    return file.read_text()


@dataclass
class Canned:
    """What is answered at each `METHOD /path`, the more exact `METHOD /path?name=value` first, and what was asked.

    An address with several answers gives one after the other, and the last one for good.
    """

    answers: dict[str, list[str]]
    asked: list[tuple[str, Mapping[str, str], str]] = field(default_factory=list)
    """(address, query, body)"""
    venue: ExchangeVenue = field(init=False)
    present: Present = field(default_factory=lambda: Present(NOW))

    async def answer(self, request: web.Request) -> web.Response:
        address = f"{request.method} {request.path}"
        self.asked.append((address, dict(request.query), await request.text()))
        exact = [f"{address}?{name}={value}" for name, value in request.query.items()]
        found = next((self.answers[key] for key in [*exact, address] if key in self.answers), None)
        if found is None:
            return web.json_response({"code": "-1", "retCode": -1, "msg": f"no answer for {address}"}, status=404)
        body = found.pop(0) if len(found) > 1 else found[0]
        status = 400 if body.startswith('{"code":-') else 200
        return web.Response(text=body, content_type="application/json", status=status)

    def sent(self, address: str) -> list[tuple[Mapping[str, str], str]]:
        """Query and body of what was asked there."""
        return [(query, body) for where, query, body in self.asked if where == address]


@asynccontextmanager
async def a_canned_venue(
    exchange: str, answers: Mapping[str, str | Sequence[str]], *, symbols: Sequence[str], currency: str = "USDT"
) -> AsyncIterator[Canned]:
    """`answers` over those that every start needs: time and markets."""
    given = {key: [body] if isinstance(body, str) else list(body) for key, body in answers.items()}
    canned = Canned({**{key: [body] for key, body in _STARTS[exchange].items()}, **given})
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", canned.answer)
    async with TestServer(app) as server:
        canned.venue = ExchangeVenue(
            exchange,
            keys=KEYS,
            symbols=symbols,
            currency=currency,
            check=fits,
            wall=canned.present,
            sleep=canned.present.sleep,
            base_url=str(server.make_url("")),
            settings={"rateLimit": 1, "timeout_on_exit": 0, "timeout": 10_000, "verify": False},
        )
        try:
            yield canned
        finally:
            await canned.venue.aclose()


def _okx_row(kind: str, name: str, *, tick: str, lot: str, unit: str = "") -> dict[str, str]:
    base, quote = name.split("-")[:2]
    swap = kind == "SWAP"
    return {
        "instType": kind,
        "instId": name,
        "baseCcy": "" if swap else base,
        "quoteCcy": "" if swap else quote,
        "settleCcy": quote if swap else "",
        "uly": f"{base}-{quote}" if swap else "",
        "ctVal": unit,
        "ctMult": "1" if swap else "",
        "ctValCcy": base if swap else "",
        "ctType": "linear" if swap else "",
        "tickSz": tick,
        "lotSz": lot,
        "minSz": lot,
        "state": "live",
        "lever": "10",
        "expTime": "",
        "optType": "",
        "stk": "",
        "alias": "",
        "maxLmtSz": "9999999999",
        "maxMktSz": "1000000",
    }


def _okx_answer(rows: Sequence[Mapping[str, str]]) -> str:
    return json.dumps({"code": "0", "data": list(rows), "msg": ""})


OKX_START = {
    "GET /api/v5/public/time": _okx_answer([{"ts": str(NOW_MS)}]),
    "GET /api/v5/public/instruments?instType=SPOT": _okx_answer(
        [_okx_row("SPOT", f"{base}-USDT", tick="0.1", lot="0.00000001") for base in ("BTC", "ETH", "LTC")]
    ),
    "GET /api/v5/public/instruments?instType=SWAP": _okx_answer(
        [
            _okx_row("SWAP", f"{base}-USDT-SWAP", tick="0.0001", lot="0.01", unit=unit)
            for base, unit in (("BTC", "0.01"), ("ETH", "0.1"), ("LTC", "1"), ("ADA", "100"))
        ]
    ),
    "GET /api/v5/trade/orders-pending": _okx_answer([]),
    "GET /api/v5/trade/orders-history": _okx_answer([]),
    "GET /api/v5/trade/orders-algo-pending": _okx_answer([]),
    "GET /api/v5/trade/orders-algo-history": _okx_answer([]),
    "GET /api/v5/trade/fills-history": _okx_answer([]),
    "GET /api/v5/trade/order": '{"code":"51603","data":[],"msg":"Order does not exist"}',
    "GET /api/v5/trade/order-algo": '{"code":"51603","data":[],"msg":"Order does not exist"}',
    "GET /api/v5/account/positions": _okx_answer([]),
    "GET /api/v5/account/balance": _okx_answer([]),
    "GET /api/v5/market/books": json.dumps(
        {"code": "0", "data": [{"bids": [["100", "5", "0", "1"]], "asks": [["102", "5", "0", "1"]], "ts": str(NOW_MS)}]}
    ),
}


def _binance_row(base: str, quote: str, *, tick: str, lot: str, perpetual: bool) -> dict[str, object]:
    kinds = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP", "STOP_MARKET"]
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "10000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "10000000", "stepSize": lot},
    ]
    swap = (
        {"contractType": "PERPETUAL", "marginAsset": quote, "pair": base + quote, "onboardDate": 1} if perpetual else {}
    )
    return {
        "symbol": base + quote,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "orderTypes": kinds,
        "isSpotTradingAllowed": True,
        "permissions": ["SPOT"],
        "filters": filters,
        **swap,
    }


BINANCE_START = {
    "GET /api/v3/time": f'{{"serverTime":{NOW_MS}}}',
    "GET /fapi/v1/time": f'{{"serverTime":{NOW_MS}}}',
    "GET /api/v3/exchangeInfo": json.dumps(
        {
            "symbols": [
                _binance_row(base, quote, tick="0.00000001", lot="0.00000001", perpetual=False)
                for base, quote in (("BTC", "USDT"), ("ETH", "BTC"), ("LTC", "BTC"), ("BNB", "BTC"))
            ]
        }
    ),
    "GET /fapi/v1/exchangeInfo": json.dumps(
        {"symbols": [_binance_row("BTC", "USDT", tick="0.10", lot="0.001", perpetual=True)]}
    ),
    "GET /api/v3/openOrders": "[]",
    "GET /api/v3/allOrders": "[]",
    "GET /api/v3/myTrades": "[]",
    "GET /api/v3/order": '{"code":-2013,"msg":"Order does not exist."}',
    "GET /fapi/v1/openOrders": "[]",
    "GET /fapi/v1/allOrders": "[]",
    "GET /fapi/v1/openAlgoOrders": "[]",
    "GET /fapi/v1/allAlgoOrders": "[]",
    "GET /fapi/v1/userTrades": "[]",
    "GET /fapi/v1/order": '{"code":-2013,"msg":"Order does not exist."}',
    "GET /fapi/v1/algoOrder": '{"code":-2013,"msg":"Order does not exist."}',
    "GET /fapi/v3/account": '{"assets":[]}',
    "GET /fapi/v3/positionRisk": "[]",
    "GET /api/v3/account": '{"balances":[]}',
    "GET /api/v3/depth": '{"lastUpdateId":1,"bids":[["100","5"]],"asks":[["102","5"]]}',
    "GET /fapi/v1/depth": f'{{"lastUpdateId":1,"T":{NOW_MS},"bids":[["100","5"]],"asks":[["102","5"]]}}',
}


def _bybit_row(base: str, *, perpetual: bool) -> dict[str, object]:
    row: dict[str, object] = {
        "symbol": f"{base}USDT",
        "baseCoin": base,
        "quoteCoin": "USDT",
        "status": "Trading",
        "priceFilter": {"tickSize": "0.01", "minPrice": "0.01", "maxPrice": "1999999"},
        "lotSizeFilter": {"qtyStep": "0.001", "basePrecision": "0.001", "minOrderQty": "0.001", "maxOrderQty": "1000"},
    }
    swap = {"contractType": "LinearPerpetual", "settleCoin": "USDT", "launchTime": "1", "deliveryTime": "0"}
    return {**row, **(swap if perpetual else {})}


def bybit_answer(rows: Sequence[object], **more: object) -> str:
    return json.dumps({"retCode": 0, "retMsg": "OK", "result": {"list": list(rows), "nextPageCursor": "", **more}})


BYBIT_START = {
    "GET /v5/market/time": json.dumps(
        {"retCode": 0, "result": {"timeSecond": str(NOW_MS // 1_000), "timeNano": f"{NOW_MS}000000"}, "time": NOW_MS}
    ),
    "GET /v5/market/instruments-info?category=spot": bybit_answer(
        [_bybit_row(base, perpetual=False) for base in ("BTC", "ETH")], category="spot"
    ),
    "GET /v5/market/instruments-info?category=linear": bybit_answer(
        [_bybit_row(base, perpetual=True) for base in ("BTC", "ETH", "SOL")], category="linear"
    ),
    "GET /v5/user/query-api": '{"retCode":0,"result":{"unified":0,"uta":1,"userID":1,"readOnly":0,"permissions":{}}}',
    "GET /v5/account/info": '{"retCode":0,"result":{"unifiedMarginStatus":6}}',
    "GET /v5/order/realtime": bybit_answer([]),
    "GET /v5/order/history": bybit_answer([]),
    "GET /v5/execution/list": bybit_answer([]),
    "GET /v5/position/list": bybit_answer([]),
    "GET /v5/account/wallet-balance": bybit_answer([]),
    "GET /v5/market/orderbook": json.dumps(
        {"retCode": 0, "result": {"b": [["100", "5"]], "a": [["102", "5"]], "ts": NOW_MS}, "time": NOW_MS}
    ),
}

_STARTS: Mapping[str, Mapping[str, str]] = {"okx": OKX_START, "binance": BINANCE_START, "bybit": BYBIT_START}


def a_plain_venue(exchange: str) -> ExchangeVenue:
    """Of any exchange, connected to nothing."""
    present = Present(NOW)
    return ExchangeVenue(
        exchange,
        keys=KEYS,
        symbols=["BTC/USDT"],
        currency="USDT",
        check=fits,
        wall=present,
        sleep=present.sleep,
        base_url="http://127.0.0.1:9",
        settings={"timeout_on_exit": 0, "verify": False, "timeout": 1_000},
    )
