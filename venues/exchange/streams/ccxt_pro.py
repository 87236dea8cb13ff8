"""ccxt.pro's class of one exchange, made to tell what we need: numbers as sent, when it was heard, which bar is final.

ccxt reads a book's levels into floats, and when a message can't be read its loop ends and the connection is silent for
good. Whether a bar is final is in the message and in nothing that ccxt hands out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from venues.exchange.numbers import as_sent, exact
from venues.exchange.streams.binance import BinanceStreaming
from venues.exchange.streams.bybit import BybitStreaming

Finals = Callable[[Any], tuple[str, tuple[int, ...]]]
"""The market's id, and when the bars that a message says are final opened, in milliseconds."""


def streaming(exchange: str) -> type[Any]:
    """The class, of an exchange that ccxt.pro has; its instances have `heard` and `final`."""
    import ccxt.pro as ccxt

    client = as_sent(getattr(ccxt, exchange))
    bases = (*_OF_ONE.get(exchange, ()), _Streaming, client)
    return type(client.__name__, bases, {"finals_of": staticmethod(_FINALS.get(exchange, _untold))})


def has_streams(exchange: str) -> bool:
    """Whether ccxt streams books of this exchange."""
    import ccxt.pro as ccxt

    known = getattr(ccxt, exchange, None)
    return known is not None and bool(known().has.get("watchOrderBook"))


class _Streaming:
    finals_of: Finals

    def __init__(self, settings: Mapping[str, object]) -> None:
        super().__init__(settings)  # type: ignore[call-arg]
        self.heard: Callable[[str], None] = _nobody
        """Told the address of a connection whenever a message has come on it."""
        self.final: Callable[[str, int], None] = _no_bar
        """Told symbol and opening time of each bar that is final."""

    @staticmethod
    def safe_float(values: Any, key: object, default: Decimal | None = None) -> Decimal | None:
        """What ccxt reads the levels of a book by."""
        try:
            return exact(values[key])
        except (LookupError, TypeError, ValueError):
            return default

    def client(self, url: str) -> Any:
        """A connection that reads messages as they were sent, and is given up when one can't be read."""
        client: Any = super().client(url)  # type: ignore[misc]
        client.handle_text_or_binary_message = lambda data: self._read(client, data)
        return client

    def handle_ohlcv(self, client: Any, message: Any) -> None:
        super().handle_ohlcv(client, message)  # type: ignore[misc]
        market_id, opened = self.finals_of(message)
        for opened_ms in opened:
            self.final(self.market_symbol(client, market_id), opened_ms)

    def market_symbol(self, client: Any, market_id: str) -> str:
        """The symbol of a market's id on a connection."""
        symbol: str = self.safe_symbol(market_id)  # type: ignore[attr-defined]
        return symbol

    def _read(self, client: Any, data: str | bytes) -> None:
        from ccxt import NetworkError

        text = data.decode() if isinstance(data, bytes) else data
        self.heard(client.url)
        try:
            message = json.loads(text, parse_float=str) if text[:1] in ("{", "[") else text
            client.on_message_callback(client, message)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            client.on_error(NetworkError(f"a message can't be read ({type(error).__name__})"))


def _okx(message: Any) -> tuple[str, tuple[int, ...]]:
    return message["arg"]["instId"], tuple(int(row[0]) for row in message["data"] if row[8] == "1")


def _binance(message: Any) -> tuple[str, tuple[int, ...]]:
    bar = message["k"]
    return bar["s"], (int(bar["t"]),) if bar["x"] else ()


def _bybit(message: Any) -> tuple[str, tuple[int, ...]]:
    return message["topic"].split(".")[-1], tuple(int(row["start"]) for row in message["data"] if row["confirm"])


def _untold(message: object) -> tuple[str, tuple[int, ...]]:
    """Nothing is known to be final: each bar is read by REST once the next one has begun."""
    return "", ()


_FINALS: Mapping[str, Finals] = {"okx": _okx, "binance": _binance, "bybit": _bybit}
_OF_ONE: Mapping[str, tuple[type[Any], ...]] = {"binance": (BinanceStreaming,), "bybit": (BybitStreaming,)}
"""What only one exchange needs, before what all do."""


def _nobody(url: str) -> None:
    """Where nobody listens."""


def _no_bar(symbol: str, opened_ms: int) -> None:
    """Where nobody listens."""
