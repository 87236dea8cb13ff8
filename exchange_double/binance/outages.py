"""What Binance says when it can't or won't answer. After most of it nobody knows whether an order was carried out."""

from __future__ import annotations

from dataclasses import replace

from exchange_double.binance.call import refusal
from exchange_double.binance.errors import BinanceError
from exchange_double.wire import Answer, gateway_page

_RETRY_AFTER_S = {429: "1", 418: "120"}
_WORDS = {
    408: (-1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),
    418: (-1003, "Way too much request weight used; IP banned. Please use WebSocket Streams for live updates."),
    429: (
        -1003,
        "Too much request weight used; please use WebSocket Streams for live updates to avoid polling the API.",
    ),
    500: (-1001, "Internal error; unable to process your request. Please try again."),
    503: (-1006, "An unexpected response was received from the message bus. Execution status unknown."),
}


def outage(status: int) -> Answer:
    """Binance's own words for this status; of any other, such as 502 and 504, a gateway's page."""
    if status not in _WORDS:
        return gateway_page(status)
    told = refusal(BinanceError(*_WORDS[status], status=status))
    wait_s = _RETRY_AFTER_S.get(status)
    return replace(told, headers={"Retry-After": wait_s}) if wait_s else told


def maintenance() -> Answer:
    return refusal(BinanceError(1, "System is under maintenance.", status=503))
