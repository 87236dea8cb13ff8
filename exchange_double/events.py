"""What the engine tells as it happens, to whoever listens: streams are made of it.

Orders and stops are told one by one, as each has become. Markets are told to have changed, and are looked at by who
wants to know how: several changes may be one event.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from exchange_double.orders import Order
from exchange_double.stops import Stop


@dataclass(frozen=True, slots=True)
class OrderChanged:
    order: Order


@dataclass(frozen=True, slots=True)
class StopChanged:
    stop: Stop


@dataclass(frozen=True, slots=True)
class MarketChanged:
    """Book, last price or candles of one market, or all that the clock changes of it."""

    symbol: str


Event: TypeAlias = OrderChanged | StopChanged | MarketChanged
Listener: TypeAlias = Callable[[Event], None]
