"""What ccxt.pro's Bybit leaves out: that a book's messages are numbered, which kind of market is meant, and refusals.

Bybit numbers the messages of a book one by one (`u`), and a snapshot begins anew; ccxt doesn't look at the numbers.
One id names a spot pair and a perpetual. A subscription that is refused is waited for without end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class BybitStreaming:
    """Goes before ccxt.pro's class of Bybit."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        super().__init__(settings)  # type: ignore[call-arg]
        self.options: dict[str, object]
        # Else ccxt asks by REST before it logs in, signed by the machine's clock, for what only markets in USDC need.
        self.options |= {"enableUnifiedMargin": False, "enableUnifiedAccount": True}
        self._broken: dict[str, tuple[Any, str]] = {}
        """Of the books that lack a message: the connection and the topic."""

    def market_symbol(self, client: Any, market_id: str) -> str:
        kind = "spot" if "spot" in client.url else "contract"
        symbol: str = self.safe_symbol(market_id, None, None, kind)  # type: ignore[attr-defined]
        return symbol

    async def watch_order_book(self, symbol: str, limit: int | None = None, params: Any = None) -> Any:
        """After a gap the old subscription is ended first: Bybit refuses to begin it twice."""
        if symbol in self._broken:
            connection, topic = self._broken.pop(symbol)
            number = self.request_id()  # type: ignore[attr-defined]
            await connection.send({"op": "unsubscribe", "req_id": number, "args": [topic]})
        return await super().watch_order_book(symbol, limit, params or {})  # type: ignore[misc]

    def handle_order_book(self, client: Any, message: Any) -> None:
        symbol = self.market_symbol(client, message["data"]["s"])
        books: dict[str, Any] = self.orderbooks  # type: ignore[attr-defined]
        number = int(message["data"]["u"])
        if message["type"] != "snapshot":
            if symbol not in books:
                return  # of a subscription that was given up
            if number != books[symbol]["nonce"] + 1:
                self._give_up(client, message["topic"], symbol)
                return
        super().handle_order_book(client, message)  # type: ignore[misc]
        books[symbol]["nonce"] = number

    def handle_message(self, client: Any, message: Any) -> None:
        """A request that is refused ends the connection: what it asked for would be waited for in vain."""
        from ccxt import AuthenticationError, ExchangeError

        if message.get("success") is False:
            refused = AuthenticationError if message.get("op") == "auth" else ExchangeError
            client.on_error(refused(f"bybit {message.get('ret_msg')}"))
        else:
            super().handle_message(client, message)  # type: ignore[misc]

    def parse_order(self, order: Any, market: Any = None) -> Any:
        """A stream says of each order in which category it is; ccxt guesses it from which fields there are."""
        if market is None and "category" in order:
            kind = "spot" if order["category"] == "spot" else "contract"
            market = self.safe_market(order["symbol"], None, None, kind)  # type: ignore[attr-defined]
        return super().parse_order(order, market)  # type: ignore[misc]

    def _give_up(self, client: Any, topic: str, symbol: str) -> None:
        from ccxt import InvalidNonce

        del self.orderbooks[symbol]  # type: ignore[attr-defined]
        subscribed = f"orderbook:{symbol}"
        client.subscriptions.pop(subscribed, None)
        self._broken[symbol] = (client, topic)
        client.reject(InvalidNonce(f"bybit {topic} lacks a message"), subscribed)
