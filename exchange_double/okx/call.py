"""One request to OKX, read: parameters, body, pages; and the frame that every answer has."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

from exchange_double.engine import Engine
from exchange_double.listing import Listing
from exchange_double.okx.errors import OkxError, missing, wrong
from exchange_double.okx.text import inst_id, inst_type
from exchange_double.wire import Answer, Credentials, Effects, Request

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, and what it is carried out on."""

    request: Request
    engine: Engine
    effects: Effects
    credentials: Credentials
    now: datetime

    def listing(self) -> Listing:
        """The market of the query's `instId`. Raises `OkxError`."""
        return self.listing_of(self.query.get("instId", ""))

    def listing_of(self, wanted: str) -> Listing:
        """The market of OKX's id. Raises `OkxError`."""
        if not wanted:
            raise missing("instId")
        for listing in self.engine.listed:
            if inst_id(listing.symbol) == wanted:
                return listing
        raise OkxError("51001", "Instrument ID doesn't exist.")

    def listings(self) -> list[Listing]:
        """Those of `instType` and `instId` (several by commas), where given."""
        kind, ids = self.query.get("instType"), [name for name in self.query.get("instId", "").split(",") if name]
        return [
            listing
            for listing in self.engine.listed
            if kind in (None, "", inst_type(listing)) and (not ids or inst_id(listing.symbol) in ids)
        ]

    @property
    def query(self) -> Mapping[str, str]:
        return dict(parse_qsl(urlsplit(self.request.target).query, keep_blank_values=True))

    def body(self) -> object:
        """The body's JSON. Raises `OkxError`."""
        if not self.request.headers.get("content-type", "").startswith("application/json"):
            raise OkxError("50006", "Invalid Content-Type. Use application/json.", status=400)
        try:
            return json.loads(self.request.body)
        except ValueError:
            raise OkxError("50002", "JSON syntax error", status=400) from None

    def fields(self) -> Mapping[str, object]:
        """The body's one object. Raises `OkxError`."""
        body = self.body()
        if not isinstance(body, dict):
            raise OkxError("50002", "JSON syntax error", status=400)
        return body

    def several(self) -> list[Mapping[str, object]]:
        """The body's objects, in a batch of at most twenty. Raises `OkxError`."""
        body = self.body()
        if not isinstance(body, list) or not all(isinstance(item, dict) for item in body):
            raise OkxError("50002", "JSON syntax error", status=400)
        if len(body) > 20:
            raise OkxError("51111", "Maximum 20 orders can be placed in bulk")
        return body


def answer(data: Sequence[object], *, code: str = "0", message: str = "") -> Answer:
    return Answer(body=json.dumps({"code": code, "data": data, "msg": message}))


def refusal(error: OkxError) -> Answer:
    body = json.dumps({"code": error.code, "data": [], "msg": error.message})
    return Answer(status=error.status, body=body)


def page(items: Iterable[T], query: Mapping[str, str], *, key: Callable[[T], int], most: int = 100) -> list[T]:
    """At most `limit` of `items`, newest first: older than `after`, newer than `before`."""
    after, before = number(query, "after", None), number(query, "before", None)
    limit = min(number(query, "limit", 100), most)
    inside = [item for item in items if (after is None or key(item) < after) and (before is None or key(item) > before)]
    return inside[:limit]


def between(query: Mapping[str, str], at_ms: int) -> bool:
    return number(query, "begin", at_ms) <= at_ms <= number(query, "end", at_ms)


def number(query: Mapping[str, str], name: str, default: T) -> int | T:
    value = query.get(name)
    if not value:
        return default
    if not value.isdigit():
        raise wrong(name)
    return int(value)


def decimal(fields: Mapping[str, object], name: str) -> Decimal:
    """A number in a body, sent as text. Raises `OkxError`."""
    value = fields.get(name)
    if value in (None, ""):
        raise missing(name)
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise wrong(name) from None
    if not number.is_finite():
        raise wrong(name)
    return number
