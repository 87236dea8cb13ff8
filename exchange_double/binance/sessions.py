"""One client on a stream of Binance's: of markets, of the futures account, or of the WebSocket API of spot.

A stream that the double does not speak is refused; what Binance does with one is not told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from exchange_double.binance.account_feeds import ACCOUNT, FuturesAccount, SpotAccount
from exchange_double.binance.errors import BinanceError, unsupported
from exchange_double.binance.feeds import Depth, Feed, Klines
from exchange_double.binance.market import INTERVALS
from exchange_double.binance.signature import check_api_signature
from exchange_double.binance.text import Row, market_id
from exchange_double.engine import Engine
from exchange_double.events import Event
from exchange_double.listing import Listing
from exchange_double.sockets import Push
from exchange_double.wire import Credentials

_STREAM = re.compile(r"(?P<market>[a-z0-9]+)@(?:(?P<depth>depth(?:@\d+ms)?)|kline_(?P<interval>\w+))")
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS")


class _Wrong(Exception):
    """A request to a stream is answered with this code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message


class MarketSession:
    """Subscribes to `<symbol>@depth` and `<symbol>@kline_<interval>`, as far as its address has them."""

    def __init__(self, engine: Engine, *, futures: bool, kinds: Sequence[str]) -> None:
        """`kinds` are of `depth` and `kline`."""
        self._engine, self._futures, self._kinds = engine, futures, kinds
        self._feeds: dict[str, Feed] = {}

    @property
    def channels(self) -> Sequence[str]:
        return list(self._feeds)

    def receive(self, text: str, *, now: datetime) -> Sequence[Push]:
        request: object = None
        try:
            request = json.loads(text)
            if not isinstance(request, Mapping) or "method" not in request:
                raise _Wrong(2, "Invalid request: missing field `method`")
            return self._carry_out(request, now=now)
        except ValueError:
            return [_refused(_Wrong(3, "Invalid JSON: expected value at line 1 column 1"), request)]
        except _Wrong as wrong:
            return [_refused(wrong, request)]

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        return [push for feed in self._feeds.values() for push in feed.happened(event, now=now)]

    def _carry_out(self, request: Mapping[str, object], *, now: datetime) -> Sequence[Push]:
        method, named = request["method"], request.get("params", [])
        if method not in _METHODS:
            raise _Wrong(2, f"Invalid request: unknown variant `{method}`, expected one of {', '.join(_METHODS)}")
        if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
            raise _Wrong(2, "Invalid request: property name must be a string")
        if method == "LIST_SUBSCRIPTIONS":
            return [Push(json.dumps({"result": self.channels, "id": request.get("id")}))]
        done = Push(json.dumps({"result": None, "id": request.get("id")}))
        if method == "UNSUBSCRIBE":
            for name in named:
                self._feeds.pop(name, None)
            return [done]
        # One that there is goes on: to ask for it twice is no new beginning.
        new = {name: self._feed(name) for name in named if name not in self._feeds}
        self._feeds |= new
        return [done, *(push for feed in new.values() for push in feed.first(now=now))]

    def _feed(self, name: str) -> Feed:
        asked = _STREAM.fullmatch(name)
        listing = next((known for known in self._listings() if asked and _lower(known.symbol) == asked["market"]), None)
        if asked is None or listing is None:
            raise _Wrong(2, "Invalid request: invalid stream")
        if asked["depth"] and "depth" in self._kinds:
            return Depth(self._engine, listing)
        interval = asked["interval"]
        if interval in INTERVALS and "kline" in self._kinds:
            return Klines(self._engine, listing, interval=interval, interval_s=INTERVALS[interval])
        raise _Wrong(2, "Invalid request: invalid stream")

    def _listings(self) -> Sequence[Listing]:
        return [listing for listing in self._engine.listings.values() if listing.swap is self._futures]


class FuturesAccountSession:
    """Told of the account by a listen key from the first, and asks for nothing."""

    channels = (ACCOUNT,)

    def __init__(self, feed: FuturesAccount) -> None:
        self._feed = feed

    def receive(self, text: str, *, now: datetime) -> Sequence[Push]:
        return [_refused(_Wrong(2, "Invalid request: invalid stream"), None)]

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        return self._feed.happened(event, now=now)


class ApiSession:
    """The WebSocket API of spot, of which only a signed subscription to the account is spoken."""

    def __init__(self, engine: Engine, credentials: Credentials, *, sandbox: bool) -> None:
        self._engine, self._credentials, self._sandbox = engine, credentials, sandbox
        self._account: SpotAccount | None = None

    @property
    def channels(self) -> Sequence[str]:
        return [] if self._account is None else [ACCOUNT]

    def receive(self, text: str, *, now: datetime) -> Sequence[Push]:
        request: Mapping[str, object] = {}
        try:
            request = _request(text)
            if request.get("method") != "userDataStream.subscribe.signature":
                raise unsupported()
            check_api_signature(_texts(request.get("params")), self._credentials, sandbox=self._sandbox, now=now)
        except BinanceError as error:
            said = {"code": error.code, "msg": error.message}
            return [_answer(request, {"status": error.status, "error": said})]
        self._account = SpotAccount(self._engine, subscription=0)
        return [_answer(request, {"status": 200, "result": {"subscriptionId": 0}})]

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        return [] if self._account is None else self._account.happened(event, now=now)


def _request(text: str) -> Mapping[str, object]:
    try:
        request = json.loads(text)
    except ValueError:
        request = None
    if not isinstance(request, dict):
        raise BinanceError(-1135, "Invalid JSON Request.")
    return request


def _texts(params: object) -> Mapping[str, str]:
    return {str(name): str(value) for name, value in params.items()} if isinstance(params, dict) else {}


def _answer(request: Mapping[str, object], row: Row) -> Push:
    return Push(json.dumps({"id": request.get("id"), **row}))


def _refused(wrong: _Wrong, request: object) -> Push:
    named = {"id": request["id"]} if isinstance(request, Mapping) and "id" in request else {}
    return Push(json.dumps({"error": {"code": wrong.code, "msg": wrong.message}, **named}))


def _lower(symbol: str) -> str:
    return market_id(symbol).lower()
