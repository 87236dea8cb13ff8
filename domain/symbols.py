"""Symbols as people and exchanges write them, and what is probably meant."""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches
from typing import Final

_PARTS = re.compile(r"([A-Z0-9]{1,20})[-_/. ]([A-Z0-9]{1,20})(?:[-_:. ]([A-Z0-9]{1,20}))?")
_QUOTES: Final = (
    "USDT",
    "USDC",
    "FDUSD",
    "TUSD",
    "BUSD",
    "DAI",
    "USD",
    "EUR",
    "GBP",
    "JPY",
    "TRY",
    "BTC",
    "ETH",
    "BNB",
)
_MOST: Final = 45


def unified(text: str) -> str | None:
    """`BTC-USDT`, `btc_usdt` and `BTCUSDT` in ccxt's form, `BTC/USDT`; `None` for what can't be told."""
    name = text.strip().upper()
    if len(name) > _MOST:
        return None
    if parts := _PARTS.fullmatch(name):
        base, quote, settle = parts.groups()
        if settle in ("SWAP", "PERP"):
            settle = quote
        return f"{base}/{quote}" + (f":{settle}" if settle else "")
    for quote in _QUOTES:
        base = name.removesuffix(quote)
        if base and base != name and base.isascii() and base.isalnum():
            return f"{base}/{quote}"
    return None


def meant_symbol(text: str, *, there: Collection[str] = ()) -> str:
    """`; did you mean BTC/USDT?`, of those that are `there` where that is known; empty where nothing is alike."""
    symbol = unified(text)
    if there and symbol not in there:
        symbol = next(iter(get_close_matches(symbol or text.upper(), sorted(there), n=1)), None)
    return f"; did you mean {symbol}?" if symbol and symbol != text else ""
