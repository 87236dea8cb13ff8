"""What may differ from exchange to exchange, as data and small functions.

`any.py` has what holds at every exchange that ccxt knows; `okx.py`, `binance.py` and `bybit.py` replace what is
theirs. Nothing else in the venue asks which exchange it talks to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeVar

from domain.order import OrderRequest
from domain.statement import KeyRights, Transfer
from venues.exchange.client import Row
from venues.exchange.failures import Codes
from venues.exchange.guarded_client import current

T = TypeVar("T")

Params = dict[str, object]
"""Parameters of one of ccxt's calls, besides the unified ones."""

Ended = Literal["open", "ended"]


class Asks(Protocol):
    """What a quirk needs of the session. See there."""

    async def ask(self, what: str, call: Callable[[Any], Awaitable[T]], *, urgent: bool = False) -> T: ...

    async def send(self, what: str, call: Callable[[Any], Awaitable[T]], *, cancel: bool = False) -> T: ...

    def clock(self) -> datetime:
        """The venue's time by our clock: up to when lists are read."""
        ...

    def market(self, symbol: str) -> Row:
        """As it was loaded."""
        ...


def call(name: str, *args: object, read: Callable[[Any], T]) -> Callable[[Any], Awaitable[T]]:
    """A call of one of ccxt's methods, and what is made of its answer. An answer that `read` can't read is none."""

    async def made(ccxt: Any) -> T:
        return read(await getattr(ccxt, name)(*args))

    return made


def as_rows(answer: Any) -> Sequence[Row]:
    """As ccxt made them."""
    return list(answer)


def all_of(rows: Sequence[Row], source: Sequence[object]) -> Sequence[Row]:
    """`rows`, where ccxt made one of each that was told. Raises `ValueError`: it leaves out those of other symbols."""
    if len(rows) != len(source):
        raise ValueError(f"{len(source) - len(rows)} of {len(source)} rows are of something else")
    return rows


def listed_rows(answer: Any) -> Sequence[Row]:
    """As ccxt made them of an answer that is a list itself. Raises `ValueError`: of another ccxt makes none."""
    if not isinstance(current().answer, list):
        raise ValueError("the answer is no list")
    return list(answer)


def done(answer: object) -> None:
    """Of a change: that there was an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """One order as an exchange is asked for it: by its own id where it is known, else by the client's."""

    client_order_id: str
    venue_order_id: str = ""
    stop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which orders of a symbol are wanted. `stop` ones are those that wait for their trigger in a list of their own."""

    which: Ended
    stop: bool = False
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What the answer to a batch says of one of its orders: the venue's id, or the code of its refusal."""

    venue_order_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    exchange: str
    options: Mapping[str, object] = field(default_factory=dict)
    """ccxt's."""
    codes: Codes = field(default_factory=Codes)
    code: Callable[[object], tuple[str, str]]
    """Code and message of an answer's JSON, both empty where it refuses nothing."""

    whole: Callable[[object], bool]
    """Whether an answer's JSON has the shape that all of the exchange's have. ccxt reads one without it as nothing."""

    validity_s: float = 0
    """How long after it was signed the venue still takes a request; 0 where it has no such rule."""
    headers: Callable[[datetime], Mapping[str, str]]
    """Of a request that changes something, at the venue's own time: until when it may be carried out."""
    sandbox: Callable[[Any], None]
    begin: Callable[[Any], Awaitable[None]]
    """What ccxt would else ask in the middle of an order, asked before."""

    shows_ids: bool = False
    """Whether its lists are known to show client order ids. Else an order that is not seen in them may be there."""
    ids_reused: bool = False
    """Whether a client order id is free again once its order has ended."""
    order: Callable[[OrderRequest], Params]
    stop: Callable[[OrderRequest], Params] | None = None
    """Of a stop market order; without, the venue holds none for us."""
    targeted: str = "market"
    """What ccxt calls the type of a stop with a target."""
    attached: Callable[[OrderRequest], Params] | None = None
    """Of an entry with a stop, what goes beside the rest; without, the venue attaches none under an id of ours, and
    holds no target with a stop."""
    stops_apart: Callable[[str], bool]
    """Whether waiting stops of this symbol have lists and addresses of their own."""
    batch: Callable[[str], int]
    """How many orders in symbols of this one's kind, spot or swap, go out in one call; stops go alone."""
    placed: Callable[[object, Sequence[str]], Mapping[str, Placed]]
    """By client order id, what the answer to a batch of these says of each. Of one that it may not mean, nothing."""

    find: Callable[[Asks, str, Name], Awaitable[Row | None]]
    """One order, by id. `None` where the venue says that it has none."""
    cancel: Callable[[Asks, str, Name], Awaitable[None]]
    orders: Callable[[Asks, str, Listing], Awaitable[Sequence[Row]]]
    """All of them, every page. Raises `VenueUnavailable` where there may be more than it was shown."""
    trades: Callable[[Asks, str, datetime], Awaitable[Sequence[Row]]]
    """All of a symbol since then, every page."""
    order_trades: Callable[[Asks, str, Row], Awaitable[Sequence[Row]]]
    """All of one order."""
    child: Callable[[Row], str]
    """The venue's id of the order that a triggered stop became; empty where it is the same one, or none yet."""
    client_order_id: Callable[[Row], str]
    """Of a trade's row; empty where trades carry none."""

    balances: Callable[[Asks, Sequence[str]], Awaitable[Mapping[str, Decimal]]]
    """By currency, free and locked, without what open positions gained or lost. For the account of these symbols."""
    funding_account: Callable[[Asks], Awaitable[Mapping[str, Decimal]]]
    """By currency, what the owner has in an account that orders can't use; empty where there is none, or none shown."""
    positions: Callable[[Asks, Sequence[str]], Awaitable[Sequence[Row]]]
    """Of these swaps: unified rows with `symbol`, `side`, `contracts`, `markPrice` and `entryPrice`."""
    transfers: Callable[[Asks, Sequence[str], datetime], Awaitable[Sequence[Transfer] | None]]
    rights: Callable[[Asks], Awaitable[KeyRights]]
    prepare: Callable[[Asks, Sequence[str]], Awaitable[Sequence[str]]]
    keep_alive: Callable[[Asks, Sequence[str], int], Awaitable[bool]]
