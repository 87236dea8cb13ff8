"""What stands between an exchange's dialect and the engine: the `Wire` that each exchange implements.

A wire names the operation a request is, checks its signature, carries it out on the engine and words the
answer. Faults, the journal and the sockets are not its business: they are the same for every exchange.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from exchange_double.engine import Engine
from exchange_double.funds import Funds
from exchange_double.orders import Fill


class Operation(StrEnum):
    """What a request is for, whatever the exchange calls it. Faults are placed on these."""

    TIME = "time"
    STATUS = "status"
    INSTRUMENTS = "instruments"
    CURRENCIES = "currencies"
    TICKER = "ticker"
    BOOK = "book"
    CANDLES = "candles"
    PERPETUALS = "perpetuals"
    """Past funding rates, and margin tiers."""
    PLACE = "place"
    CANCEL = "cancel"
    CANCEL_AFTER = "cancel_after"
    ORDER = "order"
    OPEN_ORDERS = "open_orders"
    HISTORY = "history"
    FILLS = "fills"
    BALANCE = "balance"
    POSITIONS = "positions"
    BILLS = "bills"
    SETTINGS = "settings"
    STREAM_OPEN = "stream_open"
    STREAM_BOOK = "stream_book"
    STREAM_TICKER = "stream_ticker"
    STREAM_CANDLES = "stream_candles"
    STREAM_ORDERS = "stream_orders"


READS_ORDERS = frozenset({Operation.ORDER, Operation.OPEN_ORDERS, Operation.HISTORY, Operation.FILLS})
STREAMS = frozenset(operation for operation in Operation if operation.startswith("stream_"))
"""Not requests: a connection is opened, or something is pushed on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a client must sign with. `permissions` are what the venue says the key may do."""

    key: str = "double-key"
    secret: str = "double-secret"  # noqa: S105 - of the double, and of nothing else
    passphrase: str = "double-passphrase"  # noqa: S105
    permissions: tuple[str, ...] = ("read_only", "trade")
    sandbox: bool = False
    """Whether the key is of the exchange's demo environment, which some exchanges tell by a header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request. `target` is the path with its query, exactly as sent: signatures cover it."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: str = ""

    @property
    def path(self) -> str:
        return self.target.split("?", 1)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back: HTTP status, body and headers."""

    status: int = 200
    body: str = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def gateway_page(status: int) -> Answer:
    """The HTML of a gateway that got no answer from the exchange behind it."""
    return Answer(status=status, body=f"<html><h1>{status}</h1></html>", content_type="text/html")


def _as_it_is(fills: Sequence[Fill]) -> Sequence[Fill]:
    return fills


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """How faults bend what one request does and shows."""

    hidden: frozenset[str] = frozenset()
    """Order ids that queries don't find."""
    funds: Funds | None = None
    """Shown instead of the account as it is."""
    fills: Callable[[Sequence[Fill]], Sequence[Fill]] = _as_it_is
    """Applied to the fills of an answer, newest first."""
    ids_unique_when_open: bool = False
    stop_after: Decimal | None = None
    """The part of a new order that is filled before the venue cancels the rest."""
    fill_before_cancel: bool = False
    maintenance: bool = False


class Wire(Protocol):
    """One exchange's REST dialect: everything it knows of markets and the account is in the engine."""

    @property
    def name(self) -> str:
        """ccxt's id of the exchange."""
        ...

    def operation(self, request: Request) -> Operation | None:
        """What the request is for; `None` for an address that isn't spoken."""
        ...

    def answer(self, request: Request, engine: Engine, effects: Effects, *, now: datetime) -> Answer:
        """Check the signature where one is needed, carry the request out, and word the answer.

        Never raises on what a client may send: a bad request is answered as the exchange would.
        """
        ...

    def rate_limited(self) -> Answer: ...

    def maintenance(self) -> Answer: ...

    def server_error(self, status: int) -> Answer:
        """What comes with this status in place of an answer: a `gateway_page`, or words of the exchange's own."""
        ...

    def not_spoken(self, request: Request) -> Answer:
        """To an address that the dialect lacks."""
        ...

    def client_settings(self, url: str, *, ahead_ms: int) -> dict[str, object]:
        """What a ccxt client of this exchange is built with to talk to `url` instead.

        `ahead_ms` is how far the client's clock is ahead of the double's.
        """
        ...
