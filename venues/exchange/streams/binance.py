"""What ccxt.pro's Binance leaves out or gets wrong for us: which market a message is of, and when an account is told
no more.

By a stream's address ccxt tells spot from futures, which have the same ids of markets, and it knows the address by
Binance's own hosts. That nothing more is told of an account comes as a message that it passes over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LAST_WORDS = frozenset({"listenKeyExpired", "eventStreamTerminated", "serverShutdown"})
"""Events after which a connection tells nothing more of use, though it may stay open and answer pings."""

_CONNECTIONS = 4
"""To spot, and to either address of futures. ccxt would make one for each book; Binance takes 300 in five minutes."""


class BinanceStreaming:
    """Put before ccxt's class of it."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        super().__init__(settings)  # type: ignore[call-arg]
        # An event may come between the subscription and ccxt's preparing for it.
        self.balance: dict[str, object] = {"spot": {}}
        self.options: dict[str, Any]
        self.options["streamLimits"] = {"spot": _CONNECTIONS, "future": _CONNECTIONS}
        # Positions are asked of the venue, not of streams.
        self.options["watchPositions"] = {"fetchPositionsSnapshot": False}

    def is_spot_url(self, client: Any) -> bool:
        """Whether a connection is to spot's address, wherever that has been moved to."""
        spot: str = self.urls["api"]["ws"]["spot"]  # type: ignore[attr-defined]
        return str(client.url).startswith(f"{spot}/")

    def market_symbol(self, client: Any, market_id: str) -> str:
        kind = "spot" if self.is_spot_url(client) else "contract"
        symbol: str = self.safe_symbol(market_id, None, None, kind)  # type: ignore[attr-defined]
        return symbol

    async def authenticate(self, params: Any = {}) -> None:  # noqa: B006 - as ccxt has it
        """On spot the subscription is signed by the exchange's clock, which is asked for once.

        ccxt would send what it has no value for as `None`.
        """
        if self.options["defaultType"] == "spot" and not self.clients:  # type: ignore[attr-defined]
            await self.load_time_difference()  # type: ignore[attr-defined]
        non_null = {name: value for name, value in params.items() if value is not None}
        await super().authenticate(non_null)  # type: ignore[misc]

    def handle_message(self, client: Any, message: Any) -> None:
        from ccxt import NetworkError

        event = message.get("event", message) if isinstance(message, dict) else {}
        if isinstance(event, dict) and event.get("e") in _LAST_WORDS:
            client.on_error(NetworkError(f"the stream has ended: {event['e']}"))
            return
        super().handle_message(client, message)  # type: ignore[misc]

    async def close(self) -> None:
        """ccxt still means to keep its listen key alive long after: without one it does not."""
        self.options["future"] = {}
        await super().close()  # type: ignore[misc]
