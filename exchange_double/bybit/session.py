"""One client on Bybit's streams: it pings, logs in, subscribes and unsubscribes, and is pushed what its feeds say.

A request is answered as a whole: where one of its topics is refused, none is subscribed to. The time of a login is not
checked: ccxt signs it by the machine's clock, whatever it knows of the exchange's.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import datetime

from exchange_double.bybit.feeds import Feed
from exchange_double.bybit.text import Row, millis
from exchange_double.bybit.topics import Endpoint
from exchange_double.engine import Engine
from exchange_double.events import Event
from exchange_double.sockets import Push
from exchange_double.wire import Credentials

_CONNECTION = "d0ub1e00-1"


class _Wrong(Exception):
    """A request is refused with these words."""


class BybitSession:
    """What one client has subscribed to at one address. `testnet` is the environment that the address is of."""

    def __init__(self, endpoint: Endpoint, engine: Engine, credentials: Credentials, *, testnet: bool) -> None:
        self._endpoint = endpoint
        self._engine = engine
        self._credentials = credentials
        self._testnet = testnet
        self._logged_in = False
        self._feeds: dict[str, Feed] = {}
        self._given_up: dict[str, Feed] = {}
        """Subscribed to again, a book goes on with its numbers."""

    @property
    def channels(self) -> Sequence[str]:
        """The topics, without the market at their end."""
        return list(self._feeds) if self._endpoint.private else [topic.rpartition(".")[0] for topic in self._feeds]

    def receive(self, text: str, *, now: datetime) -> Sequence[Push]:
        try:
            request = json.loads(text)
            operation, args = str(request.get("op", "")), [str(arg) for arg in request.get("args") or []]
        except (ValueError, TypeError, AttributeError):
            return [_told({"success": False, "ret_msg": f"Failed to decode incoming data: {text}"})]
        named: Row = {"req_id": str(request["req_id"])} if "req_id" in request else {}
        try:
            answer, first = self._carry_out(operation, args, now=now)
        except _Wrong as wrong:
            answer, first = {"success": False, "ret_msg": str(wrong)}, []
        return [_told({"op": operation} | answer | named), *first]

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        return [push for feed in self._feeds.values() for push in feed.happened(event, now=now)]

    def _carry_out(self, operation: str, args: Sequence[str], *, now: datetime) -> tuple[Row, Sequence[Push]]:
        """The answer, and what is pushed after it. Raises `_Wrong`."""
        done: Row = {"success": True, "ret_msg": ""}
        match operation:
            case "ping" if self._endpoint.private:
                return {"op": "pong", "args": [millis(now)]}, []
            case "ping":
                return done | {"ret_msg": "pong"}, []
            case "auth" if self._endpoint.private:
                self._log_in(args)
                return done, []
            case "subscribe":
                opened = {topic: self._feed(topic) for topic in args}
                self._feeds |= opened
                return done, [push for feed in opened.values() for push in feed.first(now=now)]
            case "unsubscribe":
                for topic in self._feeds.keys() & set(args):
                    self._given_up[topic] = self._feeds.pop(topic)
                return done, []
            case _:
                raise _Wrong("error:invalid op")

    def _log_in(self, args: Sequence[str]) -> None:
        known = self._credentials
        if len(args) != 3:
            raise _Wrong("Param Error")
        key, expires, sign = args
        signed = hmac.digest(known.secret.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hex()
        if key != known.key or self._testnet != known.sandbox:
            raise _Wrong("API key is invalid.")
        if not hmac.compare_digest(sign, signed):
            raise _Wrong("error sign! please check your signature generation algorithm")
        self._logged_in = True

    def _feed(self, topic: str) -> Feed:
        if self._endpoint.private and not self._logged_in:
            raise _Wrong("Request not authorized")
        if topic in self._feeds:
            raise _Wrong(f"error:already subscribed,topic:{topic}")
        try:
            return self._given_up.get(topic) or self._endpoint.feed(topic, self._engine)
        except LookupError:
            raise _Wrong(f"error:handler not found,topic:{topic}") from None


def _told(row: Row) -> Push:
    return Push(json.dumps(row | {"conn_id": _CONNECTION}))
