"""One request to Binance, read: its parameters, the market it means, its pages; and how answers look."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

from exchange_double.binance.errors import BinanceError, illegal, missing, wrong
from exchange_double.binance.listen_key import ListenKey
from exchange_double.binance.text import market_id, millis
from exchange_double.engine import Engine
from exchange_double.listing import Listing
from exchange_double.wire import Answer, Credentials, Effects, Request

T = TypeVar("T")

_DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_WHOLE = r"^[0-9]{1,20}$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, and what it is carried out on. `params` are those of the query and of the body together."""

    request: Request
    params: Mapping[str, str]
    futures: bool
    engine: Engine
    effects: Effects
    credentials: Credentials
    listen_key: ListenKey
    now: datetime

    def listing(self) -> Listing:
        """The market of `symbol`. Raises `BinanceError`."""
        wanted = required(self.params, "symbol")
        for listing in self.listings():
            if market_id(listing.symbol) == wanted:
                return listing
        raise BinanceError(-1121, "Invalid symbol.")

    def listings(self) -> list[Listing]:
        """Every market of this side: spot, or futures."""
        return [listing for listing in self.engine.listed if listing.swap is self.futures]

    def wanted(self) -> list[Listing]:
        """Those of `symbols`, else the one of `symbol`, else all. Raises `BinanceError`."""
        if "symbols" in self.params:
            try:
                names = json.loads(self.params["symbols"])
            except ValueError:
                raise wrong("symbols") from None
            known = {market_id(listing.symbol): listing for listing in self.listings()}
            if not isinstance(names, list) or not all(name in known for name in names):
                raise BinanceError(-1121, "Invalid symbol.")
            return [known[name] for name in names]
        return [self.listing()] if "symbol" in self.params else self.listings()


def parameters(request: Request) -> Mapping[str, str]:
    """Of the query and of the form in the body. Raises `BinanceError` when one comes twice."""
    form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    sent = [
        pair
        for part in (urlsplit(request.target).query, request.body if form else "")
        for pair in parse_qsl(part, keep_blank_values=True)
    ]
    if len(dict(sent)) < len(sent):
        raise BinanceError(-1101, "Duplicate values for a parameter detected.")
    return dict(sent)


def answer(body: object) -> Answer:
    return Answer(body=json.dumps(body))


def refusal(error: BinanceError) -> Answer:
    return Answer(status=error.status, body=json.dumps({"code": error.code, "msg": error.message}))


def one_or_all(rows: Sequence[object], call: Call) -> Answer:
    """An object when one `symbol` was asked about, else the list."""
    return answer(rows[0] if "symbol" in call.params else rows)


def required(params: Mapping[str, str], name: str) -> str:
    value = params.get(name, "")
    if not value:
        raise missing(name)
    return value


def decimal(params: Mapping[str, str], name: str) -> Decimal:
    """A number that must be there. Raises `BinanceError`."""
    value = required(params, name)
    if not re.fullmatch(_DECIMAL, value):
        raise illegal(name, _DECIMAL)
    return Decimal(value)


def whole(params: Mapping[str, str], name: str, default: T) -> int | T:
    """A whole number that may be there. Raises `BinanceError`."""
    if name not in params:
        return default
    if not re.fullmatch(_WHOLE, params[name]):
        raise illegal(name, _WHOLE)
    return int(params[name])


def limit(call: Call, *, default: int, most: int) -> int:
    """How many rows at most. Futures refuse more than they give, spot gives what it can."""
    wanted = whole(call.params, "limit", default)
    if not wanted or (call.futures and wanted > most):
        raise wrong("limit")
    return min(wanted, most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time that a query asks about, in milliseconds, both ends in it."""

    start: int | None
    end: int | None

    @classmethod
    def of(cls, call: Call) -> Window:
        return cls(start=whole(call.params, "startTime", None), end=whole(call.params, "endTime", None))

    @property
    def open(self) -> bool:
        return self.start is None and self.end is None

    def holds(self, at: datetime) -> bool:
        moment = millis(at)
        return (self.start is None or self.start <= moment) and (self.end is None or moment <= self.end)

    def page(self, rows: Sequence[T], most: int) -> list[T]:
        """At most that many of `rows`, oldest first: the oldest of them when a start was given, else the newest."""
        return list(rows[:most] if self.start is not None else rows[-most:])

    def checked(self, longest: timedelta, *, futures: bool) -> Window:
        """Raises `BinanceError` when it is longer, or ends before it starts."""
        if self.start is None or self.end is None:
            return self
        if self.end < self.start:
            raise BinanceError(-1023, "Start time is greater than end time.")
        if self.end - self.start > longest / timedelta(milliseconds=1):
            if futures:
                raise BinanceError(-4165, f"Maximum time interval is {longest.days} days")
            hours = longest // timedelta(hours=1)
            raise BinanceError(-1127, f"More than {hours} hours between startTime and endTime.")
        return self

    def filled_up(self, length: timedelta, now: datetime) -> Window:
        """With the end that is missing `length` away from the other; the last `length` when both are."""
        span = length // timedelta(milliseconds=1)
        if self.start is not None:
            return Window(start=self.start, end=self.end if self.end is not None else self.start + span)
        end = self.end if self.end is not None else millis(now)
        return Window(start=end - span, end=end)
