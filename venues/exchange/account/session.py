"""The one connection of a venue: opened at first use, paced, guarded by a breaker, and asked by everyone through here.

A query has an answer or raises `VenueUnavailable`. What changes something goes out once and never again: it was
carried out, it was declined, it was never sent, or nobody knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from domain.breaker import Breaker
from domain.candle import Timeframe
from domain.clock import Clock, Sleep
from domain.errors import OrderStateUnknown, TicketRefused, VenueUnavailable
from venues.exchange.account.destination import Destination, destination
from venues.exchange.account.dialects.dialect import Quirks
from venues.exchange.account.health import Health
from venues.exchange.account.keys import ExchangeKeys
from venues.exchange.account.pace import RATE, RESERVE, Pace
from venues.exchange.client import ExchangeClient, Row
from venues.exchange.connection import Connection, exchange_class, move, refuses_keys, remedy_of
from venues.exchange.failures import Declined, KeysDeclined, Kind, NotSent, kind_of, masked
from venues.exchange.guarded_client import Flight, Listen, WrongSend, guarded, in_flight
from venues.exchange.streams.ccxt_pro import has_streams
from venues.exchange.streams.stream import ExchangeStream

T = TypeVar("T")

Call = Callable[[Any], Awaitable[T]]
"""What to ask of ccxt's object: it has no types of its own."""

_UNREACHED = "Check the network, the proxy variables and the exchange's status page"
_BREAK_AFTER = 5
_PROBE_AFTER_S = 30.0
_TIMEOUT_MS = 10_000


class Session:
    """One account at one exchange. See the module."""

    def __init__(
        self,
        quirks: Quirks,
        *,
        keys: ExchangeKeys,
        wall: Clock,
        sleep: Sleep,
        sandbox: bool,
        base_url: str | None,
        settings: Mapping[str, object],
        listen: Listen | None = None,
    ) -> None:
        """`settings` are ccxt's own, over ours; `listen` hears each request.

        Raises `UsageError` for an exchange that ccxt does not know.
        """
        self.exchange = quirks.exchange
        self._secrets = keys.words()
        self._quirks = quirks
        self._wall = wall
        self._signing: Mapping[str, object] = {
            "apiKey": keys.api_key.get_secret_value(),
            "secret": keys.secret.get_secret_value(),
            "password": keys.password.get_secret_value(),
            "enableRateLimit": True,
            "timeout": _TIMEOUT_MS,
            **settings,
        }
        self._connection = Connection(
            guarded(exchange_class(quirks.exchange), wall),
            quirks.exchange,
            settings={
                **self._signing,
                "options": {**quirks.options, "maxRetriesOnFailure": 0},
            },
        )
        self._ccxt = self._connection.ccxt
        self._ccxt.listen = listen
        self._sandbox = sandbox
        self._base_url = base_url
        # What it tells of currencies needs a signature before the clocks are compared, and is not needed.
        self._ccxt.has["fetchCurrencies"] = False
        self._place(self._ccxt)
        self.market_data = ExchangeClient(quirks.exchange, connection=self._connection)
        """The same connection for public data, with the markets that were loaded here."""
        self._breaker = Breaker(after=_BREAK_AFTER, probe_after_s=_PROBE_AFTER_S)
        self._pace = Pace(rate=RATE, reserve=RESERVE, wall=wall, sleep=sleep)
        self._opening = asyncio.Lock()
        self._ready = False
        self._skew: timedelta | None = None
        self._last_error = ""
        self._answered_at: datetime | None = None

    async def aclose(self) -> None:
        self._ready = False
        await self._connection.aclose()

    def stream(self, symbols: Sequence[str], timeframe: Timeframe) -> ExchangeStream | None:
        """These symbols and the account's own orders as they are streamed; `None` where ccxt streams nothing of it."""
        if not has_streams(self.exchange):
            return None
        return ExchangeStream(
            ExchangeClient(self.exchange, connection=self._connection),
            symbols=symbols,
            timeframe=timeframe,
            wall=self._wall,
            settings=self._signing,
            prepare=self._place,
            own_orders=True,
        )

    def _place(self, ccxt: Any) -> None:
        """Have ccxt's object ask where this account is."""
        if self._sandbox:
            self._quirks.sandbox(ccxt)
        if self._base_url is not None:
            move(ccxt, self._base_url)

    @property
    def destination(self) -> Destination:
        return destination(self._ccxt)

    async def markets(self) -> Mapping[str, Row]:
        """What is listed, by unified symbol: loaded once."""
        return await self.ask("its markets", lambda ccxt: ccxt.load_markets())

    @property
    def loaded(self) -> Mapping[str, Row] | None:
        """The same as last loaded, by whoever; `None` before."""
        markets: Mapping[str, Row] | None = self._ccxt.markets
        return markets

    async def ask(self, what: str, call: Call[T], *, urgent: bool = False) -> T:
        """The answer to a query. `urgent` ones, about orders, may use the reserve.

        Raises `Declined` where the venue said no, and else `VenueUnavailable`: at once while the breaker is open.
        """
        try:
            return await self._ask(what, call, urgent=urgent)
        except Declined as declined:
            if declined.kind != "clock":
                raise
        # The clocks have drifted apart since they were compared. A query may be asked again, and is, once.
        return await self._ask(what, call, urgent=urgent)

    async def send(
        self,
        what: str,
        call: Call[T],
        *,
        cancel: bool = False,
        still: Callable[[], object] | None = None,
        cost: int = 1,
    ) -> T:
        """Carry out `call`, in which one request that changes something may go out.

        `cost` is how many orders are in it: exchanges count those, and not requests, against what one key may send.
        `still` is asked when its turn has come, and raises `TicketRefused` where it must not go out any more.
        Raises `NotSent`, `Declined`, and `OrderStateUnknown` when nothing proves what became of it. A cancel goes
        out even while the breaker is open: nothing is gained by holding it back.
        """
        try:
            await self._turn(what, urgent=cancel, anyway=cancel, cost=cost)
        except VenueUnavailable as error:
            raise NotSent(f"not sent: {error.message}") from None
        if still is not None:
            self._ask_once_more(still)
        flight = Flight(may_change=True, repeatable=cancel, headers=self._quirks.headers(self.clock()))
        answer = await self._fly(flight, call, lambda error: self._after_send(error, flight, what))
        if not flight.sent:
            raise WrongSend(f"{what} sent nothing")
        return answer

    async def time(self) -> datetime:
        """The venue's clock, and from here on what is signed goes by it."""
        return await self.ask("its time", lambda _: self._compare_clocks())

    def clock(self) -> datetime:
        """What the venue's clock shows now."""
        return self.theirs(self._wall.now())

    def market(self, symbol: str) -> Row:
        """As it was loaded."""
        row: Row = self._ccxt.market(symbol)
        return row

    def theirs(self, ours: datetime) -> datetime:
        """What the venue's clock shows at that moment of ours, as far as it was measured."""
        return ours + (self._skew or timedelta(0))

    @property
    def health(self) -> Health:
        now, levels = self._wall.now(), self._pace.levels
        return Health(
            exchange=self.exchange,
            breaker=self._breaker.state(now),
            failures=self._breaker.failures,
            last_error=self._last_error,
            last_answer_at=self._answered_at,
            clock_skew_s=None if self._skew is None else Decimal(str(self._skew.total_seconds())),
            bucket=Decimal(str(round(levels.open, 3))),
            reserve=Decimal(str(round(levels.reserved, 3))),
        )

    async def _ask(self, what: str, call: Call[T], *, urgent: bool) -> T:
        await self._turn(what, urgent=urgent)
        flight = Flight()
        return await self._fly(flight, call, lambda error: self._after_query(error, flight, what))

    async def _turn(self, what: str, *, urgent: bool, anyway: bool = False, cost: int = 1) -> None:
        """Wait until it may be asked, connected. Raises `VenueUnavailable` before anything of the call went out."""
        if not self._breaker.admits(self._wall.now()) and not anyway:
            raise VenueUnavailable(f"{self.exchange} was not asked for {what}: {self._left_alone()}")
        try:
            if not await self._pace.turn(urgent=urgent, cost=cost):
                self._breaker.release()
                raise VenueUnavailable(f"{self.exchange} was not asked for {what}: it was asked too much already")
            await self._open()
        except asyncio.CancelledError:
            self._breaker.release()
            raise

    def _ask_once_more(self, still: Callable[[], object]) -> None:
        try:
            still()
        except TicketRefused as refused:
            self._breaker.release()
            raise NotSent(refused.message) from None

    async def _fly(self, flight: Flight, call: Call[T], sense: Callable[[Exception], Exception]) -> T:
        """The answer to one call, or the error that `sense` makes of what went wrong."""
        try:
            with in_flight(flight):
                answer = await call(self._ccxt)
                if flight.body and not flight.sent and not self._quirks.whole(flight.answer):
                    raise ValueError("the answer has not the shape of one")
        except (WrongSend, asyncio.CancelledError):
            self._breaker.release()
            raise
        except Exception as error:
            self._record_failure(error, flight)
            raise sense(error) from None
        self._heard()
        return answer

    async def _open(self) -> None:
        """Connect, compare the clocks before anything is signed, and load the markets; once."""
        async with self._opening:
            if self._ready:
                return
            await self._connection.open()
            flight = Flight()
            try:
                with in_flight(flight):
                    if self._ccxt.has.get("fetchTime"):
                        await self._compare_clocks()
                    await self._ccxt.load_markets()
                    if not self._ccxt.markets:
                        raise ValueError("it lists nothing")
                    await self._quirks.begin(self._ccxt)
            except Exception as error:
                self._record_failure(error, flight)
                raise self._after_query(error, flight, "its markets") from None
            self._ready = True

    async def _compare_clocks(self) -> datetime:
        asked_at = self._wall.now()
        theirs: datetime = await self.market_data.time()
        way = self._wall.now() - asked_at
        self._skew = theirs - (asked_at + way / 2)
        self._ccxt.options["timeDifference"] = -(self._skew // timedelta(milliseconds=1))
        return theirs

    def _after_query(self, error: Exception, flight: Flight, what: str) -> VenueUnavailable:
        kind, code = self._kind(error, flight)
        if kind == "silent":
            return VenueUnavailable(f"{self.exchange} did not give {what}: {self._last_error}", remedy=_UNREACHED)
        return self._declined(kind, code, what, error=type(error).__name__)

    def _after_send(self, error: Exception, flight: Flight, what: str) -> Exception:
        if not flight.sent or _never_connected(error):
            return NotSent(f"not sent: {self._last_error}")
        kind, code = self._kind(error, flight)
        if kind == "silent":
            return OrderStateUnknown(f"{self.exchange} did not confirm {what}: {self._last_error}")
        return self._declined(kind, code, what, error=type(error).__name__)

    def _declined(self, kind: Kind, code: str, what: str, *, error: str) -> Declined:
        """`error` is the name of ccxt's."""
        message = f"{self.exchange} declined {what}: {self._last_error}"
        if kind == "clock":
            self._ready = False  # so that the clocks are compared before anything is signed again
            return Declined(f"{message}; {self._clocks()}: set it (NTP)", kind=kind, code=code)
        declined = KeysDeclined if kind == "refused" and refuses_keys(error) else Declined
        return declined(message, kind=kind, code=code, remedy=remedy_of(error, self.exchange))

    def _clocks(self) -> str:
        """How this machine's clock stands to the exchange's."""
        if self._skew is None:
            return f"this machine's clock is off {self.exchange}'s"
        off = -(self._skew // timedelta(milliseconds=1))
        side = "ahead of" if off >= 0 else "behind"
        return f"this machine's clock was {abs(off)} ms {side} {self.exchange}'s when they were compared"

    def _kind(self, error: Exception, flight: Flight) -> tuple[Kind, str]:
        code, message = self._quirks.code(flight.answer)
        kind = kind_of(error, status=flight.status, code=code, message=message, codes=self._quirks.codes)
        return kind, code

    def _record_failure(self, error: Exception, flight: Flight) -> None:
        """Remember a call that went wrong. One that was declined was answered all the same."""
        reason = error.message if isinstance(error, VenueUnavailable) else f"{type(error).__name__}: {error}"
        self._last_error = masked(reason, self._secrets)
        answered = self._kind(error, flight)[0] != "silent"
        if answered:
            self._answered_at = self._wall.now()
        self._breaker.settle(self._wall.now(), answered=answered)

    def _heard(self) -> None:
        self._answered_at = self._wall.now()
        self._breaker.settle(self._answered_at, answered=True)

    def _left_alone(self) -> str:
        probes_at = self._breaker.probes_at
        until = f" until {probes_at:%H:%M:%S} UTC" if probes_at else ""
        return f"it is left alone{until} after {self._breaker.failures} failures in a row, the last {self._last_error}"


def _never_connected(error: BaseException | None) -> bool:
    """Whether there never was a connection over which anything could have gone out."""
    from aiohttp import ClientConnectorError

    while error is not None:
        if isinstance(error, ClientConnectorError):
            return True
        error = error.__cause__
    return False
