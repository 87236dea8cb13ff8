"""A live account at an exchange, spot and linear perpetuals, through ccxt.

One request carries an order, ever: nothing here, in ccxt or in the HTTP client repeats it. What is reported of an
order is what the venue said; where it said nothing, the error says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal

from domain.candle import Candle, Quote, Timeframe, last_close
from domain.clearance import Check, Cleared
from domain.clock import Clock, Sleep
from domain.decision import Ticket
from domain.errors import OrderStateUnknown, SymbolUnknown, TicketRefused, UsageError, VenueUnavailable
from domain.instrument import Instrument
from domain.money import ZERO
from domain.order import OrderReport, OrderRequest
from domain.portfolio import Portfolio
from domain.statement import KeyRights, Statement, Trade, Transfer
from domain.venue import Outcome
from venues.exchange.account import rows
from venues.exchange.account.account import Account
from venues.exchange.account.destination import Destination
from venues.exchange.account.dialects import quirks_of
from venues.exchange.account.health import Health
from venues.exchange.account.keys import ExchangeKeys
from venues.exchange.account.listed import Listed
from venues.exchange.account.lookup import Lookup
from venues.exchange.account.orders import Orders, rejected
from venues.exchange.account.pace import RATE
from venues.exchange.account.reading import readable
from venues.exchange.account.sent import SentOrders
from venues.exchange.account.session import Session
from venues.exchange.client import ExchangeClient, Row
from venues.exchange.failures import NotSent
from venues.exchange.feed import ExchangeFeed, quote_of
from venues.exchange.guarded_client import Listen
from venues.exchange.instruments import carried, contract_size, instrument_of
from venues.exchange.streams.stream import ExchangeStream

DEFAULT_TIMEFRAME = Timeframe("5m")
PATIENCE_S = 30.0
"""After a request can no longer be under way, until an order that is nowhere to be seen is said not to be there."""


class ExchangeVenue:
    """See `AccountVenue` and `BatchVenue`. Connects at first use; `aclose` it at the end.

    Quantities are in base currency, whatever the exchange counts in. An order's state is the exchange's word, and a
    fill is one of its trades.
    """

    def __init__(
        self,
        exchange: str,
        *,
        keys: ExchangeKeys,
        symbols: Sequence[str],
        currency: str,
        check: Check,
        wall: Clock,
        sleep: Sleep = asyncio.sleep,
        timeframe: Timeframe = DEFAULT_TIMEFRAME,
        sandbox: bool = False,
        base_url: str | None = None,
        patience_s: float = PATIENCE_S,
        settings: Mapping[str, object] | None = None,
        listen: Listen | None = None,
    ) -> None:
        """`exchange` is one of ccxt's ids; `base_url` stands in for its host, and `settings` are ccxt's own. `listen`
        hears each request with its answer, as a `Recorder` does.

        Raises `UsageError` for an exchange that ccxt does not know, and for no symbols.
        """
        if not symbols:
            raise UsageError("a venue needs symbols to trade", remedy="Choose: --symbols BTC/USDT,ETH/USDT")
        self._quirks = quirks_of(exchange)
        self._session = Session(
            self._quirks,
            keys=keys,
            wall=wall,
            sleep=sleep,
            sandbox=sandbox,
            base_url=base_url,
            settings=settings or {},
            listen=listen,
        )
        self._check = check
        self._symbols = tuple(dict.fromkeys(symbols))
        self._currency = currency
        self._wall = wall
        self._timeframe = timeframe
        self._listed: Mapping[str, Listed] = {}
        self._listed_from: Mapping[str, Row] | None = None
        self._recorded: Mapping[str, Instrument] = {}
        self._suspended: Mapping[str, str] = {}
        self._sent = SentOrders()
        lookup = Lookup(self._session, self._quirks, sleep=sleep)
        self._account = Account(self._session, self._quirks, symbols=self._symbols, lookup=lookup, wall=wall)
        self._orders = Orders(
            self._session,
            self._quirks,
            lookup=lookup,
            sent=self._sent,
            currency=currency,
            check=check,
            wall=wall,
            patience_s=patience_s,
        )

    async def aclose(self) -> None:
        await self._session.aclose()

    @property
    def name(self) -> str:
        return self._session.exchange

    @property
    def destination(self) -> Destination:
        """The hosts that it talks to."""
        return self._session.destination

    @property
    def currency(self) -> str:
        """The account's, in which its symbols are priced."""
        return self._currency

    @property
    def market_ids(self) -> frozenset[str]:
        """What the exchange calls its symbols; empty before they were read."""
        return frozenset(str(self._session.market(symbol)["id"]) for symbol in self._listed)

    @property
    def market_data(self) -> ExchangeClient:
        """Public data over the same connection, with the markets that were loaded for trading."""
        return self._session.market_data

    def stream(self, timeframe: Timeframe) -> ExchangeStream | None:
        """Its symbols and the account's own orders, streamed while entered; `None` where ccxt has no streams of it."""
        return self._session.stream(self._symbols, timeframe)

    def health(self) -> Health:
        return self._session.health

    # The market.

    async def instruments(self) -> Mapping[str, Instrument]:
        listed = {symbol: one.instrument for symbol, one in (await self._markets()).items()}
        return {symbol: listed.get(symbol) or self._recorded[symbol] for symbol in self._symbols}

    def expect(self, instruments: Mapping[str, Instrument]) -> None:
        """See `Suspends.expect`."""
        self._recorded = {**self._recorded, **instruments}

    @property
    def suspended(self) -> Mapping[str, str]:
        """See `Suspends.suspended`."""
        return self._suspended

    async def candles(self, symbol: str, *, limit: int, until: datetime) -> Sequence[Candle]:
        """Closed bars, read from the exchange each time."""
        await self._one(symbol)
        close = last_close(min(until, self._session.theirs(self._wall.now())), self._timeframe)
        feed = ExchangeFeed(self.market_data, self._timeframe)
        since = close - limit * self._timeframe.length
        bars = await self._session.ask(f"candles of {symbol}", lambda _: feed.before(symbol, since=since, end=close))
        return bars[-limit:]

    async def quote(self, symbol: str) -> Quote:
        one = await self._one(symbol)
        asked_at = self._wall.now()
        book = await self._session.ask(f"the order book of {symbol}", lambda _: self.market_data.book(symbol))
        return quote_of(book, symbol, unit=one.unit, asked_at=asked_at)

    async def time(self) -> datetime | None:
        """Measured anew, and from here on what is signed goes by it."""
        return await self._session.time() if self.market_data.tells_time else None

    # Orders.

    @property
    def resends(self) -> bool:
        """An order that is not to be found may still be on its way."""
        return False

    def holds_stops(self, symbol: str) -> bool:
        """Whether a stop waits at the exchange. Where it can't, it must be watched from here."""
        return self._quirks.stop is not None

    def attaches_stops(self, symbol: str) -> bool:
        return self._quirks.attached is not None

    @property
    def batch(self) -> int:
        """Not all that the exchange takes: each is looked at first, and must not wait long for its turn after that."""
        return min([RATE.burst // 2, *map(self._quirks.batch, self._symbols)])

    async def submit(self, order: OrderRequest, ticket: Ticket) -> OrderReport:
        """Send one order, once. The same order again is looked up, and never sent a second time.

        A refusal by the venue is a report in state rejected, with its code as evidence; an order that does not fit
        the exchange's grid is one too, and was not sent. Raises `TicketRefused` and `Refused` as the contract says,
        `NotSent` (a `TicketRefused`) where nothing went out, and else `OrderStateUnknown`.
        """
        cleared = self._check(ticket, order, self._wall.now())
        try:
            one = (await self._markets()).get(cleared.order.symbol)
        except VenueUnavailable as error:
            raise NotSent(f"not sent: {error.message}") from None
        if one is None or cleared.order.symbol in self._suspended:
            return self._not_traded(cleared.order)
        return await self._orders.submit(cleared, one)

    async def submit_all(self, orders: Sequence[tuple[OrderRequest, Ticket]]) -> Sequence[Outcome]:
        """See `BatchVenue`: in one request where the venue can, and else one by one. Stops go alone."""
        checked = [self._cleared(order, ticket) for order, ticket in orders]
        try:
            markets = await self._markets()
        except VenueUnavailable as error:
            return [
                each if isinstance(each, TicketRefused) else NotSent(f"not sent: {error.message}") for each in checked
            ]
        symbols = markets.keys() - self._suspended.keys()
        good = [each for each in checked if isinstance(each, Cleared)]
        traded = [(each, markets[each.order.symbol]) for each in good if each.order.symbol in symbols]
        sent = iter(await self._orders.submit_all(traded))

        def outcome(each: Cleared | TicketRefused) -> Outcome:
            if isinstance(each, TicketRefused):
                return each
            return next(sent) if each.order.symbol in symbols else self._not_traded(each.order)

        return [outcome(each) for each in checked]

    def _cleared(self, order: OrderRequest, ticket: Ticket) -> Cleared | TicketRefused:
        """As a value: what one order lacks is nothing to the others."""
        try:
            return self._check(ticket, order, self._wall.now())
        except TicketRefused as refused:
            return refused

    async def find(self, client_order_id: str, symbol: str, sent_at: datetime | None = None) -> OrderReport | None:
        """The venue's word, with all its trades. `sent_at` is when an earlier process sent it, where that is known.

        `None` only when the order is in no list and in no trade, and can no longer be under way.
        """
        return await self._orders.find(client_order_id, await self._one(symbol), sent_at=sent_at)

    async def cancel(self, client_order_id: str, symbol: str) -> OrderReport:
        """The order's report after it. One that has already ended stays as it is.

        Raises `NotFound` where the venue has no such order, `OrderStateUnknown` when nothing proves what became of
        the cancel, and `VenueUnavailable` when it was not sent.
        """
        return await self._orders.cancel(client_order_id, await self._one(symbol))

    async def open_orders(self) -> Sequence[OrderReport]:
        orders, _ = await self._account.open_orders(await self._traded())
        return orders

    # The account.

    async def portfolio(self) -> Portfolio:
        """See `Account.portfolio`: what is held, and on spot not what was paid for it."""
        return await self._account.portfolio(await self._traded(), currency=self._currency)

    async def statement(self) -> Statement:
        """What is suspended has no part in it but its balances, which are read all the same."""
        return await self._account.statement(await self._traded())

    async def out_of_reach(self) -> Decimal:
        """How much of its currency lies in the owner's funding account while there is none to trade with; else 0."""
        beside = (await self._quirks.funding_account(self._session)).get(self._currency, ZERO)
        if not beside:
            return ZERO
        balances = await self._quirks.balances(self._session, self._symbols)
        return ZERO if balances.get(self._currency) else beside

    async def trades(self, symbol: str, *, since: datetime) -> Sequence[Trade]:
        one = await self._one(symbol)
        listing = await self._quirks.trades(self._session, symbol, since)
        trades = rows.trades(listing, one, client_order_id=self._client_order_id)
        return [trade for trade in trades if trade.at >= since]

    async def client_order_id_of(self, venue_order_id: str, symbol: str) -> str | None:
        return await self._orders.client_order_id_of(venue_order_id, await self._one(symbol))

    async def transfers(self, *, since: datetime) -> Sequence[Transfer] | None:
        return await self._quirks.transfers(self._session, list(await self._markets()), since)

    async def rights(self) -> KeyRights:
        return await self._quirks.rights(self._session)

    async def prepare(self) -> Sequence[str]:
        traded = list(await self._traded())
        with _confirmed("the account's settings"):
            return await self._quirks.prepare(self._session, traded) if traded else ()

    async def keep_alive(self, *, timeout_s: int) -> bool:
        traded = list(await self._traded())
        with _confirmed("the dead-man switch"):
            return await self._quirks.keep_alive(self._session, traded, timeout_s)

    async def _markets(self) -> Mapping[str, Listed]:
        """Our symbols as they are listed, suspended ones too; asked once, and looked at again when somebody else has
        read the markets again. Raises as `listed` and `instrument_of` do.
        """
        if self._listed_from is not None and self._listed_from is self._session.loaded:
            return self._listed
        markets = await self._session.markets()
        rows, suspended = carried(markets, self._symbols, exchange=self.name, recorded=self._recorded)
        by_symbol: dict[str, Listed] = {}
        for symbol, market in rows.items():
            instrument = self._recorded.get(symbol) if symbol in suspended else None
            by_symbol[symbol] = readable(
                f"the market {symbol}", Listed.of, market, instrument or await self._instrument(symbol, market)
            )
        self._recorded = {**self._recorded, **{symbol: one.instrument for symbol, one in by_symbol.items()}}
        self._listed, self._suspended, self._listed_from = by_symbol, suspended, self._session.loaded
        return self._listed

    async def _traded(self) -> Mapping[str, Listed]:
        """Without those that are suspended."""
        markets = await self._markets()
        return {symbol: one for symbol, one in markets.items() if symbol not in self._suspended}

    async def _instrument(self, symbol: str, market: Row) -> Instrument:
        precision = self.market_data.precision
        price = await self._bid(symbol, market) if precision == "digits" else None
        return instrument_of(market, symbol, exchange=self.name, precision=precision, price=price)

    def _not_traded(self, order: OrderRequest) -> OrderReport:
        reason = f"not sent: {self._suspended.get(order.symbol) or f'{order.symbol} is not traded here'}"
        return rejected(order, reason, evidence="our own check", at=self._wall.now())

    async def _one(self, symbol: str) -> Listed:
        markets = await self._markets()
        if symbol not in markets and symbol in self._suspended:
            raise VenueUnavailable(self._suspended[symbol])
        if symbol not in markets:
            raise SymbolUnknown(f"{symbol} is not one of this venue's", remedy=f"There are {', '.join(markets)}")
        return markets[symbol]

    async def _bid(self, symbol: str, market: Row) -> Decimal:
        """Where prices are in digits, their step depends on the price."""
        book = await self._session.ask(f"the order book of {symbol}", lambda _: self.market_data.book(symbol))
        return quote_of(book, symbol, unit=contract_size(market), asked_at=self._wall.now()).bid

    def _client_order_id(self, trade: Row) -> str:
        return self._quirks.client_order_id(trade) or self._sent.named(str(trade.get("order")))


@contextmanager
def _confirmed(what: str) -> Generator[None]:
    """Of what may be asked for again: whether it was not sent or not answered is one to the caller."""
    try:
        yield
    except (NotSent, OrderStateUnknown) as error:
        raise VenueUnavailable(f"{what}: not confirmed: {error.message}") from None
