"""Binance's protocol over the double's engine: the frame around every address; streams too.

Spot and USDⓈ-M perpetuals of one account: the spot wallet and the futures wallet show the same cash. One-way
positions, cross margin. Trailing stops, amendments, order lists, margin, hedge mode and coin-margined futures are
not spoken: their addresses answer 404.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from exchange_double.binance import client
from exchange_double.binance.account_feeds import FuturesAccount
from exchange_double.binance.call import Call, parameters, refusal
from exchange_double.binance.errors import BinanceError, refusal_of, unread
from exchange_double.binance.listen_key import ListenKey
from exchange_double.binance.outages import maintenance, outage
from exchange_double.binance.routes import ROUTES, Route
from exchange_double.binance.sessions import ApiSession, FuturesAccountSession, MarketSession
from exchange_double.binance.signature import check_key, check_signature, not_permitted
from exchange_double.engine import Engine
from exchange_double.orders import Refused
from exchange_double.sockets import Session
from exchange_double.wire import Answer, Credentials, Effects, Operation, Request


@dataclass(frozen=True, slots=True)
class Markets:
    """What streams at an address are of."""

    futures: bool
    kinds: tuple[str, ...]


MARKETS = {
    "/ws": Markets(futures=False, kinds=("depth", "kline")),
    "/public/ws": Markets(futures=True, kinds=("depth",)),
    "/market/ws": Markets(futures=True, kinds=("kline",)),
}
"""By the address, to which a client may add `/` and a number."""
ACCOUNTS = ("/ws-api/v3", "/private/ws")
"""Where the account is told: on spot, and on futures."""
_TRADES = frozenset({Operation.PLACE, Operation.CANCEL, Operation.CANCEL_AFTER})


class BinanceWire:
    """Speaks Binance. Knows the credentials that it checks against, and the listen key that futures gave out."""

    def __init__(self, credentials: Credentials | None = None) -> None:
        self.credentials = credentials or Credentials()
        self._listen_key = ListenKey()

    @property
    def name(self) -> str:
        return "binance"

    def operation(self, request: Request) -> Operation | None:
        route = _route(request)
        return route.operation if route else None

    def answer(self, request: Request, engine: Engine, effects: Effects, *, now: datetime) -> Answer:
        route, futures = _route(request), _path(request).startswith("/fapi/")
        if route is None:
            return self.not_spoken(request)
        try:
            params = parameters(request)
            if route.keyed:
                self._check(request, params, route, now=now)
            if not params.keys() <= route.reads:
                raise unread(len(params.keys() & route.reads), len(params))
            call = Call(
                request=request,
                params=params,
                futures=futures,
                engine=engine,
                effects=effects,
                credentials=self.credentials,
                listen_key=self._listen_key,
                now=now,
            )
            return route.handle(call)
        except BinanceError as error:
            return refusal(error)
        except Refused as refused:
            return refusal(refusal_of(refused.reason, futures=futures))

    def session(self, path: str, engine: Engine) -> Session | None:
        """Spot's streams are below `/ws`, and its account is told on the WebSocket API; those of futures are apart by
        what they tell: books, other market data, and the account by its listen key.
        """
        address = urlsplit(path)
        sandbox, place = address.path.startswith(client.SANDBOX), address.path.removeprefix(client.SANDBOX)
        on_spot, on_futures = ACCOUNTS
        if place == on_spot:
            return ApiSession(engine, self.credentials, sandbox=sandbox)
        if place == on_futures:
            name = dict(parse_qsl(address.query)).get("listenKey", "")
            return FuturesAccountSession(FuturesAccount(engine, self._listen_key, name))
        found = MARKETS.get(re.sub(r"/\d+$", "", place.removeprefix("/stream")))
        return MarketSession(engine, futures=found.futures, kinds=found.kinds) if found else None

    def rate_limited(self) -> Answer:
        return outage(429)

    def maintenance(self) -> Answer:
        return maintenance()

    def server_error(self, status: int) -> Answer:
        return outage(status)

    def not_spoken(self, request: Request) -> Answer:
        message = f"the double does not speak {request.method} {request.path}"
        return refusal(BinanceError(-5000, message, status=404))

    def client_settings(self, url: str, *, ahead_ms: int) -> dict[str, object]:
        """For `ccxt.async_support.binance(settings)`.

        `adjustForTimeDifference` alone is too late: with keys, `load_markets` signs a request before it asks for
        the time. ccxt goes by the host's name to tell what an error code means on spot and on futures, and here is
        one host, so what it knows of either is handed in as known of both: no code that the double sends is in doubt.
        """
        return {
            "apiKey": self.credentials.key,
            "secret": self.credentials.secret,
            "urls": {
                "api": client.addresses(url),
                "test": client.sandbox_addresses(url),
                "demo": client.sandbox_addresses(url),
            },
            "options": {"adjustForTimeDifference": True, "timeDifference": ahead_ms},
            "exceptions": {"exact": dict(client.meanings())},
        }

    def _check(self, request: Request, params: Mapping[str, str], route: Route, *, now: datetime) -> None:
        check_key(request, self.credentials, sandbox=request.path.startswith(client.SANDBOX))
        if route.signed:
            check_signature(request, params, self.credentials, now=now)
        if route.operation in _TRADES and "trade" not in self.credentials.permissions:
            raise not_permitted()


def _path(request: Request) -> str:
    return request.path.removeprefix(client.SANDBOX)


def _route(request: Request) -> Route | None:
    return ROUTES.get((request.method, _path(request)))
