"""One exchange's public data through ccxt: its numbers as text, every failure one `VenueUnavailable`.

A client has a connection of its own, or uses one that a venue holds open.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, Self

from domain.candle import Timeframe
from domain.errors import KeysRefused, VenueRefused, VenueUnavailable
from domain.text import visible
from venues.exchange.connection import REFUSED, Connection, exchange_class, refuses_keys, remedy_of

Row = Mapping[str, object]
"""One of ccxt's structures: a market, an order book."""

Precision = Literal["ticks", "places", "digits"]
"""What an exchange's precisions are: steps, numbers of decimal places, or numbers of significant digits."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SMALLEST_PAGE = 100
_LEVELS = 20
"""Of an order book; the one depth that every large exchange takes."""


class ExchangeClient:
    """Asks one exchange. Entered by one task at a time, and connected only then; ccxt's rate limiter is on."""

    def __init__(
        self,
        exchange: str,
        *,
        settings: Mapping[str, object] | None = None,
        base_url: str | None = None,
        connection: Connection | None = None,
    ) -> None:
        """`settings` are ccxt's own, and `base_url` stands in for the exchange's host. A `connection` of somebody
        else's is used as it is, and left open.

        Raises `UsageError` for an exchange that ccxt does not know.
        """
        self.exchange = exchange
        self._own = connection is None
        self._connection = connection or Connection(
            exchange_class(exchange), exchange, settings=settings, base_url=base_url
        )
        self._ccxt: Any = self._connection.ccxt
        self.answers = 0
        """How many came so far: whether it says anything at all while one is waited for."""

    async def __aenter__(self) -> Self:
        await self._connection.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._own:
            await self._connection.aclose()

    @property
    def timeframes(self) -> Sequence[str]:
        """The lengths of bars that it has, empty where it does not say."""
        return tuple(self._ccxt.timeframes or ())

    @property
    def shows(self) -> bool:
        """Whether it shows candles and order books at all."""
        return bool(self._ccxt.has.get("fetchOHLCV")) and bool(self._ccxt.has.get("fetchOrderBook"))

    @property
    def tells_time(self) -> bool:
        return bool(self._ccxt.has.get("fetchTime"))

    @property
    def tells_funding(self) -> bool:
        """Whether it shows the rates of past fundings."""
        return self._ccxt.has.get("fetchFundingRateHistory") is True

    @property
    def tells_margin_tiers(self) -> bool:
        """Whether it shows to everybody what margin one market takes."""
        return self._ccxt.has.get("fetchMarketLeverageTiers") is True

    @property
    def precision(self) -> Precision:
        modes: dict[int, Precision] = {2: "places", 3: "digits", 4: "ticks"}
        return modes[self._ccxt.precisionMode]

    async def markets(self, *, again: bool = False) -> Mapping[str, Row]:
        """Everything that is listed, by unified symbol; asked once, or `again`."""
        with self._asking("its markets"):
            markets: Mapping[str, Row] = await self._ccxt.load_markets(again)
            if not markets:
                raise ValueError("it lists nothing")
        return markets

    async def time(self) -> datetime:
        """The exchange's clock."""
        with self._asking("its time"):
            return _at(await self._ccxt.fetch_time())

    async def bars(
        self, symbol: str, timeframe: Timeframe, *, since: datetime, limit: int
    ) -> Sequence[Sequence[object]]:
        """Rows of opening time in milliseconds, open, high, low, close and volume, in any order, unclosed ones too."""
        with self._asking(f"candles of {symbol}"):
            rows = await self._ccxt.fetch_ohlcv(symbol, str(timeframe), (since - _EPOCH) // _MILLISECOND, limit)
            return [list(row) for row in rows]

    async def book(self, symbol: str) -> Row:
        """The order book's first levels, with the exchange's time where it tells."""
        with self._asking(f"the order book of {symbol}"):
            book = await self._ccxt.fetch_order_book(symbol, _LEVELS)
            return {**book, "timestamp": None if book["timestamp"] is None else _at(book["timestamp"])}

    async def funding_rates(self, symbol: str, *, since: datetime, limit: int) -> Sequence[Row]:
        """Fundings at `since` or later, no more than `limit`, in any order: `timestamp` and `fundingRate`."""
        with self._asking(f"funding rates of {symbol}"):
            rows = await self._ccxt.fetch_funding_rate_history(symbol, (since - _EPOCH) // _MILLISECOND, limit)
            return [{**row, "timestamp": _at(row["timestamp"])} for row in rows]

    async def margin_tiers(self, symbol: str) -> Sequence[Row]:
        """ccxt's leverage tiers of one market."""
        with self._asking(f"margin tiers of {symbol}"):
            rows: Sequence[Row] = await self._ccxt.fetch_market_leverage_tiers(symbol)
            return rows

    def page(self, symbol: str) -> int:
        """How many bars one request may ask for."""
        limit = self._ccxt.feature_value(symbol, "fetchOHLCV", "limit", _SMALLEST_PAGE)
        return int(limit or _SMALLEST_PAGE)

    @contextmanager
    def _asking(self, what: str) -> Generator[None]:
        """Whatever goes wrong with an answer is one error: the caller can only go without, and ask again."""
        from ccxt import BaseError

        try:
            yield
            self.answers += 1
        except BaseError as error:
            reason = visible(str(error), limit=200)
            name = type(error).__name__
            if name in REFUSED:
                raise (KeysRefused if refuses_keys(name) else VenueRefused)(
                    f"{self.exchange} refuses {what}: {name}: {reason}", remedy=remedy_of(name, self.exchange)
                ) from error
            raise VenueUnavailable(
                f"{self.exchange} did not give {what}: {name}: {reason}",
                remedy="Check the network, the proxy variables and the exchange's status page, and run it again",
            ) from error
        except OSError as error:
            raise VenueUnavailable(f"{self.exchange} did not give {what}: {visible(str(error), limit=200)}") from error
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # ccxt reads what it got without looking: a broken answer surfaces as one of these.
            raise VenueUnavailable(
                f"{self.exchange} gave an answer for {what} that can't be read ({type(error).__name__})"
            ) from error


def _at(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(Decimal(milliseconds)))
