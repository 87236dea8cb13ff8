"""One client on OKX's streams: it pings, logs in, subscribes and unsubscribes, and is pushed what its feeds say.

The time of a login is not checked: ccxt signs it by the machine's clock, whatever it knows of the exchange's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import datetime

from exchange_double.engine import Engine
from exchange_double.events import Event
from exchange_double.okx.channels import Endpoint
from exchange_double.okx.feeds import Feed
from exchange_double.okx.text import Row
from exchange_double.sockets import Push
from exchange_double.wire import Credentials

_CONNECTION = "d0ub1e00"


class _Wrong(Exception):
    """A request is answered with this code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message


class OkxSession:
    """What one client has subscribed to at one address."""

    def __init__(self, endpoint: Endpoint, engine: Engine, credentials: Credentials) -> None:
        self._endpoint = endpoint
        self._engine = engine
        self._credentials = credentials
        self._logged_in = False
        self._feeds: dict[str, Feed] = {}

    @property
    def channels(self) -> Sequence[str]:
        return [str(json.loads(key)["channel"]) for key in self._feeds]

    def receive(self, text: str, *, now: datetime) -> Sequence[Push]:
        if text == "ping":
            return [Push("pong")]
        try:
            request = json.loads(text)
            operation, args = request["op"], [dict(arg) for arg in request["args"]]
        except (ValueError, TypeError, KeyError):
            return [_refusal(_illegal(text))]
        answers: list[Push] = []
        for arg in args:
            try:
                answers += self._carry_out(operation, arg, text=text, now=now)
            except _Wrong as wrong:
                answers.append(_refusal(wrong))
        return answers

    def happened(self, event: Event, *, now: datetime) -> Sequence[Push]:
        return [push for feed in self._feeds.values() for push in feed.happened(event, now=now)]

    def _carry_out(self, operation: str, arg: Row, *, text: str, now: datetime) -> Sequence[Push]:
        match operation:
            case "login":
                self._log_in(arg)
                return [_told({"event": "login", "code": "0", "msg": ""})]
            case "subscribe":
                self._feeds[_key(arg)] = feed = self._feed(arg)
                return [_told({"event": "subscribe", "arg": arg}), *feed.first(now=now)]
            case "unsubscribe":
                self._feeds.pop(_key(arg), None)
                return [_told({"event": "unsubscribe", "arg": arg})]
            case _:
                raise _illegal(text)

    def _log_in(self, arg: Row) -> None:
        known, stamp = self._credentials, str(arg.get("timestamp", ""))
        signed = hmac.digest(known.secret.encode(), f"{stamp}GET/users/self/verify".encode(), hashlib.sha256)
        if arg.get("apiKey") != known.key:
            raise _Wrong("60005", "Invalid apiKey")
        if arg.get("passphrase") != known.passphrase:
            raise _Wrong("60024", "Wrong passphrase")
        if not hmac.compare_digest(str(arg.get("sign", "")), base64.b64encode(signed).decode()):
            raise _Wrong("60007", "Invalid sign")
        self._logged_in = True

    def _feed(self, arg: Row) -> Feed:
        channel = self._endpoint.get(str(arg.get("channel", "")))
        if channel is not None and channel.private and not self._logged_in:
            raise _Wrong("60011", "Please log in")
        try:
            if channel is None:
                raise LookupError
            return channel.make(arg, self._engine)
        except LookupError:
            named = ",".join(f"{name}:{value}" for name, value in arg.items())
            raise _Wrong("60018", f"Wrong URL or {named} doesn't exist. Please use the correct URL, channel") from None


def _illegal(text: str) -> _Wrong:
    return _Wrong("60012", f"Illegal request: {text}")


def _key(arg: Row) -> str:
    return json.dumps(arg, sort_keys=True)


def _told(row: Row) -> Push:
    return Push(json.dumps(row | {"connId": _CONNECTION}))


def _refusal(wrong: _Wrong) -> Push:
    return _told({"event": "error", "code": wrong.code, "msg": wrong.message})
