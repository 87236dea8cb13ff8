"""OKX's signature: HMAC-SHA256 over timestamp, method, address with query, and body, in base64."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

from exchange_double.okx.errors import unauthorised
from exchange_double.wire import Credentials, Request

_VALID_FOR = timedelta(seconds=30)


def check_signature(request: Request, credentials: Credentials, *, now: datetime) -> None:
    """Raises `OkxError` with OKX's own code for the first thing that is wrong."""
    given = request.headers
    key, sign = given.get("ok-access-key", ""), given.get("ok-access-sign", "")
    stamp, passphrase = given.get("ok-access-timestamp", ""), given.get("ok-access-passphrase", "")
    for code, header, value in (
        ("50103", "OK-ACCESS-KEY", key),
        ("50104", "OK-ACCESS-PASSPHRASE", passphrase),
        ("50106", "OK-ACCESS-SIGN", sign),
        ("50107", "OK-ACCESS-TIMESTAMP", stamp),
    ):
        if not value:
            raise unauthorised(code, f'Request header "{header}" can not be empty.')
    if abs(_moment(stamp) - now) > _VALID_FOR:
        raise unauthorised("50102", "Timestamp request expired")
    if key != credentials.key:
        raise unauthorised("50111", "Invalid OK-ACCESS-KEY")
    if (given.get("x-simulated-trading") == "1") != credentials.sandbox:
        raise unauthorised("50101", "APIKey does not match current environment.")
    if passphrase != credentials.passphrase:
        raise unauthorised("50105", 'Request header "OK-ACCESS-PASSPHRASE" incorrect.')
    if not hmac.compare_digest(sign, _sign(request, credentials.secret, stamp)):
        raise unauthorised("50113", "Invalid Sign")


def _sign(request: Request, secret: str, stamp: str) -> str:
    signed = stamp + request.method + request.target + request.body
    return base64.b64encode(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256)).decode()


def _moment(stamp: str) -> datetime:
    try:
        at = datetime.fromisoformat(stamp)
    except ValueError:
        raise unauthorised("50112", "Invalid OK-ACCESS-TIMESTAMP") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
