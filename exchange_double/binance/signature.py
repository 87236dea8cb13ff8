"""Binance's signature: HMAC-SHA256 over query and form as sent, in hexadecimal, by a clock that must be near."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlsplit

from exchange_double.binance.call import required, whole
from exchange_double.binance.errors import BinanceError, illegal
from exchange_double.binance.text import millis
from exchange_double.wire import Credentials, Request

SIGNED_WITH = frozenset({"timestamp", "recvWindow", "signature"})
"""The parameters that belong to the signature."""

_WINDOW_MS = "5000"
_LONGEST_WINDOW_MS = 60_000
_AHEAD_MS = 1_000
_RECV_WINDOW = r"^[0-9]{1,5}(\.[0-9]{1,3})?$"


def check_key(request: Request, credentials: Credentials, *, sandbox: bool) -> None:
    """Raises `BinanceError` unless the key is the account's, and of this environment."""
    _check_known(request.headers.get("x-mbx-apikey", ""), credentials, sandbox=sandbox)


def _check_known(key: str, credentials: Credentials, *, sandbox: bool) -> None:
    if not key:
        raise BinanceError(-2014, "API-key format invalid.", status=401)
    if key != credentials.key or sandbox != credentials.sandbox:
        raise not_permitted()


def check_api_signature(params: Mapping[str, str], credentials: Credentials, *, sandbox: bool, now: datetime) -> None:
    """Of a request to the WebSocket API, which has the key among its parameters and signs them by name, unescaped.

    Raises `BinanceError` for the first thing that is wrong.
    """
    _check_known(params.get("apiKey", ""), credentials, sandbox=sandbox)
    signature = required(params, "signature")
    required(params, "timestamp")
    _check_time(whole(params, "timestamp", 0), params.get("recvWindow", _WINDOW_MS), now=now)
    sent = "&".join(f"{name}={value}" for name, value in sorted(params.items()) if name != "signature")
    _check_signed(signature, sent, credentials)


def check_signature(request: Request, params: Mapping[str, str], credentials: Credentials, *, now: datetime) -> None:
    """Raises `BinanceError` for the first thing that is wrong."""
    signature = required(params, "signature")
    required(params, "timestamp")
    _check_time(whole(params, "timestamp", 0), params.get("recvWindow", _WINDOW_MS), now=now)
    _check_signed(signature, _unsigned(urlsplit(request.target).query) + _unsigned(request.body), credentials)


def not_permitted() -> BinanceError:
    return BinanceError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)


def _check_time(stamp: int, recv_window: str, *, now: datetime) -> None:
    if not re.fullmatch(_RECV_WINDOW, recv_window):
        raise illegal("recvWindow", _RECV_WINDOW)
    if Decimal(recv_window) > _LONGEST_WINDOW_MS:
        raise BinanceError(-1131, f"recvWindow must be less than {_LONGEST_WINDOW_MS}")
    late_ms = millis(now) - stamp
    if late_ms <= -_AHEAD_MS:
        raise BinanceError(-1021, f"Timestamp for this request was {_AHEAD_MS}ms ahead of the server's time.")
    if late_ms > Decimal(recv_window):
        raise BinanceError(-1021, "Timestamp for this request is outside of the recvWindow.")


def _check_signed(signature: str, sent: str, credentials: Credentials) -> None:
    signed = hmac.digest(credentials.secret.encode(), sent.encode(), hashlib.sha256).hex()
    if not hmac.compare_digest(signature.lower().encode(), signed.encode()):
        raise BinanceError(-1022, "Signature for this request is not valid.")


def _unsigned(part: str) -> str:
    return "&".join(pair for pair in part.split("&") if not pair.startswith("signature="))
