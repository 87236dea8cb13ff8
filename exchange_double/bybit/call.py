"""One request to Bybit, read: parameters of its query or body, the market they name; and the frame of an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar
from urllib.parse import parse_qsl

from exchange_double.bybit.errors import BybitError, refused, wrong
from exchange_double.bybit.text import Row, category_of, ms, symbol_id
from exchange_double.engine import Engine
from exchange_double.listing import Listing
from exchange_double.orders import Reason
from exchange_double.wire import Answer, Credentials, Effects, Request

T = TypeVar("T")

Fields = Mapping[str, object]
"""The parameters of a request or of one order of a batch; those sent empty are left out."""

_CATEGORIES = ("spot", "linear", "inverse", "option")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, and what it is carried out on."""

    fields: Fields
    engine: Engine
    effects: Effects
    credentials: Credentials
    now: datetime

    def listing(self, fields: Fields) -> Listing:
        """The market that `category` and `symbol` name. Raises `BybitError`."""
        wanted, symbol = category(fields), word(fields, "symbol")
        if not symbol:
            raise wrong("symbol", "is required")
        for listing in self.engine.listed:
            if category_of(listing) == wanted and symbol_id(listing.symbol) == symbol:
                return listing
        raise refused(Reason.UNKNOWN_SYMBOL, swap=wanted != "spot")

    def listings(self) -> list[Listing]:
        """The markets of the `category`, and of `symbol`, `baseCoin` and `settleCoin` where given."""
        if self.fields.get("symbol"):
            return [self.listing(self.fields)]
        wanted = category(self.fields)
        base, settle = word(self.fields, "baseCoin"), word(self.fields, "settleCoin")
        return [
            listing
            for listing in self.engine.listed
            if category_of(listing) == wanted and base in ("", listing.base) and settle in ("", listing.quote)
        ]

    def answer(self, result: object, *, ext: Row | None = None) -> Answer:
        return _frame(0, "OK", result=result, ext=ext or {}, now=self.now)


def read(request: Request) -> Fields:
    """The parameters of the query or, of a POST, of the body. Raises `BybitError`."""
    if request.method != "POST":
        found: object = dict(parse_qsl(request.target.partition("?")[2], keep_blank_values=True))
    else:
        try:
            found = json.loads(request.body or "{}")
        except ValueError:
            raise BybitError(10001, "Request parameter error: the body is not JSON") from None
    return given(found)


def given(found: object) -> Fields:
    """`found` without what was sent empty. Raises `BybitError` when it is no object."""
    if not isinstance(found, dict):
        raise BybitError(10001, "Request parameter error: an object is expected")
    return {name: value for name, value in found.items() if value not in ("", None)}


def refuse_unknown(fields: Fields, known: frozenset[str]) -> None:
    """Nothing is passed over: a parameter that the double does not speak is refused. Raises `BybitError`."""
    for name in fields:
        if name not in known:
            raise wrong(name, "is not spoken by the double")


def category(fields: Fields) -> str:
    """Raises `BybitError`."""
    found = word(fields, "category")
    if found not in _CATEGORIES:
        raise wrong("category")
    return found


def refusal(error: BybitError, *, now: datetime | None = None) -> Answer:
    return _frame(error.code, error.message, result={}, ext={}, now=now, status=error.status)


def _frame(code: int, message: str, *, result: object, ext: Row, now: datetime | None, status: int = 200) -> Answer:
    body: Row = {"retCode": code, "retMsg": message, "result": result, "retExtInfo": ext}
    return Answer(status=status, body=json.dumps(body if now is None else body | {"time": ms(now)}))


def number(fields: Fields, name: str, default: T) -> int | T:
    """A whole number. Raises `BybitError`."""
    value = fields.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not str(value).isdecimal():
        raise wrong(name)
    return int(str(value))


def decimal(fields: Fields, name: str) -> Decimal:
    """A number in a body: Bybit takes it as text only. Raises `BybitError`."""
    value = fields.get(name)
    if value is None:
        raise wrong(name, "is required")
    if not isinstance(value, str):
        raise wrong(name, "must be a string")
    try:
        found = Decimal(value)
    except InvalidOperation:
        raise wrong(name) from None
    if not found.is_finite():
        raise wrong(name)
    return found


def one_of(fields: Fields, name: str, choices: Mapping[str, T], default: str = "") -> T:
    """Raises `BybitError`."""
    found = choices.get(word(fields, name) or default)
    if found is None:
        raise wrong(name)
    return found


def objects(fields: Fields, name: str, *, most: int) -> Sequence[Fields]:
    """A list of objects. Raises `BybitError`."""
    found = fields.get(name)
    if not isinstance(found, list) or not 1 <= len(found) <= most:
        raise wrong(name, f"must be a list of 1 to {most}")
    return [given(item) for item in found]


def word(fields: Fields, name: str) -> str:
    """A parameter as text, empty when it is not there."""
    return str(fields.get(name, ""))
