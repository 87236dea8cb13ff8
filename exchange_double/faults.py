"""The faults a double can have, and the script that says when.

Those that end a request          Timeout, Reset, RateLimited, ServerError, Malformed, Maintenance
Those that bend what it does      PartialThenCancel, FilledBeforeCancel, IdReused, OrderHidden, ExitRefused
Those that bend what it shows     BalanceLag, DuplicateFill, FillsOutOfOrder, FillsLate, ClockSkew
Those that make it contradict     IdCutShort, AnothersRow, WrongSide, Emptied, RowsTwice
And one that only delays it       Slow
Those of a stream                 SocketGap, SocketRepeated, SocketSwapped, SocketMalformed, SocketSilent,
                                  SocketClosed

Each stands alone or with others. A request meets at most one fault that ends it; faults that it never reached
wait for the next request. Whether a lost answer's request was carried out is the fault's `accepted`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias, TypeVar, get_args

from exchange_double.wire import READS_ORDERS, STREAMS, Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """No answer until the client gives up; with `accepted` the request was carried out first."""

    accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """The connection is reset. On a connection used before, aiohttp asks a GET a second time by itself."""

    accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimited:
    accepted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerError:
    """A gateway's page of HTML instead of an answer, or what the exchange itself says with this status."""

    status: int = 502
    accepted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """The answer breaks off in the middle of its JSON, with status 200.

    ccxt's `fetch` doesn't raise on it: open orders read as none, an order as one without an id.
    """

    accepted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """The exchange says that it is under maintenance. Its status page says so for as long as this is scripted."""

    accepted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """The answer comes `seconds` late, by the server's sleep."""

    seconds: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSkew:
    """The exchange's clock is ahead by `seconds`, or behind when negative.

    Behind, since a client's time runs on while a double's stands, so that the difference only grows.
    """

    seconds: int = -31


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialThenCancel:
    """A new order is filled up to `part` of it, then cancelled by the venue. Not of orders in quote currency."""

    part: Decimal = Decimal("0.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledBeforeCancel:
    """The order fills, or the stop triggers, just before the cancel reaches it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdReused:
    """A client order id whose order has ended is accepted again, as Binance does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderHidden:
    """A new order isn't found by the next `looks` queries for orders or fills, nor for `seconds` of the clock.

    It is on the book all the same: it trades, and can be cancelled.
    """

    looks: int = 1
    seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRefused:
    """The next market order that leaves a position, or sells on spot, is refused as below the minimum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceLag:
    """Balances and positions are shown as they were before the last fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateFill:
    """The newest fill of an answer comes twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FillsOutOfOrder:
    """The fills of an answer come in another order, shuffled by `seed`."""

    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FillsLate:
    """The newest fill of an answer is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdCutShort:
    """The exchange's own id of a new order comes without its last digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnothersRow:
    """Client order ids of an answer are somebody else's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongSide:
    """What was bought is shown as sold, and the other way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emptied:
    """All is said to be well, and nothing is in the answer: no rows, or no fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsTwice:
    """Every row of an answer comes twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketGap:
    """A message that should have been pushed is lost; where messages are numbered, the numbers show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketRepeated:
    """A message is pushed twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketSwapped:
    """A message is pushed after the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketMalformed:
    """A message breaks off in the middle of its JSON. ccxt reads nothing more of that connection, and says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketSilent:
    """From this message on nothing is sent on the connection any more, and it stays open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketClosed:
    """The connection is closed in place of this message; when it is being opened, it is refused."""


Socket: TypeAlias = SocketGap | SocketRepeated | SocketSwapped | SocketMalformed | SocketSilent | SocketClosed
Ending: TypeAlias = Timeout | Reset | RateLimited | ServerError | Malformed | Maintenance
Contradicting: TypeAlias = IdCutShort | AnothersRow | WrongSide | Emptied | RowsTwice
Bending: TypeAlias = (
    Slow
    | ClockSkew
    | PartialThenCancel
    | FilledBeforeCancel
    | IdReused
    | OrderHidden
    | ExitRefused
    | BalanceLag
    | DuplicateFill
    | FillsOutOfOrder
    | FillsLate
)
Fault: TypeAlias = Ending | Bending | Contradicting | Socket

F = TypeVar("F", bound=Fault)

_ONLY_ON: dict[type[Fault], frozenset[Operation]] = {
    PartialThenCancel: frozenset({Operation.PLACE}),
    IdReused: frozenset({Operation.PLACE}),
    OrderHidden: frozenset({Operation.PLACE}),
    ExitRefused: frozenset({Operation.PLACE}),
    FilledBeforeCancel: frozenset({Operation.CANCEL}),
    BalanceLag: frozenset({Operation.BALANCE, Operation.POSITIONS}),
    DuplicateFill: frozenset({Operation.FILLS}),
    FillsOutOfOrder: frozenset({Operation.FILLS}),
    FillsLate: frozenset({Operation.FILLS}),
    IdCutShort: frozenset({Operation.PLACE}),
    AnothersRow: READS_ORDERS,
    WrongSide: READS_ORDERS,
    Emptied: READS_ORDERS | {Operation.PLACE, Operation.BALANCE, Operation.POSITIONS},
    RowsTwice: READS_ORDERS,
    SocketGap: STREAMS - {Operation.STREAM_OPEN},
    SocketRepeated: STREAMS - {Operation.STREAM_OPEN},
    SocketSwapped: STREAMS - {Operation.STREAM_OPEN},
    SocketMalformed: STREAMS - {Operation.STREAM_OPEN},
    SocketSilent: STREAMS,
    SocketClosed: STREAMS,
}
"""Where a fault means something; the others do on every request."""

EVERY_FAULT: tuple[Fault, ...] = (
    Timeout(accepted=True),
    Timeout(accepted=False),
    Reset(accepted=True),
    Reset(accepted=False),
    RateLimited(),
    RateLimited(accepted=True),
    ServerError(),
    ServerError(accepted=True),
    Malformed(),
    Maintenance(),
    Slow(),
    ClockSkew(),
    PartialThenCancel(),
    FilledBeforeCancel(),
    IdReused(),
    OrderHidden(looks=3),
    ExitRefused(),
    BalanceLag(),
    DuplicateFill(),
    FillsOutOfOrder(),
    FillsLate(),
)
"""One of each that a request can meet, for tests that draw from them."""

EVERY_CONTRADICTION: tuple[Contradicting, ...] = (
    IdCutShort(),
    AnothersRow(),
    WrongSide(),
    Emptied(),
    RowsTwice(),
)
"""And one of each after which an answer can't be true."""

EVERY_SOCKET_FAULT: tuple[Socket, ...] = (
    SocketGap(),
    SocketRepeated(),
    SocketSwapped(),
    SocketMalformed(),
    SocketSilent(),
    SocketClosed(),
)
"""One of each that a stream can."""


@dataclass(slots=True)
class _Scripted:
    fault: Fault
    on: frozenset[Operation]
    times: int | None
    skip: int


class FaultScript:
    """Which faults wait, on which operations, for how many requests."""

    def __init__(self) -> None:
        self._waiting: list[_Scripted] = []

    def add(
        self,
        fault: Fault,
        *,
        on: Operation | Iterable[Operation] | None = None,
        times: int | None = 1,
        skip: int = 0,
    ) -> None:
        """Let `fault` happen to the next `times` requests (or messages of a stream) of `on`, after letting `skip` pass.

        Without `on` it happens wherever it means something; without a number of times until `clear`.
        Raises `ValueError` on an operation where it means nothing.
        """
        possible = _ONLY_ON.get(type(fault), frozenset(Operation))
        wanted = possible if on is None else frozenset({on} if isinstance(on, Operation) else on)
        if not wanted <= possible:
            raise ValueError(f"{type(fault).__name__} means nothing on {', '.join(sorted(wanted - possible))}")
        if times != 0:
            self._waiting.append(_Scripted(fault, wanted, times, skip))

    def clear(self) -> None:
        self._waiting.clear()

    @property
    def waiting(self) -> tuple[Fault, ...]:
        """What has not happened as often as it should, in the order it was added."""
        return tuple(scripted.fault for scripted in self._waiting)

    def scripted(self, kind: type[Fault]) -> bool:
        """Whether such a fault waits anywhere."""
        return any(isinstance(fault, kind) for fault in self.waiting)

    def take(self, kind: type[F], operation: Operation) -> F | None:
        """The first waiting fault of this kind for this request, and one time less of it."""
        fault = self._spend((kind,), operation)
        return fault if isinstance(fault, kind) else None

    def take_ending(self, operation: Operation) -> Ending | None:
        """The first waiting fault that ends this request, and one time less of it."""
        fault = self._spend(get_args(Ending), operation)
        return fault if isinstance(fault, Ending) else None

    def _spend(self, kinds: tuple[type, ...], operation: Operation) -> Fault | None:
        for scripted in self._waiting:
            if not isinstance(scripted.fault, kinds) or operation not in scripted.on:
                continue
            if scripted.skip:
                scripted.skip -= 1
                continue
            if scripted.times is not None:
                scripted.times -= 1
                if not scripted.times:
                    self._waiting.remove(scripted)
            return scripted.fault
        return None
