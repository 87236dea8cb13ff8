"""One client of an exchange's streams: what comes next of a book, of bars, of own orders. Every failure is named.

VenueUnavailable
└── StreamGap     a message is missing: what was known of the book is worth nothing, and the connection goes on
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

from domain.candle import Timeframe
from domain.clock import Clock
from domain.errors import VenueUnavailable
from domain.text import visible
from venues.exchange.client import Row
from venues.exchange.streams.ccxt_pro import streaming

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_CLOSE_WITHIN_S = 1.0
"""A connection that is dead answers no goodbye."""
_MOST_FINALS = 16
_APART = frozenset({"okx"})
"""Where stops are told on a channel of their own."""
_KINDS_APART = frozenset({"binance"})
"""Where own orders on spot and on swaps are told by different accounts."""

MarketKind = Literal["spot", "swap"]


def kinds_apart(exchange: str, symbols: Sequence[str]) -> Sequence[MarketKind | None]:
    """The kinds of market among the symbols whose own orders are told apart; `None` stands for all at once."""
    if exchange not in _KINDS_APART:
        return (None,)
    return tuple(sorted({"swap" if ":" in symbol else "spot" for symbol in symbols}))


def tells_stops_apart(exchange: str) -> bool:
    """Whether changes of stops are not among those of orders."""
    return exchange in _APART


class StreamGap(VenueUnavailable):
    """A message of a numbered stream is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BarsTold:
    """What a stream of bars has told since the last time: the bars that are final, and when the newest one opened."""

    final: Sequence[Sequence[object]]
    newest: datetime


class StreamClient:
    """Subscribes as it is asked, on as many connections as the exchange's addresses need. Not to be entered again."""

    def __init__(
        self,
        exchange: str,
        *,
        markets: Mapping[str, Row],
        wall: Clock,
        ping_every_s: float,
        settings: Mapping[str, object] | None = None,
        prepare: Callable[[Any], None] | None = None,
        kind: MarketKind | None = None,
    ) -> None:
        """`markets` are those of `ExchangeClient.markets`; `settings` are ccxt's own; `kind` is whose own orders are
        told, where kinds are apart.

        `prepare` is given ccxt's object before it is used, as for another address or a sandbox.
        """
        import ccxt.pro as ccxt

        self.exchange = exchange
        self._errors: type[Exception] = ccxt.BaseError
        self._gap: type[Exception] = ccxt.InvalidNonce
        self._wall = wall
        self._ccxt: Any = streaming(exchange)(
            {
                "aiohttp_trust_env": True,
                "newUpdates": True,
                # Silence is judged by who uses this: ccxt would go by the machine's clock, and by two pings.
                "streaming": {"keepAlive": round(ping_every_s * 1_000), "maxPingPongMisses": 1_000_000},
                **(settings or {}),
            }
        )
        if kind is not None:
            self._ccxt.options["defaultType"] = kind
        if prepare is not None:
            prepare(self._ccxt)
        self._ccxt.set_markets(list(markets.values()))
        self._ccxt.heard = self._heard
        self._ccxt.final = self._final
        self._heard_at: dict[str, datetime] = {}
        self._pongs: dict[str, object] = {}
        self._finals: dict[str, dict[int, None]] = {}
        self._last_books: dict[str, tuple[object, object]] = {}
        """How each book was when it was last told: of several messages at once ccxt wakes its reader for the first."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await self._ccxt.close_ws_clients()
        # What is left of ccxt's requests, as for a whole book, would open a session of its own, that nobody closes.
        self._ccxt.own_session = False
        if self._ccxt.session is not None:
            await self._ccxt.session.close()
        await self._ccxt.close()

    def silent_since(self) -> datetime | None:
        """When the connection that has been silent longest was last heard; `None` while there is none."""
        for url, connection in (self._ccxt.clients or {}).items():
            if url not in self._heard_at or connection.lastPong != self._pongs.get(url):
                self._heard(url)
                self._pongs[url] = connection.lastPong
        return min((self._heard_at[url] for url in self._ccxt.clients or {}), default=None)

    @property
    def connected(self) -> bool:
        """Whether there is a connection, and all that were begun are made."""
        connections = (self._ccxt.clients or {}).values()
        return bool(connections) and all(connection.isConnected for connection in connections)

    async def book(self, symbol: str) -> Row:
        """The order book as it is once it has changed. Raises `StreamGap` and `VenueUnavailable`."""
        with self._watching(f"the order book of {symbol}"):
            book = (self._ccxt.orderbooks or {}).get(symbol)
            if book is None or _state(book) in (self._last_books.get(symbol), _EMPTY):
                book = await self._ccxt.watch_order_book(symbol)
            self._last_books[symbol] = _state(book)
            at = book["timestamp"]
            levels = {side: [list(level) for level in book[side]] for side in ("bids", "asks")}
            return {**levels, "timestamp": None if at is None else _at(at)}

    async def bars(self, symbol: str, timeframe: Timeframe) -> BarsTold:
        """Once a bar has changed. Raises `VenueUnavailable`."""
        with self._watching(f"candles of {symbol}"):
            if not self._finals.get(symbol):
                await self._ccxt.watch_ohlcv(symbol, str(timeframe))
            known = {int(row[0]): list(row) for row in self._ccxt.ohlcvs[symbol][str(timeframe)]}
            final = self._finals.pop(symbol, {})
            return BarsTold(final=[known[at] for at in sorted(final) if at in known], newest=_at(max(known)))

    async def orders(self, *, stops: bool) -> Sequence[Row]:
        """Own orders (or stops, where they are apart) that have changed. Raises `VenueUnavailable`.

        Of several changes of one order the last is told.
        """
        with self._watching("its own orders"):
            rows = await self._ccxt.watch_orders(params={"trigger": True} if stops else {})
            return [dict(row) for row in rows]

    def _heard(self, url: str) -> None:
        self._heard_at[url] = self._wall.now()

    def _final(self, symbol: str, opened_ms: int) -> None:
        finals = self._finals.setdefault(symbol, {})
        finals[opened_ms] = None
        if len(finals) > _MOST_FINALS:
            del finals[min(finals)]

    def _forget_failures(self) -> None:
        """ccxt leaves a failure that came while nobody waited where the next reader finds it again and again."""
        for connection in self._ccxt.clients.values():
            for name, waited_for in list(connection.futures.items()):
                if waited_for.done():
                    del connection.futures[name]

    @contextmanager
    def _watching(self, what: str) -> Generator[None]:
        """Whatever goes wrong is one error, so that a connection that failed is given up as a whole."""
        try:
            yield
        except self._gap as error:
            self._forget_failures()
            raise StreamGap(f"{self.exchange} has a gap in {what}") from error
        except self._errors as error:
            reason = visible(str(error), limit=200)
            raise VenueUnavailable(
                f"{self.exchange} stopped telling {what}: {type(error).__name__}: {reason}"
            ) from error
        except OSError as error:
            raise VenueUnavailable(
                f"{self.exchange} stopped telling {what}: {visible(str(error), limit=200)}"
            ) from error
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise VenueUnavailable(
                f"{self.exchange} told something of {what} that can't be read ({type(error).__name__})"
            ) from error
        except asyncio.CancelledError:
            # ccxt cancels who waits on a connection that it closes; only a task that was itself cancelled is.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise VenueUnavailable(f"{self.exchange} stopped telling {what}: the connection was closed") from None


_EMPTY = (None, None)
"""How a book is while the whole of it has been asked for."""


def _state(book: Row) -> tuple[object, object]:
    return book["nonce"], book["timestamp"]


def _at(milliseconds: object) -> datetime:
    return _EPOCH + int(str(milliseconds)) * _MILLISECOND
