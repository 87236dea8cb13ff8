"""The contracts with the outside market: `Market` shows it, `LiveMarket` as it happens, `Venue` also trades on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from decimal import Decimal
from typing import Protocol, TypeAlias, runtime_checkable

from domain.candle import Candle, FundingRate, Headline, Quote, Session, Timeframe
from domain.decision import Ticket
from domain.errors import OrderStateUnknown, Refused
from domain.instrument import Instrument, MarginTier
from domain.order import OrderReport, OrderRequest
from domain.portfolio import Portfolio
from domain.statement import ExternalEvent, KeyRights, Statement, Trade, Transfer

Levels = tuple[Decimal | None, Decimal | None]
"""A price below and one above, each if there is one."""

Outcome: TypeAlias = OrderReport | Refused | OrderStateUnknown
"""What came of one order of several."""


class Market(Protocol):
    """Public data. Nothing it returns is newer than the moment asked for."""

    @property
    def name(self) -> str:
        """As given on the command line: `sim`, `file:PATH`, `okx`."""
        ...

    @property
    def timeframe(self) -> Timeframe: ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What an operator should know about the data: gaps, files that were passed over."""
        ...

    async def instruments(self) -> Mapping[str, Instrument]: ...

    async def candles(self, symbol: str, *, limit: int, until: datetime) -> Sequence[Candle]:
        """The last `limit` closed bars with closed_at <= until, oldest first.

        Raises `SymbolUnknown`, and `VenueUnavailable` when it isn't known which bars have closed by then.
        """
        ...

    async def quote(self, symbol: str, *, as_of: datetime) -> Quote:
        """Best bid and ask as last known at `as_of`, with the time they are from.

        Raises `SymbolUnknown`, and `VenueUnavailable` when there is none yet.
        """
        ...

    async def headlines(self, *, since: datetime, until: datetime) -> Sequence[Headline]:
        """News with since < available_at <= until, oldest first."""
        ...

    def ticks(self, *, after: datetime | None = None) -> AsyncIterator[datetime]:
        """The close time of each bar that a cycle runs on, ascending, later than `after`.

        A live market's tick is the moment, soon after the close, at which all that is to be known of it is.
        Without `after` the first tick leaves a warm-up of bars behind it, so that indicators can read.
        """
        ...


@runtime_checkable
class LiveMarket(Market, Protocol):
    """A market of the present: a tick comes when it comes, and the venue's clock is not ours."""

    def watch(self, tell: Callable[[str], None]) -> None:
        """Tell in words from now on what is waited for, and what did not answer."""
        ...

    async def time(self, *, as_of: datetime) -> datetime | None:
        """What the venue's clock showed at the tick `as_of`; `None` when that was not measured."""
        ...

    def streaming(self) -> AbstractAsyncContextManager[None]:
        """While entered, the market is heard between ticks too, where it can be, and what is urgent ticks at once."""
        ...

    def look_now(self) -> None:
        """The next tick is at once, and does not wait for a bar: a run that holds something was away, or ends."""
        ...

    def watch_prices(self, levels: Mapping[str, Levels]) -> None:
        """From now on it is urgent when a quote crosses one of these, and no others."""
        ...


@runtime_checkable
class MakesQuotes(Protocol):
    """A market that makes quotes out of bars where it has no real ones: see `venues.quote_from_bar`."""

    def set_spread(self, spread_bps: Decimal) -> None:
        """From now on the quotes that it makes are so wide, from bid to ask."""
        ...


@runtime_checkable
class FundingSource(Protocol):
    """A market that knows what its perpetuals pay."""

    def funding_from(self, symbol: str) -> str:
        """Where it has the rates of a perpetual from, as a file's name; empty where it has none."""
        ...

    def funding_span(self, symbol: str) -> tuple[datetime, datetime] | None:
        """The first and the last of the rates that it has; `None` where it has those of any time."""
        ...

    async def funding(self, symbol: str, *, since: datetime, until: datetime) -> Sequence[FundingRate]:
        """The rates with since < at <= until, oldest first. One that the market learns late is missing until it does.

        Raises `SymbolUnknown`, and `VenueUnavailable` when they can't be read now.
        """
        ...


@runtime_checkable
class MarginSource(Protocol):
    """A market that states what margin its perpetuals take."""

    async def margin_tiers(self, symbol: str) -> tuple[MarginTier, ...]:
        """Empty where it states none. Raises `VenueUnavailable`."""
        ...


@runtime_checkable
class SessionSource(Protocol):
    """A market that tells in which session its symbols are: one of assets that don't trade around the clock."""

    async def session(self, symbol: str, *, as_of: datetime) -> Session | None:
        """The session that a decision at `as_of` is made in; `None` where that isn't known. Raises `SymbolUnknown`."""
        ...


class Venue(Protocol):
    """Where orders go. Paper, exchange or simulated: one contract, one conformance suite.

    It is given a `domain.clearance.Check`, and sends what that returns: whatever becomes of the objects that it was
    handed, now or while it waits.
    """

    async def instruments(self) -> Mapping[str, Instrument]: ...

    async def candles(self, symbol: str, *, limit: int, until: datetime) -> Sequence[Candle]: ...

    async def quote(self, symbol: str) -> Quote: ...

    async def time(self) -> datetime | None:
        """The venue's clock; `None` where it does not tell."""
        ...

    async def portfolio(self) -> Portfolio:
        """The venue's own books: cash, positions, fees."""
        ...

    @property
    def resends(self) -> bool:
        """Whether an order that provably never arrived may be sent again under its id: not at an exchange."""
        ...

    async def submit(self, order: OrderRequest, ticket: Ticket) -> OrderReport:
        """Send one order. The same client order id again returns the first one's report.

        Raises `TicketRefused` before anything is sent, `OrderStateUnknown` when no answer proves anything.
        """
        ...

    async def find(self, client_order_id: str, symbol: str, sent_at: datetime | None = None) -> OrderReport | None:
        """The venue's present word on one order. `None` only when the venue says it has none.

        `sent_at` is when the order was sent, for a venue that did not send it itself: until some time after that it
        may be under way, and `OrderStateUnknown` is raised where `None` would be returned.
        """
        ...

    async def cancel(self, client_order_id: str, symbol: str) -> OrderReport:
        """Raises `NotFound` for an order the venue does not know."""
        ...

    async def open_orders(self) -> Sequence[OrderReport]: ...


@runtime_checkable
class Suspends(Protocol):
    """A market or a venue that goes on with the rest when one of its symbols is suspended or delisted."""

    def expect(self, instruments: Mapping[str, Instrument]) -> None:
        """The instruments of a run that began before: those of them that are not traded are suspended, and no error."""
        ...

    @property
    def suspended(self) -> Mapping[str, str]:
        """By symbol, why it is not traded, in words; as last read."""
        ...


@runtime_checkable
class SettlingVenue(Protocol):
    """A venue that tells itself what moved the account besides orders: paper, which funds and liquidates."""

    async def settlements(self) -> Sequence[ExternalEvent]:
        """Funding and liquidations up to now, in the order in which they happened, but for those that are confirmed."""
        ...

    def confirm(self, event_ids: Collection[str]) -> None:
        """These are booked, and need not be told again."""
        ...


@runtime_checkable
class BatchVenue(Protocol):
    """A venue that takes several orders in one request."""

    @property
    def batch(self) -> int:
        """How many at most; 1 where each needs a request of its own."""
        ...

    async def submit_all(self, orders: Sequence[tuple[OrderRequest, Ticket]]) -> Sequence[Outcome]:
        """Send several, each once as by `Venue.submit`; what came of each, in their order.

        What `submit` would raise is a value here: no order's end touches another's. When the answer is lost, every
        one of them is `OrderStateUnknown`.
        """
        ...


@runtime_checkable
class AccountVenue(Venue, Protocol):
    """A venue whose account is not ours alone: others trade on it by hand, and it outlives every process.

    Every query raises `VenueUnavailable` when it has no whole answer: what could not be read is unknown, and never
    empty or flat.
    """

    async def statement(self) -> Statement: ...

    async def trades(self, symbol: str, *, since: datetime) -> Sequence[Trade]:
        """All trades of the account in a symbol at or after `since`, oldest first, each once."""
        ...

    async def client_order_id_of(self, venue_order_id: str, symbol: str) -> str | None:
        """The client order id of an order that goes by the venue's own id; empty where it was given none.

        `None` where the venue shows no such order.
        """
        ...

    async def transfers(self, *, since: datetime) -> Sequence[Transfer] | None:
        """What changed balances besides trades at or after `since`, oldest first; `None` where the venue tells none.

        It may tell some kinds and not others. Raises `NotTold` where it would, and not to these keys.
        """
        ...

    async def rights(self) -> KeyRights: ...

    async def prepare(self) -> Sequence[str]:
        """Set what a desk needs set (position mode, margin mode), and say in words what was set or found.

        Raises `Refused` where it can't be had, naming what to change at the venue.
        """
        ...

    def holds_stops(self, symbol: str) -> bool:
        """Whether it takes orders of type `stop` in a symbol, and keeps them when we are gone."""
        ...

    def attaches_stops(self, symbol: str) -> bool:
        """Whether it attaches a stop to what an entry fills, under an id of ours and with a target beside it."""
        ...

    async def aclose(self) -> None:
        """Let go of connections. Orders stay as they are."""
        ...

    async def keep_alive(self, *, timeout_s: int) -> bool:
        """Arm the venue's dead-man switch: resting orders are cancelled unless called again in time.

        0 disarms it. `False` where the venue has none.
        """
        ...
