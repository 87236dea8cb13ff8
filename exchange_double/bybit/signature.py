"""Bybit's signature: HMAC-SHA256 in hex over timestamp, key, receive window, and the query or the body.

The address is not signed. A request is good for its receive window, and at most a second before its time.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

from exchange_double.bybit.errors import BybitError
from exchange_double.bybit.text import ms
from exchange_double.wire import Credentials, Request

_AHEAD_MS = 1_000
_WINDOW_MS = "5000"


def check_signature(request: Request, credentials: Credentials, *, testnet: bool, now: datetime) -> None:
    """Raises `BybitError` with Bybit's own code for the first thing that is wrong.

    `testnet` is where the request came to: a key of one environment is not known in the other.
    """
    given = request.headers
    key, sign = given.get("x-bapi-api-key", ""), given.get("x-bapi-sign", "")
    stamp, window = given.get("x-bapi-timestamp", ""), given.get("x-bapi-recv-window", _WINDOW_MS)
    if not (key and sign and stamp):
        raise BybitError(10001, f"empty value: apiTimestamp[{stamp}] apiKey[{key}]: openapi sign params error!")
    if not (stamp.isdecimal() and window.isdecimal()):
        raise BybitError(10001, "invalid request, timestamp and recv_window must be whole milliseconds")
    if not ms(now) - int(window) <= int(stamp) < ms(now) + _AHEAD_MS:
        told = f"req_timestamp[{stamp}],server_timestamp[{ms(now)}],recv_window[{window}]"
        raise BybitError(10002, f"invalid request, please check your server timestamp or recv_window param. {told}")
    if key != credentials.key or testnet != credentials.sandbox:
        raise BybitError(10003, "API key is invalid.")
    if not hmac.compare_digest(sign, _sign(request, credentials, stamp + key + window)):
        raise BybitError(10004, "error sign! please check your signature generation algorithm")


def _sign(request: Request, credentials: Credentials, head: str) -> str:
    signed = request.body if request.method == "POST" else request.target.partition("?")[2]
    return hmac.digest(credentials.secret.encode(), (head + signed).encode(), hashlib.sha256).hex()
