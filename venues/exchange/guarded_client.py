"""ccxt's class of one exchange with a guard at its door to the network.

What changes something goes out once, and only while a `Flight` says that it may. The flight sees what was sent
and what came back, so that nobody has to guess it from an error afterwards.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.clock import Clock
from venues.exchange.numbers import exact

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# ccxt logs every request with its headers when somebody asks for debugging: keys and signatures among them.
_SILENT = logging.getLogger("agentctl.exchange.silent")
_SILENT.disabled = True


@dataclass(slots=True, kw_only=True)
class Flight:
    """One call: what it may do, and what went over the wire for it."""

    may_change: bool = False
    repeatable: bool = False
    """Whether it does no harm twice: a cancel. The HTTP client repeats a PUT or DELETE on a reset connection."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Added to the request that changes something."""
    sent: int = 0
    """Requests that change something and went out."""
    status: int | None = None
    """HTTP's, of the last answer."""
    body: str = ""

    @property
    def answer(self) -> object:
        """The last answer's JSON; `None` where there is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(slots=True, kw_only=True)
class Heard:
    """One HTTP request and what came back, keys and signatures and all: for who takes those out of it."""

    method: str
    url: str
    headers: Mapping[str, str]
    """Of the request."""
    body: str
    at: datetime
    """When it was sent, by our clock."""
    status: int | None = None
    """`None` where no answer came."""
    answer: str = ""


Listen = Callable[[Heard], None]

_FLIGHT: ContextVar[Flight | None] = ContextVar("flight", default=None)
_HEARD: ContextVar[Heard | None] = ContextVar("heard", default=None)


class WrongSend(RuntimeError):
    """What nobody asked for, or nobody asked for twice, wanted to go out; or what was asked for did not. A defect."""


def current() -> Flight:
    """The flight that this call is made in. Raises `LookupError` outside of one."""
    flight = _FLIGHT.get()
    if flight is None:
        raise LookupError("nothing is being asked")
    return flight


@contextmanager
def in_flight(flight: Flight) -> Generator[Flight]:
    token = _FLIGHT.set(flight)
    try:
        yield flight
    finally:
        _FLIGHT.reset(token)


def guarded(client: type[Any], wall: Clock) -> type[Any]:
    """ccxt's class `client`, guarded, with our clock for its own and numbers sent as they were given."""
    milliseconds = staticmethod(lambda: (wall.now() - _EPOCH) // timedelta(milliseconds=1))
    own = {"milliseconds": milliseconds, "logger": _SILENT, "wall": wall}
    return type(client.__name__, (_Guarded, client), own)


class _Guarded:
    wall: Clock
    listen: Listen | None = None
    """Hears every request once it has come to its end."""

    async def fetch(
        self,
        url: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
    ) -> object:
        flight = _FLIGHT.get()
        if method != "GET":
            once = method == "POST" or (flight is not None and flight.repeatable)
            if flight is None or not flight.may_change or flight.sent or not once:
                raise WrongSend(f"{method} of something that was not asked for")
            flight.sent += 1
            headers = {**(headers or {}), **flight.headers}
        if flight is not None:
            flight.status, flight.body = None, ""
        with self._listening(Heard(method=method, url=url, headers=headers or {}, body=body or "", at=self.wall.now())):
            answer: object = await super().fetch(url, method, headers, body)  # type: ignore[misc]
        return answer

    @contextmanager
    def _listening(self, heard: Heard) -> Generator[None]:
        if self.listen is None:
            yield
            return
        token = _HEARD.set(heard)
        try:
            yield
        finally:
            _HEARD.reset(token)
            self.listen(heard)

    def on_rest_response(
        self, code: int, reason: str, url: str, method: str, headers: Any, body: str, *more: Any
    ) -> str:
        if flight := _FLIGHT.get():
            flight.status, flight.body = code, body
        if heard := _HEARD.get():
            heard.status, heard.answer = code, body
        answer: str = super().on_rest_response(code, reason, url, method, headers, body, *more)  # type: ignore[misc]
        return answer

    # ccxt would round what it is given, and change the decimal context of the whole task while it does.

    def amount_to_precision(self, symbol: str, amount: object) -> str | None:
        return None if amount is None else text(exact(amount))

    def price_to_precision(self, symbol: str, price: object) -> str | None:
        return None if price is None else text(exact(price))


def text(number: Decimal) -> str:
    """Plain digits without an exponent or zeros at the end: what every exchange reads alike."""
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain
