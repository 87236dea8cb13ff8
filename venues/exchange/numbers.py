"""What an exchange sent, as it sent it: numbers as text and `Decimal`, never through a binary float."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any


def as_sent(client: type[Any]) -> type[Any]:
    """ccxt's class of one exchange, with numbers left as text, and nothing taken for an answer that isn't JSON.

    ccxt itself reads JSON numbers into floats when orjson is installed and into text when it isn't, and an order
    book's always into floats. From JSON that breaks off it reads an empty list.
    """
    from ccxt.base.exchange import Exchange

    plain = client.parse_order_book_bid_ask is Exchange.parse_order_book_bid_ask
    return type(client.__name__, (_AsSent, client), {"parse_order_book_bid_ask": _level} if plain else {})


class _AsSent:
    number = str

    def on_json_response(self, response_body: str) -> object:
        return json.loads(response_body, parse_float=str, parse_int=str)

    async def fetch(self, *args: Any, **named: Any) -> object:
        answer: object = await super().fetch(*args, **named)  # type: ignore[misc]
        if not isinstance(answer, dict | list):
            raise ValueError("the answer is not JSON")
        return answer


def _level(self: Any, level: object, price_key: int = 0, amount_key: int = 1, count_key: int = 2) -> list[Decimal]:
    """Price and size of one level of an order book; sorted by ccxt, so they must compare as numbers."""
    return [exact(self.safe_string(level, price_key)), exact(self.safe_string(level, amount_key))]


def exact(value: object) -> Decimal:
    """The number that `value` says. Raises `ValueError` for none, NaN and infinity.

    A float is taken for the shortest text that reads as it: what was sent, up to fifteen digits.
    """
    try:
        number = Decimal(value) if isinstance(value, Decimal | int) else Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a number") from None
    if not number.is_finite():
        raise ValueError(f"{value!r} is not a finite number")
    return number
